"""A replay: a source of the past through the very path of live trading.

Owns the drive of one run: back-pressure between publisher and runner, the end of the data, and what came out. A run that was killed goes on
where it stopped, because the source resumes by tick and the runner by its last commit.
"""

import asyncio
from collections.abc import Callable, Sequence

from fortified.domain.order import OrderEvent
from fortified.domain.signal import Target
from fortified.domain.timeframe import Timeframe
from fortified.engine.inputs import Command
from fortified.engine.result import RunResult, by_exit, in_order
from fortified.engine.statistics import trade_statistics
from fortified.orchestration.aggregation_manager import AggregationManager
from fortified.orchestration.strategy_runner import StrategyRunner
from fortified.orchestration.symbol_publisher import SymbolPublisher
from fortified.ports import ORIGIN, BaseDataSource, BusReader, Store, StreamRef, TradeQuery

WINDOW = 2048
"""Entries the publisher may be ahead of the runner: below the length of the streams, so none is trimmed unread."""
READ_TIMEOUT_MS = 50
END = "end_of_data"


class ReplaySession:
    """Drives ``source`` through streams, consumer group and runner."""

    def __init__(
        self,
        store: Store,
        aggregation: AggregationManager,
        source: BaseDataSource,
        runner: StrategyRunner,
        progress: Callable[[int], None],
    ) -> None:
        self._store = store
        self._aggregation = aggregation
        self._source = source
        self._runner = runner
        self._progress = progress
        self._ended = False

    async def run(self, *, flatten: bool, close_out: Callable[[], Sequence[OrderEvent]]) -> RunResult:
        """Run to the end of the data. ``close_out`` makes the brokers fill at the last price from then on, and what rests at once."""
        engine = self._runner.engine
        instrument, timeframe = engine.config.instrument, Timeframe.parse(engine.config.timeframe)
        await self._aggregation.add(instrument, {timeframe.name: END}, self._source)
        publisher = self._aggregation.publisher(instrument.symbol)
        assert publisher is not None
        reader = await self._store.bus.reader(
            StreamRef(instrument.symbol, timeframe.name), self._runner.key.group, self._runner.key.consumer, ORIGIN
        )
        try:
            await self._runner.recover()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._consume(reader))
                await self._aggregation.pump(self._source, lambda taken: self._gate(publisher, taken))
                await self._store.bus.flush()
                self._ended = True
        finally:
            await reader.close()
        if flatten:
            await self._flatten(close_out)
        return await self._result(publisher.late, publisher.out_of_session)

    async def _flatten(self, close_out: Callable[[], Sequence[OrderEvent]]) -> None:
        """Close what is open at the last price. A run that was killed in the middle of this finds its closing orders resting."""
        await self._runner.cancel_working(except_for=END)
        await self._runner.settle(close_out())
        now = self._runner.engine.now_ns()
        if now is not None and self._runner.open_quantity():
            await self._runner.command(Command(END, Target.FLAT, END, now, final=True))

    async def _consume(self, reader: BusReader) -> None:
        """Step through the streams until the source has ended and nothing is left. A batch is never left half done."""
        while await self._runner.run_once(reader, READ_TIMEOUT_MS) != 0 or not self._ended:
            pass

    async def _gate(self, publisher: SymbolPublisher, taken: int) -> None:
        self._progress(taken)
        await self._runner.wait_within(publisher.frontier(self._runner.key.timeframe), WINDOW)

    async def _result(self, late: int, out_of_session: int) -> RunResult:
        key = self._runner.key
        found, _ = await self._store.ledger.trades(TradeQuery(strategy=key.strategy, descending=False, limit=None))
        fills = in_order(await self._store.ledger.fills(strategy=key.strategy, limit=10_000_000))
        trades = by_exit(found, fills)
        return RunResult(
            bars=self._runner.bars,
            orders=self._runner.orders,
            fills=fills,
            trades=trades,
            stats=trade_statistics(trades),
            digest=self._runner.digest.hex(),
            late=late,
            out_of_session=out_of_session,
            open_quantity=self._runner.open_quantity(),
        )
