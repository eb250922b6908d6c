"""Symbols of futures are read and written in one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fortified.domain.errors import ConfigError
from fortified.domain.futures import FuturesSymbol, futures_root


@pytest.mark.parametrize(
    ("text", "symbol", "canonical"),
    [
        ("/NQ", FuturesSymbol("NQ"), "/NQ"),
        ("/NQZ26", FuturesSymbol("NQ", 12, 2026), "/NQZ26"),
        ("/NQZ26:XCME", FuturesSymbol("NQ", 12, 2026, "XCME"), "/NQZ26:XCME"),
        ("/NQ:XCME", FuturesSymbol("NQ", exchange="XCME"), "/NQ:XCME"),
        (" /clf20 ", FuturesSymbol("CL", 1, 2020), "/CLF20"),
        ("/6EH27", FuturesSymbol("6E", 3, 2027), "/6EH27"),
        ("/6JM26", FuturesSymbol("6J", 6, 2026), "/6JM26"),
        ("/M6EU26", FuturesSymbol("M6E", 9, 2026), "/M6EU26"),
        ("/M2K", FuturesSymbol("M2K"), "/M2K"),
        ("/M2KZ26", FuturesSymbol("M2K", 12, 2026), "/M2KZ26"),
        ("/ZN", FuturesSymbol("ZN"), "/ZN"),
        ("/ESH98", FuturesSymbol("ES", 3, 1998), "/ESH98"),
    ],
)
def test_symbols_are_read_and_written(text: str, symbol: FuturesSymbol, canonical: str) -> None:
    assert FuturesSymbol.parse(text) == symbol
    assert symbol.canonical() == canonical
    assert futures_root(text) == symbol.root
    assert symbol.is_contract is (symbol.month is not None)


@pytest.mark.parametrize(
    ("digit", "reference", "year"),
    [
        (6, 2026, 2026),
        (7, 2026, 2027),
        (5, 2026, 2025),
        (0, 2028, 2030),
        (9, 2021, 2019),
        (1, 2026, 2031),
        (2, 2026, 2022),
    ],
)
def test_a_year_of_one_digit_is_the_nearest_one(digit: int, reference: int, year: int) -> None:
    assert FuturesSymbol.parse(f"/ESZ{digit}", reference) == FuturesSymbol("ES", 12, year)


def test_a_year_of_one_digit_needs_a_reference() -> None:
    with pytest.raises(ConfigError, match=r"'/CLF0'.*two"):
        FuturesSymbol.parse("/CLF0")
    assert futures_root("/CLF0") == "CL"


@pytest.mark.parametrize("text", ["", "/", "NQ", "/NQ Z26", "/NQZ26:", "/NQZ26:X", "/TOOLONG", "//NQ", "/N-Q", "/NQZ26:XCME:X"])
def test_malformed_symbols_are_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        FuturesSymbol.parse(text)
    assert repr(text) in str(caught.value)
    assert "/NQZ26" in str(caught.value)


@given(st.sampled_from(["ES", "6E", "M2K", "ZC"]), st.integers(1, 12), st.integers(1970, 2069))
def test_contracts_survive_a_round_trip(root: str, month: int, year: int) -> None:
    symbol = FuturesSymbol(root, month, year)
    assert FuturesSymbol.parse(symbol.canonical()) == symbol


@pytest.mark.parametrize(
    ("text", "venue", "streamer"),
    [
        ("/NQ", "/NQ", "/NQ:XCME"),
        ("/NQZ26", "/NQZ6", "/NQZ26:XCME"),
        ("/NQZ26:XCME", "/NQZ6", "/NQZ26:XCME"),
        ("/CLF30", "/CLF0", "/CLF30:XNYM"),
        ("/6EH05", "/6EH5", "/6EH05:XCME"),
        ("/ZBH27", "/ZBH7", "/ZBH27:XCBT"),
        ("/GCJ27", "/GCJ7", "/GCJ27:XCEC"),
        ("/VXF27:XCBF", "/VXF7", "/VXF27:XCBF"),
    ],
)
def test_venue_and_streamer_spell_a_symbol_in_their_way(text: str, venue: str, streamer: str) -> None:
    symbol = FuturesSymbol.parse(text)
    assert symbol.venue_symbol() == venue
    assert symbol.streamer_symbol() == streamer
    spellings = {FuturesSymbol.parse(spelling, symbol.year).without_exchange() for spelling in (text, venue, streamer)}
    assert spellings == {symbol.without_exchange()}


def test_no_exchange_is_made_up() -> None:
    with pytest.raises(ConfigError, match=r"/VXF27 is not known.*/VXF27:XCME"):
        FuturesSymbol.parse("/VXF27").streamer_symbol()
