"""HTTP with a venue: the one owner of its connections.

Owns pacing, repetition of reads, the token in the header, time limits, and what the end of a request means. A read is repeated; a request
that changes something is sent exactly once, and its end is one of ``Accepted``, ``Refused``, ``NotSent`` and ``Unknown``. Knows no
payloads.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import urlencode

import httpx2
import msgspec

from fortified.adapters.pacing import Backoff, Pacer, Sleep, chance
from fortified.domain.errors import AuthExpired, ConfigError, FortifiedError, RateLimited, VenueUnavailable

Params = Sequence[tuple[str, str]]
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_UNCLEAR = frozenset({408, 425})
"""Refusals that do not tell whether something was done."""
_WRITING = "send_request_headers.started"
"""What the HTTP library traces right before the first byte of a request is written."""


class Accepted(msgspec.Struct, frozen=True):
    """A 2xx. ``headers`` have lower-case names."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Refused(msgspec.Struct, frozen=True):
    """A 4xx: the venue said no, and nothing was done."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class NotSent(msgspec.Struct, frozen=True):
    """Not one byte of the request left. ``error`` says why, and may be raised."""

    error: FortifiedError


class Unknown(msgspec.Struct, frozen=True):
    """The request may or may not have been carried out: time-out, lost connection, 5xx. Look before sending it again."""

    reason: str
    status: int | None = None


Outcome = Accepted | Refused | NotSent | Unknown


class TokenSource(Protocol):
    """Who has the access token."""

    async def token(self) -> str: ...

    def reject(self, token: str) -> None: ...


class Journal(Protocol):
    """Who writes down what goes over the wire; redacting it is theirs. ``number`` pairs a response with its request."""

    def request(self, number: int, method: str, url: str, body: bytes) -> None: ...

    def response(self, number: int, status: int | None, headers: Mapping[str, str], body: bytes) -> None:
        """``status`` None: there was none, and ``body`` says why."""
        ...


class BrokerTransport:
    """Requests to ``base_url``, each within ``timeout_s``. ``venue`` is the name in messages. Without ``tokens`` none is shown.

    ``ConfigError`` when ``base_url`` is no URL.
    """

    def __init__(
        self,
        base_url: str,
        *,
        venue: str,
        headers: Mapping[str, str],
        pacer: Pacer,
        tokens: TokenSource | None = None,
        journal: Journal | None = None,
        timeout_s: float = 10.0,
        attempts: int = 4,
        backoff: Backoff | None = None,
        sleep: Sleep = asyncio.sleep,
        chance: Callable[[], float] = chance,
    ) -> None:
        self.venue = venue
        self._pacer, self._tokens, self._journal = pacer, tokens, journal
        self._timeout_s, self._attempts, self._backoff = timeout_s, attempts, backoff or Backoff()
        self._sleep, self._chance = sleep, chance
        self._number = self._refusals = 0
        try:
            self._client = httpx2.AsyncClient(base_url=base_url, headers=headers, timeout=timeout_s, follow_redirects=False)
        except httpx2.InvalidURL as error:
            raise ConfigError(f"The address {base_url!r} of {venue} is not valid ({error}). Write it as https://host.") from None

    async def close(self) -> None:
        await self._client.aclose()

    async def get(self, path: str, *, route: str, params: Params = ()) -> Accepted | Refused:
        """The answer to a GET, repeated while that can help. ``Refused`` is a definite 4xx other than 401 and 429.

        Raises:
            AuthExpired: a renewed token is refused too.
            RateLimited: the venue still asks to slow down after all attempts.
            VenueUnavailable: no answer, or none but server errors.
        """
        failure: RateLimited | VenueUnavailable = VenueUnavailable(f"{self.venue} was not asked for {route}")
        for attempt in range(self._attempts):
            outcome = await self._once("GET", path, route, params)
            if isinstance(outcome, Refused) and outcome.status == 401:  # the token was given back: the next try has a new one
                outcome = await self._once("GET", path, route, params)
            match outcome:
                case Refused(status=401):
                    raise AuthExpired(
                        f"{self.venue} refuses a fresh access token for {route}. Log in again, or ask for the right it lacks."
                    )
                case Refused(status=429):
                    failure = RateLimited(f"{self.venue} asks us to slow down ({route}). It is asked again later.")
                    continue  # the pacer holds the route
                case NotSent(error=RateLimited() | AuthExpired() as error):
                    raise error
                case NotSent(error=error):
                    failure = VenueUnavailable(str(error))
                case Unknown(reason=reason):
                    failure = VenueUnavailable(f"{self.venue} gives no answer to {route}: {reason}. It is asked again later.")
                case _:
                    return outcome
            if attempt + 1 < self._attempts:
                await self._sleep(self._backoff.delay(attempt, self._chance()))
        raise failure

    async def send(
        self,
        method: str,
        path: str,
        *,
        route: str,
        json: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> Outcome:
        """Send a request that may change something: once. Nothing raises."""
        if json is not None:
            return await self._once(method, path, route, (), msgspec.json.encode(json), {**headers, "Content-Type": "application/json"})
        if form is not None:
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return await self._once(method, path, route, (), urlencode(form).encode(), {**headers, **kind})
        return await self._once(method, path, route, (), b"", headers)

    async def _once(
        self, method: str, path: str, route: str, params: Params, content: bytes = b"", headers: Mapping[str, str] = _NO_HEADERS
    ) -> Outcome:
        try:
            await self._pacer.pass_through(route)
            token = await self._tokens.token() if self._tokens is not None else None
        except FortifiedError as error:
            return NotSent(error)
        authorized = {**headers, "Authorization": f"Bearer {token}"} if token is not None else headers
        outcome = await self._exchange(method, path, params, content, authorized)
        if isinstance(outcome, Accepted):
            self._refusals = 0
        elif isinstance(outcome, Refused):
            if outcome.status == 401 and token is not None and self._tokens is not None:
                self._tokens.reject(token)
            elif outcome.status == 429:
                self._hold(route, outcome.headers)
        return outcome

    async def _exchange(self, method: str, path: str, params: Params, content: bytes, headers: Mapping[str, str]) -> Outcome:
        sent = False

        async def trace(name: str, _: object) -> None:
            nonlocal sent
            sent = sent or name.endswith(_WRITING)

        request = self._client.build_request(
            method, path, params=list(params) or None, content=content or None, headers=dict(headers), extensions={"trace": trace}
        )
        number = self._note_request(request, content)
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._client.send(request)
        except (httpx2.HTTPError, TimeoutError, OSError) as error:
            reason = _reason(error, self._timeout_s)
            self._note_response(number, None, _NO_HEADERS, reason.encode())
            if sent:
                return Unknown(reason)
            return NotSent(VenueUnavailable(f"{self.venue} is not reached: {reason}. Check the network, or wait until it is back."))
        self._note_response(number, response.status_code, response.headers, response.content)
        return _classified(response)

    def _hold(self, route: str, headers: Mapping[str, str]) -> None:
        asked = headers.get("retry-after", "")
        self._refusals += 1
        self._pacer.hold(route, float(asked) if asked.isdecimal() else self._backoff.delay(self._refusals, self._chance()))

    def _note_request(self, request: httpx2.Request, content: bytes) -> int:
        self._number += 1
        if self._journal is not None:
            self._journal.request(self._number, request.method, str(request.url), content)
        return self._number

    def _note_response(self, number: int, status: int | None, headers: Mapping[str, str], body: bytes) -> None:
        if self._journal is not None:
            self._journal.response(number, status, headers, body)


def _classified(response: httpx2.Response) -> Outcome:
    status = response.status_code
    if 200 <= status < 300:
        return Accepted(status, response.content, dict(response.headers))
    if 400 <= status < 500 and status not in _UNCLEAR:
        return Refused(status, response.content, dict(response.headers))
    return Unknown(f"HTTP {status} {response.reason_phrase}".strip(), status)


def _reason(error: Exception, timeout_s: float) -> str:
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return f"no answer within {timeout_s:g} s"
    if isinstance(error, httpx2.LocalProtocolError):
        return type(error).__name__  # its text quotes the header that is wrong, which may be the token
    return str(error) or type(error).__name__
