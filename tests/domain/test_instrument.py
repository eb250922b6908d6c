"""Instruments: the money of one tick, exact prices, and symbols that are refused by name."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fortified.domain.calendar import CALENDAR_NAMES
from fortified.domain.errors import ConfigError, DataError
from fortified.domain.instrument import AssetClass, Instrument, get_instrument, normalise_symbol
from fortified.domain.instrument_tables import FUTURES

# Dollars that one tick of one contract is worth, as the exchange's contract specifications state them.
TICK_VALUES = {
    **{"ES": "12.50", "MES": "1.25", "NQ": "5", "MNQ": "0.50", "RTY": "5", "M2K": "0.50", "YM": "5", "MYM": "0.50"},
    **{"EMD": "10", "NKD": "25", "CL": "10", "MCL": "1", "QM": "12.50", "NG": "10", "QG": "12.50", "RB": "4.20"},
    **{"HO": "4.20", "BZ": "10", "GC": "10", "MGC": "1", "SI": "25", "SIL": "5", "HG": "12.50", "MHG": "1.25"},
    **{"PL": "5", "PA": "50", "ZB": "31.25", "UB": "31.25", "ZN": "15.625", "TN": "15.625", "ZF": "7.8125"},
    **{"ZT": "7.8125", "6A": "5", "6B": "6.25", "6C": "5", "6E": "6.25", "6J": "6.25", "6S": "6.25", "6N": "5"},
    **{"6M": "5", "M6A": "1", "M6B": "0.625", "M6E": "1.25", "ZC": "12.50", "ZS": "12.50", "ZW": "12.50"},
    **{"KE": "12.50", "ZL": "6", "ZM": "10", "XC": "1.25", "XK": "1.25", "XW": "1.25", "LE": "10", "HE": "10"},
    **{"GF": "12.50", "BTC": "25", "MBT": "0.50", "ETH": "25", "MET": "0.05"},
}


@pytest.mark.parametrize("root", sorted(FUTURES))
def test_each_future_is_worth_what_its_exchange_says_per_tick(root: str) -> None:
    future = get_instrument(f"/{root}")
    assert future.tick_size * future.multiplier == Decimal(TICK_VALUES[root])
    assert future.asset_class is AssetClass.FUTURE
    assert future.calendar in CALENDAR_NAMES
    assert future.exchange in {"XCME", "XCBT", "XNYM", "XCEC"}
    assert future.name


def test_no_tick_value_is_stated_for_a_future_that_is_not_there() -> None:
    assert set(TICK_VALUES) == set(FUTURES)


@pytest.mark.parametrize("symbol", ["/NQZ26", "/NQZ6", "/NQZ26:XCME", " /nqz26 "])
def test_a_contract_has_the_row_of_its_root_and_its_own_symbol(symbol: str) -> None:
    contract, root = get_instrument(symbol), get_instrument("/NQ")
    assert contract.symbol == symbol.strip().upper()
    assert (contract.tick_size, contract.multiplier, contract.calendar) == (
        root.tick_size,
        root.multiplier,
        root.calendar,
    )


@pytest.mark.parametrize("symbol", ["SPY", "BRK/B", "$SPX"])
def test_shares_trade_in_cents_in_regular_hours(symbol: str) -> None:
    assert get_instrument(symbol) == Instrument(symbol, AssetClass.EQUITY, Decimal("0.01"), Decimal(1), "NYSE")


@pytest.mark.parametrize(
    ("text", "symbol"),
    [(" spy ", "SPY"), ("brk.b", "BRK/B"), ("BRK-B", "BRK/B"), ("brk/b", "BRK/B"), ("$spx", "$SPX"), ("/nq", "/NQ")],
)
def test_symbols_have_one_spelling(text: str, symbol: str) -> None:
    assert normalise_symbol(text) == symbol
    assert normalise_symbol(symbol) == symbol


@pytest.mark.parametrize("text", ["", " ", "SP Y", "/", "/N Q", "SPY;", "1SPY", "$", "TOOLONGNAME", "A/B/C", "SPY\n/NQ"])
def test_malformed_symbols_are_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        get_instrument(text)
    assert "/NQ" in str(caught.value)


def test_an_unknown_future_is_refused_with_the_fix() -> None:
    with pytest.raises(ConfigError, match=r"/QQQQZ26.*root QQQQ.*tick size and multiplier"):
        get_instrument("/QQQQZ26")


def test_overrides_go_before_the_table() -> None:
    vix = Instrument("/VX", AssetClass.FUTURE, Decimal("0.05"), Decimal(1000), "CME_INDEX")
    assert get_instrument("/VXF27", {"/VX": vix}).multiplier == 1000
    assert get_instrument("/VXF27", {"/VX": vix}).symbol == "/VXF27"
    extended = Instrument("SPY", AssetClass.EQUITY, Decimal("0.01"), Decimal(1), "NYSE_EXTENDED")
    assert get_instrument("SPY", {"SPY": extended}).calendar == "NYSE_EXTENDED"
    assert get_instrument("QQQ", {"SPY": extended}).calendar == "NYSE"


@pytest.mark.parametrize(("tick", "multiplier"), [("0", "1"), ("-0.01", "1"), ("0.01", "0"), ("NaN", "1"), ("0.01", "Infinity")])
def test_a_tick_size_or_multiplier_that_is_not_above_zero_is_refused(tick: str, multiplier: str) -> None:
    with pytest.raises(ConfigError, match=r"SPY.*above zero"):
        Instrument("SPY", AssetClass.EQUITY, Decimal(tick), Decimal(multiplier), "NYSE")


def test_prices_are_taken_exactly_and_not_rounded() -> None:
    nq = get_instrument("/NQ")
    assert nq.price(0.1) == Decimal("0.1")
    assert nq.price(21005.13) == Decimal("21005.13")
    assert nq.price(5) == 5
    assert nq.price(Decimal("1.10")).as_tuple() == Decimal("1.10").as_tuple()
    for bad in (float("nan"), float("inf"), Decimal("NaN")):
        with pytest.raises(DataError, match="/NQ"):
            nq.price(bad)


@pytest.mark.parametrize(
    ("symbol", "price", "rounded"),
    [
        ("/NQ", "21005.13", "21005.25"),
        ("/NQ", "21005.125", "21005.00"),
        ("/NQ", "21005.375", "21005.50"),
        ("/ZN", "110.0079", "110.015625"),
        ("/YM", "40000.5", "40000"),
        ("/CL", "-37.634", "-37.63"),
        ("/6J", "0.00654321", "0.006543"),
        ("SPY", "500.005", "500.00"),
    ],
)
def test_prices_round_to_the_nearest_tick_half_to_even(symbol: str, price: str, rounded: str) -> None:
    assert get_instrument(symbol).round_price(Decimal(price)) == Decimal(rounded)


@given(st.sampled_from(sorted(FUTURES)), st.decimals(-50_000, 50_000, places=9))
def test_a_rounded_price_is_on_a_tick_and_at_most_half_a_tick_away(root: str, price: Decimal) -> None:
    future = get_instrument(f"/{root}")
    rounded = future.round_price(price)
    assert future.on_tick(rounded)
    assert abs(rounded - price) * 2 <= future.tick_size
    assert future.round_price(rounded) == rounded


def test_off_tick_prices_are_seen() -> None:
    assert not get_instrument("/NQ").on_tick(Decimal("21005.1"))
    assert get_instrument("/ZT").on_tick(Decimal("103.00390625"))
