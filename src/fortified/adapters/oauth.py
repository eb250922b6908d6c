"""The access token of a venue: the one place that has it, renews it and writes it down.

Owns when it is renewed (early, once, by one task) and what a refusal means. How a venue is asked for tokens is the ``grant`` it is given;
it knows no HTTP beyond the shape of an answer. Tokens are in no message, no log and no repr.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import structlog

from fortified.adapters.transport import Accepted, BrokerTransport, NotSent, Refused, Unknown
from fortified.domain.errors import AuthExpired, ConfigError, RateLimited, StoreUnavailable, VenueUnavailable
from fortified.ports import Clock, TokenStore, VenueTokens

SECOND = 10**9
Grant = Callable[[VenueTokens | None], Awaitable[VenueTokens]]
"""Asks the venue for tokens, given the ones we have. Raises AuthExpired, RateLimited, VenueUnavailable."""

_HEADER_SAFE = re.compile(r"[!-~]+")
_log = structlog.get_logger(__name__)


class TokenKeeper:
    """The current access token of ``venue``.

    It is renewed ``early_s`` before its end, under one lock, however many ask. While it is still good, a renewal that fails does no harm
    and is tried again after ``pause_s``. A venue that refuses the grant is not asked again for ``hold_off_s``, because repeated bad
    log-ins block an address for hours; ``put`` ends that at once. ``stored_as`` keeps the tokens of several grants of a venue apart.
    """

    def __init__(
        self,
        venue: str,
        grant: Grant,
        *,
        clock: Clock,
        store: TokenStore | None = None,
        stored_as: str | None = None,
        early_s: float = 60.0,
        pause_s: float = 5.0,
        hold_off_s: float = 300.0,
    ) -> None:
        self.venue = venue
        self._grant, self._clock, self._store, self._stored_as = grant, clock, store, stored_as or venue
        self._early_ns, self._pause_ns, self._hold_off_ns = (int(span * SECOND) for span in (early_s, pause_s, hold_off_s))
        self._lock = asyncio.Lock()
        self._tokens: VenueTokens | None = None
        self._rejected: str | None = None
        self._failed: AuthExpired | RateLimited | VenueUnavailable | None = None
        self._not_before = 0

    @property
    def tokens(self) -> VenueTokens | None:
        """What we have now, fresh or not."""
        return self._tokens

    async def token(self) -> str:
        """A token that is good now. Raises AuthExpired, RateLimited, VenueUnavailable."""
        if not self._is_good(self._early_ns):
            async with self._lock:
                if not self._is_good(self._early_ns):
                    await self._renew()
        assert self._tokens is not None
        return self._tokens.access_token

    def reject(self, token: str) -> None:
        """The venue refused ``token`` before its end: the next who asks gets another one."""
        self._rejected = token

    async def put(self, tokens: VenueTokens) -> None:
        """Take over tokens a person has just got by logging in."""
        async with self._lock:
            await self._keep(tokens)

    def _is_good(self, early_ns: int) -> bool:
        tokens = self._tokens
        return tokens is not None and tokens.access_token != self._rejected and self._clock.now_ns() < tokens.ts_expires - early_ns

    async def _renew(self) -> None:
        await self._look_up()
        if self._is_good(self._early_ns):
            return
        now = self._clock.now_ns()
        if self._failed is None or now >= self._not_before:
            try:
                await self._keep(await self._grant(self._tokens))
            except (AuthExpired, RateLimited, VenueUnavailable) as error:
                self._failed = error
                self._not_before = now + (self._hold_off_ns if isinstance(error, AuthExpired) else self._pause_ns)
                _log.warning("token was not renewed", venue=self.venue, error=str(error))
        if self._failed is not None and not self._is_good(0):
            raise type(self._failed)(str(self._failed))

    async def _look_up(self) -> None:
        """Somebody may have logged in beside us: what is stored counts when it lasts longer."""
        try:
            stored = await self._store.tokens(self._stored_as) if self._store is not None else None
        except (StoreUnavailable, ConfigError) as error:
            _log.warning("stored token was not read", venue=self.venue, error=str(error))
            return
        if stored is not None and (self._tokens is None or stored.ts_expires > self._tokens.ts_expires):
            self._tokens, self._failed = stored, None

    async def _keep(self, tokens: VenueTokens) -> None:
        self._tokens, self._failed = tokens, None
        try:
            if self._store is not None:
                await self._store.put_tokens(self._stored_as, tokens)
        except StoreUnavailable as error:  # it is good all the same; the next one is written again
            _log.warning("token was not stored", venue=self.venue, error=str(error))


class Answer(msgspec.Struct, frozen=True):
    """What a token endpoint grants; ``expires_in`` is in seconds."""

    access_token: str
    expires_in: int
    refresh_token: str | None = None

    def __repr__(self) -> str:
        return f"Answer(expires_in={self.expires_in})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("expires_in", self.expires_in)]


async def ask(
    transport: BrokerTransport,
    path: str,
    *,
    json: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """POST to a token endpoint.

    Raises:
        AuthExpired: the venue refuses what we showed.
        RateLimited, VenueUnavailable: it says nothing about that.
    """
    venue = transport.venue
    match await transport.send("POST", path, route="oauth", json=json, form=form, headers=headers or {}):
        case Accepted(body=body):
            return _granted(body, venue)
        case Refused(status=429):
            raise RateLimited(f"{venue} asks us to log in less often. Wait some minutes.")
        case Refused(status=400 | 401 | 403 | 422 as status, body=body):
            text = f"{status} {code_of(body)}".strip()
            raise AuthExpired(f"{venue} refuses to renew the access ({text}). Correct the credentials or log in again.")
        case Refused(status=status):
            raise VenueUnavailable(f"{venue} has no log-in at its address ({status}). Check the address of its interface.")
        case NotSent(error=error):
            raise VenueUnavailable(f"{venue} was not asked to renew the access. {error}")
        case Unknown(reason=reason):
            raise VenueUnavailable(f"{venue} did not renew the access: {reason}. It is tried again.")


def _granted(body: bytes, venue: str) -> Answer:
    try:
        answer = msgspec.json.decode(body, type=Answer, strict=False)
        fault = "" if _HEADER_SAFE.fullmatch(answer.access_token) else "it does not fit into a header"
    except msgspec.DecodeError as error:
        fault = str(error)  # names the place of the fault, never the value: the body holds tokens
    if fault:
        raise VenueUnavailable(f"{venue} answers the renewal of the access with what is no token ({fault}). It is tried again.")
    return answer


def code_of(body: bytes) -> str:
    """The code of an OAuth error in ``body``, or nothing: never text that could echo a secret."""
    try:
        found: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return ""
    code = found.get("error") or found.get("error_code") if isinstance(found, dict) else None
    if isinstance(code, dict):
        code = code.get("code")
    return code if isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", code) else ""
