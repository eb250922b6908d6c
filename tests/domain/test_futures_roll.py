"""The roll plan: a position is never switched silently."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fortified.domain.errors import ConfigError, Refused
from fortified.domain.futures_chain import front
from fortified.domain.futures_contract import Contract
from fortified.domain.futures_records import ContractRecord
from fortified.domain.futures_roll import contract_to_trade, roll_plan
from fortified.domain.futures_tables import CONTRACT_RULES
from fortified.domain.order import Purpose

BEFORE, ROLL, EXPIRY = date(2026, 12, 11), date(2026, 12, 14), date(2026, 12, 18)


def entry(symbol: str, day: date, held: str | None = None) -> Contract:
    return contract_to_trade(symbol, day, held, Purpose.ENTRY)


def exit_of(symbol: str, day: date, held: str | None) -> Contract:
    return contract_to_trade(symbol, day, held, Purpose.EXIT)


def test_a_reversal_on_the_roll_day_closes_the_held_contract_and_opens_the_front() -> None:
    assert entry("/NQ", BEFORE).name == "/NQZ26"
    assert exit_of("/NQ", ROLL, "/NQZ26").name == "/NQZ26"
    with pytest.raises(Refused, match=r"open in /NQZ26: entries go to /NQH27 once it is closed"):
        entry("/NQ", ROLL, "/NQZ26")
    assert entry("/NQ", ROLL).name == "/NQH27"


def test_before_the_roll_a_position_may_grow() -> None:
    assert entry("/NQ", BEFORE, "/NQZ6").name == "/NQZ26"


def test_an_exit_goes_to_the_held_contract_whatever_the_calendar_says() -> None:
    assert exit_of("/NQ", date(2027, 1, 4), "/NQZ26").name == "/NQZ26"
    assert exit_of("/NQ", BEFORE, "/NQX26").name == "/NQX26"
    with pytest.raises(Refused, match="no position in /NQ"):
        exit_of("/NQ", BEFORE, None)


def test_a_named_contract_is_traded_until_its_roll_and_then_only_left() -> None:
    assert entry("/NQZ26", BEFORE).name == "/NQZ26"
    assert entry("/NQH27:XCME", BEFORE).name == "/NQH27"
    for held in (None, "/NQZ26"):
        with pytest.raises(Refused, match=r"/NQZ26 takes no new position since 2026-12-14: trade /NQ or /NQH27"):
            entry("/NQZ26", ROLL, held)
    assert exit_of("/NQZ26", ROLL, "/NQZ26").name == "/NQZ26"


def test_the_plan_in_words() -> None:
    flat = roll_plan("/NQ", BEFORE)
    assert flat.text == "Entries go to /NQZ26. It rolls on 2026-12-14: from then on they go to /NQH27."
    assert (flat.held, flat.leave_by, flat.must_leave, flat.refusal) == (None, None, False, "")
    rolled = roll_plan("/NQ", ROLL, "/NQZ26")
    assert rolled.text == (
        "A position is open in /NQZ26: entries go to /NQH27 once it is closed. The open position in /NQZ26 is kept until it is "
        "closed or rolled by hand; at the latest on 2026-12-18, its last trading day."
    )
    assert (rolled.leave_by, rolled.must_leave) == (EXPIRY, False)
    assert roll_plan("/NQ", EXPIRY, "/NQZ26").must_leave
    ended = roll_plan("/NQ", date(2026, 12, 21), "/NQZ26")
    assert ended.must_leave
    assert "/NQZ26 ended: its last trading day was 2026-12-18" in ended.text


def test_what_is_delivered_is_left_before_its_first_notice() -> None:
    plan = roll_plan("/GC", date(2026, 11, 25), "/GCZ26")
    assert (plan.leave_by, plan.must_leave) == (date(2026, 11, 27), False)
    assert "at the latest on 2026-11-27: its first notice day is 2026-11-30." in plan.text
    late = roll_plan("/GC", date(2026, 11, 30), "/GCZ26")
    assert late.must_leave
    assert "that is late, close it now: its first notice day is 2026-11-30." in late.text


def test_a_broker_that_rolls_later_is_followed() -> None:
    raw = {"symbol": "/NQZ6", "last-trade-date": "2026-12-18", "closing-only-date": "2026-12-18", "active-month": True}
    records = [ContractRecord.read(raw)]
    day = date(2026, 12, 15)
    assert contract_to_trade("/NQ", day, "/NQZ26", Purpose.ENTRY, records).name == "/NQZ26"
    assert contract_to_trade("/NQZ26", day, None, Purpose.ENTRY, records).name == "/NQZ26"
    assert roll_plan("/NQ", day, None, records).text == "Entries go to /NQZ26, the broker's active month."
    with pytest.raises(Refused, match="no new position"):
        contract_to_trade("/NQZ26", EXPIRY, None, Purpose.ENTRY, records)


@pytest.mark.parametrize(
    ("symbol", "held", "words"),
    [
        ("/NQ", "/ESZ26", "The position in /ESZ26 is none of /NQ"),
        ("/NQ", "/NQ", "/NQ is no contract"),
        ("/NQX26", None, "/NQX26 does not exist"),
        ("/XX", None, "no rules for the contracts of /XX"),
        ("/NQ", "NQZ26", "'NQZ26' is not the symbol"),
    ],
)
def test_symbols_that_make_no_plan(symbol: str, held: str | None, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        roll_plan(symbol, BEFORE, held)


@given(
    root=st.sampled_from(sorted(CONTRACT_RULES)),
    opened=st.dates(date(2018, 1, 1), date(2027, 1, 1)),
    later=st.integers(0, 400),
)
def test_while_a_position_is_open_no_order_is_for_another_contract(root: str, opened: date, later: int) -> None:
    symbol, day = f"/{root}", opened + timedelta(days=later)
    held = entry(symbol, opened)
    assert exit_of(symbol, day, held.name) == held
    plan = roll_plan(symbol, day, held.name)
    if day < held.roll_day:
        assert entry(symbol, day, held.name) == held
    else:
        assert plan.refusal
        with pytest.raises(Refused):
            entry(symbol, day, held.name)
    assert entry(symbol, day) == front(root, day)
    assert plan.must_leave == (day >= held.last_day_to_hold)
