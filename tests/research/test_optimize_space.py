"""What a person writes as a range is what is searched, and what cannot be is refused with the way to mend it."""

from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fortified.domain.errors import ConfigError
from fortified.domain.market import Bar
from fortified.research.optimize.space import Dimension, Space, check_grid, parse_space
from fortified.strategies.base import BaseStrategy, StrategyPosition


class Typed(BaseStrategy):
    name = "typed"

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        whole: int = 1
        share: float = 0.5
        kind: Literal["EMA", "SMA"] = "EMA"
        label: str = ""
        on: bool = True

    def warmup_periods(self) -> int:
        return 1

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> None:
        return None


class Untyped(Typed):
    name = "untyped"
    Params = BaseStrategy.Params  # type: ignore[assignment]  # a strategy that reads its configuration itself


UNDERSTOOD: list[tuple[str, str, list[Any]]] = [
    ("whole", "5..8", [5, 6, 7, 8]),
    ("whole", "5..20:5", [5, 10, 15, 20]),
    ("whole", "5..21:5", [5, 10, 15, 20]),
    ("whole", "-2 .. 0", [-2, -1, 0]),
    ("whole", "9", [9]),
    ("whole", "21,9,9", [9, 21]),
    ("share", "0.5..2:0.25", [0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0]),
    ("share", "0.1..0.3:0.1", [0.1, 0.2, 0.3]),
    ("share", "1..3", [1.0, 2.0, 3.0]),
    ("kind", "SMA,EMA", ["SMA", "EMA"]),
    ("label", "7,8", ["7", "8"]),
    ("on", "true,false", [True, False]),
]


@pytest.mark.parametrize(("name", "text", "values"), UNDERSTOOD)
def test_understood(name: str, text: str, values: list[Any]) -> None:
    (dimension,) = parse_space(Typed, {name: text}).dimensions
    assert list(dimension.values) == values
    assert [type(value) for value in dimension.values] == [type(value) for value in values]
    assert dimension.ordered == (name in ("whole", "share"))


REFUSED = [
    ("whole", "8..5", "empty; write the smaller number first: whole=5..8"),
    ("whole", "5..x", "whole=5..20"),
    ("whole", "1..inf", "not understood"),
    ("share", "0.5..2", "no step; write share=0.5..2:0.1"),
    ("whole", "5..8:0", "must be above 0"),
    ("whole", "5..8:-1", "must be above 0"),
    ("whole", "1,,2", "empty value"),
    ("whole", "", "empty value"),
    ("whole", "1..9000000", "9,000,000 values"),
    ("kind", "WMA", "takes no value of kind"),
    ("whole", "0.5,0.7", "takes no value of whole"),
    ("other", "1..2", "has no parameter 'other'; it has: kind, label, on, share, whole"),
]


@pytest.mark.parametrize(("name", "text", "word"), REFUSED)
def test_refused(name: str, text: str, word: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_space(Typed, {name: text})
    assert word in str(refusal.value)


def test_values_that_the_strategy_refuses_are_left_out_and_counted() -> None:
    space = parse_space(Typed, {"kind": "EMA,WMA,SMA", "whole": "1..10"})
    assert (space.size, space.refused) == (20, 10)


def test_a_strategy_without_parameters_of_its_own_takes_all() -> None:
    space = parse_space(Untyped, {"anything": "1..3", "word": "a,b"})
    assert space.params(5) == {"anything": 3, "word": "b"}


def test_a_grid_that_is_too_large_names_another_method() -> None:
    space = parse_space(Typed, {"whole": "1..3000", "share": "1..3000"})
    with pytest.raises(ConfigError, match=r"3000 × 3000 = 9,000,000 points.*--method tpe"):
        check_grid(space)


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6), data=st.data())
def test_every_point_has_one_number(sizes: list[int], data: st.DataObject) -> None:
    space = Space(tuple(Dimension(f"p{at}", tuple(range(size)), True) for at, size in enumerate(sizes)))
    number = data.draw(st.integers(0, space.size - 1))
    params = space.params(number)
    assert space.number(params) == number
    assert tuple(params.values()) == space.places(number)
    assert all(0 <= place < size for place, size in zip(space.places(number), sizes, strict=True))
