"""Times and decimals outside; bodies of any kind are understood or refused, never a crash."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fortified.api.tickers_body import parse_ticker, ticker_answer
from fortified.api.wire import decimal_text, iso_time, parse_time
from fortified.domain.errors import ConfigError

_YEAR_2200 = 7_258_118_400_000_000_000
_PARAMETERS = {"ema": frozenset({"period_1", "period_2"})}


@given(st.integers(0, _YEAR_2200))
def test_times_read_back_to_the_microsecond(ts: int) -> None:
    text = iso_time(ts)
    assert parse_time(text, "t") == ts // 1_000 * 1_000
    assert parse_time(text, "t", end=True) == ts // 1_000 * 1_000 + 1_000


def test_a_date_is_a_whole_utc_day() -> None:
    start, end = parse_time("2025-03-09", "t"), parse_time("2025-03-09", "t", end=True)
    assert (iso_time(start), end - start) == ("2025-03-09T00:00:00.000000Z", 86_400 * 10**9)
    assert parse_time("2025-03-09T00:00:00 01:00", "t") == start - 3_600 * 10**9


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_decimals_have_no_exponent_and_ten_places_at_most(value: Decimal) -> None:
    text = decimal_text(value)
    assert "E" not in text.upper()
    assert abs(Decimal(text) - value) <= Decimal("5e-11")
    assert len(text.partition(".")[2]) <= 10


@pytest.mark.parametrize(
    ("value", "text"), [("1E+3", "1000"), ("2.50", "2.50"), ("-0.00001", "-0.00001"), ("21000.333333333333", "21000.3333333333")]
)
def test_decimals_keep_what_they_say(value: str, text: str) -> None:
    assert decimal_text(Decimal(value)) == text


_NAMES = "symbol ticker strategy timeframe config parameters quantity enabled x_quantity x_symbol period_1 demo odd"
_KEYS = st.sampled_from(_NAMES.split())
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["ema", "/NQ", "SPY", "144t", "1e9", "-1", "NaN", ""]),
    lambda inner: st.dictionaries(_KEYS, inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=6,
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=8))
def test_any_body_is_understood_or_refused(body: dict[str, Any]) -> None:
    try:
        config = parse_ticker(body, _PARAMETERS)
    except ConfigError:
        return
    assert parse_ticker(ticker_answer(config), _PARAMETERS) == config
