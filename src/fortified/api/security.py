"""Passwords, tokens and roles.

Owns hashing (argon2id), the signing and reading of JWTs, and one-use tickets. Knows no route and keeps no users.
"""

import enum
import functools
import hashlib
import re
import secrets
from typing import Literal

import anyio
import anyio.to_thread
import jwt
import msgspec
from pwdlib import PasswordHash
from pydantic import SecretStr

from fortified.api.errors import unauthenticated
from fortified.domain.errors import ConfigError
from fortified.ports import Clock, User

NS_PER_SECOND = 1_000_000_000
_ALGORITHM = "HS256"
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
_TICKET_SECONDS = 30
_MAX_TICKETS = 10_000


class Role(enum.StrEnum):
    """Each role may do what the ones before it may."""

    VIEWER = "viewer"
    TRADER = "trader"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Claims(msgspec.Struct, frozen=True):
    """What a token says. ``iat`` and ``exp`` are seconds; ``ver`` must equal the user's token version."""

    sub: str
    role: Role
    ver: int
    jti: str
    iat: int
    exp: int
    use: Literal["access", "refresh"]


@functools.cache
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@functools.cache
def _dummy_hash() -> str:
    return _hasher().hash(secrets.token_urlsafe(16))


def canonical_email(text: str) -> str:
    """The one spelling under which a user is kept: trimmed, lower case. ValueError when it is no address."""
    email = text.strip().lower()
    if _EMAIL.fullmatch(email) is None:
        raise ValueError("is no e-mail address; write name@example.com")
    return email


def required_email(text: str) -> str:
    """``canonical_email`` for what a person wrote in a command or a setting; ``ConfigError`` when it is no address."""
    try:
        return canonical_email(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} {error}") from None


def hash_password(password: str) -> str:
    """The argon2id hash of ``password``; takes tens of milliseconds of a core."""
    return _hasher().hash(password)


def _verify(password: str, password_hash: str | None) -> bool:
    # An unknown user costs the same time as a wrong password.
    matches = _hasher().verify(password, password_hash or _dummy_hash())
    return matches and password_hash is not None


class Passwords:
    """Hashing off the event loop, at most two at a time: each takes a core and tens of megabytes."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(2)

    async def hash(self, password: str) -> str:
        return await anyio.to_thread.run_sync(hash_password, password, limiter=self._limiter)

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """False for ``password_hash`` None, after as long as for a wrong password."""
        return await anyio.to_thread.run_sync(_verify, password, password_hash, limiter=self._limiter)


class Tokens:
    """Signs and reads JWTs. Lifetimes are seconds, on the clock of the process."""

    def __init__(self, secret: SecretStr, clock: Clock, *, access_seconds: int, refresh_seconds: int) -> None:
        # A key of the full 256 bits, bound to this purpose, whatever the length of the secret.
        self._key = hashlib.sha256(b"fortified jwt\0" + secret.get_secret_value().encode()).digest()
        self._clock = clock
        self.access_seconds = access_seconds
        self.refresh_seconds = refresh_seconds

    def issue(self, user: User, use: Literal["access", "refresh"]) -> tuple[str, Claims]:
        """A signed token of ``user`` and what it says."""
        now = self._clock.now_ns() // NS_PER_SECOND
        lifetime = self.access_seconds if use == "access" else self.refresh_seconds
        claims = Claims(
            sub=user.email,
            role=Role(user.role),
            ver=user.token_version,
            jti=secrets.token_urlsafe(16),
            iat=now,
            exp=now + lifetime,
            use=use,
        )
        return jwt.encode(msgspec.to_builtins(claims), self._key, _ALGORITHM), claims

    def read(self, token: str, use: Literal["access", "refresh"]) -> Claims:
        """The claims of a valid token; 401 otherwise."""
        try:
            # Expiry is checked below, on the clock of the process.
            payload = jwt.decode(token, self._key, [_ALGORITHM], {"verify_exp": False, "verify_iat": False})
            claims = msgspec.convert(payload, Claims)
        except (jwt.PyJWTError, msgspec.ValidationError):
            raise unauthenticated("The token is not valid. Log in at POST /api/login.") from None
        if claims.use != use:
            raise unauthenticated(f"This is a token for {claims.use}, not for {use}. Send the {use} token.")
        if self._clock.now_ns() >= claims.exp * NS_PER_SECOND:
            raise unauthenticated("The token has expired. Get a new one at POST /api/token/refresh or log in.", "token_expired")
        return claims


class Tickets:
    """One-use tickets that stand for an access token for half a minute, so that no token appears in a URL."""

    seconds = _TICKET_SECONDS

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._claims: dict[str, tuple[int, Claims]] = {}

    def issue(self, claims: Claims) -> str:
        now = self._clock.now_ns()
        self._claims = {ticket: entry for ticket, entry in self._claims.items() if entry[0] > now}
        while len(self._claims) >= _MAX_TICKETS:
            del self._claims[next(iter(self._claims))]
        ticket = secrets.token_urlsafe(24)
        self._claims[ticket] = (now + _TICKET_SECONDS * NS_PER_SECOND, claims)
        return ticket

    def take(self, ticket: str) -> Claims:
        """The claims behind ``ticket``, which is used by this; 401 when unknown, used or expired."""
        expires, claims = self._claims.pop(ticket, (0, None))
        if claims is None or self._clock.now_ns() >= expires:
            raise unauthenticated("The ticket is unknown, used or older than 30 s. Get one at POST /api/ws/ticket.")
        return claims
