"""What a person declared about live accounts, over Redis."""

from collections.abc import Mapping
from decimal import Decimal

from fortified.domain.account import AccountId
from fortified.storage.keys import Keys
from fortified.storage.wire import Channel


class RedisAccounts:
    """Implements ``AccountStore``."""

    def __init__(self, keys: Keys, channel: Channel) -> None:
        self._keys, self._channel = keys, channel

    async def external(self, account: AccountId) -> Mapping[str, Decimal]:
        flat = await self._channel.call("HGETALL", self._keys.external(account))
        return {what.decode(): Decimal(units.decode()) for what, units in zip(flat[::2], flat[1::2], strict=True)}

    async def put_external(self, account: AccountId, what: str, quantity: Decimal) -> None:
        key = self._keys.external(account)
        await (self._channel.call("HSET", key, what, str(quantity)) if quantity else self._channel.call("HDEL", key, what))
