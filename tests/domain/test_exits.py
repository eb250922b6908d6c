"""Protective exits as a trader writes them."""

# mypy: disable-error-code="comparison-overlap"
# A Decimal equals an int, which mypy does not know.

from decimal import Decimal

import pytest
from tests.builders import NQ

from fortified.domain.errors import ConfigError
from fortified.domain.exits import NO_EXITS, Distance, ExitRules

ENTRY, ATR = Decimal(20_000), Decimal("12.5")


@pytest.mark.parametrize(
    ("text", "amount", "unit", "points"),
    [
        ("20ticks", "20", "ticks", "5"),
        ("1 tick", "1", "ticks", "0.25"),
        (" 10pts ", "10", "points", "10"),
        ("2.5 Points", "2.5", "points", "2.5"),
        ("1POINT", "1", "points", "1"),
        ("0.5%", "0.5", "percent", "100"),
        (".5 %", "0.5", "percent", "100"),
        ("1.5atr", "1.5", "atr", "18.75"),
        ("2 ATR", "2", "atr", "25"),
    ],
)
def test_a_distance_is_read_and_measured(text: str, amount: str, unit: str, points: str) -> None:
    distance = Distance.parse(text)
    assert (distance.amount, distance.unit) == (Decimal(amount), unit)
    assert distance.points(ENTRY, ATR, NQ) == Decimal(points)
    assert Distance.parse(str(distance)) == distance


@pytest.mark.parametrize(
    "text", ["", "20", "ticks", "0ticks", "0.0%", "-5pts", "+5pts", "1e3pts", "5 pips", "1,5atr", "nan%", "1.pts", "5ticks 2"]
)
def test_what_is_no_distance_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not understood; write 20ticks, 10pts, 0\.5% or 1\.5atr, above 0") as failed:
        Distance.parse(text)
    assert repr(text) in str(failed.value)


def test_percent_is_of_the_size_of_the_entry_also_below_zero() -> None:
    assert Distance.parse("10%").points(Decimal("-37.63"), None, NQ) == Decimal("3.763")


def test_a_distance_in_ranges_needs_the_range() -> None:
    with pytest.raises(ConfigError, match="needs the average true range; warm up longer"):
        Distance.parse("1atr").points(ENTRY, None, NQ)


@pytest.mark.parametrize("name", ["stop_loss", "take_profit", "trailing"])
def test_the_rule_with_the_mistake_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}: distance '3 bananas'"):
        ExitRules.parse(**{name: "3 bananas"})


def test_rules_are_true_when_there_is_one_and_say_whether_they_need_the_range() -> None:
    assert not NO_EXITS
    assert ExitRules.parse() == NO_EXITS
    for name in ("stop_loss", "take_profit", "trailing"):
        assert ExitRules.parse(**{name: "3ticks"})
        assert not ExitRules.parse(**{name: "3ticks"}).needs_atr
        assert ExitRules.parse(**{name: "3atr"}).needs_atr
