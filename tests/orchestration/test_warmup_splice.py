"""The splice of past and stream, in every order of arrival: a strategy sees one unbroken stretch of the true bars, each once, and trades
only when it has seen enough of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import anyio
import httpx2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders import MINUTE, NQ_24_7, OPEN, SECOND, bar
from tests.integration.server import Server, runners, until
from tests.orchestration.house import House, Market
from tests.orchestration.stage import ListSource

from fortified.aggregation.factory import create_aggregator
from fortified.domain.calendar import get_calendar
from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar, BarFlag, Tick
from fortified.domain.order import Purpose
from fortified.domain.signal import Signal, Target
from fortified.domain.timeframe import Timeframe
from fortified.orchestration import strategy_runner
from fortified.orchestration.backfill_service import BackfillService, Warmup
from fortified.orchestration.trading_manager import TradingManager
from fortified.orchestration.warmup_splice import Seam
from fortified.ports import StreamRef
from fortified.registry import Registry
from fortified.storage.memory import MemoryStore
from fortified.strategies.base import BaseStrategy, Logger, StrategyConfig, StrategyPosition

# --- the service alone, against the one true sequence of bars ---

MANNERS = ("honest", "newest first", "twice", "only some", "nothing", "raises")
CUT = BarFlag.GAP | BarFlag.PARTIAL_START


class World(ListSource):
    """The true bars of a market, those of them that were published and stored, and a source that knows them all."""

    def __init__(self, timeframe: str, steps: Sequence[int]) -> None:
        super().__init__([])
        self.timeframe = Timeframe.parse(timeframe)
        self.ref = StreamRef("/NQ", timeframe)
        starts = [sum(steps[: number + 1]) for number in range(len(steps))]
        self.truth = [self._bar(number, start) for number, start in enumerate(starts)]
        self.now = 0
        """How many of the true bars are closed."""
        self.store = MemoryStore()
        self.service = BackfillService(self.store.history, self)
        self.last: Bar | None = None
        self.manner, self.meanwhile, self.first_number = "honest", 0, 0

    def _bar(self, number: int, start: int) -> Bar:
        """Time bars are minutes, of which some are quiet; tick bars are instants, of which several may share a stamp."""
        if self.timeframe.is_tick:
            stamp = OPEN + start * SECOND
            return bar(number, float(number), timeframe=self.timeframe.name, ts_open=stamp, ts_close=stamp)
        return bar(0, float(number), ts_open=OPEN + start * MINUTE, ts_close=OPEN + (start + 1) * MINUTE, seq=10 * number + 9)

    def now_ns(self) -> int:
        return self.truth[self.now - 1].ts_close if self.now else OPEN - 1

    async def seam(self) -> Seam:
        return Seam(self.last)

    def publish(self, count: int) -> None:
        """The next bars close, and are published."""
        for one in self.truth[self.now : self.now + count]:
            self._put(one)

    def lose(self, count: int) -> None:
        """The next bars close while nobody listens; the one behind them is published with its flags, and without its beginning."""
        if self.now + count < len(self.truth):
            self.now += count
            one = self.truth[self.now]
            self._put(msgspec.structs.replace(one, flags=int(CUT), open=-1.0, low=-1.0))

    def _put(self, one: Bar) -> None:
        self.store.history.publish(self.ref, one)
        self.last, self.now = one, self.now + 1

    async def history(self, instrument: Instrument, timeframe: Timeframe, count: int) -> Sequence[Bar]:
        closed = self.truth[: self.now]
        still_open = [] if self.timeframe.is_tick else self.truth[self.now : self.now + 1]
        numbered = [msgspec.structs.replace(one, seq=self.first_number + number) for number, one in enumerate([*closed, *still_open])]
        self.publish(self.meanwhile)
        found = numbered[-count:]
        if self.manner == "newest first":
            return found[::-1]
        if self.manner == "twice":
            return [*found, *found]
        if self.manner == "only some":
            return found[-4:]
        if self.manner == "raises":
            raise ConnectionError("no line")
        return found if self.manner == "honest" else ()


def look_at(world: World, found: Warmup) -> None:
    """What a strategy is shown is a stretch of the truth that ends where the stream takes over."""
    shown = [int(one.close) for one in found.bars]
    assert shown == list(range(shown[0], shown[0] + len(shown))) if shown else True
    for one in found.bars:
        true = world.truth[int(one.close)]
        assert (one.ts_open, one.ts_close) == (true.ts_open, true.ts_close)
        assert one.flags & BarFlag.PARTIAL_START or one.low == true.low, "a bar without its beginning is not counted"
    counted = sum(not one.flags & BarFlag.PARTIAL_START for one in found.bars)
    assert counted == found.got
    assert bool(found.text) == (found.got < found.needed)
    assert found.text == "" or f"{found.got} of {found.needed} bars" in found.text
    if shown and world.last is not None:
        assert found.bars[-1].ts_open == world.last.ts_open
    elif shown:
        assert shown[-1] == world.now - 1


ACTS = st.one_of(
    st.tuples(st.just("publish"), st.integers(1, 6)),
    st.tuples(st.just("lose"), st.integers(1, 6)),
    st.tuples(st.just("warm"), st.integers(1, 9), st.sampled_from(MANNERS), st.integers(0, 3), st.sampled_from([-500, -1, 0, 10**6])),
)


@given(st.sampled_from(["1", "2t"]), st.lists(st.integers(0, 3), min_size=60, max_size=60), st.lists(ACTS, min_size=1, max_size=14))
def test_any_history_of_lives(timeframe: str, steps: list[int], acts: list[tuple[Any, ...]]) -> None:
    if timeframe == "1":
        steps = [max(1, step) for step in steps]

    async def live() -> None:
        world = World(timeframe, steps)
        for act, count, *how in acts:
            if act == "publish":
                world.publish(count)
            elif act == "lose":
                world.lose(count)
            else:
                world.manner, world.meanwhile, world.first_number = how
                begun = world.now
                found = await world.service.warm_up(NQ_24_7, world.timeframe, count, world, world.seam)
                look_at(world, found)
                if world.manner in ("honest", "newest first", "twice") and timeframe == "1":
                    assert found.got >= min(count, begun)

    anyio.run(live)


# --- the whole way: ticks, aggregation, streams, runner, restarts ---

NEEDED = 5
LENGTH = 4


class Diary(BaseStrategy):
    """Writes down what it is shown, and wants to turn around on every bar."""

    name: ClassVar[str] = "diary"

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        edition: int = 0

    def __init__(self, config: StrategyConfig, logger: Logger) -> None:
        super().__init__(config, logger)
        self.seen: list[int] = []

    def warmup_periods(self) -> int:
        return NEEDED

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Signal:
        self.seen.append(bar.ts_open)
        long = current_position is None or current_position.target is not Target.LONG
        return Signal(Target.LONG if long else Target.SHORT, f"bar {len(self.seen)}")


class Remembering(Market):
    """A market whose source knows the bars before those it gives, or some of them, or fails; meanwhile its ticks go on."""

    def __init__(self, timeframe: str) -> None:
        super().__init__(batch=3)
        self.timeframe, self.manner, self.meanwhile = timeframe, "honest", 0
        self.seq = 0

    def move(self, count: int) -> None:
        self.add("/NQ", *(float(self.seq + place) for place in range(count)))
        self.seq += count

    def bars(self) -> list[Bar]:
        """The true bars so far, the open one last."""
        aggregator = create_aggregator("/NQ", Timeframe.parse(self.timeframe), get_calendar("24/7"))
        made = [one for tick in self.ticks.get("/NQ", ()) for one in aggregator.on_tick(tick)]
        return made if (rest := aggregator.finish()) is None else [*made, rest]

    async def history(self, instrument: Instrument, timeframe: Timeframe, count: int) -> Sequence[Bar]:
        given, self.ticks["/NQ"] = self.ticks.get("/NQ", []), self.ticks.get("/NQ", [])[: self.given.get("/NQ", 0)]
        found = [msgspec.structs.replace(one, seq=-1) for one in self.bars()]
        self.ticks["/NQ"] = given
        self.move(self.meanwhile)
        if self.manner == "raises":
            raise ConnectionError("no line")
        return {"honest": found, "newest first": found[::-1], "twice": [*found, *found], "only some": found[-2:]}.get(self.manner, [])


class Home(House):
    def __init__(self, store: MemoryStore, market: Market) -> None:
        super().__init__(store, market=market, charts=(market.timeframe,) if isinstance(market, Remembering) else ())
        self.manager = TradingManager(self.store, Registry((Diary,)), self, self)
        self.manager.listeners.add(self.heard.append)

    def now_ns(self) -> int:
        """The time of the last tick that was given: what opens then is not closed."""
        assert isinstance(self.market, Remembering)
        given: list[Tick] = self.market.ticks.get("/NQ", [])[: self.market.given.get("/NQ", 0)]
        return given[-1].ts_event if given else OPEN

    def seen(self) -> list[int]:
        """When the bars opened that the strategy was shown, in this life and before."""
        [handle] = self.manager._handles.values()
        assert handle.runner is not None
        strategy = handle.runner.engine._strategy
        assert isinstance(strategy, Diary)
        return strategy.seen


LIVES = st.lists(
    st.tuples(
        st.integers(0, 3),  # edition: other parameters begin anew
        st.sampled_from(MANNERS),
        st.integers(0, 9),  # ticks while the source answers
        st.lists(st.integers(1, 16), min_size=1, max_size=3),  # ticks between the turns of the event loop
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=150)
@given(st.sampled_from([f"{LENGTH}t", f"{LENGTH}s"]), LIVES)
def test_a_runner_sees_each_bar_once_and_trades_when_it_is_warm(timeframe: str, lives: list[tuple[int, str, int, list[int]]]) -> None:
    async def live() -> None:
        store, market = MemoryStore(), Remembering(timeframe)
        for edition, market.manner, market.meanwhile, moves in lives:
            async with Home(store, market).open() as home:
                await home.run("diary", timeframe=timeframe, parameters={"edition": edition})
                for count in moves:
                    market.move(count)
                    await home.ticks()
                status, seen = home.status("diary"), home.seen()
                assert status.state in ("running", "warming"), status.reason
            truth = [one.ts_open for one in market.bars()]
            assert seen == truth[truth.index(seen[0]) : truth.index(seen[0]) + len(seen)] if seen else True
            assert len(truth) - 1 <= truth.index(seen[-1]) + 1 if seen else len(truth) <= 1
            assert status.warmup_got == min(len(seen), NEEDED)
            assert status.state == ("running" if len(seen) >= NEEDED else "warming")
        for order in await store.ledger.orders():
            if order.purpose is Purpose.ENTRY:
                assert int(order.reason.removeprefix("bar ")) > NEEDED
        for _, denial in await store.ledger.denials():
            assert f"{NEEDED} are needed" in denial.text

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strategy_runner, "READ_TIMEOUT_MS", 1)  # a runner acknowledges when it is quiet, and this test waits for that
        anyio.run(live)


# --- a server that ends and begins again ---


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.kill()


def spy(client: httpx2.Client) -> Any:
    return next(runner for runner in runners(client) if runner["symbol"] == "SPY")


def begin_anew(client: httpx2.Client, period: int) -> Any:
    """Other parameters make a new strategy, which knows nothing but what is stored."""
    ticker = {"symbol": "SPY", "strategy": "ema", "timeframe": "1", "schwab_quantity": 10, "period_1": 5, "period_2": period}
    assert client.post("/api/tickers", json=ticker).status_code == 200
    assert client.post("/api/start-trading?strategy=ema").status_code == 200
    return spy(client)


def test_stored_bars_warm_up_at_once_after_the_server_and_its_store_were_killed(server: Server) -> None:
    with server.start().client() as client:
        until(lambda: spy(client)["bars_seen"] >= 25, "bars are stored", 30)
    server.kill()
    with server.start().client() as client:
        warm = begin_anew(client, 20)
        assert (warm["state"], warm["warmup_got"], warm["warmup_needed"]) == ("running", 20, 20)
        short = begin_anew(client, 900)
        assert short["state"] == "warming"
        assert 20 < short["warmup_got"] < short["warmup_needed"] == 900
