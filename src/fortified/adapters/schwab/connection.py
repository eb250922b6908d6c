"""One log-in at Schwab with all that lives on it: tokens, requests, the one streamer, broker and data source.

Owns how the parts are put together, and that tokens which another process has got (a log-in at the command line) are taken over.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack

from fortified.adapters.oauth import TokenKeeper
from fortified.adapters.pacing import Backoff, Pacer, Rate
from fortified.adapters.schwab.auth import App, Expiry, SchwabLogin, authorize_url
from fortified.adapters.schwab.broker import SchwabBroker
from fortified.adapters.schwab.client import API_URL, PACE_LIMIT_S, RATES, SchwabClient
from fortified.adapters.schwab.data_source import SchwabDataSource
from fortified.adapters.schwab.streamer import SchwabStreamer
from fortified.adapters.transport import BrokerTransport
from fortified.adapters.wire_journal import WireJournal
from fortified.ports import Clock, TokenStore, VenueTokens

VENUE = "schwab"
_NAME = "Schwab"


class SchwabConnection:
    """Nothing is sent before the first request. ``timeout_s`` is for each of them; ``auth_url`` None: the same as ``api_url``.

    ``reconnect`` and ``kicked`` are the pauses of the streamer.
    """

    def __init__(
        self,
        app: App,
        *,
        clock: Clock,
        product_version: str,
        store: TokenStore | None = None,
        journal: WireJournal | None = None,
        api_url: str = API_URL,
        auth_url: str | None = None,
        rates: Mapping[str, Rate] = RATES,
        timeout_s: float = 10.0,
        reconnect: Backoff | None = None,
        kicked: Backoff | None = None,
    ) -> None:
        self._app, self._clock, self._store = app, clock, store
        self._auth_url = auth_url or api_url
        self._resources = AsyncExitStack()
        pacer = Pacer(rates, wait_limit_s=PACE_LIMIT_S)

        def transport(url: str, channel: str, tokens: TokenKeeper | None = None) -> BrokerTransport:
            made = BrokerTransport(
                url,
                venue=_NAME,
                headers={"User-Agent": f"fortified/{product_version}", "Accept": "application/json"},
                pacer=pacer,
                tokens=tokens,
                journal=None if journal is None else journal.channel(channel),
                timeout_s=timeout_s,
            )
            self._resources.push_async_callback(made.close)
            return made

        self.login = SchwabLogin(transport(self._auth_url, "schwab oauth"), app, clock)
        self.keeper = TokenKeeper(VENUE, self._grant, clock=clock, store=store)
        self.client = SchwabClient(transport(api_url, "schwab rest", self.keeper))
        written = None if journal is None else journal.channel("schwab streamer")
        self.streamer = SchwabStreamer(self.client.streamer, self.keeper, clock, journal=written, backoff=reconnect, kicked=kicked)
        self._resources.push_async_callback(self.streamer.close)

    def authorize_url(self, state: str) -> str:
        """The page that a person opens to log in."""
        return authorize_url(self._auth_url, self._app, state)

    async def log_in(self, pasted: str, state: str | None = None) -> Expiry:
        """Finish a log-in with what its page led to; when it ends. Raises what ``SchwabLogin.exchange`` raises."""
        tokens = await self.login.exchange(pasted, state)
        await self.keeper.put(tokens)
        return Expiry(tokens.ts_refresh_expires or self._clock.now_ns())

    async def expiry(self) -> Expiry | None:
        """When the log-in ends; None when nobody is logged in."""
        return _expiry(await self._newest(self.keeper.tokens))

    def broker(
        self, *, account_number: str | None = None, extended: bool = False, claimed: Callable[[], Collection[str]] = tuple
    ) -> SchwabBroker:
        """The broker of one account of the log-in; its end is the end of the connection."""
        return SchwabBroker(
            self.client,
            self.streamer,
            self._clock,
            account_number=account_number,
            extended=extended,
            claimed=claimed,
            login=lambda: _expiry(self.keeper.tokens),
            release=self.close,
        )

    def data_source(self) -> SchwabDataSource:
        """Shares, as bars of one second."""
        return SchwabDataSource(self.client, self.streamer, self._clock)

    async def close(self) -> None:
        """End all of it. Again: nothing."""
        await self._resources.aclose()

    async def _grant(self, tokens: VenueTokens | None) -> VenueTokens:
        newest = await self._newest(tokens)
        fresh = newest is not None and newest != tokens and newest.ts_expires > self._clock.now_ns()
        return newest if fresh and newest is not None else await self.login.refresh(newest)

    async def _newest(self, tokens: VenueTokens | None) -> VenueTokens | None:
        """``tokens``, or those that another process has stored since."""
        stored = None if self._store is None else await self._store.tokens(VENUE)
        return max((found for found in (tokens, stored) if found is not None), key=_age, default=None)


def _age(tokens: VenueTokens) -> tuple[int, int]:
    return tokens.ts_refresh_expires or 0, tokens.ts_expires


def _expiry(tokens: VenueTokens | None) -> Expiry | None:
    return Expiry(tokens.ts_refresh_expires) if tokens is not None and tokens.ts_refresh_expires is not None else None
