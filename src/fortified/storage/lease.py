"""Leases: one living process publishes a symbol or owns a run.

Owns who holds what, its renewal, and the judgement that a holder is dead. A lease ends by itself some seconds after its process did; on the
same host a dead process is seen at once.
"""

import asyncio
import os
import secrets
import socket
import time

import msgspec
import structlog

from fortified.domain.errors import ConfigError, FortifiedError
from fortified.storage.keys import Keys
from fortified.storage.rows import encode
from fortified.storage.wire import Channel

_STARTED_NS = time.time_ns()  # with the pid, the identity of this process: a container's pid is 1 in every life

_REPLACE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return false
"""
_DELETE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

_log = structlog.get_logger(__name__)


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lease. ``token`` tells two stores of one process apart."""

    host: str
    pid: int
    started: int
    token: str

    def is_dead(self) -> bool:
        """Whether the process is known to be gone. Of another host nothing is known."""
        if self.host != socket.gethostname():
            return False
        if self.pid == os.getpid():
            return self.started != _STARTED_NS
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


def this_process() -> Holder:
    """A new holder for a store of this process."""
    return Holder(socket.gethostname(), os.getpid(), _STARTED_NS, secrets.token_hex(8))


def held_by_another(name: str, holder: Holder) -> ConfigError:
    """The error of a lease that is taken."""
    return ConfigError(
        f"{name} is held by process {holder.pid} on {holder.host}. Stop that process first, or give this one another "
        f"Redis database with REDIS_URL."
    )


class RedisLease:
    """Implements ``Lease``. Held leases are renewed in the background until ``close``."""

    def __init__(self, keys: Keys, channel: Channel, *, ttl_s: float = 10.0) -> None:
        self._keys, self._channel = keys, channel
        self._ttl_ms = int(ttl_s * 1000)
        self._holder = this_process()
        self._mine = encode(self._holder)
        self._held: set[str] = set()
        self._renewing: asyncio.Task[None] | None = None

    async def acquire(self, name: str) -> None:
        while not await self._try(name):
            current = await self._channel.call("GET", self._keys.lease(name))
            if current is None or current == self._mine:
                continue
            holder = msgspec.json.decode(current, type=Holder)
            if not holder.is_dead():
                raise held_by_another(name, holder)
            await self._channel.call("EVAL", _REPLACE, 1, self._keys.lease(name), current, self._mine, self._ttl_ms)
        self._held.add(name)
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew(), name="lease-renewal")

    async def release(self, name: str) -> None:
        self._held.discard(name)
        await self._channel.call("EVAL", _DELETE, 1, self._keys.lease(name), self._mine)

    async def close(self) -> None:
        """Stop renewing and give back what is held, if the server answers; else it ends by itself."""
        if self._renewing is not None:
            self._renewing.cancel()
        for name in tuple(self._held):
            try:
                await self.release(name)
            except FortifiedError:
                return

    async def _try(self, name: str) -> bool:
        """Whether the lease is ours now."""
        key = self._keys.lease(name)
        _, current = await self._channel.pipeline([("SET", key, self._mine, "NX", "PX", self._ttl_ms), ("GET", key)])
        return bool(current == self._mine)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._ttl_ms / 3000)
            for name in tuple(self._held):
                try:
                    await self._renew_one(name)
                except FortifiedError as error:
                    _log.warning("lease_not_renewed", lease=name, error=str(error))

    async def _renew_one(self, name: str) -> None:
        """Prolong, or take again what expired while the server was away."""
        key = self._keys.lease(name)
        renewed = await self._channel.call("EVAL", _REPLACE, 1, key, self._mine, self._mine, self._ttl_ms)
        if renewed is None and not await self._try(name):
            self._held.discard(name)
            _log.error("lease_lost", lease=name)
