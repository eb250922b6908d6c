"""TradingManager: what runs, and keeping it so.

Owns the runners and the desired state they converge to: what was running before a restart runs after it. A runner that fails is halted with
its reason; the others go on. Knows no Redis, no HTTP, no venue: it is given stores, sources and brokers.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Protocol

import msgspec

from fortified.domain.account import AccountId, Mode, account_id, mode_of
from fortified.domain.errors import ConfigError, FortifiedError, InvariantError, NotFound, Refused, StoreUnavailable
from fortified.domain.instrument import Instrument
from fortified.domain.order import Order
from fortified.domain.signal import Target
from fortified.domain.ticker import TickerConfig
from fortified.engine.inputs import Command, Denial
from fortified.orchestration.account_keeper import AccountKeeper, AccountReport, Pace
from fortified.orchestration.aggregation_manager import AggregationManager
from fortified.orchestration.config_loader import ConfigLoader, Strategies
from fortified.orchestration.events import HealthReport, Listeners, ManualOutcome, RunnerStatus, StrategyInfo
from fortified.orchestration.order_tracking import CLAIMS_KEPT
from fortified.orchestration.preparation import Preparation, Workshop
from fortified.orchestration.reconciliation import Difference
from fortified.orchestration.strategy_runner import StrategyRunner
from fortified.ports import BaseDataSource, BusReader, Clock, DesiredRun, RunnerKey, Store, StreamRef
from fortified.strategies.base import BaseStrategy

CATCH_UP_WINDOW = 256
"""Ticks a runner may be behind a source that can wait; with a batch of its ticks on top, below the length of the shortest stream."""
PUMP_RETRY_S = 1.0
KEEPER_RETRY_S = 1.0


class Surroundings(Workshop, Protocol):
    """What the composition root gives: instruments, sources, brokers, logs, and the owner's choices."""

    demo: bool
    pace: Pace
    documented: Mapping[str, str]
    chart_timeframes: tuple[str, ...]

    def live_venues(self) -> Sequence[str]: ...
    def source(self, symbol: str) -> BaseDataSource | None: ...
    def sources(self) -> Sequence[BaseDataSource]: ...
    async def live_refusals(self, symbol: str) -> Sequence[str]:
        """What the market data of ``symbol`` has against live trading."""
        ...


class Handle(msgspec.Struct):
    """A runner and what belongs to it."""

    key: RunnerKey
    config: TickerConfig
    instrument: Instrument
    source: str
    timeframes: tuple[str, ...] = ()
    """Those that are aggregated for it."""
    runner: StrategyRunner | None = None
    reader: BusReader | None = None
    task: "asyncio.Task[None] | None" = None
    state: str = "warming"
    reason: str = ""


