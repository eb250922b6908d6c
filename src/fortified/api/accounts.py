"""Sessions of users: logging in, refreshing, logging out, and who is asking.

Owns the check of a token against the user it names, with a short cache. Knows no HTTP.
"""

import msgspec

from fortified.api.errors import unauthenticated
from fortified.api.security import NS_PER_SECOND, Claims, Passwords, Role, Tokens
from fortified.domain.errors import ConfigError, NotFound, Refused
from fortified.ports import Clock, User, UserStore

_CACHE_NS = 2 * NS_PER_SECOND
_GONE = "This session was ended. Log in again at POST /api/login."


class Session(msgspec.Struct, frozen=True):
    """What a successful login or refresh gives."""

    user: User
    access_token: str
    refresh_token: str
    expires_in: int


def _stands(claims: Claims, user: User) -> bool:
    # A token older than its user belonged to a deleted one of the same e-mail; ``iat`` is cut to the second.
    return claims.ver == user.token_version and (claims.iat + 1) * NS_PER_SECOND > user.ts_created


class Accounts:
    """Users and their sessions, over the user store."""

    def __init__(self, users: UserStore, tokens: Tokens, passwords: Passwords, clock: Clock) -> None:
        self._users = users
        self._tokens = tokens
        self._passwords = passwords
        self._clock = clock
        self._cache: dict[str, tuple[int, User | None]] = {}

    async def login(self, email: str, password: str) -> Session | None:
        """A session; None when e-mail or password is wrong, which takes equally long."""
        user = await self._users.user(email)
        matches = await self._passwords.verify(password, user.password_hash if user else None)
        return await self._open(user) if user and matches else None

    async def refresh(self, token: str) -> Session:
        """A new session for an unused refresh token. A used one that returns was stolen: it ends all sessions."""
        claims = self._tokens.read(token, "refresh")
        user = await self._users.user(claims.sub)
        email = await self._users.take_refresh(claims.jti)
        if user is None or not _stands(claims, user):
            raise unauthenticated(_GONE)
        if email != user.email:
            await self.end_sessions(user.email)
            raise unauthenticated("This refresh token was used before; all sessions of its user were ended. Log in.")
        return await self._open(user)

    async def claims(self, token: str) -> Claims:
        """The claims of an access token whose session still stands, with the user's present role; 401 otherwise."""
        return await self.confirm(self._tokens.read(token, "access"))

    async def confirm(self, claims: Claims) -> Claims:
        """``claims`` checked against the user they name."""
        user = await self._cached(claims.sub)
        if user is None or not _stands(claims, user):
            raise unauthenticated(_GONE)
        return msgspec.structs.replace(claims, role=Role(user.role))

    async def end_sessions(self, email: str) -> None:
        """End every session of a user: access and refresh tokens alike."""
        user = await self._users.user(email)
        if user is not None:
            await self._users.put_user(msgspec.structs.replace(user, token_version=user.token_version + 1))
        self._cache.pop(email, None)

    async def create(self, email: str, password: str, role: Role) -> User:
        if await self._users.user(email) is not None:
            raise ConfigError(f"There is a user {email} already. Delete it first, or choose another e-mail.")
        user = User(email, await self._passwords.hash(password), role.value, 0, self._clock.now_ns())
        await self._users.put_user(user)
        self._cache.pop(email, None)
        return user

    async def delete(self, email: str) -> None:
        users = await self._users.users()
        if all(user.email != email for user in users):
            raise NotFound(f"There is no user {email}. GET /api/users lists them.")
        if not any(user.email != email and user.role == Role.ADMIN for user in users):
            raise Refused([f"{email} is the only admin. Create another admin first."])
        await self._users.delete_user(email)
        self._cache.pop(email, None)

    async def _open(self, user: User) -> Session:
        access, _ = self._tokens.issue(user, "access")
        refresh, claims = self._tokens.issue(user, "refresh")
        await self._users.put_refresh(claims.jti, user.email, self._tokens.refresh_seconds)
        return Session(user, access, refresh, self._tokens.access_seconds)

    async def _cached(self, email: str) -> User | None:
        now = self._clock.now_ns()
        read_at, user = self._cache.get(email, (0, None))
        if user is None or not 0 <= now - read_at < _CACHE_NS:
            user = await self._users.user(email)
            # Only users are kept, so that made-up names cannot fill the cache.
            if user is not None:
                self._cache[email] = (now, user)
        return user
