"""The tokens of venues, encrypted before they leave the process.

Owns the key file and the encryption. The key never goes to the store, so what is read from it alone opens nothing.
"""

import os
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from fortified.domain.errors import ConfigError
from fortified.ports import VenueTokens
from fortified.storage.endpoint import Endpoint
from fortified.storage.keys import Keys
from fortified.storage.wire import Channel

_rows = msgspec.json.Decoder(VenueTokens)


class TokenCipher:
    """Encrypts with the first key of ``path``, decrypts with any: one key a line, a new one is put on top.

    The file is made, readable by its owner only, when it is not there. ``ConfigError`` when it holds no keys, cannot be read, or others
    may read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        keys = _read(path) or _create(path)
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise ConfigError(f"{path} holds no valid keys. Restore it, or delete it and log in to the venues again.") from None

    def seal(self, tokens: VenueTokens) -> bytes:
        return self._fernet.encrypt(msgspec.json.encode(tokens))

    def open(self, row: bytes, venue: str) -> VenueTokens:
        """``ConfigError`` when ``row`` was sealed with another key, or changed."""
        try:
            return _rows.decode(self._fernet.decrypt(row))
        except (InvalidToken, msgspec.DecodeError):
            raise ConfigError(
                f"The stored tokens of {venue} cannot be read with the key in {self._path}. Restore that file, or log in to {venue} again."
            ) from None


class RedisTokens:
    """Implements ``TokenStore``. Writing is one command, so that there is always a whole row."""

    def __init__(self, keys: Keys, channel: Channel, cipher: TokenCipher) -> None:
        self._keys, self._channel, self._cipher = keys, channel, cipher

    @classmethod
    def connect(cls, url: str, key_file: Path, *, prefix: str = "") -> "RedisTokens":
        """A store with a connection of its own, opened when it is first used."""
        return cls(Keys(prefix), Channel(Endpoint.parse(url)), TokenCipher(key_file))

    async def tokens(self, venue: str) -> VenueTokens | None:
        row = await self._channel.call("HGET", self._keys.venue_tokens, venue)
        return None if row is None else self._cipher.open(row, venue)

    async def put_tokens(self, venue: str, tokens: VenueTokens) -> None:
        await self._channel.call("HSET", self._keys.venue_tokens, venue, self._cipher.seal(tokens))

    async def delete_tokens(self, venue: str) -> bool:
        return bool(await self._channel.call("HDEL", self._keys.venue_tokens, venue))

    def close(self) -> None:
        self._channel.close()


class MemoryTokens:
    """The twin that forgets with the process."""

    def __init__(self) -> None:
        self._rows: dict[str, VenueTokens] = {}

    async def tokens(self, venue: str) -> VenueTokens | None:
        return self._rows.get(venue)

    async def put_tokens(self, venue: str, tokens: VenueTokens) -> None:
        self._rows[venue] = tokens

    async def delete_tokens(self, venue: str) -> bool:
        return self._rows.pop(venue, None) is not None


def _read(path: Path) -> list[bytes]:
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path} holds the key of the stored tokens and may be read by others. Run: chmod 600 {path}")
        return path.read_bytes().split()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(
            f"{path}, the key of the stored tokens, cannot be read: {error.strerror}. Make it readable for this user."
        ) from None


def _create(path: Path) -> list[bytes]:
    key = Fernet.generate_key()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # empty, or another process was faster by a moment
        keys = _read(path)
        if keys:
            return keys
        raise ConfigError(f"{path} holds no key. Restore it, or delete it and log in to the venues again.") from None
    except OSError as error:
        raise ConfigError(
            f"{path}, the key of the stored tokens, cannot be made: {error.strerror}. Choose another data directory."
        ) from None
    with os.fdopen(handle, "wb") as file:
        file.write(key + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return [key]
