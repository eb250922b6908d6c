"""The other timeframes of a strategy in a running house: warmed from the past, joined in the middle of a bar, never with a hole."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from tests.engine.desk import Scripted
from tests.orchestration.house import House
from tests.orchestration.house import until as comes

from fortified.domain.market import Bar
from fortified.engine.inputs import DenialCode
from fortified.orchestration.events import DenialSeen
from fortified.strategies.base import Logger, StrategyConfig

pytestmark = pytest.mark.anyio


class Watcher(Scripted):
    """Long at a price of 1, as soon as two bars of five ticks were seen."""

    name: ClassVar[str] = "watcher"
    seen_bars: ClassVar[list[Bar]] = []

    def __init__(self, config: StrategyConfig, logger: Logger) -> None:
        super().__init__(config, logger)  # type: ignore[arg-type]  # any logger will do
        type(self).seen_bars = []

    def timeframes(self) -> Mapping[str, int]:
        return {"5t": 2}

    def on_other_bar(self, bar: Bar) -> None:
        self.seen_bars.append(bar)


def house(**given: Any) -> House:
    made = House(**given)
    made.manager._strategies.register(Watcher)  # type: ignore[attr-defined]  # the registry of this house
    return made


def told() -> list[tuple[int, int]]:
    """The numbers of the last tick and of the ticks of each bar that was shown."""
    return [(bar.seq, bar.ticks) for bar in Watcher.seen_bars]


async def test_an_entry_waits_for_them_and_says_so() -> None:
    async with house().open() as made:
        await made.run("watcher")
        await made.ticks(*[5.0] * 8, 1.0)
        [seen] = made.of(DenialSeen)
        assert seen.denial.code is DenialCode.WARMING_UP
        assert seen.denial.text == "1 bars of 5t seen, 2 are needed before the first entry"
        await made.ticks(5.0, 1.0)
        assert await made.quantities("watcher") == {"tastytrade": 2}
        assert told() == [(4, 5), (9, 5)]


async def test_a_new_instance_joins_in_the_middle_of_a_bar_with_all_of_it() -> None:
    async with house(charts=("5t",)).open() as first:
        await first.run("watcher")
        await first.ticks(*[5.0] * 13)
    second = house(store=first.store, market=first.market, charts=("5t",))
    async with second.open():
        await comes(lambda: bool(second.manager.status("watcher")))
        await second.run("watcher", parameters={"other": 1})
        assert [seq for seq, _ in told()] == [4, 9]
        await second.ticks(*[5.0] * 4)
        assert told() == [(4, 5), (9, 5), (14, 5)]
        assert second.status("watcher").state == "running"
