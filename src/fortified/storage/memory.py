"""The in-memory twin of the Redis store: the same contract, nothing survives the process. For tests, replays and backtests."""

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from fortified.domain.account import AccountId
from fortified.domain.ticker import TickerConfig
from fortified.ports import DesiredRun, User
from fortified.storage.keys import BARS_MAXLEN, TICKS_MAXLEN, Limits
from fortified.storage.memory_bus import MemoryBus
from fortified.storage.memory_history import MemoryHistory
from fortified.storage.memory_ledger import MemoryLedger


class MemoryConfig:
    """Implements ``ConfigStore``."""

    def __init__(self) -> None:
        self._tickers: dict[tuple[str, str], TickerConfig] = {}
        self._desired: dict[str, DesiredRun] = {}

    async def tickers(self, strategy: str | None = None) -> Sequence[TickerConfig]:
        return [config for place, config in sorted(self._tickers.items()) if strategy is None or place[0] == strategy]

    async def put_ticker(self, config: TickerConfig) -> None:
        self._tickers[config.strategy, config.symbol] = config

    async def delete_ticker(self, strategy: str, symbol: str) -> bool:
        return self._tickers.pop((strategy, symbol), None) is not None

    async def desired(self) -> Sequence[DesiredRun]:
        return [run for _, run in sorted(self._desired.items())]

    async def seed(self, configs: Sequence[TickerConfig], run: DesiredRun) -> None:
        for config in configs:
            await self.put_ticker(config)
        await self.put_desired(run)

    async def put_desired(self, run: DesiredRun) -> None:
        self._desired[run.strategy] = run

    async def delete_desired(self, strategy: str) -> bool:
        return self._desired.pop(strategy, None) is not None


class MemoryUsers:
    """Implements ``UserStore``."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._refresh: dict[str, tuple[str, float]] = {}

    async def user(self, email: str) -> User | None:
        return self._users.get(email)

    async def users(self) -> Sequence[User]:
        return [user for _, user in sorted(self._users.items())]

    async def put_user(self, user: User) -> None:
        self._users[user.email] = user

    async def delete_user(self, email: str) -> bool:
        return self._users.pop(email, None) is not None

    async def put_refresh(self, token_id: str, email: str, ttl_s: int) -> None:
        now = time.monotonic()
        self._refresh = {token: row for token, row in self._refresh.items() if row[1] > now}
        self._refresh[token_id] = (email, now + ttl_s)

    async def take_refresh(self, token_id: str) -> str | None:
        email, expires = self._refresh.pop(token_id, (None, 0.0))
        return email if expires > time.monotonic() else None


class MemoryAccounts:
    """Implements ``AccountStore``."""

    def __init__(self) -> None:
        self._external: dict[tuple[AccountId, str], Decimal] = {}

    async def external(self, account: AccountId) -> Mapping[str, Decimal]:
        return {what: units for (owner, what), units in self._external.items() if owner == account}

    async def put_external(self, account: AccountId, what: str, quantity: Decimal) -> None:
        self._external[account, what] = quantity
        if not quantity:
            del self._external[account, what]


class MemoryLease:
    """Implements ``Lease``: nobody else can see this store, so nobody else holds anything."""

    async def acquire(self, name: str) -> None:
        return

    async def release(self, name: str) -> None:
        return


class MemoryStore:
    """Implements ``Store``."""

    def __init__(
        self,
        *,
        bars_maxlen: int = BARS_MAXLEN,
        ticks_maxlen: int = TICKS_MAXLEN,
        limits: Limits | None = None,
        read_count: int = 512,
    ) -> None:
        self._limits = limits or Limits()
        self._bars_maxlen, self._ticks_maxlen, self._read_count = bars_maxlen, ticks_maxlen, read_count
        self._begin()

    def _begin(self) -> None:
        self.history = MemoryHistory(self._limits)
        self.bus = MemoryBus(self.history, bars_maxlen=self._bars_maxlen, ticks_maxlen=self._ticks_maxlen, read_count=self._read_count)
        self.ledger = MemoryLedger(self.bus, self._limits)
        self.config = MemoryConfig()
        self.users = MemoryUsers()
        self.accounts = MemoryAccounts()
        self.lease = MemoryLease()

    async def ping(self) -> Mapping[str, Any]:
        return {"server": "memory", "version": "", "latency_ms": 0.0}

    async def erase(self) -> None:
        self._begin()

    async def close(self) -> None:
        return
