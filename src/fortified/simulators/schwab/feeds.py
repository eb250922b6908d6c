"""What the streamer says of the market: the fields of LEVELONE_EQUITIES and the bars of CHART_EQUITY.

Owns field numbers. Bars come in the order of real frames, which the published table has wrong. Knows no subscriber.
"""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from fortified.simulators.instruments import EQUITIES, Listed
from fortified.simulators.market import Candle, Ticker
from fortified.simulators.schwab.shapes import cusip

_MS: Final = 1_000_000
_NS: Final = 1_000_000_000
_DAY_S: Final = 86_400
_SEVEN: Final = 7 * 60
_EASTERN: Final = ZoneInfo("America/New_York")


def level_one(listed: Listed, ticker: Ticker) -> dict[str, Any]:
    """All fields that are told, by their numbers. Sizes are shares."""
    last, change = ticker.last, float(ticker.last.price - ticker.previous_close)
    at = last.ts_ns // _MS
    percent = change / float(ticker.previous_close) * 100
    return {
        **{
            "1": float(last.bid),
            "2": float(last.ask),
            "3": float(last.price),
            "4": ticker.bid_size,
            "5": ticker.ask_size,
            "6": "P",
            "7": "Q",
        },
        **{"8": ticker.volume, "9": last.size, "10": float(ticker.high), "11": float(ticker.low), "12": float(ticker.previous_close)},
        **{"13": "Q", "14": True, "15": listed.description.upper(), "16": "D", "17": float(ticker.open), "18": change, "26": "NASDAQ"},
        **{"27": True, "28": True, "29": float(last.price), "30": last.size, "31": change, "32": "Normal", "33": float(last.price)},
        **{"34": at, "35": at, "36": at, "37": at, "38": at, "42": percent, "43": percent, "44": change, "45": percent, "49": 1},
    }


def about(symbol: str) -> dict[str, Any]:
    """What a full image says besides its fields."""
    kind = "ETF" if EQUITIES[symbol][2] else "COE"
    return {"key": symbol, "delayed": False, "assetMainType": "EQUITY", "assetSubType": kind, "cusip": cusip(symbol)}


def chart(symbol: str, bar: Candle, seq: int) -> dict[str, Any]:
    """One minute: 1 is the number of the minute since 07:00 in New York, 2 to 6 are prices and volume, 7 its beginning, 8 the day."""
    local = datetime.fromtimestamp(bar.start_ns // _NS, _EASTERN)
    return {
        "seq": seq,
        "key": symbol,
        "1": local.hour * 60 + local.minute - _SEVEN,
        "2": float(bar.open),
        "3": float(bar.high),
        "4": float(bar.low),
        "5": float(bar.close),
        "6": float(bar.volume),
        "7": bar.start_ns // _MS,
        "8": bar.start_ns // _NS // _DAY_S,
    }
