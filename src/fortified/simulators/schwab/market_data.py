"""Schwab's market data interface: quotes, minutes and days of the past, hours.

Owns which combinations of periods and frequencies exist, and the shapes of the answers. Knows no account.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from fortified.simulators.hours import NS
from fortified.simulators.instruments import EQUITIES, EQUITY, Listed
from fortified.simulators.market import Candle, Ticker
from fortified.simulators.messages import HttpError, Reply, Request, Routes, json_reply
from fortified.simulators.schwab.shapes import cusip, instrument_id
from fortified.simulators.schwab.venue import SchwabVenue

_MS: Final = 1_000_000
_MINUTE_NS: Final = 60 * NS
_DAY_NS: Final = 86_400 * NS
_MOST: Final = 20_000
_EASTERN: Final = ZoneInfo("America/New_York")
_PERIODS: Final = {
    "day": ((1, 2, 3, 4, 5, 10), 10, ("minute",)),
    "month": ((1, 2, 3, 6), 1, ("daily", "weekly")),
    "year": ((1, 2, 3, 5, 10, 15, 20), 1, ("daily", "weekly", "monthly")),
    "ytd": ((1,), 1, ("daily", "weekly")),
}
"""The periods of each type, the default one, and its frequency types."""
_MINUTES: Final = (1, 5, 10, 15, 30)
_LENGTHS: Final = {"day": 1, "month": 30, "year": 365, "ytd": 365}


class MarketData:
    """The endpoints below ``/marketdata/v1``."""

    def __init__(self, venue: SchwabVenue) -> None:
        self._venue = venue

    def add_to(self, routes: Routes) -> None:
        """Make the endpoints known."""
        routes.add("GET", "/marketdata/v1/pricehistory", self._history)
        routes.add("GET", "/marketdata/v1/quotes", self._quotes)
        routes.add("GET", "/marketdata/v1/{symbol}/quotes", self._quote)
        routes.add("GET", "/marketdata/v1/markets", self._hours)

    # --- history

    def _history(self, request: Request) -> Reply:
        listed = self._listed(request.get("symbol") or "")
        kind = request.get("periodType") or "day"
        if kind not in _PERIODS:
            raise _refused(f"periodType {kind} is not valid.")
        periods, usual, frequency_types = _PERIODS[kind]
        period = int(request.get("period") or usual)
        frequency_type = request.get("frequencyType") or frequency_types[-1]
        frequency = int(request.get("frequency") or 1)
        if (
            period not in periods
            or frequency_type not in frequency_types
            or (frequency not in _MINUTES if kind == "day" else frequency != 1)
        ):
            raise _refused("periodType, period, frequencyType and frequency do not go together.")
        end = self._end(request)
        start = int(request.get("startDate") or 0) * _MS or end - period * _LENGTHS[kind] * _DAY_NS
        extended = (request.get("needExtendedHoursData") or "true").lower() == "true"
        if frequency_type == "minute":
            found = list(self._bars(listed, start, end, frequency * _MINUTE_NS, extended=extended))
        else:
            found = list(self._days(listed, start, end))
        candles = [_candle(bar) for bar in found[-_MOST:]]
        payload: dict[str, Any] = {"candles": candles, "symbol": listed.symbol, "empty": not candles}
        if (request.get("needPreviousClose") or "false").lower() == "true":
            payload |= {"previousClose": float(listed.base), "previousCloseDate": start // _MS}
        return json_reply(payload)

    def _end(self, request: Request) -> int:
        """Without an end it is the close of the business day before, which surprises."""
        given = request.get("endDate")
        if given is not None:
            return int(given) * _MS
        hours, now = self._venue.exchange.hours, self._venue.clock.now_ns()
        return hours.before("NYSE", hours.session("NYSE", now)).close_ns

    def _bars(self, listed: Listed, start: int, end: int, length: int, *, extended: bool) -> Iterator[Candle]:
        """The bars of all sessions within; none that is not over."""
        hours, now = self._venue.exchange.hours, self._venue.clock.now_ns()
        session = hours.session("NYSE", start)
        while session.start_ns < end:
            first, last = (session.start_ns, session.end_ns) if extended else (session.open_ns, session.close_ns)
            opening = first + max(0, -(-(start - first) // length)) * length
            for begin in range(opening, min(last, end), length):
                if begin + length <= now:
                    yield self._bar(listed, begin, length)
            session = hours.after("NYSE", session)

    def _bar(self, listed: Listed, begin: int, length: int) -> Candle:
        """From the ticks where they were seen as a whole minute, else invented as the ticks would have been."""
        ticker = self._venue.exchange.market.tickers.get(listed.symbol)
        seen = [bar for bar in ticker.minutes if begin <= bar.start_ns < begin + length] if ticker else []
        if length == _MINUTE_NS and seen:
            return seen[0]
        return self._venue.history.candle(listed, begin, length)

    def _days(self, listed: Listed, start: int, end: int) -> Iterator[Candle]:
        hours = self._venue.exchange.hours
        session = hours.session("NYSE", start)
        while session.close_ns <= end:
            bar = self._venue.history.candle(listed, session.open_ns, session.close_ns - session.open_ns)
            midnight = datetime(session.day.year, session.day.month, session.day.day, tzinfo=_EASTERN)
            yield Candle(int(midnight.timestamp()) * NS, bar.open, bar.high, bar.low, bar.close, bar.volume)
            session = hours.after("NYSE", session)

    # --- now

    def _quotes(self, request: Request) -> Reply:
        symbols = (request.get("symbols") or "").split(",")
        found = {symbol: self._quote_shape(symbol) for symbol in symbols if symbol in EQUITIES}
        wrong = [symbol for symbol in symbols if symbol and symbol not in EQUITIES]
        return json_reply({**found, "errors": {"invalidSymbols": wrong}} if wrong else found)

    def _quote(self, request: Request, symbol: str) -> Reply:
        self._listed(symbol)
        return json_reply({symbol: self._quote_shape(symbol)})

    def _quote_shape(self, symbol: str) -> dict[str, Any]:
        listed = self._listed(symbol)
        ticker = self._venue.exchange.market.tickers.get(symbol)
        price = ticker.last.price if ticker else listed.base
        return {
            "assetMainType": "EQUITY",
            "assetSubType": "ETF" if EQUITIES[symbol][2] else "COE",
            "quoteType": "NBBO",
            "realtime": True,
            "ssid": instrument_id(symbol),
            "symbol": symbol,
            "quote": _quote(listed, ticker),
            "reference": {
                "cusip": cusip(symbol),
                "description": listed.description.upper(),
                "exchange": "Q",
                "exchangeName": "NASDAQ",
                "isHardToBorrow": False,
                "isShortable": True,
                "htbRate": 0.0,
            },
            "regular": {
                "regularMarketLastPrice": float(price),
                "regularMarketLastSize": 100,
                "regularMarketNetChange": float(price - listed.base),
                "regularMarketPercentChange": float((price - listed.base) / listed.base * 100),
                "regularMarketTradeTime": ticker.last.ts_ns // _MS if ticker else 0,
            },
        }

    def _hours(self, request: Request) -> Reply:
        """Only equities; the date is today unless one is given."""
        text = request.get("date")
        hours, now = self._venue.exchange.hours, self._venue.clock.now_ns()
        day = datetime.fromisoformat(text) if text else datetime.fromtimestamp(now // NS, _EASTERN)
        noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=_EASTERN).timestamp()) * NS
        session = hours.session("NYSE", noon)
        shape: dict[str, Any] = {"date": f"{day:%Y-%m-%d}", "marketType": "EQUITY", "product": "EQ", "productName": "equity"}
        if session.start_ns > noon:
            return json_reply({"equity": {"equity": {**shape, "product": "equity", "isOpen": False}}})
        spans = {
            "preMarket": (session.start_ns, session.open_ns),
            "regularMarket": (session.open_ns, session.close_ns),
            "postMarket": (session.close_ns, session.end_ns),
        }
        told = {name: [{"start": _local(begin), "end": _local(end)}] for name, (begin, end) in spans.items()}
        return json_reply({"equity": {"EQ": {**shape, "isOpen": True, "sessionHours": told}}})

    def _listed(self, symbol: str) -> Listed:
        listed = self._venue.exchange.find(symbol)
        if listed is None or listed.kind != EQUITY:
            raise _refused(f"Symbol {symbol} not found.", 404)
        return listed


def _quote(listed: Listed, ticker: Ticker | None) -> dict[str, Any]:
    bid, ask, last = (ticker.last.bid, ticker.last.ask, ticker.last.price) if ticker else (listed.base, listed.base, listed.base)
    at = ticker.last.ts_ns // _MS if ticker else 0
    change = last - listed.base
    percent = float(change / listed.base * Decimal(100))
    return {
        "52WeekHigh": float(listed.base * Decimal("1.3")),
        "52WeekLow": float(listed.base * Decimal("0.7")),
        "askMICId": "XNAS",
        "askPrice": float(ask),
        "askSize": ticker.ask_size if ticker else 0,
        "askTime": at,
        "bidMICId": "XNAS",
        "bidPrice": float(bid),
        "bidSize": ticker.bid_size if ticker else 0,
        "bidTime": at,
        "closePrice": float(listed.base),
        "highPrice": float(ticker.high if ticker else last),
        "lastMICId": "XADF",
        "lastPrice": float(last),
        "lastSize": ticker.last.size if ticker else 0,
        "lowPrice": float(ticker.low if ticker else last),
        "mark": float(last),
        "markChange": float(change),
        "markPercentChange": percent,
        "netChange": float(change),
        "netPercentChange": percent,
        "openPrice": float(ticker.open if ticker else last),
        "postMarketChange": 0.0,
        "postMarketPercentChange": 0.0,
        "quoteTime": at,
        "securityStatus": "Normal",
        "totalVolume": ticker.volume if ticker else 0,
        "tradeTime": at,
    }


def _candle(bar: Candle) -> dict[str, Any]:
    prices = {"open": float(bar.open), "high": float(bar.high), "low": float(bar.low), "close": float(bar.close)}
    return {**prices, "volume": bar.volume, "datetime": bar.start_ns // _MS}


def _local(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // NS, _EASTERN).isoformat()


def _refused(detail: str, status: int = 400) -> HttpError:
    error = {"id": "00000000-0000-4000-8000-000000000000", "status": str(status), "title": "Bad Request", "detail": detail}
    return HttpError(json_reply({"errors": [error]}, status))
