"""The venues of a deployment: from settings to brokers, market data and stored tokens.

Owns which venues are configured, their addresses and secrets, and how their parts are put together. Simulated brokers are these same
adapters, with the addresses and the public words of the simulators. Nothing is sent before somebody asks.
"""

import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from fortified.adapters.pacing import GLOBAL, Rate
from fortified.adapters.schwab import client as schwab_client
from fortified.adapters.schwab.auth import App
from fortified.adapters.schwab.connection import SchwabConnection
from fortified.adapters.tastytrade import client as tasty_client
from fortified.adapters.tastytrade.account_socket import STREAM_URL
from fortified.adapters.tastytrade.broker import TastyTradeBroker
from fortified.adapters.tastytrade.connection import tastytrade_broker
from fortified.adapters.tastytrade.data_source import DataOptions, TastyTradeDataSource
from fortified.adapters.tastytrade.quote_token import QuoteToken
from fortified.adapters.wire_journal import Redactor, WireJournal
from fortified.domain.account import AccountId
from fortified.domain.errors import ConfigError, FortifiedError
from fortified.domain.instrument import AssetClass, Instrument
from fortified.ports import BaseDataSource, Clock, TokenStore, VenueBroker
from fortified.settings import Settings
from fortified.simulators.schwab.venue import ACCOUNT as SIMULATED_SCHWAB
from fortified.simulators.tastytrade.venue import ACCOUNT as SIMULATED_TASTYTRADE
from fortified.simulators.tokens import Credentials

TASTYTRADE, SCHWAB = "tastytrade", "schwab"
SIMULATED_API = "http://127.0.0.1:8101"
SIMULATED_STREAMER = "ws://127.0.0.1:8102"
SIMULATED_SCHWAB_API = "http://127.0.0.1:8111"
"""Where ``fortified simulate all`` listens."""
_FAST = Rate(1000, burst=1000)
_SETUP = "docs/live.md leads through it"


@dataclass(frozen=True)
class TastyTradeKeys:
    """What lets us in at TastyTrade, and where. ``account`` None: not chosen yet."""

    client_secret: SecretStr
    refresh_token: SecretStr
    account: str | None
    api_url: str
    stream_url: str


@dataclass(frozen=True)
class SchwabKeys:
    """What lets us in at Schwab, and where. ``account`` None: the only one of the log-in."""

    app: App
    account: str | None
    api_url: str
    auth_url: str


def tastytrade_keys(settings: Settings) -> TastyTradeKeys:
    """Raises ConfigError naming what is missing or not possible."""
    secret, token = settings.tasty_client_secret, settings.tasty_refresh_token
    if settings.simulated:
        known = Credentials()
        secret, token = SecretStr(known.client_secret), SecretStr(known.refresh_token)
    if secret is None or token is None:
        raise ConfigError(_missing("TastyTrade", TASTY_CLIENT_SECRET=secret, TASTY_REFRESH_TOKEN=token))
    return TastyTradeKeys(
        secret,
        token,
        settings.tasty_account_id or (SIMULATED_TASTYTRADE if settings.simulated else None),
        _address(settings, "TASTY_API_URL", settings.tasty_api_url, SIMULATED_API, tasty_client.API_URL),
        _address(settings, "TASTY_STREAMER_URL", settings.tasty_streamer_url, SIMULATED_STREAMER, STREAM_URL),
    )


def schwab_keys(settings: Settings) -> SchwabKeys:
    """Raises ConfigError naming what is missing or not possible."""
    client, secret, redirect = settings.schwab_client_id, settings.schwab_client_secret, settings.schwab_redirect_uri
    if settings.simulated:
        known = Credentials()
        client, secret = known.client_id, SecretStr(known.client_secret)
        redirect = redirect if "schwab_redirect_uri" in settings.model_fields_set else known.redirect_uri
    if client is None or secret is None:
        raise ConfigError(_missing("Charles Schwab", SCHWAB_CLIENT_ID=client, SCHWAB_CLIENT_SECRET=secret))
    api = _address(settings, "SCHWAB_API_URL", settings.schwab_api_url, SIMULATED_SCHWAB_API, schwab_client.API_URL)
    return SchwabKeys(
        App(client, secret.get_secret_value(), redirect),
        settings.schwab_account_id or (SIMULATED_SCHWAB if settings.simulated else None),
        api,
        _address(settings, "SCHWAB_AUTH_URL", settings.schwab_auth_url, api, api),
    )


def schwab_connection(
    keys: SchwabKeys, clock: Clock, product_version: str, tokens: TokenStore, *, simulated: bool = False, journal: WireJournal | None = None
) -> SchwabConnection:
    """One log-in at Schwab; its tokens are those of ``tokens``."""
    fast = {schwab_client.ORDER: _FAST, schwab_client.READ: _FAST, schwab_client.OAUTH: _FAST}
    return SchwabConnection(
        keys.app,
        clock=clock,
        product_version=product_version,
        store=tokens,
        journal=journal,
        api_url=keys.api_url,
        auth_url=keys.auth_url,
        rates=fast if simulated else schwab_client.RATES,
    )


class MarketDataGrant:
    """The last token for TastyTrade's market data, and what it says of the data."""

    def __init__(self, broker: TastyTradeBroker) -> None:
        self._broker = broker
        self._last: QuoteToken | None = None

    async def __call__(self) -> QuoteToken:
        self._last = await self._broker.quote_token()
        return self._last

    async def refusals(self) -> list[str]:
        """Why nothing may be traded live on this data."""
        try:
            token = self._last or await self()
        except FortifiedError as error:
            return [f"whether TastyTrade's market data is live is not known: {error}"]
        if not token.is_delayed:
            return []
        return [
            f"TastyTrade's market data is not live (level {token.level!r}): nothing may be traded on it. "
            "Use an account that is open and funded, and the address of production."
        ]


