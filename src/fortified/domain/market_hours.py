"""What a trader asks of the clock: is it open, until when, why does it close early, is it within my hours.

Owns windows of local time, and the reading of a calendar at an instant or on a date. Knows no clock: the caller says which instant.
Zones are those of the IANA database by their place; an abbreviation or an offset is refused, for it would be wrong half of the year.
"""

import functools
import re
from bisect import bisect_left
from datetime import date, datetime, timedelta
from itertools import islice, takewhile
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from fortified.domain.calendar import CONTINUOUS, Calendar, Session
from fortified.domain.calendar_tables import CALENDARS, CalendarRow
from fortified.domain.errors import ConfigError
from fortified.domain.us_holidays import us_holidays

WEEKEND: Final = "weekend"
MOURNING: Final = "national day of mourning"

_NS_PER_SECOND: Final = 1_000_000_000
_EVER: Final = 2**63 - 1
_ONE_DAY: Final = timedelta(days=1)
_MINUTES_PER_DAY: Final = 1_440
_SATURDAY: Final = 5


# --- zones and wall clocks -------------------------------------------------------------------------------------------

_PLACES: Final = {
    **dict.fromkeys(("ET", "EST", "EDT", "EST5EDT", "EASTERN"), "America/New_York"),
    **dict.fromkeys(("CT", "CST", "CDT", "CST6CDT", "CENTRAL"), "America/Chicago"),
    **dict.fromkeys(("MT", "MST", "MDT", "MST7MDT", "MOUNTAIN"), "America/Denver"),
    **dict.fromkeys(("PT", "PST", "PDT", "PST8PDT", "PACIFIC"), "America/Los_Angeles"),
    **dict.fromkeys(("GMT", "BST", "WET"), "Europe/London"),
    **dict.fromkeys(("CET", "CEST", "MET"), "Europe/Berlin"),
    **dict.fromkeys(("UCT", "ZULU", "Z", "ETC/UTC"), "UTC"),
    **{"JST": "Asia/Tokyo", "HKT": "Asia/Hong_Kong", "HST": "Pacific/Honolulu"},
}
_NOT_PLACES: Final = ("Etc/", "posix/", "right/")


def named_zone(name: str) -> ZoneInfo:
    """The zone of a place, such as ``America/New_York``, or ``UTC``.

    Raises:
        ConfigError: the name is an abbreviation, an offset or unknown; the zone to write is named.
    """
    place = _PLACES.get(name.upper())
    if place is not None:
        raise ConfigError(f"{name!r} does not name a place, so it does not say when clocks change; write {place}")
    try:
        if name != "UTC" and ("/" not in name or name.startswith(_NOT_PLACES)):
            raise ZoneInfoNotFoundError
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"{name!r} is no time zone of a place; write its IANA name, such as America/New_York, America/Chicago, UTC"
        ) from None


def wall_time(ts_ns: int, zone: ZoneInfo) -> datetime:
    """What a clock in ``zone`` shows at ``ts_ns``, to the second."""
    return datetime.fromtimestamp(ts_ns // _NS_PER_SECOND, zone)


def _first_instant(zone: ZoneInfo, day: date, minute: int) -> int:
    """The first second, counted as UNIX time, at which clocks show ``minute`` of ``day`` or are past it, where they skip it."""
    shown = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)
    first, second = (int(shown.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1))
    if first <= second:
        return first
    return second + bisect_left(range(second, first), True, key=lambda ts: datetime.fromtimestamp(ts, zone).replace(tzinfo=None) >= shown)


# --- windows ---------------------------------------------------------------------------------------------------------

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS: Final = re.compile(r"(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)")
_DAY_RANGE: Final = re.compile(rf"({'|'.join(_DAYS)})(?:-({'|'.join(_DAYS)}))?")
_WRITE: Final = "write it as 09:30-15:45 America/New_York, or mon-fri 09:30-15:45 America/New_York"


class _Stretch(NamedTuple):
    """An answer and how long it holds: [since, until) in UTC nanoseconds is inside of the window, or outside."""

    since: int
    until: int
    inside: bool


class Window:
    """Hours of the day in a zone, [opening, closing), on some days of the week: those on which it opens.

    It may run over midnight. Each boundary is the first instant at which the clocks of the zone show it; where they skip it, the one at
    which they are put forward. So on the day on which clocks change, too, it opens once and closes once.
    """

    def __init__(self, opening: int, closing: int, zone: ZoneInfo, days: tuple[int, ...] = tuple(range(7))) -> None:
        """``opening`` and ``closing`` in minutes from midnight, the second one greater; ``days`` from 0, a Monday."""
        self.opening, self.closing, self.zone, self.days = opening, closing, zone, days
        self._last = _Stretch(0, 0, inside=False)

    @staticmethod
    @functools.lru_cache(maxsize=256)
    def parse(text: str) -> "Window":
        """The window that ``text`` writes: ``09:30-15:45 America/New_York``, ``sun-thu 18:00-02:00 America/Chicago``.

        Raises:
            ConfigError: it writes none; what is wrong is named.
        """
        return _parsed(text)

    def contains(self, ts_ns: int) -> bool:
        """Whether the window is open at ``ts_ns``. Asked in the order of time, it compares integers but for twice a day."""
        since, until, inside = self._last  # one read of one tuple: windows are shared, and threads may ask
        if since <= ts_ns < until:
            return inside
        self._last = found = self._stretch(ts_ns)
        return found.inside

    def _stretch(self, ts_ns: int) -> _Stretch:
        today = wall_time(ts_ns, self.zone).date()
        spans = [self._span(day) for day in (today - _ONE_DAY, today, today + _ONE_DAY) if day.weekday() in self.days]
        for opens, closes in spans:
            if opens <= ts_ns < closes:
                return _Stretch(opens, closes, inside=True)
        since = max((closes for _, closes in spans if closes <= ts_ns), default=0)
        until = min((opens for opens, _ in spans if opens > ts_ns), default=_EVER)
        return _Stretch(max(since, self._at(today, 0)), min(until, self._at(today, _MINUTES_PER_DAY)), inside=False)

    def _span(self, day: date) -> tuple[int, int]:
        return self._at(day, self.opening), self._at(day, self.closing)

    def _at(self, day: date, minute: int) -> int:
        return _first_instant(self.zone, day, minute) * _NS_PER_SECOND


