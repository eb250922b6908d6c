"""All stores of one deployment over one Redis.

Owns their connections, the check of the server's version, and what is told about the server. Must not know what is stored.
"""

import re
import time
from collections.abc import Mapping
from typing import Any, Self

from fortified.domain.errors import ConfigError
from fortified.storage.accounts import RedisAccounts
from fortified.storage.bus import RedisBus
from fortified.storage.config import RedisConfig
from fortified.storage.endpoint import Endpoint
from fortified.storage.history import RedisHistory
from fortified.storage.keys import BARS_MAXLEN, TICKS_MAXLEN, Keys, Limits
from fortified.storage.lease import RedisLease
from fortified.storage.ledger import RedisLedger
from fortified.storage.publisher import Publisher
from fortified.storage.users import RedisUsers
from fortified.storage.wire import Channel

_LEAST_VERSION = {"redis": (6, 2), "valkey": (7, 2)}


class RedisStore:
    """Implements ``Store``. Made by ``connect``, within a running event loop."""

    def __init__(
        self,
        endpoint: Endpoint,
        keys: Keys,
        *,
        bars_maxlen: int = BARS_MAXLEN,
        ticks_maxlen: int = TICKS_MAXLEN,
        limits: Limits | None = None,
        lease_ttl_s: float = 10.0,
        read_count: int = 512,
    ) -> None:
        limits = limits or Limits()
        self._keys = keys
        self._channel, self._writer = Channel(endpoint), Channel(endpoint)
        self._publisher = Publisher(endpoint)
        self.bus = RedisBus(
            keys,
            self._channel,
            self._publisher,
            bars_maxlen=bars_maxlen,
            ticks_maxlen=ticks_maxlen,
            limits=limits,
            read_count=read_count,
        )
        self.history = RedisHistory(keys, self._channel, limits)
        self.ledger = RedisLedger(keys, self._writer, self._channel, limits)
        self.config = RedisConfig(keys, self._channel)
        self.users = RedisUsers(keys, self._channel)
        self.accounts = RedisAccounts(keys, self._channel)
        self.lease = RedisLease(keys, self._channel, ttl_s=lease_ttl_s)

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        prefix: str = "",
        cluster: bool = False,
        bars_maxlen: int = BARS_MAXLEN,
        ticks_maxlen: int = TICKS_MAXLEN,
        limits: Limits | None = None,
        lease_ttl_s: float = 10.0,
        read_count: int = 512,
    ) -> Self:
        """The stores at ``url``. ``read_count`` is the most entries of a stream that a reader takes at once.

        Raises StoreUnavailable when nothing answers there, ConfigError when the URL, the password or the server's version is wrong.
        """
        store = cls(
            Endpoint.parse(url),
            Keys(prefix, cluster=cluster),
            bars_maxlen=bars_maxlen,
            ticks_maxlen=ticks_maxlen,
            limits=limits,
            lease_ttl_s=lease_ttl_s,
            read_count=read_count,
        )
        try:
            _check_version(await store.ping())
            await store._writer.connection()
            await store._publisher.start()
        except BaseException:
            await store.close()
            raise
        return store

    async def ping(self) -> Mapping[str, Any]:
        begun = time.perf_counter()
        await self._channel.call("PING")
        latency_ms = (time.perf_counter() - begun) * 1000
        text = (await self._channel.call("INFO")).decode()
        facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        kind = "valkey" if "valkey_version" in facts else "redis"
        return {
            "server": kind,
            "version": facts.get(f"{kind}_version", "0"),
            "latency_ms": round(latency_ms, 3),
            "aof_enabled": facts.get("aof_enabled") == "1",
            "maxmemory_policy": facts.get("maxmemory_policy", ""),
            "used_memory_bytes": int(facts.get("used_memory", 0)),
            "url": str(self._channel.endpoint),
        }

    async def erase(self) -> None:
        prefix = self._keys.prefix
        if not prefix:
            raise ConfigError("the keys without a prefix are the deployment itself and are not erased at once; name a prefix")
        await self._erase(prefix)

    async def sweep_runs(self, older_than_s: float) -> None:
        """Note that the run of this prefix begins, and erase those that began longer ago, were not ended, and are not alive."""
        now = int(time.time())
        await self._channel.call("ZADD", self._keys.runs, now, self._keys.prefix)
        for found in await self._channel.call("ZRANGEBYSCORE", self._keys.runs, "-inf", now - int(older_than_s)):
            prefix = found.decode()
            if not await self._channel.call("EXISTS", Keys(prefix).lease("run")):
                await self._erase(prefix)

    async def _erase(self, prefix: str) -> None:
        pattern = re.sub(r"([\\*?\[\]^-])", r"\\\1", prefix) + "*"
        cursor, found = b"0", set[bytes]()
        while True:
            cursor, keys = await self._channel.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1_000)
            found.update(keys)
            if cursor == b"0":
                break
        if found:  # all at once: half a run must never be taken for one that was stopped
            await self._channel.call("UNLINK", *found)
        await self._channel.call("ZREM", self._keys.runs, prefix)

    async def close(self) -> None:
        """Send what is published, give back leases, disconnect. Nothing raises."""
        await self._publisher.close()
        await self.lease.close()
        self._channel.close()
        self._writer.close()


def _check_version(facts: Mapping[str, Any]) -> None:
    kind, version = facts["server"], facts["version"]
    least = _LEAST_VERSION[kind]
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < least:
        raise ConfigError(
            f"{kind} {version} at {facts['url']} is too old: {kind} {least[0]}.{least[1]} or newer is needed. Update it, or "
            f"unset REDIS_URL to use the embedded one."
        )
