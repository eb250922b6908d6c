"""What TastyTrade tells of the world: instruments and sessions.

Owns the keys of those answers. Knows no account and no order.
"""

from typing import Any

from fortified.simulators.hours import Hours, TradingHours
from fortified.simulators.instruments import EQUITIES, Listed, Product
from fortified.simulators.tastytrade.shapes import iso, money


def equity_shape(listed: Listed) -> dict[str, Any]:
    """An equity with its table of ticks."""
    return {
        "active": True,
        "bypass-manual-review": False,
        "description": listed.description,
        "id": sum(ord(letter) * 31**place for place, letter in enumerate(listed.symbol)),
        "instrument-type": "Equity",
        "is-closing-only": False,
        "is-etf": EQUITIES[listed.symbol][2],
        "is-fraud-risk": False,
        "is-illiquid": False,
        "is-index": False,
        "is-options-closing-only": False,
        "lendability": "Easy To Borrow",
        "listed-market": "XNAS",
        "market-time-instrument-collection": "Equity",
        "overnight-trading-permitted": False,
        "short-description": listed.description,
        "streamer-symbol": listed.streamer_symbol,
        "symbol": listed.symbol,
        "tick-sizes": [{"threshold": "1.0", "value": money(listed.tick / 100)}, {"value": money(listed.tick)}],
    }


def future_shape(listed: Listed, successor: str | None) -> dict[str, Any]:
    """A contract with its product. ``successor``: the symbol it rolls into."""
    product, expires = listed.product, listed.expires
    assert product is not None
    assert expires is not None
    ends = f"{expires.isoformat()}T14:30:00.000+00:00"
    shape = {
        "active": True,
        "active-month": listed.active,
        "back-month-first-calendar-symbol": not product.monthly,
        "closing-only-date": expires.isoformat(),
        "contract-size": money(product.multiplier),
        "display-factor": "0.01",
        "exchange": "CME",
        "exchange-symbol": listed.symbol[1:],
        "expiration-date": expires.isoformat(),
        "expires-at": ends,
        "product-group": f"CME_{product.root}",
        "is-closing-only": False,
        "last-trade-date": expires.isoformat(),
        "main-fraction": "0.0",
        "next-active-month": listed.next_active,
        "notional-multiplier": money(product.multiplier),
        "product-code": product.root,
        "security-id": str(sum(map(ord, listed.symbol))),
        "stops-trading-at": ends,
        "streamer-exchange-code": product.suffix,
        "streamer-symbol": listed.streamer_symbol,
        "sub-fraction": "0.0",
        "symbol": listed.symbol,
        "tick-size": money(product.tick),
        "is-tradeable": True,
        "future-product": product_shape(product),
        "tick-sizes": [{"value": money(product.tick)}],
    }
    return shape if successor is None else {**shape, "roll-target-symbol": successor}


def product_shape(product: Product) -> dict[str, Any]:
    """A product with its months and its roll."""
    return {
        "active-months": list(product.months),
        "back-month-first-calendar-symbol": not product.monthly,
        "cash-settled": not product.monthly,
        "clearing-code": product.root,
        "clearing-exchange-code": "16",
        "clearport-code": product.root,
        "code": product.root,
        "description": product.description,
        "display-factor": "0.01",
        "exchange": "CME",
        "first-notice": False,
        "legacy-code": product.root,
        "legacy-exchange-code": product.exchange,
        "listed-months": list(product.months),
        "market-sector": product.sector,
        "notional-multiplier": money(product.multiplier),
        "product-type": "Physical" if product.monthly else "Financial",
        "security-group": product.root,
        "small-notional": product.root.startswith("M"),
        "streamer-exchange-code": product.suffix,
        "supported": True,
        "root-symbol": f"/{product.root}",
        "tick-size": money(product.tick),
        "roll": {
            "active-count": 13 if product.monthly else 6,
            "business-days-offset": 5 if product.monthly else 4,
            "cash-settled": not product.monthly,
            "first-notice": False,
            "name": "energies" if product.monthly else "expanded_offering_equity_index",
        },
    }


def session_shape(collection: str, hours: Hours, calendar: str, which: str, now_ns: int) -> dict[str, Any]:
    """The current, next or previous session of a collection of instruments."""
    current = hours.session(calendar, now_ns)
    following, before = hours.after(calendar, current), hours.before(calendar, current)
    if which == "next":
        return _session(collection, following)
    if which == "previous":
        return _session(collection, before)
    shape = {
        **_session(collection, current),
        "next-session": _session(collection, following),
        "previous-session": _session(collection, before),
        "state": _state(current, now_ns),
    }
    del shape["session-date"]
    return shape


def _session(collection: str, session: TradingHours) -> dict[str, Any]:
    return {
        "close-at": iso(session.close_ns),
        "close-at-ext": iso(session.end_ns),
        "instrument-collection": collection,
        "open-at": iso(session.open_ns),
        "session-date": session.day.isoformat(),
        "start-at": iso(session.start_ns),
    }


def _state(session: TradingHours, now_ns: int) -> str:
    if not session.start_ns <= now_ns < session.end_ns:
        return "Closed"
    if now_ns < session.open_ns:
        return "Pre-market"
    return "Open" if now_ns < session.close_ns else "Extended"