class TradingManager:
    """Starts, stops and resumes strategies."""

    def __init__(self, store: Store, strategies: Strategies, surroundings: Surroundings, clock: Clock) -> None:
        self.store = store
        self.listeners = Listeners()
        self._strategies = strategies
        self._around = surroundings
        self._clock = clock
        self._log = surroundings.log("trading_manager")
        self._loader = ConfigLoader(strategies, surroundings.documented, surroundings.instrument)
        self._aggregation = AggregationManager(store.bus, store.lease, self.listeners)
        self._preparation = Preparation(store, strategies, surroundings, clock, self.listeners)
        self._handles: dict[RunnerKey, Handle] = {}
        self._group: asyncio.TaskGroup | None = None
        self._lock = asyncio.Lock()

    # --- life ---

    @asynccontextmanager
    async def running(self) -> AsyncIterator["TradingManager"]:
        """Run all that is desired while the block lasts."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            pumps: list[asyncio.Task[None]] = []
            try:
                pumps += await self._keep_accounts(group)
                await self._resume(group)
                pumps += [group.create_task(self._pump(source)) for source in self._around.sources()]
                yield self
            finally:
                for handle in list(self._handles.values()):
                    await self._end(handle)
                for source in self._around.sources():
                    await source.close()
                for pump in pumps:
                    pump.cancel()
                for keeper in self.keepers():
                    await keeper.close()
                await self._aggregation.close()
                self._group = None

    async def _pump(self, source: BaseDataSource) -> None:
        while True:
            try:
                await self._aggregation.pump(source, self._wait_for_runners if source.patient else None)
                return
            except StoreUnavailable as error:  # it refused for a while: what it lost is a hole that readers see
                self._log.warning("publication was refused", source=source.name, reason=str(error))
                await asyncio.sleep(PUMP_RETRY_S)
            except FortifiedError as error:
                self._log.warning("a data source ended", source=source.name, reason=str(error))
                return

    async def _wait_for_runners(self, taken: int) -> None:
        """Let no runner fall so far behind that entries are trimmed before it read them."""
        for handle in list(self._handles.values()):
            publisher = self._aggregation.publisher(handle.key.symbol)
            if publisher is not None and handle.runner is not None and handle.task is not None and not handle.task.done():
                await handle.runner.wait_within(publisher.frontier(handle.key.timeframe), CATCH_UP_WINDOW)

    async def _resume(self, group: asyncio.TaskGroup) -> None:
        desired = await self.store.config.desired()
        async with self._together():
            for run in desired:
                if run.mode == Mode.LIVE:
                    group.create_task(self._resume_live(run))
                else:
                    await self._start_again(run)

    async def _start_again(self, run: DesiredRun) -> bool:
        try:
            await self.start(run.strategy, Mode(run.mode), actor=run.started_by or "restart", resumed=True)
        except FortifiedError as error:
            self._log.warning("a strategy that should run could not start", strategy=run.strategy, reason=str(error))
            return False
        return True

    async def _resume_live(self, run: DesiredRun) -> None:
        """Live trading goes on as soon as its accounts were compared; orders of before are looked up until then."""
        while run in await self.store.config.desired() and self._group is not None:
            for keeper in self.keepers():
                await keeper.settled()
            if await self._start_again(run):
                return
            await asyncio.sleep(KEEPER_RETRY_S)

    async def _keep_accounts(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Begin to compare every live account with its broker."""
        tasks = []
        desk = self._preparation.desk
        if self._around.live_venues():
            desk.claim(await self.store.ledger.orders(limit=CLAIMS_KEPT))
        for venue in self._around.live_venues():
            broker = self._around.live_broker(venue)
            if broker is None:
                continue
            log = self._around.log("account")
            keeper = AccountKeeper(broker, desk, self.store.ledger, self.store.accounts, self._clock, log, pace=self._around.pace)
            desk.keepers[keeper.account] = keeper
            tasks.append(group.create_task(self._keep(keeper)))
        return tasks

    async def _keep(self, keeper: AccountKeeper) -> None:
        while True:
            try:
                await keeper.run()
            except* FortifiedError as errors:
                self._log.warning("the keeper of an account began anew", account=keeper.account, reason=str(errors.exceptions[0]))
            await asyncio.sleep(KEEPER_RETRY_S)

    def keepers(self) -> list[AccountKeeper]:
        """The live accounts, by name."""
        keepers = self._preparation.desk.keepers
        return [keepers[account] for account in sorted(keepers)]

    def accounts(self) -> list[AccountReport]:
        """Ledger and broker of every live account."""
        return [keeper.report() for keeper in self.keepers()]

    def claimed(self, account: AccountId) -> frozenset[str]:
        """The broker's ids of all orders of ours on ``account``: no order of unknown fate can be one of them."""
        return self._preparation.desk.claimed(account)

    async def adopt(self, account: str, what: str, strategy: str, *, actor: str) -> Difference:
        """Take the broker's position in ``what`` as that of ``strategy``: the ledger gets a marked fill of the difference.

        Raises:
            NotFound: no such account or running strategy there. Refused: both sides agree, or several contracts are held.
        """
        keeper = self.keeper(account)
        runner = self._preparation.desk.runner(keeper.account, strategy, what)
        if runner is None:
            raise NotFound(f"strategy {strategy!r} does not run on {what} at {account}; start it, or declare the difference external")
        difference, held = await keeper.differing(what)
        if difference.venue - difference.external and held is None:
            raise Refused([f"{difference.text}; several contracts are held, so their price is not known: close all but one first"])
        units = difference.venue - difference.external - difference.ledger
        await runner.adopt(keeper.account, units, None if held is None else held.average_price, actor)
        keeper.look()
        return difference

    def keeper(self, account: str) -> AccountKeeper:
        """Raises NotFound: there is no such live account."""
        found = self._preparation.desk.keepers.get(AccountId(account))
        if found is None:
            known = ", ".join(sorted(self._preparation.desk.keepers)) or "none"
            raise NotFound(f"there is no live account {account!r}; known are: {known}")
        return found

    @asynccontextmanager
    async def _together(self) -> AsyncIterator[None]:
        """New symbols are subscribed to at the end of the block; where a source refuses one, its runners are halted."""
        try:
            async with self._aggregation.held():
                yield
        except FortifiedError as error:
            refused = [handle for handle in self._handles.values() if self._is_cut_off(handle)]
            if not refused:
                raise
            for handle in refused:
                await self._fail(handle, error)

    def _is_cut_off(self, handle: Handle) -> bool:
        return handle.state == "running" and self._aggregation.publisher(handle.key.symbol) is None

    # --- start, stop, status ---

    async def start(self, strategy: str, mode: Mode, *, actor: str, resumed: bool = False) -> list[RunnerStatus]:
        """Start every configured ticker of ``strategy``; what runs already as it is configured is left alone.

        ``resumed``: it ran before this process began, so its orders have to be looked up before ledger and broker can agree; until then its
        legs are frozen.

        Raises:
            NotFound: the strategy is unknown or has no tickers. Refused: it cannot start now, with the reasons.
        """
        async with self._lock:
            looked_up = mode is Mode.LIVE and (resumed or await self._has_live_orders(strategy))
            configs = await self._startable(strategy, mode, resumed=looked_up)
            async with self._together():
                for config in configs:
                    await self._run(RunnerKey(strategy, config.symbol, config.timeframe, mode.value), config)
            await self.store.config.put_desired(DesiredRun(strategy, mode.value, actor, self._clock.now_ns()))
        return self.status(strategy)

    async def _has_live_orders(self, strategy: str) -> bool:
        """Whether orders of before have to be looked up, by a runner, before ledger and broker can agree."""
        orders = await self.store.ledger.orders(strategy=strategy, limit=CLAIMS_KEPT)
        return any(not order.is_terminal and mode_of(order.account) is Mode.LIVE for order in orders)

    async def _run(self, key: RunnerKey, config: TickerConfig) -> None:
        """Begin a runner where there is none; one of another timeframe or configuration on the same position makes place."""
        same = [handle for handle in self._handles.values() if _same_position(handle.key, key)]
        if any(handle.key == key and handle.config == config and handle.state == "running" for handle in same):
            return
        for handle in same:
            await self._retire(handle)
            del self._handles[handle.key]
        await self._begin(key, config)

    async def stop(self, strategy: str, *, actor: str) -> list[RunnerStatus]:
        """Stop every runner of ``strategy``. Working orders are canceled; positions stay as they are.

        Raises:
            NotFound: the strategy is unknown.
        """
        async with self._lock:
            if strategy not in self._around.documented:
                self._strategies.get(strategy)
            await self.store.config.delete_desired(strategy)
            for handle in [handle for handle in self._handles.values() if handle.key.strategy == strategy]:
                await self._retire(handle)
                handle.state, handle.reason = "stopped", f"stopped by {actor}"
                self.listeners.emit(self._status(handle))
        return self.status(strategy)

    def status(self, strategy: str | None = None) -> list[RunnerStatus]:
        """The runners, of one strategy or of all."""
        return [self._status(self._handles[key]) for key in sorted(self._handles) if strategy is None or key.strategy == strategy]

    async def manual(self, symbol: str, target: Target, *, strategy: str | None, command_id: str, actor: str) -> ManualOutcome:
        """Bring the runners of ``symbol`` to ``target``, through the same gate and path as a signal.

        Raises:
            NotFound: no running runner trades the symbol.
        """
        wanted = self._around.instrument(symbol).symbol
        handles = [
            handle
            for handle in self._handles.values()
            if handle.key.symbol == wanted and handle.state == "running" and strategy in (None, handle.key.strategy)
        ]
        if not handles:
            which = f"strategy {strategy!r}" if strategy else "any strategy"
            raise NotFound(
                f"no running runner of {which} trades {wanted}; configure it by POST /api/tickers, "
                "start it by /api/start-trading, then try again"
            )
        command = Command(command_id, target, f"manual_{target.name.lower()}", self._clock.now_ns())
        outcomes = [await self._command(handle, command) for handle in handles]
        orders = tuple(order for made, _ in outcomes for order in made)
        denials = tuple(denial for _, refused in outcomes for denial in refused)
        duplicate = bool(denials) and all(denial.code.value == "DUPLICATE_INTENT" for denial in denials) and not orders
        self._log.info("manual trigger", symbol=wanted, target=target.name, actor=actor, orders=len(orders), denials=len(denials))
        return ManualOutcome(command_id, tuple(str(handle.key) for handle in handles), orders, denials, duplicate)

    async def _command(self, handle: Handle, command: Command) -> tuple[list[Order], list[Denial]]:
        assert handle.runner is not None
        try:
            return await handle.runner.command(command)
        except InvariantError as error:
            await self._fail(handle, error)
            raise

    # --- configuration and views ---

    async def put_ticker(self, config: TickerConfig) -> TickerConfig:
        """Validate and store a configuration; it takes effect at the next start of its strategy.

        Raises:
            ConfigError: it is not valid.
        """
        canonical = self.canonical(config)
        await self.store.config.put_ticker(canonical)
        return canonical

    def canonical(self, config: TickerConfig) -> TickerConfig:
        """``config`` validated, in its canonical form.

        Raises:
            ConfigError: it is not valid.
        """
        return msgspec.structs.replace(self._loader.canonical(config), demo=self._around.demo)

    async def delete_ticker(self, strategy: str, symbol: str) -> None:
        """Remove a configuration.

        Raises:
            NotFound: there is none. Refused: it is running.
        """
        wanted = self._around.instrument(symbol).symbol
        async with self._lock:
            held = [key for key in self._handles if (key.strategy, key.symbol) == (strategy, wanted)]
            if any(self._handles[key].state != "stopped" for key in held):
                raise Refused([f"{strategy} runs on {wanted}; stop it first by /api/stop-trading?strategy={strategy}"])
            if not await self.store.config.delete_ticker(strategy, wanted):
                raise NotFound(f"strategy {strategy!r} has no ticker {wanted}")
            for key in held:
                del self._handles[key]

    def strategies(self) -> list[StrategyInfo]:
        """What can be configured, with the schema of its parameters."""
        known = [_info(self._strategies.get(name)) for name in self._strategies.names()]
        names = {info.name for info in known}
        planned = [
            StrategyInfo(name, title, "Not in this version; it can be configured, not started.", {}, available=False)
            for name, title in self._around.documented.items()
            if name not in names
        ]
        return sorted([*known, *planned], key=lambda info: info.name)

    def mark(self, symbol: str) -> Decimal | None:
        """The last price seen of ``symbol``, by whichever of its runners saw one last."""
        seen = [
            (handle.runner.ts_last or 0, handle.instrument.price(handle.runner.last.close))
            for handle in self._handles.values()
            if handle.key.symbol == symbol and handle.runner is not None and handle.runner.last is not None
        ]
        return max(seen)[1] if seen else None

    def health(self) -> HealthReport:
        """Feeds and runners in numbers."""
        feeds = tuple(self._aggregation.health(self._clock))
        states = [handle.state for handle in self._handles.values()]
        return HealthReport(
            feeds, len(states) - states.count("stopped"), states.count("halted"), self._around.demo, self._around.live_allowed
        )

    def chart_timeframes(self) -> list[StreamRef]:
        """The streams being published."""
        return self._aggregation.refs

    async def watch(self, symbol: str) -> None:
        """Aggregate ``symbol`` into the chart timeframes too, as far as its source can give them."""
        source = self._around.source(symbol)
        if source is None:
            return
        instrument = self._around.instrument(symbol)
        for name in self._around.chart_timeframes:
            try:
                await self._aggregation.add(instrument, {name: "charts"}, source)
            except ConfigError as error:
                self._log.warning("a chart timeframe is left out", symbol=symbol, timeframe=name, reason=str(error))

    # --- runners ---

    async def _startable(self, strategy: str, mode: Mode, *, resumed: bool) -> list[TickerConfig]:
        if strategy in self._around.documented and strategy not in self._strategies.names():
            raise Refused([f"strategy {strategy!r} is not in this version; it can be configured, not started"])
        self._strategies.get(strategy)
        configs = list(await self.store.config.tickers(strategy))
        if not configs:
            raise NotFound(f"strategy {strategy!r} has no tickers; add one by POST /api/tickers")
        if mode is Mode.LIVE:
            await self._check_live(configs, resumed=resumed)
        obstacles = [self._obstacle(config, mode) for config in configs]
        reasons = [reason for reason in obstacles if reason is not None]
        if len(reasons) == len(configs):
            raise Refused(reasons)
        for reason in reasons:
            self._log.warning("a ticker is left out", strategy=strategy, reason=reason)
        return [config for config, reason in zip(configs, obstacles, strict=True) if reason is None]

    async def _check_live(self, configs: Sequence[TickerConfig], *, resumed: bool) -> None:
        """Raises Refused with every reason against live trading of ``configs``."""
        reasons = [] if self._around.live_allowed else ["live trading is off on this server; its owner sets ALLOW_LIVE=true"]
        for venue in sorted({venue for config in configs for venue in config.venues}):
            keeper = self._preparation.desk.keepers.get(account_id(Mode.LIVE, venue))
            symbols = {config.symbols.get(venue, config.symbol) for config in configs if venue in config.venues}
            if keeper is None:
                reasons.append(f"no live broker is connected for {venue}; configure its credentials, or start with live_mode=false")
            else:
                reasons += keeper.obstacles() if resumed else keeper.refusals(symbols)
        # A runner that is resumed has orders to look up; old prices make no entry.
        for symbol in [] if resumed else sorted({config.symbol for config in configs}):
            reasons += await self._around.live_refusals(symbol)
        if reasons:
            raise Refused(list(dict.fromkeys(reasons)))

    def _obstacle(self, config: TickerConfig, mode: Mode) -> str | None:
        if self._around.source(config.symbol) is None:
            return f"there is no market data source for {config.symbol}; configure a broker, or start the server without --no-demo"
        if not config.venues:
            return f"{config.symbol} has no quantity at any broker; set schwab_quantity or tastytrade_quantity"
        elsewhere = [venue for venue in config.venues if config.symbols.get(venue, config.symbol) != config.symbol]
        if elsewhere and mode is Mode.PAPER:
            return (
                f"{config.symbol}: trading another symbol at {', '.join(elsewhere)} needs that broker's market data, which is not connected"
            )
        return None

    async def _begin(self, key: RunnerKey, config: TickerConfig) -> None:
        instrument = self._around.instrument(config.symbol)
        source = self._around.source(config.symbol)
        assert source is not None
        assert self._group is not None
        handle = Handle(key, config, instrument, source.name)
        self._handles[key] = handle
        try:
            # The lease comes first: a process that has it may run this very runner, on the same group and the same ledger.
            handle.timeframes = (config.timeframe, *self._preparation.timeframes(key, config))
            await self._aggregation.add(instrument, dict.fromkeys(handle.timeframes, str(key)), source)
            await self.watch(instrument.symbol)
            prepared = await self._preparation.prepare(key, config, instrument, source)
            handle.runner, handle.reader, handle.reason = prepared.runner, prepared.reader, prepared.text
            handle.state = "running"
            self.listeners.emit(self._status(handle))
        except Exception as error:
            await self._fail(handle, error)
            return
        handle.task = self._group.create_task(self._guard(handle))

    async def _guard(self, handle: Handle) -> None:
        """Run a runner; a fault of it halts it and nothing else."""
        assert handle.runner is not None
        assert handle.reader is not None
        try:
            await handle.runner.run(handle.reader)
        except Exception as error:
            self._halt(handle, error)

    def _halt(self, handle: Handle, error: Exception) -> None:
        """Say why a runner does not run, with positions untouched."""
        reason = str(error)
        if isinstance(error, InvariantError):
            reason = f"the ledger contradicts itself: {error}"
        elif not isinstance(error, FortifiedError):  # a strategy is the user's code: it may raise whatever it likes
            reason = f"{type(error).__name__} in strategy {handle.key.strategy!r}: {error}"
            self._log.warning("a runner failed", runner=str(handle.key), error=repr(error), exc_info=error)
        handle.state, handle.reason = "halted", reason
        self._log.warning("runner halted", runner=str(handle.key), reason=reason)
        self.listeners.emit(self._status(handle))

    async def _fail(self, handle: Handle, error: Exception) -> None:
        """Halt a runner that nothing is left to do for."""
        await self._end(handle)
        self._halt(handle, error)

    async def _retire(self, handle: Handle) -> None:
        """End a runner in order: what works is canceled, positions stay."""
        if handle.runner is not None and handle.state == "running":
            await handle.runner.retire()
        await self._end(handle)

    async def _end(self, handle: Handle) -> None:
        """End a runner's task and its wish for data."""
        task, handle.task = handle.task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if handle.reader is not None:
            await handle.reader.close()
            handle.reader = None
        if handle.runner is not None and not handle.runner.has_live_orders:  # what works at a real broker is watched to its end
            self._preparation.desk.leave(handle.runner)
        for timeframe in handle.timeframes:
            try:
                await self._aggregation.remove(handle.key.symbol, timeframe, str(handle.key))
            except NotFound:
                continue
            except FortifiedError as error:
                self._log.warning("a subscription did not end in order", runner=str(handle.key), reason=str(error))

    def _status(self, handle: Handle) -> RunnerStatus:
        runner, key = handle.runner, handle.key
        status = RunnerStatus(
            strategy=key.strategy,
            symbol=key.symbol,
            timeframe=key.timeframe,
            mode=key.mode,
            state=handle.state,
            warmup_needed=0,
            warmup_got=0,
            bars_seen=0,
            accounts=tuple(account_id(Mode(key.mode), venue) for venue in handle.config.venues),
            source=handle.source,
            demo=handle.config.demo,
            trade_enabled=handle.config.trade_enabled,
            reason=handle.reason,
        )
        return status if runner is None else runner.describe(status, self._clock.now_ns())


def _info(strategy: type[BaseStrategy]) -> StrategyInfo:
    schema = msgspec.json.schema(strategy.Params)
    parameters = schema["$defs"].get(strategy.Params.__name__, {}) if "$defs" in schema else schema
    return StrategyInfo(strategy.name, strategy.title or strategy.name, (strategy.__doc__ or "").strip(), parameters)


def _same_position(one: RunnerKey, other: RunnerKey) -> bool:
    return (one.strategy, one.symbol, one.mode) == (other.strategy, other.symbol, other.mode)
