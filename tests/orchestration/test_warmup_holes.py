"""What nobody saw: a strategy begins anew behind every hole, says so, and is warm again as soon as its source can tell what was in it."""

from collections.abc import AsyncIterator, Sequence

import pytest
from tests.orchestration.house import until
from tests.orchestration.test_warmup_splice import NEEDED, Home, Remembering

from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar, Gap, SourceEvent
from fortified.domain.timeframe import Timeframe
from fortified.orchestration import backfill_service
from fortified.storage.memory import MemoryStore

pytestmark = pytest.mark.anyio
BARS = "4s"


class Live(Remembering):
    """A venue: what happens while nobody is subscribed is not given any more, though its history may tell."""

    def __init__(self, timeframe: str = BARS) -> None:
        super().__init__(timeframe)
        self.lost = False
        self.knows = True

    async def subscribe(self, instrument: Instrument, after: int | None) -> None:
        await super().subscribe(instrument, after)
        self.given["/NQ"] = self.seq
        self.lost = (0 if after is None else after + 1) < self.seq

    async def events(self) -> AsyncIterator[Sequence[SourceEvent]]:
        async for batch in super().events():
            if self.lost:
                self.lost = False
                yield [Gap("/NQ", batch[0].ts_event, "nobody was subscribed")]  # type: ignore[union-attr]  # they are ticks
            yield batch

    async def history(self, instrument: Instrument, timeframe: Timeframe, count: int) -> Sequence[Bar]:
        self.given["/NQ"] = self.given.get("/NQ", self.seq)
        return await super().history(instrument, timeframe, count) if self.knows else ()


def look_at(home: Home, market: Live) -> None:
    """One unbroken stretch of the true bars, up to the last one that is closed."""
    closed, seen = [one.ts_open for one in market.bars()][:-1], home.seen()
    assert seen == closed[len(closed) - len(seen) :]


async def play(home: Home, market: Live, count: int) -> None:
    market.move(count)
    await home.ticks()


@pytest.mark.parametrize("knows", [True, False])
async def test_a_timeframe_that_nobody_wanted_for_a_while(knows: bool) -> None:
    """The symbol went on by another timeframe, so its ticks were not kept for this one."""
    market = Live()
    home = Home(MemoryStore(), market)
    home.chart_timeframes = ("1",)
    async with home.open():
        await home.run("diary", timeframe=BARS)
        await play(home, market, 33)
        assert home.status("diary").state == "running"
        await home.stop("diary")
        market.move(33)
        await until(lambda: market.given["/NQ"] == market.seq)
        market.knows = knows
        await home.start("diary")
        await play(home, market, 7)
        status = home.status("diary")
        assert (status.state, status.warmup_got) == (("running", NEEDED) if knows else ("warming", len(home.seen())))
        look_at(home, market)
        assert len(home.seen()) >= NEEDED if knows else len(home.seen()) <= 2
        await play(home, market, 40)
        look_at(home, market)


@pytest.mark.parametrize("knows", [True, False])
async def test_a_process_that_was_down(knows: bool) -> None:
    store, market = MemoryStore(), Live()
    async with Home(store, market).open() as home:
        await home.run("diary", timeframe=BARS)
        await play(home, market, 33)
    market.move(50)
    market.knows = knows
    async with Home(store, market).open() as home:
        await play(home, market, 9)
        assert home.status("diary").state == ("running" if knows else "warming")
        look_at(home, market)
        await play(home, market, 40)
        look_at(home, market)


async def test_bars_that_close_between_the_history_and_the_first_subscription() -> None:
    market = Live()
    market.add("/NQ")
    market.move(41)
    market.meanwhile = 30
    async with Home(MemoryStore(), market).open() as home:
        await home.run("diary", timeframe=BARS)
        assert home.status("diary").state == "running"
        await play(home, market, 1)
        assert (home.status("diary").state, home.status("diary").warmup_got) == ("warming", 0)
        market.meanwhile = 0
        await play(home, market, 9)
        look_at(home, market)
        assert home.status("diary").state == "running"


async def test_a_source_that_fails_at_first_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill_service, "ANSWER_S", 0.01)
    market = Live()
    market.add("/NQ")
    market.move(40)
    market.manner = "raises"
    async with Home(MemoryStore(), market).open() as home:
        await home.run("diary", timeframe=BARS)
        status = home.status("diary")
        assert (status.state, status.warmup_got, status.warmup_needed) == ("warming", 0, NEEDED)
        assert status.reason == f"warm-up: 0 of {NEEDED} bars; market did not give its history: ConnectionError: no line"
        market.manner = "honest"
        await play(home, market, 9)
        status = home.status("diary")
        assert (status.state, status.warmup_got, status.reason) == ("running", NEEDED, "")
        look_at(home, market)
