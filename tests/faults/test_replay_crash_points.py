"""A replay that stops at one chosen step, and is run again: the steps between an intent and its effect, and those at the end."""

import asyncio
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.cli.data import wave

from fortified.adapters.paper import PaperBroker
from fortified.bootstrap_replay import Progress, run_replay
from fortified.engine.fills import FillModel
from fortified.engine.result import RunResult
from fortified.orchestration.replay import END
from fortified.runs import RunOptions
from fortified.settings import Settings
from fortified.storage.ledger import RedisLedger
from fortified.storage.wire import Channel

Step = Callable[..., Any]


class StopError(Exception):
    """The process ends here."""


class Stop:
    """Ends a run before or after the step of that number among the calls that ``chosen`` accepts."""

    def __init__(self, step: Step, number: int, *, after: bool, chosen: Callable[..., bool] = lambda *_: True) -> None:
        self.seen = 0
        self._step, self._number, self._after, self._chosen = step, number, after, chosen

    def bound(self) -> Step:
        async def step(*arguments: Any) -> Any:
            mine = self._chosen(*arguments)
            self.seen += mine
            hit = mine and self.seen == self._number
            if hit and not self._after:
                raise StopError
            result = await self._step(*arguments)
            if hit:
                raise StopError
            return result

        return step


@pytest.fixture
def replay(tmp_path: Path, redis_url: str) -> Callable[[], RunResult]:
    """Runs the same small replay, with the fill model ``next``, on the Redis of the tests."""
    options = RunOptions(
        files=(wave(tmp_path / "t.csv", 900),),
        symbol="/ES",
        timeframe="5t",
        strategy="ema",
        params={"period_1": "2", "period_2": "5"},
        quantity=Decimal(1),
        fills=FillModel("next"),
        fee="2.00/contract",
        warmup=None,
        calendar="24/7",
        tick_size=None,
        multiplier=None,
        flatten=True,
        speed=None,
    )
    settings = Settings(_env_file=None, redis_url=redis_url, fortified_data_dir=tmp_path)  # type: ignore[call-arg,arg-type]  # pydantic converts

    def run() -> RunResult:
        return asyncio.run(run_replay(settings, options, Progress(), lambda _: None))

    return run


@pytest.fixture
def undisturbed(replay: Callable[[], RunResult]) -> RunResult:
    result = replay()
    assert len(result.trades) > 10
    assert result.open_quantity == 0
    return result


def stops(run: Callable[[], RunResult]) -> None:
    with pytest.raises((StopError, ExceptionGroup)) as caught:
        run()
    if isinstance(caught.value, ExceptionGroup):
        assert caught.group_contains(StopError)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name"), [(RedisLedger, "commit"), (PaperBroker, "place_order")])
def test_stopped_at_any_step(
    replay: Callable[[], RunResult],
    undisturbed: RunResult,
    monkeypatch: pytest.MonkeyPatch,
    chance: random.Random,
    rounds: int,
    owner: type,
    name: str,
    after: bool,
) -> None:
    step = getattr(owner, name)
    counter = Stop(step, 0, after=False)
    monkeypatch.setattr(owner, name, counter.bound())
    assert replay() == undisturbed
    for _ in range(2 * rounds):
        number = chance.randint(1, counter.seen - 2)
        monkeypatch.setattr(owner, name, Stop(step, number, after=after).bound())
        stops(replay)
        monkeypatch.setattr(owner, name, step)
        assert replay() == undisturbed, f"stopped at {name} {number}"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_stopped_while_it_closes_what_is_open(
    replay: Callable[[], RunResult], undisturbed: RunResult, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    closing = Stop(PaperBroker.place_order, 1, after=after, chosen=lambda _, order: order.reason == END)
    with monkeypatch.context() as patch:
        patch.setattr(PaperBroker, "place_order", closing.bound())
        stops(replay)
    assert replay() == undisturbed


@pytest.fixture
def crowded(redis_url: str) -> Iterator[None]:
    """A Redis that holds many keys of others, so that a scan takes many pages."""
    with redis.Redis.from_url(redis_url) as client:
        names = {f"crowd:{number}": number for number in range(6_000)}
        client.mset(names)
        yield
        client.unlink(*names)


@pytest.mark.usefixtures("crowded")
def test_what_a_run_stored_goes_at_once(replay: Callable[[], RunResult], monkeypatch: pytest.MonkeyPatch) -> None:
    erasing = Stop(Channel.call, 0, after=False, chosen=lambda _, *words: words[0] == "UNLINK")
    monkeypatch.setattr(Channel, "call", erasing.bound())
    replay()
    assert erasing.seen == 1
