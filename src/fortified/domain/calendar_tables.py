"""When each group of products trades: hours, holidays, early closes.

Owns the numbers only; ``calendar`` makes sessions of them. Times are minutes of local wall time counted from midnight
of the trading day, so the evening before is negative. Meant for 2018 to 2027; other years follow the same rules. Halts
inside a session are not breaks of it (no trade prints, no bar restarts): the pause of equity-index futures at
15:15-15:30 Chicago until 25 June 2021, and the maintenance of crypto futures since they trade around the clock (two
minutes after 16:00 Chicago, some hours at the weekend).
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec

from fortified.domain.us_holidays import Holiday

type Closes = Mapping[Holiday, int]

CLOSED: Final = -10_000  # before every opening: the day has no session


class Hours(msgspec.Struct, frozen=True):
    """One session of a trading day, [open, close) in minutes."""

    open: int
    close: int


class CalendarRow(msgspec.Struct, frozen=True):
    """The hours and holidays of one group.

    ``closes``: early closes from a first year on, latest first. ``exceptions``: dates that go before them.
    ``reopens``: the day after that holiday opens not before this minute.
    ``joined``: a session opens on the trading day before its own, so weekends and holidays are part of it.
    ``then``: from this trading day on, another row holds.
    """

    timezone: str
    hours: tuple[Hours, ...]
    closes: tuple[tuple[int, Closes], ...]
    exceptions: Mapping[date, int] = {}
    reopens: Mapping[Holiday, int] = {}
    joined: bool = False
    then: "tuple[date, CalendarRow] | None" = None


def _at(hour: int, minute: int = 0) -> int:
    return 60 * hour + minute


_CHICAGO: Final = "America/Chicago"
_NEW_YORK: Final = "America/New_York"
_GLOBEX: Final = (Hours(_at(17) - _at(24), _at(16)),)
_BUSH, _CARTER = date(2018, 12, 5), date(2025, 1, 9)  # national days of mourning
_LABOR_2022: Final = {date(2022, 9, 5): _at(12)}  # an earlier halt than on the other holidays since 2022

_BOUNDARY_CLOSED: Final = {Holiday.NEW_YEAR: CLOSED, Holiday.GOOD_FRIDAY: CLOSED, Holiday.CHRISTMAS: CLOSED}
_MONDAYS: Final = (Holiday.KING, Holiday.PRESIDENTS, Holiday.MEMORIAL, Holiday.LABOR)
_FRIDAYS: Final = (Holiday.JUNETEENTH_FRIDAY, Holiday.INDEPENDENCE_FRIDAY)
_HALTED: Final = (*_MONDAYS, *_FRIDAYS, Holiday.JUNETEENTH, Holiday.INDEPENDENCE, Holiday.THANKSGIVING)
_EVES: Final = (Holiday.AFTER_THANKSGIVING, Holiday.CHRISTMAS_EVE)

_INDEX: Final = {
    **_BOUNDARY_CLOSED,
    **dict.fromkeys(_HALTED, _at(12)),
    **dict.fromkeys((*_EVES, Holiday.INDEPENDENCE_EVE), _at(12, 15)),
    Holiday.GOOD_FRIDAY_OF_JOBS_REPORT: _at(8, 15),
}
_RATES: Final = {
    **_BOUNDARY_CLOSED,
    **dict.fromkeys(_HALTED, _at(12)),
    **dict.fromkeys(_EVES, _at(12, 15)),
    Holiday.GOOD_FRIDAY_OF_JOBS_REPORT: _at(10, 15),
}
# Since 2022 currencies trade on through a holiday that another session follows.
_FX: Final = {
    **_BOUNDARY_CLOSED,
    **dict.fromkeys(_FRIDAYS, _at(12)),
    **dict.fromkeys(_EVES, _at(12, 15)),
    Holiday.GOOD_FRIDAY_OF_JOBS_REPORT: _at(10, 15),
}
_COMMODITIES: Final = {
    **_BOUNDARY_CLOSED,
    **dict.fromkeys(_HALTED, _at(13, 30)),
    **dict.fromkeys(_FRIDAYS, _at(12)),
    **dict.fromkeys(_EVES, _at(12, 45)),
    Holiday.GOOD_FRIDAY_OF_JOBS_REPORT: CLOSED,
}
_COMMODITIES_TO_2021: Final = {**_COMMODITIES, **dict.fromkeys(_HALTED, _at(12))}
_COMMODITIES_FROM_2026: Final = {**_COMMODITIES, Holiday.AFTER_THANKSGIVING: _at(13, 45)}
_CRYPTO: Final = {**_FX, Holiday.AFTER_THANKSGIVING: _at(12, 45)}
_CRYPTO_2021: Final = {**_INDEX, Holiday.AFTER_THANKSGIVING: _at(12, 45)}
_NO_TRADE_DATE: Final = {
    **_BOUNDARY_CLOSED,
    **dict.fromkeys(_HALTED, CLOSED),
    Holiday.GOOD_FRIDAY_OF_JOBS_REPORT: CLOSED,
}
_AGRICULTURE: Final = {**_NO_TRADE_DATE, **dict.fromkeys(_EVES, _at(12, 5))}
_AGRICULTURE_TO_2021: Final = {**_AGRICULTURE, Holiday.INDEPENDENCE_EVE: _at(12, 5)}
_FARM_YEARS: Final = ((2022, _AGRICULTURE), (0, _AGRICULTURE_TO_2021))
_MORNING_AFTER: Final = (Holiday.NEW_YEAR, Holiday.INDEPENDENCE, Holiday.THANKSGIVING, Holiday.CHRISTMAS)
_SHARE_EVES: Final = (*_EVES, Holiday.INDEPENDENCE_EVE)

_ENERGY_AND_METALS: Final = CalendarRow(
    _CHICAGO, _GLOBEX, ((2026, _COMMODITIES_FROM_2026), (2022, _COMMODITIES), (0, _COMMODITIES_TO_2021)), _LABOR_2022
)
_CRYPTO_AROUND_THE_CLOCK: Final = CalendarRow(_CHICAGO, (Hours(_at(16) - _at(24), _at(16)),), ((0, _NO_TRADE_DATE),), joined=True)
_NO_SHARES: Final = {_BUSH: CLOSED, _CARTER: CLOSED}

CALENDARS: Final[Mapping[str, CalendarRow]] = {
    "CME_INDEX": CalendarRow(_CHICAGO, _GLOBEX, ((0, _INDEX),), {_BUSH: _at(8, 30), _CARTER: _at(8, 30)}),
    "CME_ENERGY": _ENERGY_AND_METALS,
    "CME_METALS": _ENERGY_AND_METALS,
    "CME_RATES": CalendarRow(_CHICAGO, _GLOBEX, ((0, _RATES),), {_BUSH: CLOSED, _CARTER: _at(12, 15)}),
    "CME_FX": CalendarRow(_CHICAGO, _GLOBEX, ((2022, _FX), (0, _RATES)), _LABOR_2022),
    "CME_CRYPTO": CalendarRow(
        _CHICAGO,
        _GLOBEX,
        ((2022, _CRYPTO), (2021, _CRYPTO_2021), (0, _INDEX)),
        then=(date(2026, 6, 1), _CRYPTO_AROUND_THE_CLOCK),
    ),
    "CME_GRAINS": CalendarRow(
        _CHICAGO,
        (Hours(_at(19) - _at(24), _at(7, 45)), Hours(_at(8, 30), _at(13, 20))),
        _FARM_YEARS,
        {_CARTER: _at(12, 15)},
        dict.fromkeys(_MORNING_AFTER, _at(8, 30)),
    ),
    "CME_LIVESTOCK": CalendarRow(_CHICAGO, (Hours(_at(8, 30), _at(13, 5)),), _FARM_YEARS, {_CARTER: _at(12, 15)}),
    "NYSE": CalendarRow(
        _NEW_YORK,
        (Hours(_at(9, 30), _at(16)),),
        ((0, {**_NO_TRADE_DATE, **dict.fromkeys(_SHARE_EVES, _at(13))}),),
        _NO_SHARES,
    ),
    "NYSE_EXTENDED": CalendarRow(
        _NEW_YORK,
        (Hours(_at(4), _at(20)),),
        ((0, {**_NO_TRADE_DATE, **dict.fromkeys(_SHARE_EVES, _at(17))}),),
        _NO_SHARES,
    ),
}

ALIASES: Final[Mapping[str, str]] = {
    "CME": "CME_INDEX",
    "CME_EQUITY": "CME_INDEX",
    "NYMEX": "CME_ENERGY",
    "COMEX": "CME_METALS",
    "US_EQUITY": "NYSE",
    "NASDAQ": "NYSE",
    "US_EQUITY_EXTENDED": "NYSE_EXTENDED",
    "NASDAQ_EXTENDED": "NYSE_EXTENDED",
}
