"""Timeframes: every spelling leads to one canonical name, and what is none is refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fortified.domain.errors import ConfigError
from fortified.domain.timeframe import MAX_TICKS, SECONDS_PER_DAY, Timeframe


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *((name, name) for name in ("1", "5", "15", "30", "1h", "4h", "1d", "144t", "512t", "1000t", "30s")),
        ("1m", "1"),
        ("5m", "5"),
        ("1Min", "1"),
        ("5Min", "5"),
        ("15min", "15"),
        ("60", "1h"),
        ("240", "4h"),
        ("1440", "1d"),
        ("24h", "1d"),
        ("90m", "90"),
        ("120", "2h"),
        ("60s", "1"),
        ("90s", "90s"),
        ("3600s", "1h"),
        ("86400s", "1d"),
        ("1H", "1h"),
        ("1D", "1d"),
        ("1day", "1d"),
        ("144T", "144t"),
        (" 5 ", "5"),
        ("05", "5"),
    ],
)
def test_every_spelling_has_one_canonical_name(text: str, name: str) -> None:
    assert Timeframe.parse(text).name == name
    assert str(Timeframe.parse(text)) == name


@pytest.mark.parametrize(
    "text",
    ["", " ", "0", "0t", "-5", "+5", "1.5m", "abc", "5q", "t", "5 m 1", "٣", "2d", "1441", "25h", "10000001t", "1w"],
)
def test_what_is_no_timeframe_is_refused_with_its_text_and_the_fix(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Timeframe.parse(text)
    assert repr(text) in str(caught.value)
    assert "144t" in str(caught.value)


def test_a_capital_m_is_not_silently_minutes() -> None:
    with pytest.raises(ConfigError, match=r"months.*write 1m"):
        Timeframe.parse("1M")


def test_lengths_out_of_bounds_cannot_be_built() -> None:
    for kind, length in (("time", 0), ("time", SECONDS_PER_DAY + 1), ("tick", -1), ("tick", MAX_TICKS + 1), ("bar", 5)):
        with pytest.raises(ConfigError):
            Timeframe(kind, length)  # type: ignore[arg-type]  # one of the kinds is wrong on purpose


def test_durations() -> None:
    assert Timeframe.parse("5").length_ns == 300_000_000_000
    assert Timeframe.parse("1d").length_ns == 86_400_000_000_000
    with pytest.raises(ConfigError, match="144t counts trades"):
        _ = Timeframe.parse("144t").length_ns


def test_kinds() -> None:
    day, ticks, hour = (Timeframe.parse(text) for text in ("1d", "144t", "1h"))
    assert (day.is_daily, day.is_tick) == (True, False)
    assert (ticks.is_daily, ticks.is_tick) == (False, True)
    assert (hour.is_daily, hour.is_tick) == (False, False)
    assert not Timeframe("tick", SECONDS_PER_DAY).is_daily


def test_equal_timeframes_are_one_key_and_sort_by_length() -> None:
    assert len({Timeframe.parse(text) for text in ("60", "1h", "60m", "3600s")}) == 1
    assert [frame.name for frame in sorted(map(Timeframe.parse, ("1d", "5", "30s", "4h")))] == ["30s", "5", "4h", "1d"]


@given(
    st.one_of(
        st.builds(Timeframe, st.just("time"), st.integers(1, SECONDS_PER_DAY)),
        st.builds(Timeframe, st.just("tick"), st.integers(1, MAX_TICKS)),
    )
)
def test_the_name_reads_back_as_the_same_timeframe(timeframe: Timeframe) -> None:
    assert Timeframe.parse(timeframe.name) == timeframe
