"""The tokens of venues are stored so that the store alone opens nothing."""

from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet

from fortified.domain.errors import ConfigError
from fortified.ports import TokenStore, VenueTokens
from fortified.storage.endpoint import Endpoint
from fortified.storage.keys import Keys
from fortified.storage.tokens import MemoryTokens, RedisTokens, TokenCipher
from fortified.storage.wire import Channel

pytestmark = pytest.mark.anyio
TOKENS = VenueTokens("access-secret", 2, "refresh-secret", 9)


async def test_tokens_are_read_back_by_who_has_the_key_and_by_nobody_else(redis_url: str, tmp_path: Path) -> None:
    prefix = f"tokens:{uuid4().hex}:"
    store = RedisTokens.connect(redis_url, tmp_path / "tokens.key", prefix=prefix)
    assert await store.tokens("schwab") is None
    await store.put_tokens("schwab", TOKENS)
    restarted = RedisTokens.connect(redis_url, tmp_path / "tokens.key", prefix=prefix)
    assert await restarted.tokens("schwab") == TOKENS
    stranger = RedisTokens.connect(redis_url, tmp_path / "other.key", prefix=prefix)
    with pytest.raises(ConfigError, match="log in to schwab again"):
        await stranger.tokens("schwab")
    channel = Channel(Endpoint.parse(redis_url))
    row = await channel.call("HGET", Keys(prefix).venue_tokens, "schwab")
    assert b"secret" not in row
    await channel.call("HSET", Keys(prefix).venue_tokens, "schwab", row[:-4] + b"AAAA")
    with pytest.raises(ConfigError):
        await restarted.tokens("schwab")
    assert [await store.delete_tokens("schwab") for _ in range(2)] == [True, False]
    assert await store.tokens("schwab") is None
    channel.close()
    for one in (store, restarted, stranger):
        one.close()


@pytest.mark.parametrize("kind", ["redis", "memory"])
async def test_both_stores_keep_the_newest_tokens_of_each_venue(kind: str, redis_url: str, tmp_path: Path) -> None:
    redis = RedisTokens.connect(redis_url, tmp_path / "tokens.key", prefix=f"tokens:{uuid4().hex}:")
    store: TokenStore = redis if kind == "redis" else MemoryTokens()
    await store.put_tokens("schwab", TOKENS)
    await store.put_tokens("tastytrade", VenueTokens("other", 1))
    await store.put_tokens("schwab", VenueTokens("newer", 3))
    assert await store.tokens("schwab") == VenueTokens("newer", 3)
    assert await store.delete_tokens("schwab")
    assert not await store.delete_tokens("schwab")
    assert await store.tokens("schwab") is None
    assert await store.tokens("tastytrade") == VenueTokens("other", 1)
    await store.delete_tokens("tastytrade")
    redis.close()


def test_the_key_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "tokens.key"
    TokenCipher(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        TokenCipher(path)


def test_a_new_key_on_top_still_opens_what_the_old_one_sealed(tmp_path: Path) -> None:
    path = tmp_path / "tokens.key"
    sealed = TokenCipher(path).seal(TOKENS)
    path.write_bytes(Fernet.generate_key() + b"\n" + path.read_bytes())
    both = TokenCipher(path)
    assert both.open(sealed, "schwab") == TOKENS
    path.write_bytes(path.read_bytes().splitlines()[0])
    assert TokenCipher(path).open(both.seal(TOKENS), "schwab") == TOKENS
    with pytest.raises(ConfigError, match="Restore that file"):
        TokenCipher(path).open(sealed, "schwab")


@pytest.mark.parametrize("content", [b"", b"\n", b"not a key"])
def test_a_key_file_without_a_key_is_named_and_never_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokens.key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"tokens\.key"):
        TokenCipher(path)
    assert path.read_bytes() == content


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be"):
        TokenCipher(tmp_path / "file" / "tokens.key")
