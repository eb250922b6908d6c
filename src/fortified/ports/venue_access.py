"""The seam to log-ins at venues: who is let in, until when, and how a person renews it."""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class AccessState(msgspec.Struct, frozen=True):
    """How we stand with a venue. ``text`` says it in words, with what to do next; ``ts_login_expires`` (ns) None: it has no end, or there
    is no log-in. ``accounts`` are masked, and known after a check only.
    """

    venue: str
    configured: bool
    logged_in: bool
    text: str
    ts_login_expires: int | None = None
    warnings: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()


class LoginPage(msgspec.Struct, frozen=True):
    """The page at a venue that a person opens. It has to be finished before ``ts_expires`` (ns)."""

    url: str
    ts_expires: int


class VenueAccess(Protocol):
    """The log-ins of a server. All raise NotFound for a venue that is none, and Refused for one that is not configured."""

    async def states(self) -> Sequence[AccessState]:
        """Every venue, without asking it anything."""
        ...

    async def begin(self, venue: str) -> LoginPage | AccessState:
        """The page to log in on; where a venue needs none, its state after a check of the credentials.

        Raises:
            VenueError: the venue refuses the credentials, or does not answer.
        """
        ...

    async def finish(self, venue: str, pasted: str, state: str | None = None, *, begun: bool = False) -> AccessState:
        """End a log-in with the code or the address that its page led to. With ``begun`` it must be one that ``begin`` began.

        Raises:
            ConfigError: there is no code in ``pasted``, or it belongs to another log-in. VenueError: the venue refuses it.
        """
        ...

    async def refresh(self, venue: str) -> AccessState:
        """Get new access now.

        Raises:
            VenueError: the venue refuses, or does not answer.
        """
        ...
