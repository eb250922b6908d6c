"""The ledger's writing side: one step of a runner, durable as a whole.

Owns which keys a step changes. Every command may be repeated: values are set, never counted up. This is on the latency
path of an order, so it is one round trip on a connection of its own. Reading is in ``ledger_queries``.
"""

import contextlib

from fortified.domain.account import mode_of
from fortified.domain.errors import StoreUnavailable
from fortified.ports import LedgerUnit, StreamRef
from fortified.storage.keys import Keys, Limits
from fortified.storage.ledger_queries import LedgerQueries
from fortified.storage.rows import DenialRow, FillRow, TradeRow, encode, encode_position
from fortified.storage.wire import Argument, Channel, Command

_MS = 1_000_000
_TRIM_AT_ONCE = 1_000


class RedisLedger(LedgerQueries):
    """Implements ``Ledger``."""

    def __init__(self, keys: Keys, writer: Channel, channel: Channel, limits: Limits) -> None:
        super().__init__(keys, channel)
        self._writer, self._limits = writer, limits
        self._commits: dict[str, int] = {}

    async def commit(self, unit: LedgerUnit) -> None:
        await self._writer.transaction(self._commands(unit))
        strategy = unit.runner.strategy
        commits = self._commits[strategy] = self._commits.get(strategy, 0) + 1
        if commits % self._limits.every == 0:
            with contextlib.suppress(StoreUnavailable):  # the unit is durable; the next trim does it
                await self._trim(strategy)

    def _commands(self, unit: LedgerUnit) -> list[Command]:
        keys, runner = self._keys, unit.runner
        commands: list[Command] = [("SADD", keys.runners, encode(runner))]
        self._put_orders(unit, commands)
        self._put_positions(unit, commands)
        self._put_rows(unit, commands)
        if unit.state is not None:
            commands.append(("SET", keys.runner_state(runner), unit.state))
        ref = StreamRef(runner.symbol, runner.timeframe)
        for stream, entries in ((keys.bars_stream(ref), unit.bars_acked), (keys.ticks_stream(ref), unit.updates_acked)):
            if entries:
                commands.append(("XACK", stream, runner.group, *map(str, entries)))
        return commands

    def _put_orders(self, unit: LedgerUnit, commands: list[Command]) -> None:
        if not unit.orders:
            return
        keys, strategy = self._keys, unit.runner.strategy
        latest = {order.order_id: order for order in unit.orders}
        rows: list[Argument] = []
        index: list[Argument] = []
        for order in latest.values():
            rows += (order.order_id, encode(order))
            index += (order.ts_created // _MS, order.order_id)
        commands += [("HSET", keys.orders(strategy), *rows), ("ZADD", keys.orders_index(strategy), *index)]
        working = keys.working(unit.runner)
        for verb, terminal in (("SADD", False), ("SREM", True)):
            ids = [order.order_id for order in latest.values() if order.is_terminal is terminal]
            if ids:
                commands.append((verb, working, *ids))

    def _put_positions(self, unit: LedgerUnit, commands: list[Command]) -> None:
        keys = self._keys
        for position in unit.positions:
            key = keys.trade_state(position.strategy, position.symbol, position.account)
            commands += [("HSET", key, *encode_position(position)), ("SADD", keys.positions(unit.runner), key)]

    def _put_rows(self, unit: LedgerUnit, commands: list[Command]) -> None:
        keys, strategy = self._keys, unit.runner.strategy
        for fill in unit.fills:
            row = encode(FillRow(fill.ts_event, fill))
            commands.append(("ZADD", keys.fills(strategy), fill.ts_event // _MS, row))
        for trade in unit.trades:
            key = keys.trades(strategy, mode_of(trade.account))
            commands.append(("ZADD", key, trade.ts_exit // _MS, encode(TradeRow(trade.ts_exit, trade))))
        for denial in unit.denials:
            row = encode(DenialRow(denial.ts_event, unit.runner, denial))
            commands.append(("ZADD", keys.denials(strategy), denial.ts_event // _MS, row))

    async def _trim(self, strategy: str) -> None:
        """Cut what is over its bound. Not part of the transaction: a commit in so many pays for it."""
        keys, limits = self._keys, self._limits
        bounds = [
            (keys.fills(strategy), limits.fills),
            (keys.trades(strategy, "paper"), limits.trades),
            (keys.trades(strategy, "live"), limits.trades),
            (keys.denials(strategy), limits.denials),
        ]
        *_, orders = await self._channel.pipeline(
            [
                *(("ZREMRANGEBYRANK", key, 0, -kept - 1) for key, kept in bounds),
                ("ZCARD", keys.orders_index(strategy)),
            ]
        )
        if orders > limits.orders:
            await self._trim_orders(strategy, orders - limits.orders)

    async def _trim_orders(self, strategy: str, excess: int) -> None:
        keys, index = self._keys, self._keys.orders_index(strategy)
        working = [keys.working(runner) for runner in await self._runners(strategy)]
        oldest, *sets = await self._channel.pipeline(
            [
                ("ZRANGE", index, 0, min(excess, _TRIM_AT_ONCE) - 1),
                *(("SMEMBERS", key) for key in working),
            ]
        )
        kept = {member for members in sets for member in members}
        ids = [order_id for order_id in oldest if order_id not in kept]
        if ids:
            await self._channel.transaction([("HDEL", keys.orders(strategy), *ids), ("ZREM", index, *ids)])
