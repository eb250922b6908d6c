"""What can be traded: futures with their contracts, and equities, as the venues would list them.

Owns ticks, multipliers, margins, contract months and the rule that says which contract is the active one. Knows no payload and no account.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

import msgspec

MONTHS: Final = "FGHJKMNQUVXZ"
FUTURE, EQUITY = "Future", "Equity"
_LISTED: Final = 6
_ONE_DAY: Final = timedelta(days=1)
_FRIDAY: Final = 4


class Product(msgspec.Struct, frozen=True):
    """One future: ``tick`` and ``base`` in points, ``multiplier`` in money per point, ``margin`` in money per contract."""

    root: str
    description: str
    tick: Decimal
    multiplier: Decimal
    months: str
    exchange: str
    suffix: str
    sector: str
    calendar: str
    margin: Decimal
    base: Decimal
    monthly: bool = False


class Listed(msgspec.Struct, frozen=True):
    """Something with a price: a contract of ``product``, or an equity."""

    symbol: str
    kind: str
    tick: Decimal
    multiplier: Decimal
    streamer_symbol: str
    description: str
    calendar: str
    base: Decimal
    margin: Decimal
    product: Product | None = None
    expires: date | None = None
    active: bool = False
    next_active: bool = False

    def on_tick(self, price: Decimal) -> bool:
        """Whether ``price`` is one the venue takes: an equity below 1.00 has a hundredth of the tick."""
        return price % (self.tick / 100 if self.kind == EQUITY and price < 1 else self.tick) == 0


def _product(root: str, description: str, tick: str, multiplier: str, margin: str, base: str) -> Product:
    terms = Decimal(tick), Decimal(multiplier)
    if root in ("CL", "MCL"):
        return Product(
            root, description, *terms, MONTHS, "NYMEX", "XNYM", "Energy", "CME_ENERGY", Decimal(margin), Decimal(base), monthly=True
        )
    return Product(root, description, *terms, "HMUZ", "CME", "XCME", "Equity Index", "CME_INDEX", Decimal(margin), Decimal(base))


PRODUCTS: Final[Mapping[str, Product]] = {
    row[0]: _product(*row)
    for row in (
        ("ES", "E Mini S&P", "0.25", "50", "22000", "6800"),
        ("MES", "Micro E Mini S&P", "0.25", "5", "2200", "6800"),
        ("NQ", "E Mini Nasdaq", "0.25", "20", "33000", "25000"),
        ("MNQ", "Micro E Mini Nasdaq", "0.25", "2", "3300", "25000"),
        ("CL", "Crude Oil", "0.01", "1000", "6000", "62"),
        ("MCL", "Micro Crude Oil", "0.01", "100", "600", "62"),
    )
}

EQUITIES: Final[Mapping[str, tuple[str, str, bool]]] = {
    "SPY": ("SPDR S&P 500 ETF Trust", "680", True),
    "QQQ": ("Invesco QQQ Trust", "610", True),
    "IWM": ("iShares Russell 2000 ETF", "240", True),
    "AAPL": ("Apple Inc.", "270", False),
    "MSFT": ("Microsoft Corporation", "480", False),
    "NVDA": ("NVIDIA Corporation", "180", False),
    "AMD": ("Advanced Micro Devices", "215", False),
    "TSLA": ("Tesla Inc.", "400", False),
    "INTC": ("Intel Corporation", "36", False),
    "AMZN": ("Amazon.com Inc.", "225", False),
    "META": ("Meta Platforms Inc.", "600", False),
    "GOOGL": ("Alphabet Inc.", "300", False),
    "TQQQ": ("ProShares UltraPro QQQ", "100", True),
    "SIRI": ("Sirius XM Holdings", "0.95", False),
}
"""Description, base price, whether it is a fund."""


@lru_cache(maxsize=64)
def contracts(root: str, today: date) -> tuple[Listed, ...]:
    """The next contracts of ``root``, the soonest first; the active one is the first that does not roll yet."""
    product = PRODUCTS[root]
    found: list[Listed] = []
    year, month = today.year, today.month
    rolled = False
    while len(found) < _LISTED:
        code = MONTHS[month - 1]
        expires = _expiry(product, year, month)
        if code in product.months and expires >= today:
            active = not rolled and today < _roll(product, expires)
            next_active = rolled and len(found) > 0 and found[-1].active
            rolled = rolled or active
            found.append(_contract(product, code, year, expires, active, next_active))
        year, month = (year, month + 1) if month < len(MONTHS) else (year + 1, 1)
    return tuple(found)


@lru_cache(maxsize=256)
def find(symbol: str, today: date) -> Listed | None:
    """The contract or equity of that name; None when the venue lists none."""
    if symbol.startswith("/"):
        for root in PRODUCTS:
            if symbol.startswith(f"/{root}") and len(symbol) == len(root) + 3:
                return next((contract for contract in contracts(root, today) if contract.symbol == symbol), None)
        return None
    row = EQUITIES.get(symbol)
    if row is None:
        return None
    base = Decimal(row[1])
    return Listed(symbol, EQUITY, Decimal("0.01"), Decimal(1), symbol, row[0], "NYSE", base, base / 2)


def _contract(product: Product, code: str, year: int, expires: date, active: bool, next_active: bool) -> Listed:
    return Listed(
        symbol=f"/{product.root}{code}{year % 10}",
        kind=FUTURE,
        tick=product.tick,
        multiplier=product.multiplier,
        streamer_symbol=f"/{product.root}{code}{year % 100:02}:{product.suffix}",
        description=product.description,
        calendar=product.calendar,
        base=product.base,
        margin=product.margin,
        product=product,
        expires=expires,
        active=active,
        next_active=next_active,
    )


def _expiry(product: Product, year: int, month: int) -> date:
    """Index futures end on the third Friday; crude oil three weekdays before the 25th of the month before."""
    if not product.monthly:
        first = date(year, month, 1)
        return first + timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)
    before = date(year, month, 1) - _ONE_DAY
    return _weekdays_before(before.replace(day=25), 3)


def _roll(product: Product, expires: date) -> date:
    return _weekdays_before(expires, 5 if product.monthly else 4)


def _weekdays_before(day: date, count: int) -> date:
    while count:
        day -= _ONE_DAY
        count -= day.weekday() <= _FRIDAY
    return day
