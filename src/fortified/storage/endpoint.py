"""Where a Redis is reached, and with what name and password.

Owns the reading of a Redis URL and its form that may be shown. Must not know what is said over the connection.
"""

from typing import Self
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import msgspec

from fortified.domain.errors import ConfigError

_FORMS = "redis://[user:password@]host:port/db, rediss://… for TLS, or unix:///path/to/redis.sock"


class Endpoint(msgspec.Struct, frozen=True):
    """The address of a server. ``path`` is a Unix socket; without it ``host`` and ``port`` count. ``str()`` hides the password."""

    path: str = ""
    host: str = ""
    port: int = 6379
    tls: bool = False
    username: str = ""
    password: str = ""
    db: int = 0

    @classmethod
    def parse(cls, url: str) -> Self:
        """The endpoint of ``unix://…``, ``redis://…`` or ``rediss://…``; ConfigError for anything else."""
        try:
            parts = urlsplit(url)
            username, password = unquote(parts.username or ""), unquote(parts.password or "")
            db = int(parse_qs(parts.query).get("db", [parts.path.strip("/") if parts.scheme != "unix" else ""])[0] or 0)
            if parts.scheme == "unix" and parts.path:
                return cls(path=unquote(parts.path), username=username, password=password, db=db)
            if parts.scheme in {"redis", "rediss"} and parts.hostname:
                return cls(
                    host=parts.hostname,
                    port=parts.port or 6379,
                    tls=parts.scheme == "rediss",
                    username=username,
                    password=password,
                    db=db,
                )
        except ValueError:
            parts = SplitResult("", "", "", "", "")
        raise ConfigError(f"REDIS_URL (scheme {parts.scheme!r}) is not the address of a Redis. Write it as {_FORMS}.")

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}"
        user = f"{self.username}@" if self.username else ""
        return f"redis{'s' if self.tls else ''}://{user}{self.host}:{self.port}/{self.db}"
