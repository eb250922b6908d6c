"""`fortified contracts`: tables, JSON and words."""

import json

import pytest
from tests.cli.conftest import Command

from fortified.domain.instrument_tables import FUTURES


def test_the_contracts_of_a_root(run: Command) -> None:
    ended = run("contracts", "/NQ", "--on", "2026-12-15", "--count", "3")
    assert ended.code == 0, ended
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in ended.out.splitlines() if line.startswith("│")]
    assert rows == [
        ["/NQZ26", "2026-12-14", "2026-12-18", "–", "2026-12-18", ""],
        ["/NQH27", "2027-03-15", "2027-03-19", "–", "2027-03-19", "front"],
        ["/NQM27", "2027-06-14", "2027-06-17", "–", "2027-06-17", ""],
    ]
    assert "Entries go to /NQH27. It rolls on 2027-03-15: from then on they go to /NQM27." in ended.out
    assert "rolls on: Monday of the week in which trading ends" in ended.out


def test_one_contract_is_explained(run: Command) -> None:
    ended = run("contracts", "/GCV6", "--on", "2026-08-03")
    assert ended.code == 0, ended
    assert "/GCV26:XCEC, TastyTrade: /GCV6" in ended.out
    assert "listed too: FHKNUVX" in ended.out
    assert "first notice day: last business day of the month before the contract month" in ended.out


def test_json_with_a_position(run: Command) -> None:
    ended = run("contracts", "/NQ:XCME", "--on", "2026-12-15", "--held", "/NQZ26:XCME", "--count", "1", "--json", "-")
    assert ended.code == 0, ended
    found = json.loads(ended.out)
    assert (found["root"], found["day"], found["front"]) == ("/NQ", "2026-12-15", "/NQH27")
    assert found["contracts"] == [
        {
            "contract": "/NQZ26",
            "streamer_symbol": "/NQZ26:XCME",
            "venue_symbol": "/NQZ6",
            "roll_day": "2026-12-14",
            "last_trading_day": "2026-12-18",
            "first_notice_day": None,
            "last_day_to_hold": "2026-12-18",
            "front": False,
        }
    ]
    plan = found["plan"]
    assert (plan["entries"], plan["held"], plan["leave_by"], plan["must_leave"]) == (None, "/NQZ26", "2026-12-18", False)
    assert "entries go to /NQH27 once it is closed" in plan["refusal"]


def test_all_roots_today(run: Command) -> None:
    ended = run("contracts", "--json", "-")
    assert ended.code == 0, ended
    assert {row["root"] for row in json.loads(ended.out)} == {f"/{root}" for root in FUTURES}
    shown = run("contracts", "--on", "2026-11-02")
    assert "/NQZ26" in shown.out
    assert "E-mini Nasdaq-100" in shown.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("/NQX26",), "The next is /NQZ26"),
        (("/XX",), "Known roots: 6A"),
        (("NQ",), "Write a root as /NQ"),
        (("/NQZ25", "--on", "2026-08-03"), "The front contract on 2026-08-03 is /NQU26"),
        (("/NQ", "--held", "/ESZ26"), "The position in /ESZ26 is none of /NQ"),
        (("/NQ", "--on", "1999-01-01"), "Give a day from 2000 to 2060"),
        (("/NQ", "--on", "tomorrow"), "tomorrow"),
        (("/NQ", "--count", "0"), "count"),
        (("--held", "/NQZ26"), "fortified contracts /NQ --held /NQZ26"),
        (("/NQ", "--json", "no/such.json"), "no/such.json cannot be written"),
    ],
)
def test_bad_input(run: Command, words: tuple[str, ...], said: str) -> None:
    ended = run("contracts", *words)
    assert ended.code == 2, ended
    assert ended.out == ""
    assert said in ended.err
