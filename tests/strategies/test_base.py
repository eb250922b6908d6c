"""The strategy interface: how answers are read, and what is made durable."""

import logging
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec
import pytest
from tests.builders import bar

from fortified.domain.errors import ConfigError
from fortified.domain.market import Bar
from fortified.domain.signal import OrderSide, Signal, Target
from fortified.indicators.ema import EMA
from fortified.strategies.base import Answers, BaseStrategy, StrategyConfig, StrategyPosition, signals_of

FLAT, LONG, SHORT = Target.FLAT, Target.LONG, Target.SHORT


@pytest.mark.parametrize(
    ("side", "reason", "position", "wished"),
    [
        ("BUY", "entry_long", FLAT, LONG),
        ("SELL", "entry_short", FLAT, SHORT),
        ("SELL", "entry_short", LONG, SHORT),  # names an entry: turns around
        ("BUY", "entry_long", LONG, LONG),
        ("SELL", "exit_long", LONG, FLAT),
        ("BUY", "exit_short", SHORT, FLAT),
        ("SELL", "exit_long", FLAT, FLAT),  # nothing to leave
        ("BUY", "exit_short", LONG, LONG),
        ("SELL", "stop", LONG, FLAT),  # says nothing of an entry: closes
        ("SELL", "", FLAT, SHORT),
        ("sell", "entry_short", FLAT, SHORT),
        (OrderSide.SELL, "entry_short", FLAT, SHORT),
    ],
)
def test_the_dict_form(side: str, reason: str, position: Target, wished: Target) -> None:
    assert signals_of({"symbol": "/NQ", "side": side, "reason": reason}, position, "/NQ") == [Signal(wished, reason)]


def test_signals_pass_as_they_are_one_or_many_or_none() -> None:
    assert signals_of(None, FLAT, "/NQ") == []
    assert signals_of(Signal(LONG, "a"), SHORT, "/NQ") == [Signal(LONG, "a")]

    def several() -> Iterator[Signal]:
        yield Signal(FLAT, "a")
        yield Signal(SHORT, "b")

    assert signals_of(several(), LONG, "/NQ") == [Signal(FLAT, "a"), Signal(SHORT, "b")]


@pytest.mark.parametrize("answer", [7, "BUY", {"reason": "entry"}, {"side": "HOLD"}, [None], [3]])
def test_any_other_answer_is_refused_in_words(answer: Any) -> None:
    with pytest.raises(ConfigError, match=r"a strategy answered .* expected"):
        signals_of(answer, FLAT, "/NQ")


def test_a_target_given_as_its_number_is_that_target() -> None:
    [signal] = signals_of(Signal(1, "entry_long"), FLAT, "/NQ")  # type: ignore[arg-type]  # what an untyped plugin may do
    assert signal.target is LONG


class Keeper(BaseStrategy):
    """Keeps what a test gives it."""

    name: ClassVar[str] = "keeper"

    def warmup_periods(self) -> int:
        return 0

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Answers:
        return None


def keeper(**attributes: Any) -> Keeper:
    made = Keeper(StrategyConfig("/NQ", "1"), logging.getLogger("test"))
    vars(made).update(attributes)
    return made


def through_the_store(old: Keeper) -> Keeper:
    """As after a restart: the state travels as bytes."""
    fresh = keeper(average=EMA(3))
    fresh.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(old.snapshot())))
    return fresh


def test_plain_attributes_and_indicators_are_durable() -> None:
    average = EMA(3)
    average.update(5.0)
    old = keeper(average=average, count=3, armed=True, level=None, note="x", closes=[1.5, 2.5], seen={"a": [1]})
    fresh = through_the_store(old)
    assert fresh.snapshot() == old.snapshot()
    assert (vars(fresh)["level"], vars(fresh)["seen"], vars(fresh)["average"].update(6.0)) == (None, {"a": [1]}, average.update(6.0))


def test_a_snapshot_does_not_change_with_the_strategy() -> None:
    held = [1.0]
    state = keeper(closes=held).snapshot()
    held.append(2.0)
    assert state == {"closes": [1.0]}


@pytest.mark.parametrize("value", [{1, 2}, object(), [object()], {"a": bar()}, b"x"])
def test_what_is_not_plain_is_refused_with_its_name(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"strategy Keeper: attribute 'extra' of type .* override snapshot"):
        keeper(extra=value).snapshot()


@pytest.mark.parametrize("value", [Target.LONG, OrderSide.BUY, (1, 2), {(1, 2): 3}])
def test_what_would_come_back_as_something_else_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="attribute 'extra'"):
        keeper(extra=value).snapshot()


def test_ticks_are_wanted_when_the_method_is_overridden() -> None:
    class Fast(Keeper):
        def on_tick(self, tick: Any, current_position: StrategyPosition | None) -> Answers:
            return None

    assert not Keeper.wants_ticks()
    assert Fast.wants_ticks()
