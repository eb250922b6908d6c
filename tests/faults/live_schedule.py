"""One schedule: a seeded walk of market, wishes and faults through the lives of a process, and then the peace in which all must agree.

Owns the chances. The same seed gives the same schedule.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog
from tests.adapters.schwab_desk import MONDAY
from tests.faults.live_truth import differences
from tests.faults.live_world import (
    FLAT,
    LONG,
    LONG_LIMIT,
    LONG_STOP,
    NOTHING,
    QUANTITIES,
    SCHWAB,
    SHORT,
    SHORT_LIMIT,
    SYMBOLS,
    TASTYTRADE,
    Life,
    World,
    configure,
    go_live,
    simulation,
)
from tests.faults.virtual_time import LoopClock, VirtualLoop

from fortified.domain.signal import Target
from fortified.ports import RunnerKey
from fortified.simulators.faults import Fault, Faults, Kind
from fortified.simulators.orders import Event, State

STEPS = (30, 60)
PEACE_S = 400
KEY = RunnerKey("walker", "/NQ", "1t", "live")
WISHES = (LONG, SHORT, FLAT, LONG_LIMIT, SHORT_LIMIT, LONG_STOP)

# A request that lies on its way for longer than an order is looked for cannot be told from one that was lost: no such thing here.
ASKED: tuple[Fault | Kind, ...] = (
    *(Kind.DROP_BEFORE, Kind.DROP_AFTER, Kind.CUT_ANSWER, Kind.GARBLED, Kind.EXPIRE_TOKEN),
    *(Fault(Kind.STATUS, status=status) for status in (429, 500, 503)),
    *(Fault(Kind.STATUS_AFTER, status=status) for status in (500, 502, 504)),
    *(Fault(Kind.SLOW_AFTER, seconds=seconds) for seconds in (0.3, 12.0)),
    *(Fault(Kind.SLOW_BEFORE, seconds=seconds) for seconds in (0.3, 10.2, 10.5, 11.5)),
)
READ: tuple[Fault | Kind, ...] = (
    *(Kind.DROP_BEFORE, Kind.CUT_ANSWER, Kind.GARBLED, Kind.EXPIRE_TOKEN),
    *(Fault(Kind.STATUS, status=status) for status in (429, 500, 502)),
    *(Fault(Kind.SLOW_AFTER, seconds=seconds) for seconds in (0.3, 12.0)),
)
ANY_READ, ANY_ORDER = "GET /*", "POST /*/orders"
FRAMES = (Kind.MISSING, Kind.TWICE, Kind.LATE, Kind.ABORT, Kind.CLOSE, Kind.FREEZE)


class Outcome(msgspec.Struct):
    """What became of a schedule. ``virtual_s`` is the time that passed in it."""

    seed: int
    failures: list[str]
    notes: list[str]
    orders: int
    lives: int
    commits: int
    faults: int
    outages: int
    virtual_s: float


class Walk:
    """A schedule on its way."""

    def __init__(self, world: World) -> None:
        self.world, self.random = world, world.random
        self.kills = self.random.choice((0.0, 0.0, 0.05, 0.15))
        self.outages = self.random.choice((0.0, 0.0, 0.05))
        self.blackouts = self.random.choice((0.0, 0.0, 0.03, 0.06))
        self.fields: dict[str, Any] = self.random.choice(
            (
                {},
                {},
                {"stop_loss": "12ticks"},
                {"stop_loss": "12ticks", "trailing": "16ticks"},
                {"take_profit": "8ticks", "stop_loss": "20ticks"},
            )
        )
        self.fields["leg_failure"] = self.random.choice(("hold", "alert", "unwind"))
        self.life = Life(world)
        self._dies_on = 0
        self._events = 0

    # --- faults ---

    def stir(self) -> None:
        """Choose what goes wrong in this schedule, and how often."""
        for venue, faults in ((TASTYTRADE, self.world.simulation.tastytrade_faults), (SCHWAB, self.world.simulation.schwab_faults)):
            level = self.random.choice((0.0, 0.5, 1.0, 2.0, 3.0))
            self._by_chance(faults, "GET *", READ, 0.04 * level)
            for method in ("POST *orders", "PUT *", "DELETE *"):
                more = (Kind.NO_LOCATION, Kind.NO_LOCATION) if venue == SCHWAB else ()
                self._by_chance(faults, method, (*ASKED, *more), 0.15 * level)
            self._by_chance(faults, "POST *token", (Kind.DROP_BEFORE, Fault(Kind.STATUS, status=503)), 0.1 * level)
            self._by_chance(faults, "stream *", (*FRAMES, Kind.KICK), 0.03 * level)
            self._by_chance(faults, "command *", (Kind.MISSING, Kind.DENY, Kind.ABORT, Kind.FREEZE), 0.03 * level)
            self._by_chance(faults, "order", (Fault(Kind.REJECT, text="not today"), Kind.SILENT), 0.04 * level)
            self._by_chance(faults, "cancel", (Kind.FILL_FIRST, Kind.STUCK), 0.1 * level)
            self._by_chance(faults, "replace", (Kind.FILL_FIRST, Kind.STUCK), 0.1 * level)
            early = (Kind.FILLED_EARLY,) if venue == TASTYTRADE else ()
            self._by_chance(faults, "fill", (Fault(Kind.LAG, seconds=3.0), Fault(Kind.LAG, seconds=0.5), *early), 0.1 * level)
            self.world.exchange(venue).listeners.append(self._on_event)

    def _by_chance(self, faults: Faults, pattern: str, kinds: Sequence[Fault | Kind], rate: float) -> None:
        if rate:
            faults.by_chance(pattern, kinds, rate)

    def _on_event(self, event: Event) -> None:
        self.world.note("venue", f"{event.order.ticket.symbol} {event.order.id} {event.what}", event.fill or "")
        self._events += 1
        if self._events == self._dies_on:
            self.life.die()

    # --- the walk ---

    async def walk(self) -> None:
        """The part in which things go wrong."""
        world = self.world
        world.push()
        await self.life.begun.wait()
        for keeper in self.life.manager.keepers():
            await keeper.settled()
        await configure(self.life, **self.fields)
        await go_live(self.life)
        self.stir()
        for _ in range(self.random.randint(*STEPS)):
            await asyncio.sleep(self.random.choice((0.05, 0.2, 0.5, 1.0, 2.5, 6.0)))
            self.step()
            await self.revive()

    def step(self) -> None:
        """One print, and what else happens now."""
        dice = self.random.random
        wish = self.random.choice(WISHES) if dice() < 0.3 else NOTHING
        if wish != NOTHING:
            self.world.note("world", f"wish {wish}")
        self.world.push(wish)
        self.life.tape.wake()
        self.life.watch()
        if dice() < 0.04:
            target = self.random.choice((Target.LONG, Target.SHORT, Target.FLAT))
            name, manual = str(dice()), self.life.manager.manual
            self.life.ask(lambda: manual("/NQ", target, strategy=None, command_id=name, actor="campaign"))
        if dice() < 0.02:
            self._wipe_session()
        if dice() < self.outages:
            asyncio.get_running_loop().create_task(self._outage(self.random.choice((0.3, 3.0, 20.0))))
        if dice() < self.blackouts:
            venue = self.world.simulation.tastytrade_faults if dice() < 0.5 else self.world.simulation.schwab_faults
            asyncio.get_running_loop().create_task(self._blackout(venue, self.random.choice((2.0, 10.0, 45.0))))
        if dice() < self.kills:
            self._plan_death()

    def _wipe_session(self) -> None:
        """All access is revoked, and whoever listens is thrown out."""
        self.world.note("world", "sessions are wiped")
        self.world.simulation.tastytrade.access.revoke()
        self.world.simulation.schwab.access.revoke()
        self.world.simulation.schwab_streamer.kick()

    async def _blackout(self, faults: Faults, seconds: float) -> None:
        """A venue that takes orders and answers nothing."""
        self.world.note("world", f"a venue answers nothing for {seconds} s")
        for pattern, kind in ((ANY_READ, Fault(Kind.STATUS, status=503)), (ANY_ORDER, Fault(Kind.STATUS_AFTER, status=503))):
            faults.always(pattern, kind)
            faults.rules.insert(0, faults.rules.pop())  # before what happens by chance
        await asyncio.sleep(seconds)
        for pattern in (ANY_READ, ANY_ORDER):
            faults.clear(pattern)

    async def _outage(self, seconds: float) -> None:
        self.world.note("world", f"the store is away for {seconds} s")
        self.world.store_away = True
        self.world.outages += 1
        await asyncio.sleep(seconds)
        self.world.store_away = False

    def _plan_death(self) -> None:
        """At once, at a commit, or as something happens at a venue."""
        match self.random.randint(0, 3):
            case 0:
                self.life.die()
            case 1:
                self._dies_on = self._events + self.random.randint(1, 3)
            case side:
                self.life.dies_at = (self.life.commits + self.random.randint(1, 3), side == 2)

    async def revive(self) -> None:
        """A killed process is started again by whoever watches it, once the store is there."""
        if self.life.dead or self.life.task.done():
            await self.life.end()
            while self.world.store_away:  # noqa: ASYNC110 - virtual time costs nothing
                await asyncio.sleep(0.5)
            await asyncio.sleep(self.random.choice((0.1, 1.0, 5.0, 40.0)))
            self.world.lives += 1
            self.life = Life(self.world)

    # --- peace ---

    async def peace(self) -> None:
        """Nothing goes wrong any more; the market goes on, and in the end the strategy leaves it."""
        world, loop = self.world, asyncio.get_running_loop()
        world.note("world", "peace")
        self._dies_on, self.life.dies_at = 0, None
        world.simulation.tastytrade_faults.clear()
        world.simulation.schwab_faults.clear()
        until = loop.time() + PEACE_S
        calm_for = 0
        while calm_for < 3:
            if loop.time() > until:
                world.faults.append(f"no peace within {PEACE_S} s: {await self._unrest()}")
                return
            await self.revive()
            self._free_what_is_stuck()
            world.push(FLAT if round(loop.time()) % 4 == 0 else NOTHING)
            self.life.tape.wake()
            await asyncio.sleep(1.0)
            calm_for = 0 if await self._unrest() else calm_for + 1

    def _free_what_is_stuck(self) -> None:
        for venue in SYMBOLS:
            exchange = self.world.exchange(venue)
            for order in exchange.live_orders():
                order.silent = False
                if order.state is State.CANCELLING:
                    exchange.end(order, State.CANCELLED)

    async def _unrest(self) -> list[str]:
        """Why the schedule is not at its end."""
        ledger, found = self.world.store.ledger, []
        states = self.life.manager.status("walker")
        found += [] if states else ["the strategy does not run"]
        found += [f"the runner is {one.state}: {one.reason}" for one in states if one.state != "running"]
        found += [f"order {one.order_id[:8]} is {one.status}" for one in await ledger.orders(limit=1000) if not one.is_terminal]
        found += [f"{one.account} holds {one.quantity}" for one in await ledger.positions() if one.quantity]
        for report in self.life.manager.accounts():
            found += [] if report.ready else [f"{report.account} is not ready"]
            found += [*report.refusals]
        return found


async def _run(seed: int, loop: VirtualLoop) -> Outcome:
    clock = LoopClock(loop, MONDAY)
    async with simulation(clock, seed) as running:
        world = World(seed, running, clock)
        walk = Walk(world)
        with structlog.testing.capture_logs([_into(world)]):
            await walk.walk()
            await walk.peace()
            world.faults += await differences(world)
            await walk.life.end()
        happened = len(running.tastytrade_faults.happened) + len(running.schwab_faults.happened)
        placed = sum(len(world.exchange(venue).orders) for venue in QUANTITIES)
        return Outcome(seed, world.faults, world.notes, placed, world.lives + 1, world.commits, happened, world.outages, loop.time())


def _into(world: World) -> Any:
    def keep(_: Any, method: str, event: Any) -> Any:
        world.note("adapter", f"{method} {event.get('event')}", {key: value for key, value in event.items() if key != "event"})
        return event

    return keep


def schedule(seed: int) -> Outcome:
    """Run the schedule of ``seed`` to its end."""
    random.seed(seed)  # the adapters' back-off
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        try:
            return runner.run(_run(seed, loop))
        except Exception as error:
            return Outcome(seed, [f"the schedule failed: {error!r}"], [], 0, 0, 0, 0, 0, loop.time())
