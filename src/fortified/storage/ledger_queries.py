"""The ledger's reading side, and its deletion.

Owns how rows are found: ``runners`` is the root; all else hangs on a runner or its strategy. Must not know what a commit consists of.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from fortified.domain.account import mode_of
from fortified.domain.order import Fill, Order
from fortified.domain.position import Position
from fortified.domain.trade import Trade
from fortified.engine.inputs import Denial
from fortified.ports import RunnerKey, RunnerRecord, TradeQuery
from fortified.storage.keys import Keys
from fortified.storage.rows import (
    decode_position,
    denial_decoder,
    encode,
    fill_decoder,
    order_decoder,
    runner_decoder,
    trade_decoder,
)
from fortified.storage.selection import MODES, by_place, page, selects
from fortified.storage.wire import Channel, Command

_CHUNK = 1_000
_MS = 1_000_000


class LedgerQueries:
    """The reading half of ``Ledger``."""

    def __init__(self, keys: Keys, channel: Channel) -> None:
        self._keys, self._channel = keys, channel

    async def load(self, runner: RunnerKey) -> RunnerRecord:
        keys = self._keys
        state, ids = await self._channel.pipeline([("GET", keys.runner_state(runner)), ("SMEMBERS", keys.working(runner))])
        rows = await self._channel.call("HMGET", keys.orders(runner.strategy), *ids) if ids else []
        orders = [order_decoder.decode(row) for row in rows if row is not None]
        return RunnerRecord(
            state=state,
            orders=sorted(orders, key=lambda order: (order.ts_created, order.order_id)),
            positions=[held for held in await self.positions(strategy=runner.strategy) if mode_of(held.account) == runner.mode],
        )

    async def orders(self, *, strategy: str | None = None, symbol: str | None = None, limit: int = 200) -> Sequence[Order]:
        found: list[Order] = []
        for name in await self._strategies(strategy):
            own: list[Order] = []
            async for ids in self._newest(self._keys.orders_index(name)):
                rows = await self._channel.call("HMGET", self._keys.orders(name), *ids)
                decoded = (order_decoder.decode(row) for row in rows if row is not None)
                own += [order for order in decoded if symbol is None or order.symbol == symbol]
                if len(own) >= limit:
                    break
            found += own
        return sorted(found, key=lambda order: (order.ts_created, order.order_id), reverse=True)[:limit]

    async def order(self, order_id: str) -> Order | None:
        commands: list[Command] = [("HGET", self._keys.orders(name), order_id) for name in await self._strategies(None)]
        rows = [row for row in await self._channel.pipeline(commands) if row is not None]
        return order_decoder.decode(rows[0]) if rows else None

    async def fills(self, *, strategy: str | None = None, symbol: str | None = None, limit: int = 500) -> Sequence[Fill]:
        rows = await self._newest_rows(
            strategy, self._keys.fills, fill_decoder.decode, lambda row: symbol is None or row.fill.symbol == symbol, limit
        )
        return [row.fill for row in rows]

    async def denials(self, *, strategy: str | None = None, limit: int = 200) -> Sequence[tuple[RunnerKey, Denial]]:
        rows = await self._newest_rows(strategy, self._keys.denials, denial_decoder.decode, lambda row: True, limit)
        return [(row.runner, row.denial) for row in rows]

    async def positions(self, *, strategy: str | None = None) -> Sequence[Position]:
        commands: list[Command] = [("SMEMBERS", self._keys.positions(runner)) for runner in await self._runners(strategy)]
        return await self._positions(sorted({key for members in await self._channel.pipeline(commands) for key in members}))

    async def trades(self, query: TradeQuery) -> tuple[Sequence[Trade], int]:
        modes = MODES if query.mode is None else (query.mode,)
        names = await self._strategies(query.strategy)
        keys = [self._keys.trades(name, mode) for name in names for mode in modes]
        whole_ms = (query.start_ns or 0) % _MS == 0 and (query.end_ns or 0) % _MS == 0
        filtered = query.symbol is not None or query.venue is not None or query.side is not None
        if whole_ms and not filtered and query.limit is not None and len(keys) == 1:
            return await self._indexed_trades(keys[0], query)
        found: list[Trade] = []
        for key in keys:
            async for rows in self._newest(key, *_bounds(query)):
                trades = (trade_decoder.decode(row).trade for row in rows)
                found += [trade for trade in trades if selects(query, trade)]
        return page(query, found), len(found)

    async def clear(self, *, strategy: str | None = None) -> int:
        runners = await self._runners(strategy)
        names = {runner.strategy for runner in runners} | ({strategy} if strategy is not None else set())
        keys = self._keys
        doomed: list[str | bytes] = []
        for runner in runners:
            doomed += await self._channel.call("SMEMBERS", keys.positions(runner))
            doomed += [keys.runner_state(runner), keys.working(runner), keys.positions(runner)]
        for name in names:
            doomed += [keys.orders(name), keys.orders_index(name), keys.fills(name), keys.denials(name)]
            doomed += [keys.trades(name, mode) for mode in MODES]
        if not doomed:
            return 0
        commands: list[Command] = [("UNLINK", *dict.fromkeys(doomed))]
        if runners:
            commands.append(("SREM", keys.runners, *map(encode, runners)))
        return int((await self._channel.transaction(commands))[0])

    # --- how rows are found ---

    async def _runners(self, strategy: str | None) -> list[RunnerKey]:
        members = await self._channel.call("SMEMBERS", self._keys.runners)
        runners = sorted(map(runner_decoder.decode, members))
        return [runner for runner in runners if strategy is None or runner.strategy == strategy]

    async def _strategies(self, strategy: str | None) -> list[str]:
        if strategy is not None:
            return [strategy]
        return sorted({runner.strategy for runner in await self._runners(None)})

    async def _positions(self, keys: Sequence[bytes]) -> list[Position]:
        rows = await self._channel.pipeline([("HGETALL", key) for key in keys])
        return by_place(decode_position(row) for row in rows if row)

    async def _newest(self, key: str, low: str = "-inf", high: str = "+inf") -> AsyncIterator[list[bytes]]:
        """Members of a ZSET in chunks, highest score first."""
        offset = 0
        while True:
            members = await self._channel.call("ZREVRANGEBYSCORE", key, high, low, "LIMIT", offset, _CHUNK)
            if members:
                yield members
            if len(members) < _CHUNK:
                return
            offset += _CHUNK

    async def _newest_rows(
        self,
        strategy: str | None,
        key_of: Callable[[str], str],
        decode: Callable[[bytes], Any],
        wanted: Callable[[Any], bool],
        limit: int,
    ) -> list[Any]:
        found: list[tuple[int, bytes, Any]] = []
        for name in await self._strategies(strategy):
            own: list[tuple[int, bytes, Any]] = []
            async for members in self._newest(key_of(name)):
                own += [(row.ts, member, row) for member in members if wanted(row := decode(member))]
                if len(own) >= limit:
                    break
            found += own
        found.sort(key=lambda item: item[:2], reverse=True)
        return [row for _, _, row in found[:limit]]

    async def _indexed_trades(self, key: str, query: TradeQuery) -> tuple[list[Trade], int]:
        """A page that the ZSET itself can count and cut."""
        low, high = _bounds(query)
        command, first, last = ("ZREVRANGEBYSCORE", high, low) if query.descending else ("ZRANGEBYSCORE", low, high)
        count, rows = await self._channel.pipeline(
            [
                ("ZCOUNT", key, low, high),
                (command, key, first, last, "LIMIT", query.offset, query.limit or 0),
            ]
        )
        return [trade_decoder.decode(row).trade for row in rows], count


def _bounds(query: TradeQuery) -> tuple[str, str]:
    """Scores (ms) that contain the times of ``query``."""
    low = "-inf" if query.start_ns is None else str(query.start_ns // _MS)
    if query.end_ns is None:
        return low, "+inf"
    return low, f"({query.end_ns // _MS}" if query.end_ns % _MS == 0 else str(query.end_ns // _MS)
