"""Which contract is the front, what a symbol means on a day, and that a broker's records go before the calendar."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fortified.domain.errors import ConfigError, DataError
from fortified.domain.futures import FuturesSymbol
from fortified.domain.futures_chain import chain, front, resolve, successor
from fortified.domain.futures_contract import contract_of
from fortified.domain.futures_records import ContractRecord, record_of
from fortified.domain.futures_tables import CONTRACT_RULES

SAMPLES = Path(__file__).parents[2] / ".." / "shared" / "samples" / "tastytrade"
DAY = date(2026, 11, 2)


def record(symbol: str, last: str, **more: Any) -> ContractRecord:
    """A record as the broker writes it; keys of ``more`` with underscores."""
    return ContractRecord.read({"symbol": symbol, "last-trade-date": last, **{key.replace("_", "-"): value for key, value in more.items()}})


@pytest.mark.parametrize("text", ["/NQ", " /nq ", "/NQ:XCME", "/NQZ26", "/NQZ6", "/NQZ26:XCME"])
def test_all_spellings_mean_one_contract(text: str) -> None:
    contract = resolve(text, DAY)
    assert contract.symbol == FuturesSymbol("NQ", 12, 2026)
    assert (contract.name, contract.venue_symbol, contract.streamer_symbol) == ("/NQZ26", "/NQZ6", "/NQZ26:XCME")
    assert contract.last_trading_day == date(2026, 12, 18)


def test_a_serial_month_is_a_contract_but_never_the_front() -> None:
    assert resolve("/GCV26", date(2026, 8, 3)).first_notice_day == date(2026, 9, 30)
    assert [contract.name for contract in chain("GC", date(2026, 8, 3), 4)] == ["/GCQ26", "/GCZ26", "/GCG27", "/GCJ27"]
    following = successor(resolve("/GCV26", date(2026, 8, 3)))
    assert following is not None
    assert following.name == "/GCZ26"


def test_a_chain_begins_with_what_still_trades() -> None:
    assert [contract.name for contract in chain("ES", date(2026, 12, 18), 2)] == ["/ESZ26", "/ESH27"]
    assert [contract.name for contract in chain("ES", date(2026, 12, 19), 2)] == ["/ESH27", "/ESM27"]
    assert chain("BZ", date(2026, 11, 30), 1)[0].name == "/BZF27"
    assert front("ES", date(2026, 12, 18)).name == "/ESH27"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/XX", r"/XX\. Known roots: 6A.*ZW"),
        ("/XXZ26", r"When /XXZ26 ends is not known.*Known roots"),
        ("/NQX26", r"/NQX26 does not exist.*HMUZ.*/NQZ26"),
        ("/ZSZ26", r"/ZSZ26 does not exist.*FHKNQUX.*/ZSF27"),
        ("/NQZ26:XCBT", r"/NQZ26:XCBT.*XCME.*/NQZ26:XCME"),
        ("/NQU26", r"/NQU26 ended.*2026-09-18.*/NQZ26"),
        ("/NQZ5", r"/NQZ25 ended.*2025-12-19"),
        ("NQ", "/NQZ26"),
    ],
)
def test_what_a_symbol_cannot_mean(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve(text, DAY)


def test_the_active_month_of_the_broker_is_the_front() -> None:
    late = [record("/NQZ6", "2026-12-18", active_month=True, closing_only_date="2026-12-18"), record("/NQH7", "2027-03-19")]
    assert front("NQ", date(2026, 12, 15), late).name == "/NQZ26"
    assert front("NQ", date(2026, 12, 15)).name == "/NQH27"
    early = [record("/GCZ6", "2026-12-29", active_month=False), record("/GCG7", "2027-02-24", active_month=True)]
    assert front("GC", DAY, early).name == "/GCG27"
    assert front("NQ", DAY, early).name == "/NQZ26"


def test_an_active_month_that_takes_no_position_is_not_the_front() -> None:
    rows = [
        record("/CLF7", "2026-12-21", active_month=True, closing_only_date="2026-12-14"),
        record("/CLG7", "2027-01-20", next_active_month=True),
    ]
    assert front("CL", date(2026, 12, 11), rows).name == "/CLF27"
    assert front("CL", date(2026, 12, 14), rows).name == "/CLG27"
    assert front("CL", date(2027, 1, 21), rows).name == front("CL", date(2027, 1, 21)).name
    closing = [record("/CLF7", "2026-12-21", active_month=True, is_closing_only=True)]
    assert front("CL", date(2026, 12, 14), closing).name == "/CLG27"
    halted = [record("/CLF7", "2026-12-21", active_month=True, is_tradeable=False)]
    assert front("CL", date(2026, 12, 1), halted).name == "/CLF27"  # no record is left, so the calendar has the word


def test_a_serial_month_that_the_broker_holds_for_active() -> None:
    rows = [record("/GCV6", "2026-10-28", active_month=True)]
    assert front("GC", date(2026, 9, 1), rows).name == "/GCV26"
    assert [contract.name for contract in chain("GC", date(2026, 9, 1), 2, rows)] == ["/GCV26", "/GCZ26"]


def test_days_and_spellings_of_a_record_go_before_the_rules() -> None:
    rows = [
        record(
            "/RBM5",
            "2025-05-29",
            first_notice_date="2025-06-03",
            closing_only_date="2025-05-20",
            streamer_symbol="/RBM25:OTHER",
            roll_target_symbol="/RBQ5",
        )
    ]
    contract = contract_of(FuturesSymbol("RB", 6, 2025), rows)
    assert contract.last_trading_day == date(2025, 5, 29)
    assert contract.first_notice_day is None
    assert contract.roll_day == date(2025, 5, 20)
    assert contract.streamer_symbol == "/RBM25:OTHER"
    following = successor(contract, rows)
    assert following is not None
    assert following.name == "/RBQ25"


def test_records_alone_make_the_chain_of_a_root_without_rules() -> None:
    rows = [
        record("/VXF7", "2027-01-20", streamer_symbol="/VXF27:XCBF"),
        record("/VXZ6", "2026-12-16", streamer_symbol="/VXZ26:XCBF", active_month=True),
        record("/VXX6", "2026-11-18", streamer_symbol="/VXX26:XCBF"),
    ]
    assert [contract.name for contract in chain("VX", DAY, 9, rows)] == ["/VXX26", "/VXZ26", "/VXF27"]
    assert front("VX", DAY, rows).name == "/VXZ26"
    assert resolve("/VXF27:XCBF", DAY, rows).roll_day == date(2027, 1, 12)
    assert successor(resolve("/VXF27", DAY, rows), rows) is None
    with pytest.raises(ConfigError, match=r"/VX after 2027-06-01"):
        front("VX", date(2027, 6, 1), rows)


def test_what_a_record_does_not_say_well_counts_as_not_given() -> None:
    read = ContractRecord.read(
        {
            "symbol": "/CLF7",
            "last-trade-date": "2026-12-21",
            "first-notice-date": "soon",
            "active-month": None,
            "tick-size": "0.01",
            "new": {},
        }
    )
    assert read.contract == FuturesSymbol("CL", 1, 2027)
    assert (read.first_notice_date, read.active_month, read.tick_size, read.roll_target) == (None, False, Decimal("0.01"), None)
    assert record_of(FuturesSymbol("CL", 1, 2027, "XNYM"), [read]) is read
    assert record_of(FuturesSymbol("CL", 2, 2027), [read]) is None


@pytest.mark.parametrize(
    "raw", [{}, {"symbol": "SPY"}, {"symbol": "/CL"}, {"symbol": "/CLF7"}, {"symbol": 7, "last-trade-date": "2026-12-21"}]
)
def test_a_record_has_to_name_its_contract(raw: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="Leave the record out"):
        ContractRecord.read(raw)


def samples(name: str) -> list[dict[str, Any]]:
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    data = json.loads(path.read_text())
    data = data.get("data", data)
    items: list[dict[str, Any]] = data.get("items", [data])
    return items


@pytest.mark.parametrize("name", ["mcp_get_futures_ES.json", "cap_cert_futures.json", "leancs_22_DeserializeFutureResponse.json"])
def test_the_rules_give_the_days_of_captured_records(name: str) -> None:
    items = samples(name)
    rows = [ContractRecord.read(item) for item in items]
    for item, row in zip(items, rows, strict=True):
        by_rule, by_record = contract_of(row.contract), contract_of(row.contract, rows)
        assert by_rule.last_trading_day == by_record.last_trading_day == date.fromisoformat(item["last-trade-date"])
        assert by_rule.first_notice_day == by_record.first_notice_day
        assert (by_rule.venue_symbol, by_rule.streamer_symbol) == (item["symbol"], item["streamer-symbol"])
        assert row.closing_only_date is not None
        assert by_rule.roll_day <= row.closing_only_date
    active = [row.contract.canonical() for row in rows if row.active_month]
    assert [front(rows[0].contract.root, date(2026, 8, 1), rows).name for _ in active] == active


def test_the_rules_give_the_ends_of_captured_search_results() -> None:
    items = [item for item in samples("cap_cert_instrument-search.json") if item["symbol"][1:-2] in CONTRACT_RULES]
    assert len(items) > 15
    for item in items:
        ends = date.fromisoformat(item["stops-trading-at"][:10])
        assert resolve(item["symbol"], date(2026, 8, 1)).last_trading_day == ends, item["symbol"]
