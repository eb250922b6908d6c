"""Secrets of the simulated user, and tokens that end when they say.

Owns which token is valid now. The secrets are public words: they open nothing but a simulator.
"""

from itertools import count
from typing import Final

import msgspec

from fortified.ports import Clock

_NS: Final = 1_000_000_000
_KEPT: Final = 1_000


class Credentials(msgspec.Struct, frozen=True):
    """What a client of a simulator is configured with."""

    client_id: str = "simulated-client"
    client_secret: str = "simulated-secret"  # noqa: S105  # public: it opens a simulator only
    refresh_token: str = "simulated-refresh-token"  # noqa: S105  # public: it opens a simulator only
    redirect_uri: str = "https://127.0.0.1:8182/callback"


class TokenBook:
    """Tokens of one sort, each valid for ``lifetime_s`` from its issue."""

    def __init__(self, clock: Clock, prefix: str, lifetime_s: float, suffix: str = "") -> None:
        self.lifetime_s = lifetime_s
        self._suffix = suffix
        self._clock = clock
        self._prefix = prefix
        self._numbers = count(1)
        self._ends: dict[str, int] = {}

    def issue(self) -> str:
        """A new token."""
        token = f"{self._prefix}{next(self._numbers)}{self._suffix}"
        self.add(token)
        return token

    def add(self, token: str) -> None:
        """Make ``token`` valid from now."""
        self._ends[token] = self._clock.now_ns() + round(self.lifetime_s * _NS)
        while len(self._ends) > _KEPT:
            del self._ends[next(iter(self._ends))]

    def valid(self, token: str) -> bool:
        """Whether ``token`` was issued here and has not ended."""
        return self._ends.get(token, 0) > self._clock.now_ns()

    def take(self, token: str) -> bool:
        """As ``valid``, and the token ends with it."""
        return self._ends.pop(token, 0) > self._clock.now_ns()

    def revoke(self) -> None:
        """End all tokens."""
        self._ends.clear()


def bearer(header: str) -> str:
    """The token of an Authorization header."""
    kind, _, token = header.partition(" ")
    return token if kind == "Bearer" else ""
