"""`fortified hours`: when a symbol trades."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from fortified.cli.output import check_writable, write_json
from fortified.cli.run_options import FIRST, LAST, CalendarName, JsonOut
from fortified.clock import SystemClock
from fortified.domain.calendar import CONTINUOUS, Calendar, get_calendar
from fortified.domain.errors import ConfigError
from fortified.domain.market_hours import DayHours, day_hours, is_open, ns_until_close, ns_until_open, wall_time
from fortified.runs import resolve_instrument

app = typer.Typer(add_completion=False)

TABLES_END = date(2027, 12, 31)
_NS_PER_MINUTE = 60 * 10**9
_UTC = ZoneInfo("UTC")


@app.command()
def hours(
    symbol: Annotated[str, typer.Argument(help="/NQ, SPY …")],
    on: Annotated[str | None, typer.Option(help="The first trading day, as 2026-11-25; the present one by default.")] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days.")] = 7,
    calendar: CalendarName = None,
    json: JsonOut = None,
) -> None:
    """When a symbol trades: sessions in exchange time and UTC, holidays, early closes, and whether it is open now."""
    check_writable(json)
    instrument = resolve_instrument(symbol, calendar, None, None)
    known, now_ns = get_calendar(instrument.calendar), SystemClock().now_ns()
    first = known.trading_day(now_ns) if on is None else _date(on)
    shown = [day_hours(known, first + timedelta(days=number)) for number in range(days)]
    if json is not None:
        write_json(json, _as_json(instrument.symbol, known, now_ns, shown))
    if json is None or str(json) != "-":
        _print(instrument.symbol, known, now_ns, shown)


def _date(text: str) -> date:
    try:
        found = date.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError(f"--on {text!r} is no date; write it as 2026-11-25") from None
    if not FIRST.date() <= found < LAST.date() - timedelta(days=366):
        raise ConfigError(f"--on {text} is out of range; give a day from {FIRST.year} to {LAST.year - 2}")
    return found


def _change_ns(calendar: Calendar, now_ns: int) -> int | None:
    """When the market closes if it is open, or opens if it is closed; None for one that never closes."""
    wait = ns_until_close(calendar, now_ns) if is_open(calendar, now_ns) else ns_until_open(calendar, now_ns)
    return None if wait is None else now_ns + wait


def _as_json(symbol: str, calendar: Calendar, now_ns: int, shown: list[DayHours]) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "calendar": calendar.name,
        "timezone": calendar.timezone,
        "now_ns": now_ns,
        "open": is_open(calendar, now_ns),
        "changes_ns": _change_ns(calendar, now_ns),
        "days": [] if calendar.name == CONTINUOUS else [msgspec.to_builtins(day) for day in shown],
    }


def _print(symbol: str, calendar: Calendar, now_ns: int, shown: list[DayHours]) -> None:
    console = Console(highlight=False)
    console.print(f"{symbol}: {calendar.name}, {calendar.timezone}. {_state(calendar, now_ns)}", markup=False)
    if calendar.name == CONTINUOUS:
        return
    zone = ZoneInfo(calendar.timezone)
    table = Table(*(Column(name, no_wrap=True) for name in ("day", calendar.timezone, "UTC")), "", box=None, padding=(0, 2, 0, 0))
    for day in shown:
        spans = [(session.open_ns, session.close_ns) for session in day.sessions]
        rows = [(_span(*span, zone), _span(*span, _UTC)) for span in spans] or [("–", "–")]
        for number, row in enumerate(rows):
            table.add_row(*((f"{day.day:%a %Y-%m-%d}", *row, _note(calendar, day)) if number == 0 else ("", *row, "")))
    console.print(table)
    if shown[-1].day > TABLES_END:
        console.print(f"Hours after {TABLES_END.year} follow the rules of today; exchanges have not published them.")


def _state(calendar: Calendar, now_ns: int) -> str:
    change_ns = _change_ns(calendar, now_ns)
    if change_ns is None:
        return "Open now; it never closes."
    zone = ZoneInfo(calendar.timezone)
    until = f"in {_duration(change_ns - now_ns)}, {wall_time(change_ns, zone):%a %H:%M}"
    if not is_open(calendar, now_ns):
        return f"Closed now; opens {until}."
    return f"Open now; {'its next session begins' if is_open(calendar, change_ns) else 'closes'} {until}."


def _duration(length_ns: int) -> str:
    minutes = -(-length_ns // _NS_PER_MINUTE)
    parts = ((minutes // 1_440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def _span(open_ns: int, close_ns: int, zone: ZoneInfo) -> str:
    return f"{wall_time(open_ns, zone):%a %H:%M} – {wall_time(close_ns, zone):%a %H:%M}"


def _note(calendar: Calendar, day: DayHours) -> str:
    if day.sessions:
        what = [word for word, is_so in (("opens late", day.opens_late), ("closes early", day.closes_early)) if is_so]
        return f"{' and '.join(what)}: {day.reason}" if what else ""
    noon = datetime(day.day.year, day.day.month, day.day.day, 12, tzinfo=ZoneInfo(calendar.timezone))
    around = calendar.session_at(int(noon.timestamp()) * 10**9)
    return f"closed: {day.reason}" if around is None else f"{day.reason}: trades on, as part of {around.trading_day:%a %Y-%m-%d}"
