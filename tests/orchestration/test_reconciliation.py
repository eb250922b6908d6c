"""Ledger and venue side by side."""

from decimal import Decimal

from tests.builders import LIVE

from fortified.domain.position import Position
from fortified.domain.venue import VenuePosition
from fortified.orchestration.reconciliation import compare, place


def held(symbol: str, quantity: int, price: int = 100, strategy: str = "ema") -> Position:
    return Position(LIVE, strategy, symbol, Decimal(1), Decimal(quantity), Decimal(quantity * price))


def told(symbol: str, quantity: int, price: str | None = "100") -> VenuePosition:
    return VenuePosition(symbol, Decimal(quantity), None if price is None else Decimal(price))


def test_a_contract_is_its_root_and_a_share_is_itself() -> None:
    assert [place(symbol) for symbol in ("/NQ", "/NQZ26", "/NQZ26:XCME", "BRK/B")] == ["/NQ", "/NQ", "/NQ", "BRK/B"]


def test_the_same_on_both_sides_is_no_difference() -> None:
    assert compare([held("/NQ", 2), held("SPY", 0)], [told("/NQZ26", 2)], {}, ["/NQ", "SPY"]).differences == ()


def test_strategies_of_one_symbol_are_one_position_at_the_venue() -> None:
    assert compare([held("SPY", 5), held("SPY", -2, strategy="other")], [told("SPY", 3)], {}, ["SPY"]).differences == ()


def test_a_difference_names_both_numbers() -> None:
    [found] = compare([held("SPY", 5)], [told("SPY", 3)], {}, ["SPY"]).differences
    assert (found.ledger, found.venue, found.text) == (Decimal(5), Decimal(3), "SPY: the ledger holds 5, the broker 3")


def test_what_only_one_side_holds_is_a_difference_of_what_is_traded() -> None:
    found = compare([held("SPY", 5)], [told("/NQZ26", 1)], {}, ["/NQ"])
    assert [(one.what, one.ledger, one.venue) for one in found.differences] == [
        ("/NQ", Decimal(0), Decimal(1)),
        ("SPY", Decimal(5), Decimal(0)),
    ]


def test_what_was_never_traded_here_is_foreign() -> None:
    found = compare([], [told("AAPL", 7)], {}, ["SPY"])
    assert (found.differences, [one.what for one in found.foreign]) == ((), ["AAPL"])


def test_what_was_declared_external_is_taken_off_and_missed_when_it_goes() -> None:
    external = {"SPY": Decimal(100)}
    assert compare([held("SPY", 5)], [told("SPY", 105)], external, ["SPY"]).differences == ()
    [found] = compare([held("SPY", 5)], [told("SPY", 5)], external, ["SPY"]).differences
    assert "100 were declared external" in found.text
    [gone] = compare([], [], {"AAPL": Decimal(7)}, ["SPY"]).differences
    assert gone.what == "AAPL"


def test_average_prices_are_noted_beyond_a_hundredth_of_a_percent_and_never_a_difference() -> None:
    assert compare([held("SPY", 5)], [told("SPY", 5, "100.009")], {}, ["SPY"]).price_notes == ()
    found = compare([held("SPY", 5)], [told("SPY", 5, "100.02")], {}, ["SPY"])
    assert (found.differences, found.price_notes) == ((), ("SPY: average price 100 in the ledger, 100.02 at the broker",))
    assert compare([held("SPY", 5)], [told("SPY", 5, None)], {}, ["SPY"]).price_notes == ()
