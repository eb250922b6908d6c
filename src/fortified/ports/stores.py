"""The seams to configuration, users, tokens and leases, and the store that holds all of them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from fortified.domain.account import AccountId
from fortified.domain.ticker import TickerConfig
from fortified.ports.bus import HistoryStore, MarketBus
from fortified.ports.ledger import Ledger


class DesiredRun(msgspec.Struct, frozen=True):
    """A strategy that should be running. ``mode`` is paper or live."""

    strategy: str
    mode: str
    started_by: str = ""
    ts_started: int = 0


class ConfigStore(Protocol):
    """Ticker configurations and what should run."""

    async def tickers(self, strategy: str | None = None) -> Sequence[TickerConfig]: ...

    async def put_ticker(self, config: TickerConfig) -> None: ...

    async def delete_ticker(self, strategy: str, symbol: str) -> bool: ...

    async def seed(self, configs: Sequence[TickerConfig], run: DesiredRun) -> None:
        """Configurations and what should run of them, all at once or not at all."""
        ...

    async def desired(self) -> Sequence[DesiredRun]: ...

    async def put_desired(self, run: DesiredRun) -> None: ...

    async def delete_desired(self, strategy: str) -> bool: ...


class User(msgspec.Struct, frozen=True):
    """A person who may log in. ``role`` is viewer, trader or admin; ``token_version`` grows to end all sessions."""

    email: str
    password_hash: str
    role: str = "admin"
    token_version: int = 0
    ts_created: int = 0


class UserStore(Protocol):
    """Users and their refresh tokens."""

    async def user(self, email: str) -> User | None: ...

    async def users(self) -> Sequence[User]: ...

    async def put_user(self, user: User) -> None: ...

    async def delete_user(self, email: str) -> bool: ...

    async def put_refresh(self, token_id: str, email: str, ttl_s: int) -> None: ...

    async def take_refresh(self, token_id: str) -> str | None:
        """The e-mail of an unused refresh token, which is used by this; None when unknown, used or expired."""
        ...


class VenueTokens(msgspec.Struct, frozen=True):
    """What lets us in at a venue. Stamps are ns; None: the venue names no end. Its ``repr`` shows no token."""

    access_token: str
    ts_expires: int
    refresh_token: str | None = None
    ts_refresh_expires: int | None = None

    def __repr__(self) -> str:
        return f"VenueTokens(ts_expires={self.ts_expires}, ts_refresh_expires={self.ts_refresh_expires})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("ts_expires", self.ts_expires), ("ts_refresh_expires", self.ts_refresh_expires)]


class TokenStore(Protocol):
    """The tokens of venues, encrypted where they outlive the process."""

    async def tokens(self, venue: str) -> VenueTokens | None:
        """None when there are none. Raises ConfigError when they cannot be read with the key we have."""
        ...

    async def put_tokens(self, venue: str, tokens: VenueTokens) -> None: ...

    async def delete_tokens(self, venue: str) -> bool: ...


class Lease(Protocol):
    """The right to publish a symbol, or to own a run, while this process lives."""

    async def acquire(self, name: str) -> None:
        """Raises ConfigError naming the holder when another living process has it."""
        ...

    async def release(self, name: str) -> None: ...


class AccountStore(Protocol):
    """What a person declared about live accounts."""

    async def external(self, account: AccountId) -> Mapping[str, Decimal]:
        """Signed units by what they are in that are at the broker and none of ours."""
        ...

    async def put_external(self, account: AccountId, what: str, quantity: Decimal) -> None:
        """0 forgets."""
        ...


class Store(Protocol):
    """All stores of one deployment (or of one replay, under its own prefix)."""

    @property
    def bus(self) -> MarketBus: ...
    @property
    def history(self) -> HistoryStore: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def config(self) -> ConfigStore: ...
    @property
    def users(self) -> UserStore: ...
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def lease(self) -> Lease: ...

    async def ping(self) -> Mapping[str, Any]:
        """Round trip and server facts. Raises StoreUnavailable."""
        ...

    async def erase(self) -> None:
        """Delete every key of this store's prefix; refused for the empty prefix."""
        ...

    async def close(self) -> None: ...
