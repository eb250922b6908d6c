"""Ticker configurations and the desired state."""

from collections.abc import Sequence

import msgspec

from fortified.domain.ticker import TickerConfig
from fortified.ports import DesiredRun
from fortified.storage.keys import Keys
from fortified.storage.rows import encode
from fortified.storage.wire import Channel, Command

_ticker = msgspec.json.Decoder(TickerConfig)
_place = msgspec.json.Decoder(tuple[str, str])
_run = msgspec.json.Decoder(DesiredRun)


class RedisConfig:
    """Implements ``ConfigStore``."""

    def __init__(self, keys: Keys, channel: Channel) -> None:
        self._keys, self._channel = keys, channel

    async def tickers(self, strategy: str | None = None) -> Sequence[TickerConfig]:
        places = sorted(map(_place.decode, await self._channel.call("SMEMBERS", self._keys.tickers)))
        keys = [self._keys.ticker(*place) for place in places if strategy is None or place[0] == strategy]
        rows = await self._channel.call("MGET", *keys) if keys else []
        return [_ticker.decode(row) for row in rows if row is not None]

    async def put_ticker(self, config: TickerConfig) -> None:
        await self._channel.transaction(self._put(config))

    async def seed(self, configs: Sequence[TickerConfig], run: DesiredRun) -> None:
        puts = [command for config in configs for command in self._put(config)]
        await self._channel.transaction([*puts, ("HSET", self._keys.desired, run.strategy, encode(run))])

    def _put(self, config: TickerConfig) -> list[Command]:
        place = (config.strategy, config.symbol)
        return [("SET", self._keys.ticker(*place), encode(config)), ("SADD", self._keys.tickers, encode(place))]

    async def delete_ticker(self, strategy: str, symbol: str) -> bool:
        deleted, _ = await self._channel.transaction(
            [("DEL", self._keys.ticker(strategy, symbol)), ("SREM", self._keys.tickers, encode((strategy, symbol)))]
        )
        return bool(deleted)

    async def desired(self) -> Sequence[DesiredRun]:
        rows = await self._channel.call("HVALS", self._keys.desired)
        return sorted(map(_run.decode, rows), key=lambda run: run.strategy)

    async def put_desired(self, run: DesiredRun) -> None:
        await self._channel.call("HSET", self._keys.desired, run.strategy, encode(run))

    async def delete_desired(self, strategy: str) -> bool:
        return bool(await self._channel.call("HDEL", self._keys.desired, strategy))
