"""The log-ins of a deployment: begun, finished, renewed and told of, over HTTP and at the command line.

Owns the states of log-ins that began and were not finished, each good for one use and some minutes. Knows no HTTP of ours.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import structlog

from fortified.adapters.oauth import TokenKeeper
from fortified.adapters.pacing import Pacer
from fortified.adapters.schwab.auth import Expiry
from fortified.adapters.schwab.connection import SchwabConnection
from fortified.adapters.tastytrade.accounts import masked
from fortified.adapters.tastytrade.client import RATES, TastyTradeClient, request_headers
from fortified.adapters.tastytrade.connection import refresh_grant
from fortified.adapters.tastytrade.wire import child, text
from fortified.adapters.transport import BrokerTransport
from fortified.bootstrap_venues import SCHWAB, TASTYTRADE, TastyTradeKeys
from fortified.domain.errors import ConfigError, FortifiedError, NotFound, Refused
from fortified.domain.timeframe import NS_PER_SECOND
from fortified.ports import Clock
from fortified.ports.venue_access import AccessState, LoginPage

BEGUN_S = 600
_MOST_BEGUN = 100
_WATCH_S = 60.0
_AUTHORIZE = "GET /api/brokers/schwab/authorize"
_SCHWAB_LOGIN = f"Log in: ./fortified login schwab, or {_AUTHORIZE}."

Check = Callable[[], Awaitable[tuple[str, ...]]]
"""Tries the credentials of TastyTrade; the accounts they open, masked. Raises VenueError."""


@asynccontextmanager
async def tastytrade_client(keys: TastyTradeKeys, clock: Clock, product_version: str) -> AsyncIterator[TastyTradeClient]:
    """Requests with an access token of their own, got when it is first needed."""
    headers, pacer = request_headers(product_version), Pacer(RATES)
    login = BrokerTransport(keys.api_url, venue="TastyTrade", headers=headers, pacer=pacer)
    grant = refresh_grant(login, keys.client_secret.get_secret_value(), keys.refresh_token.get_secret_value(), clock)
    rest = BrokerTransport(
        keys.api_url, venue="TastyTrade", headers=headers, pacer=pacer, tokens=TokenKeeper(TASTYTRADE, grant, clock=clock), attempts=2
    )
    try:
        yield TastyTradeClient(rest, keys.account or "")
    finally:
        await rest.close()
        await login.close()


async def tastytrade_accounts(keys: TastyTradeKeys, clock: Clock, product_version: str) -> tuple[str, ...]:
    """The accounts that the refresh grant opens, masked. Raises VenueError: the grant is refused, or nothing answers."""
    async with tastytrade_client(keys, clock, product_version) as client:
        numbers = [text(child(entry, "account"), "account-number") for entry in await client.accounts()]
    return tuple(masked(number) for number in numbers if number is not None)


async def schwab_accounts(connection: SchwabConnection) -> tuple[str, ...]:
    """The accounts of a log-in, masked. Raises VenueError: it is refused, or nothing answers."""
    return tuple(masked(account.account_number) for account in await connection.client.account_numbers())


class Logins:
    """Implements ``VenueAccess``. ``missing`` are the venues that are not configured, each with what it lacks."""

    def __init__(self, clock: Clock, *, schwab: SchwabConnection | None, tastytrade: Check | None, missing: Mapping[str, str]) -> None:
        self._clock, self._schwab, self._tastytrade, self._missing = clock, schwab, tastytrade, missing
        self._begun: dict[str, int] = {}
        self._told: int | None = None

    async def states(self) -> Sequence[AccessState]:
        return [await self._state_of_schwab(), self._state_of_tastytrade()]

    async def begin(self, venue: str) -> LoginPage | AccessState:
        self._check(venue)
        if venue == TASTYTRADE:
            return await self.refresh(venue)
        now = self._clock.now_ns()
        self._begun = {state: end for state, end in self._begun.items() if end > now}
        while len(self._begun) >= _MOST_BEGUN:
            del self._begun[next(iter(self._begun))]
        state = secrets.token_urlsafe(24)
        self._begun[state] = now + BEGUN_S * NS_PER_SECOND
        return LoginPage(self._needed_schwab().authorize_url(state), self._begun[state])

    async def finish(self, venue: str, pasted: str, state: str | None = None, *, begun: bool = False) -> AccessState:
        self._check(venue)
        if venue == TASTYTRADE:
            raise Refused(
                ["TastyTrade gives no codes: what lets us in is TASTY_REFRESH_TOKEN. POST /api/brokers/tastytrade/refresh tries it."]
            )
        connection = self._needed_schwab()
        told = state if state is not None else _state_in(pasted)
        if (told is not None or begun) and self._begun.pop(told or "", 0) <= self._clock.now_ns():
            raise ConfigError(
                f"This log-in was not begun here, is older than {BEGUN_S // 60} minutes, or is finished. Begin again: {_AUTHORIZE}."
            )
        await connection.log_in(pasted, told)
        return await self._state_of_schwab()

    async def refresh(self, venue: str) -> AccessState:
        self._check(venue)
        if venue == TASTYTRADE:
            assert self._tastytrade is not None
            accounts = await self._tastytrade()
            words = f"The refresh grant works and opens {', '.join(accounts) or 'no account'}; access is renewed by itself."
            return AccessState(TASTYTRADE, True, True, words, accounts=accounts)
        keeper = self._needed_schwab().keeper
        before = keeper.tokens
        token = await keeper.token()
        if before is None or keeper.tokens is before:  # it was good still: the keeper, alone, gets another
            keeper.reject(token)
            await keeper.token()
        return await self._state_of_schwab()

    async def watch(self) -> None:
        """Warn in the log when Schwab's log-in is about to end, until cancelled."""
        while self._schwab is not None:
            await self.warn()
            await asyncio.sleep(_WATCH_S)

    async def warn(self) -> None:
        """Warn if a warning is due that was not told yet."""
        expiry, now = await self._expiry(), self._clock.now_ns()
        due = None if expiry is None else expiry.warned_hours(now)
        if due != self._told and expiry is not None and due is not None:
            structlog.get_logger("logins").warning("log-in ends", venue=SCHWAB, text=expiry.warning(now))
        self._told = due

    # --- ---

    def _check(self, venue: str) -> None:
        if venue not in (SCHWAB, TASTYTRADE):
            raise NotFound(f"There is no broker {venue!r} to log in at. Known: {SCHWAB}, {TASTYTRADE}.")
        if venue in self._missing:
            raise Refused([self._missing[venue]])

    def _needed_schwab(self) -> SchwabConnection:
        assert self._schwab is not None
        return self._schwab

    def _state_of_tastytrade(self) -> AccessState:
        if TASTYTRADE in self._missing:
            return AccessState(TASTYTRADE, False, False, self._missing[TASTYTRADE])
        return AccessState(TASTYTRADE, True, True, "Access is renewed by the refresh token, which has no end.")

    async def _state_of_schwab(self) -> AccessState:
        if SCHWAB in self._missing:
            return AccessState(SCHWAB, False, False, self._missing[SCHWAB])
        now = self._clock.now_ns()
        expiry = await self._expiry()
        if expiry is None:
            return AccessState(SCHWAB, True, False, f"Nobody is logged in. {_SCHWAB_LOGIN}")
        if not expiry.left_ns(now):
            return AccessState(SCHWAB, True, False, f"The log-in has expired. {_SCHWAB_LOGIN}", expiry.ts_expires)
        warning = expiry.warning(now)
        words = f"Logged in for {expiry.countdown(now)} more."
        return AccessState(SCHWAB, True, True, words, expiry.ts_expires, () if warning is None else (warning,))

    async def _expiry(self) -> Expiry | None:
        try:
            return await self._needed_schwab().expiry()
        except FortifiedError as error:  # stored with another key, or the store is away
            structlog.get_logger("logins").warning("the stored log-in cannot be read", venue=SCHWAB, reason=str(error))
            return None


def _state_in(pasted: str) -> str | None:
    """The state in an address; a code alone has none."""
    return parse_qs(urlsplit(pasted.strip()).query).get("state", [None])[0]
