"""The ledger within one process. A commit is one turn of the event loop, so it is atomic by itself."""

from collections.abc import Iterable, Sequence

from fortified.domain.account import AccountId, mode_of
from fortified.domain.order import Fill, Order
from fortified.domain.position import Position
from fortified.domain.trade import Trade
from fortified.engine.inputs import Denial
from fortified.ports import LedgerUnit, RunnerKey, RunnerRecord, TradeQuery
from fortified.storage.keys import Limits
from fortified.storage.memory_bus import MemoryBus
from fortified.storage.selection import by_place, page, selects

_Place = tuple[str, str, AccountId]


class _Runner:
    """What hangs on a runner."""

    def __init__(self) -> None:
        self.state: bytes | None = None
        self.working: set[str] = set()
        self.places: set[_Place] = set()


class _Strategy:
    """What hangs on a strategy. Dicts are keyed by what makes a row the same row, so that a repeated commit changes nothing."""

    def __init__(self) -> None:
        self.runners: dict[RunnerKey, _Runner] = {}
        self.orders: dict[str, Order] = {}
        self.fills: dict[tuple[AccountId, str], Fill] = {}
        self.trades: dict[tuple[AccountId, str, int], Trade] = {}
        self.denials: dict[tuple[RunnerKey, Denial], None] = {}
        self.commits = 0


class MemoryLedger:
    """Implements ``Ledger``."""

    def __init__(self, bus: MemoryBus, limits: Limits) -> None:
        self._bus, self._limits = bus, limits
        self._strategies: dict[str, _Strategy] = {}
        self._positions: dict[_Place, Position] = {}

    async def commit(self, unit: LedgerUnit) -> None:
        strategy = self._strategies.setdefault(unit.runner.strategy, _Strategy())
        runner = strategy.runners.setdefault(unit.runner, _Runner())
        for order in unit.orders:
            strategy.orders[order.order_id] = order
            (runner.working.discard if order.is_terminal else runner.working.add)(order.order_id)
        for position in unit.positions:
            place = (position.strategy, position.symbol, position.account)
            self._positions[place] = position
            runner.places.add(place)
        strategy.fills.update({(fill.account, fill.fill_id): fill for fill in unit.fills})
        strategy.trades.update({(trade.account, trade.trade_id, trade.ts_exit): trade for trade in unit.trades})
        strategy.denials.update(dict.fromkeys((unit.runner, denial) for denial in unit.denials))
        if unit.state is not None:
            runner.state = unit.state
        self._bus.acknowledge(unit)
        strategy.commits += 1
        if strategy.commits % self._limits.every == 0:
            self._trim(strategy)

    async def load(self, runner: RunnerKey) -> RunnerRecord:
        strategy = self._strategies.get(runner.strategy, _Strategy())
        record = strategy.runners.get(runner, _Runner())
        orders = [strategy.orders[order_id] for order_id in record.working]
        return RunnerRecord(
            state=record.state,
            orders=sorted(orders, key=_order_time),
            positions=[held for held in await self.positions(strategy=runner.strategy) if mode_of(held.account) == runner.mode],
        )

    async def orders(self, *, strategy: str | None = None, symbol: str | None = None, limit: int = 200) -> Sequence[Order]:
        orders = (order for rows in self._of(strategy) for order in rows.orders.values())
        wanted = [order for order in orders if symbol is None or order.symbol == symbol]
        return sorted(wanted, key=_order_time, reverse=True)[:limit]

    async def order(self, order_id: str) -> Order | None:
        return next((rows.orders[order_id] for rows in self._of(None) if order_id in rows.orders), None)

    async def fills(self, *, strategy: str | None = None, symbol: str | None = None, limit: int = 500) -> Sequence[Fill]:
        fills = (fill for rows in self._of(strategy) for fill in rows.fills.values())
        wanted = [fill for fill in fills if symbol is None or fill.symbol == symbol]
        return sorted(wanted, key=_fill_time, reverse=True)[:limit]

    async def positions(self, *, strategy: str | None = None) -> Sequence[Position]:
        places = {place for rows in self._of(strategy) for runner in rows.runners.values() for place in runner.places}
        return by_place(self._positions[place] for place in places)

    async def trades(self, query: TradeQuery) -> tuple[Sequence[Trade], int]:
        trades = (trade for rows in self._of(query.strategy) for trade in rows.trades.values())
        found = [trade for trade in trades if selects(query, trade)]
        return page(query, found), len(found)

    async def denials(self, *, strategy: str | None = None, limit: int = 200) -> Sequence[tuple[RunnerKey, Denial]]:
        rows = [row for rows in self._of(strategy) for row in rows.denials]
        return sorted(rows, key=_denial_time, reverse=True)[:limit]

    async def clear(self, *, strategy: str | None = None) -> int:
        names = [strategy] if strategy is not None else list(self._strategies)
        cleared = [rows for name in names if (rows := self._strategies.pop(name, None)) is not None]
        places = {place for rows in cleared for runner in rows.runners.values() for place in runner.places}
        for place in places:
            self._positions.pop(place, None)
        return len(places) + sum(_count_keys(rows) for rows in cleared)

    def _of(self, strategy: str | None) -> Iterable[_Strategy]:
        if strategy is None:
            return list(self._strategies.values())
        return [rows for rows in (self._strategies.get(strategy),) if rows is not None]

    def _trim(self, rows: _Strategy) -> None:
        limits = self._limits
        working = {order_id for runner in rows.runners.values() for order_id in runner.working}
        oldest = sorted(rows.orders.values(), key=_order_time)[: max(0, len(rows.orders) - limits.orders)]
        for order in oldest:
            if order.order_id not in working:
                del rows.orders[order.order_id]
        rows.fills = dict(sorted(rows.fills.items(), key=lambda item: _fill_time(item[1]))[-limits.fills :])
        rows.denials = dict.fromkeys(sorted(rows.denials, key=_denial_time)[-limits.denials :])
        for mode in ("paper", "live"):
            own = sorted(key for key in rows.trades if mode_of(key[0]) == mode)
            for key in sorted(own, key=lambda key: key[2])[: max(0, len(own) - limits.trades)]:
                del rows.trades[key]


def _order_time(order: Order) -> tuple[int, str]:
    return order.ts_created, order.order_id


def _fill_time(fill: Fill) -> tuple[int, str]:
    return fill.ts_event, fill.fill_id


def _denial_time(row: tuple[RunnerKey, Denial]) -> tuple[int, RunnerKey, str]:
    return row[1].ts_event, row[0], row[1].code


def _count_keys(rows: _Strategy) -> int:
    """How many keys Redis would have for it, positions apart."""
    of_runners = [thing for runner in rows.runners.values() for thing in (runner.state, runner.working, runner.places)]
    modes = {mode_of(key[0]) for key in rows.trades}
    return sum(map(bool, (*of_runners, rows.orders, rows.orders, rows.fills, rows.denials))) + len(modes)