def _parsed(text: str) -> Window:
    words = re.sub(r"\s*-\s*", "-", text.strip()).split()
    hours = [match for word in words if (match := _HOURS.fullmatch(word))]
    days = [match for word in words if (match := _DAY_RANGE.fullmatch(word.lower()))]
    taken = {match.string for match in (*hours, *days)}
    zones = [word for word in words if not {word, word.lower()} & taken]
    if len(hours) != 1 or len(days) > 1 or len(zones) > 1:
        raise ConfigError(f"window {text!r} is not understood; {_WRITE}")
    if not zones:
        raise ConfigError(f"window {text!r} names no time zone; {_WRITE}")
    try:
        zone = named_zone(zones[0])
    except ConfigError as error:
        raise ConfigError(f"window {text!r}: {error}") from None
    opening, closing = _minute(text, *hours[0].group(1, 2)), _minute(text, *hours[0].group(3, 4))
    if opening in (closing, _MINUTES_PER_DAY):
        raise ConfigError(f"window {text!r} is empty; give two different times, the first before 24:00, or 00:00-24:00 for all day")
    return Window(opening, closing + _MINUTES_PER_DAY * (closing < opening), zone, _weekdays(days[0]) if days else tuple(range(7)))


def _minute(text: str, hour: str, minute: str) -> int:
    found = 60 * int(hour) + int(minute)
    if int(minute) > 59 or found > _MINUTES_PER_DAY:
        raise ConfigError(f"window {text!r}: {hour}:{minute} is no time of day; give 00:00 to 24:00")
    return found


def _weekdays(match: re.Match[str]) -> tuple[int, ...]:
    first, last = _DAYS.index(match[1]), _DAYS.index(match[2] or match[1])
    return tuple((first + place) % 7 for place in range((last - first) % 7 + 1))


# --- calendars at an instant -----------------------------------------------------------------------------------------


def is_open(calendar: Calendar, ts_ns: int) -> bool:
    """Whether the market trades at ``ts_ns``."""
    return calendar.session_at(ts_ns) is not None


def ns_until_close(calendar: Calendar, ts_ns: int) -> int | None:
    """Nanoseconds until the session of ``ts_ns`` closes; None while the market is closed, and where it never closes."""
    session = calendar.session_at(ts_ns)
    return None if session is None or calendar.name == CONTINUOUS else session.close_ns - ts_ns


def ns_until_open(calendar: Calendar, ts_ns: int) -> int:
    """Nanoseconds until the market opens; 0 while it is open."""
    return 0 if is_open(calendar, ts_ns) else calendar.session_after(ts_ns).open_ns - ts_ns


def next_sessions(calendar: Calendar, ts_ns: int, count: int) -> tuple[Session, ...]:
    """``count`` sessions in order, the first one being that of ``ts_ns`` or the next to open."""
    return tuple(islice(calendar.sessions(ts_ns, _EVER), count))


# --- calendars on a date ---------------------------------------------------------------------------------------------


class DayHours(msgspec.Struct, frozen=True):
    """The sessions of one trading day, none when the market is closed, and what is special about them.

    ``reason`` is the holiday by which the day is closed, closes early or opens late; empty on a regular day.
    """

    day: date
    sessions: tuple[Session, ...]
    closes_early: bool = False
    opens_late: bool = False
    reason: str = ""


def day_hours(calendar: Calendar, day: date) -> DayHours:
    """The hours of the trading day ``day``; the one session without an end where the market never closes."""
    if calendar.name == CONTINUOUS:
        return DayHours(day, next_sessions(calendar, 0, 1))
    zone, row = ZoneInfo(calendar.timezone), _row(calendar.name, day)
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * _NS_PER_SECOND
    sessions = tuple(takewhile(lambda session: session.trading_day == day, calendar.sessions(midnight, _EVER)))
    if not sessions:
        return DayHours(day, (), reason=_holiday(row, day))
    opens_late = _shown(sessions[0].open_ns, zone) != row.hours[0].open % _MINUTES_PER_DAY
    if _shown(sessions[-1].close_ns, zone) < row.hours[-1].close:
        return DayHours(day, sessions, closes_early=True, opens_late=opens_late, reason=_holiday(row, day))
    return DayHours(day, sessions, opens_late=opens_late, reason=f"after {_holiday(row, day - _ONE_DAY)}" if opens_late else "")


def is_early_close(calendar: Calendar, day: date) -> bool:
    """Whether the last session of the trading day ends before its regular time; False on a day without a session."""
    return day_hours(calendar, day).closes_early


def _row(name: str, day: date) -> CalendarRow:
    row = CALENDARS[name]
    return row.then[1] if row.then is not None and day >= row.then[0] else row


def _shown(ts_ns: int, zone: ZoneInfo) -> int:
    shown = wall_time(ts_ns, zone)
    return 60 * shown.hour + shown.minute


def _holiday(row: CalendarRow, day: date) -> str:
    holiday = us_holidays(day.year).get(day)
    if holiday is not None:
        return holiday.value.partition(",")[0]
    return MOURNING if day in row.exceptions else WEEKEND
