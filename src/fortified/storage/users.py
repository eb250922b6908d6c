"""Users, and refresh tokens that are good once."""

from collections.abc import Sequence

import msgspec

from fortified.ports import User
from fortified.storage.keys import Keys
from fortified.storage.rows import encode
from fortified.storage.wire import Channel

_user = msgspec.json.Decoder(User)


class RedisUsers:
    """Implements ``UserStore``."""

    def __init__(self, keys: Keys, channel: Channel) -> None:
        self._keys, self._channel = keys, channel

    async def user(self, email: str) -> User | None:
        row = await self._channel.call("HGET", self._keys.users, email)
        return None if row is None else _user.decode(row)

    async def users(self) -> Sequence[User]:
        return sorted(map(_user.decode, await self._channel.call("HVALS", self._keys.users)), key=lambda user: user.email)

    async def put_user(self, user: User) -> None:
        await self._channel.call("HSET", self._keys.users, user.email, encode(user))

    async def delete_user(self, email: str) -> bool:
        return bool(await self._channel.call("HDEL", self._keys.users, email))

    async def put_refresh(self, token_id: str, email: str, ttl_s: int) -> None:
        await self._channel.call("SET", self._keys.refresh(token_id), email, "EX", ttl_s)

    async def take_refresh(self, token_id: str) -> str | None:
        email = await self._channel.call("GETDEL", self._keys.refresh(token_id))
        return None if email is None else email.decode()