class Venues:
    """What is connected. ``missing`` says of each venue that is not what it lacks; ``claimed`` tells the venue's ids of our own orders."""

    def __init__(self) -> None:
        self.live: dict[str, VenueBroker] = {}
        self.missing: dict[str, str] = {}
        self.schwab: SchwabConnection | None = None
        self.source: BaseDataSource | None = None
        self.claimed: Callable[[AccountId], Collection[str]] = lambda _: ()
        self._grant: MarketDataGrant | None = None

    def source_of(self, instrument: Instrument) -> BaseDataSource | None:
        """TastyTrade's for everything, or Schwab's for shares."""
        if isinstance(self.source, TastyTradeDataSource) or instrument.asset_class is AssetClass.EQUITY:
            return self.source
        return None

    async def refusals(self) -> list[str]:
        """What the market data alone has against live trading."""
        return [] if self._grant is None else await self._grant.refusals()

    def add_tastytrade(self, broker: TastyTradeBroker, source: Callable[[MarketDataGrant], BaseDataSource]) -> None:
        self.live[TASTYTRADE], self._grant = broker, MarketDataGrant(broker)
        self.source = source(self._grant)

    def add_schwab(self, connection: SchwabConnection, account: str | None) -> None:
        broker = connection.broker(account_number=account, claimed=lambda: self.claimed(broker.account))
        self.schwab, self.live[SCHWAB] = connection, broker
        self.source = self.source or connection.data_source()


@asynccontextmanager
async def open_venues(settings: Settings, clock: Clock, product_version: str, tokens: TokenStore) -> AsyncIterator[Venues]:
    """The configured venues, closed with the block. One that is not configured, or not wholly, is in ``missing``."""
    venues = Venues()
    async with AsyncExitStack() as stack:
        journal = _journal(settings, clock)
        if journal is not None:
            stack.callback(journal.close)
        for venue, add in ((TASTYTRADE, _add_tastytrade), (SCHWAB, _add_schwab)):
            try:
                stack.push_async_callback(add(venues, settings, clock, product_version, tokens, journal))
            except ConfigError as error:
                venues.missing[venue] = str(error)
        yield venues


type _Close = Callable[[], Awaitable[None]]


def _add_tastytrade(
    venues: Venues, settings: Settings, clock: Clock, product_version: str, tokens: TokenStore, journal: WireJournal | None
) -> _Close:
    keys = tastytrade_keys(settings)
    if keys.account is None:
        raise ConfigError("TASTY_ACCOUNT_ID is missing: the number of the account to trade. ./fortified login tastytrade lists yours.")
    broker = tastytrade_broker(
        keys.account,
        client_secret=keys.client_secret.get_secret_value(),
        refresh_token=keys.refresh_token.get_secret_value(),
        clock=clock,
        product_version=product_version,
        store=tokens,
        journal=journal,
        api_url=keys.api_url,
        stream_url=keys.stream_url,
        rates={GLOBAL: _FAST} if settings.simulated else tasty_client.RATES,
    )
    # The simulated market never closes, so there is no open to count its bars of trades from.
    options = DataOptions(from_session_open=not settings.simulated)
    channel = None if journal is None else journal.channel("dxlink")

    def source(grant: MarketDataGrant) -> BaseDataSource:
        return TastyTradeDataSource(grant, broker.streamer_symbol, clock, options=options, journal=channel)

    venues.add_tastytrade(broker, source)
    return broker.close


def _add_schwab(
    venues: Venues, settings: Settings, clock: Clock, product_version: str, tokens: TokenStore, journal: WireJournal | None
) -> _Close:
    keys = schwab_keys(settings)
    connection = schwab_connection(keys, clock, product_version, tokens, simulated=settings.simulated, journal=journal)
    venues.add_schwab(connection, keys.account)
    return connection.close


def _journal(settings: Settings, clock: Clock) -> WireJournal | None:
    if not settings.wire_journal:
        return None
    simulated = (SIMULATED_TASTYTRADE, SIMULATED_SCHWAB) if settings.simulated else ()
    numbers = [number for number in (settings.tasty_account_id, settings.schwab_account_id, *simulated) if number is not None]
    return WireJournal(settings.data_dir / "wire", "wire", clock=clock, redact=Redactor.of_accounts(numbers))


def _missing(venue: str, **keys: object) -> str:
    names = [name for name, value in keys.items() if value is None]
    return f"{venue} is not configured: set {' and '.join(names)}; {_SETUP}"


def _address(settings: Settings, key: str, own: str | None, simulated: str, real: str) -> str:
    """Secrets go in the clear to this machine only, and simulated brokers are here only."""
    url = own or (simulated if settings.simulated else real)
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in ("http", "https", "ws", "wss"):
        raise ConfigError(f"{key}={url!r} is no address; write it as https://host")
    if _is_local(parts.hostname):
        return url
    if settings.simulated:
        raise ConfigError(f"{key}={url!r} is not on this machine, where simulated brokers are; unset it, or unset FORTIFIED_BROKERS")
    if parts.scheme in ("http", "ws"):
        raise ConfigError(f"{key}={url!r} would carry secrets in the clear; begin it with https:// or wss://")
    return url


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
