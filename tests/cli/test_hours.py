"""`fortified hours`: sessions in two zones, reasons, and whether it is open now."""

import json
from typing import Any

import pytest
from tests.builders import ns
from tests.cli.conftest import Command

from fortified.clock import SystemClock


@pytest.fixture
def _thanksgiving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thursday 26 November 2026, 12:00 UTC: 06:00 in Chicago."""
    monkeypatch.setattr(SystemClock, "now_ns", lambda _: ns("2026-11-26 12:00"))


def lines(run: Command, *words: object) -> list[str]:
    ended = run("hours", *words)
    assert ended.code == 0, ended.err
    return [" ".join(line.split()) for line in ended.out.splitlines()]


def answer(run: Command, *words: object) -> dict[str, Any]:
    ended = run("hours", *words, "--json", "-")
    assert ended.code == 0, ended.err
    found: dict[str, Any] = json.loads(ended.out)
    return found


@pytest.mark.usefixtures("_thanksgiving")
def test_sessions_in_exchange_time_and_utc_from_the_present_day_on(run: Command) -> None:
    assert lines(run, "/NQ", "--days", 5) == [
        "/NQ: CME_INDEX, America/Chicago. Open now; closes in 6 h, Thu 12:00.",
        "day America/Chicago UTC",
        "Thu 2026-11-26 Wed 17:00 – Thu 12:00 Wed 23:00 – Thu 18:00 closes early: thanksgiving",
        "Fri 2026-11-27 Thu 17:00 – Fri 12:15 Thu 23:00 – Fri 18:15 closes early: day after thanksgiving",
        "Sat 2026-11-28 – – closed: weekend",
        "Sun 2026-11-29 – – closed: weekend",
        "Mon 2026-11-30 Sun 17:00 – Mon 16:00 Sun 23:00 – Mon 22:00",
    ]


@pytest.mark.usefixtures("_thanksgiving")
def test_a_market_that_is_closed_says_when_it_opens_and_begins_with_that_day(run: Command) -> None:
    found = lines(run, "SPY", "--days", 1)
    assert found[0] == "SPY: NYSE, America/New_York. Closed now; opens in 1 d 2 h 30 min, Fri 09:30."
    assert found[2:] == ["Fri 2026-11-27 Fri 09:30 – Fri 13:00 Fri 14:30 – Fri 18:00 closes early: day after thanksgiving"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("SPY", "--on", "2026-07-03"), "Fri 2026-07-03 – – closed: independence day"),
        (
            ("/ZB", "--on", "2026-04-03"),
            "Fri 2026-04-03 Thu 17:00 – Fri 10:15 Thu 22:00 – Fri 15:15 closes early: good friday with the jobs report",
        ),
        (("SPY", "--on", "2026-03-09", "--calendar", "NASDAQ_EXTENDED"), "Mon 2026-03-09 Mon 04:00 – Mon 20:00 Mon 08:00 – Tue 00:00"),
        (("/ZC", "--on", "2024-07-05"), "Fri 2024-07-05 Fri 08:30 – Fri 13:20 Fri 13:30 – Fri 18:20 opens late: after independence day"),
        (("/BTC", "--on", "2026-11-26"), "Thu 2026-11-26 – – thanksgiving: trades on, as part of Fri 2026-11-27"),
    ],
)
def test_a_day_by_its_date(run: Command, words: tuple[str, ...], expected: str) -> None:
    assert lines(run, *words, "--days", 1)[2:] == [expected]


def test_a_day_with_a_break_has_two_lines(run: Command) -> None:
    assert lines(run, "/ZC", "--on", "2026-11-24", "--days", 1)[2:] == [
        "Tue 2026-11-24 Mon 19:00 – Tue 07:45 Tue 01:00 – Tue 13:45",
        "Tue 08:30 – Tue 13:20 Tue 14:30 – Tue 19:20",
    ]


@pytest.mark.usefixtures("_thanksgiving")
def test_what_never_closes_has_no_table(run: Command) -> None:
    assert lines(run, "/NQ", "--calendar", "24/7") == ["/NQ: 24/7, UTC. Open now; it never closes."]
    assert lines(run, "/BTC")[0] == "/BTC: CME_CRYPTO, America/Chicago. Open now; its next session begins in 1 d 10 h, Fri 16:00."


def test_years_that_exchanges_have_not_published_are_told_of(run: Command) -> None:
    assert "Hours after 2027 follow" in lines(run, "/NQ", "--on", "2027-12-31", "--days", 2)[-1]
    assert "Hours after 2027" not in lines(run, "/NQ", "--on", "2027-12-31", "--days", 1)[-1]


@pytest.mark.usefixtures("_thanksgiving")
def test_the_same_as_json(run: Command) -> None:
    found = answer(run, "/NQ", "--days", 3)
    days = found.pop("days")
    assert found == {
        "symbol": "/NQ",
        "calendar": "CME_INDEX",
        "timezone": "America/Chicago",
        "now_ns": ns("2026-11-26 12:00"),
        "open": True,
        "changes_ns": ns("2026-11-26 18:00"),
    }
    assert days[1] == {
        "day": "2026-11-27",
        "sessions": [{"open_ns": ns("2026-11-26 23:00"), "close_ns": ns("2026-11-27 18:15"), "trading_day": "2026-11-27"}],
        "closes_early": True,
        "opens_late": False,
        "reason": "day after thanksgiving",
    }
    assert (days[2]["sessions"], days[2]["reason"]) == ([], "weekend")
    always = answer(run, "/NQ", "--calendar", "24/7")
    assert (always["open"], always["changes_ns"], always["days"]) == (True, None, [])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("/QQQ",), "/QQQ is not known"),
        (("SPY", "--on", "tomorrow"), "--on 'tomorrow' is no date; write it as 2026-11-25"),
        (("SPY", "--on", "1969-12-31"), "out of range; give a day from 1970 to 2260"),
        (("SPY", "--on", "9999-12-31"), "out of range"),
        (("SPY", "--calendar", "LSE"), "There is no calendar 'LSE'"),
        (("SPY", "--days", "0"), "--days"),
        (("SPY", "--json", "nowhere/out.json"), "nowhere"),
    ],
)
def test_what_cannot_be_told_is_refused(run: Command, words: tuple[str, ...], message: str) -> None:
    ended = run("hours", *words)
    assert (ended.code, ended.out) == (2, "")
    assert message in " ".join(ended.err.replace("│", " ").split())
