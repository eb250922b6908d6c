"""Schwab's streamer: one login per user, heartbeats, and who is told.

Owns the list of sessions. Knows no socket.
"""

from typing import Final

from fortified.simulators.hours import NS
from fortified.simulators.market import Print
from fortified.simulators.orders import Event
from fortified.simulators.schwab.commands import ACTIVITY
from fortified.simulators.schwab.session import Manners, Out, SchwabSession
from fortified.simulators.schwab.venue import SchwabVenue

_HEARTBEAT_NS: Final = 10 * NS


class SchwabStreamer:
    """All sessions."""

    def __init__(self, venue: SchwabVenue, manners: Manners | None = None) -> None:
        self._venue = venue
        self._manners = manners or Manners()
        self._sessions: list[SchwabSession] = []
        self._last_heartbeat = venue.clock.now_ns()
        venue.exchange.listeners.append(self._on_event)
        venue.exchange.market.listeners.append(self._on_print)

    @property
    def sessions(self) -> list[SchwabSession]:
        """Those whose clients are there."""
        return [session for session in self._sessions if not session.gone]

    def begin(self, out: Out) -> SchwabSession:
        """A client came."""
        session = SchwabSession(self._venue, self._manners, out, self._logged_in)
        self._sessions = [*self.sessions, session]
        return session

    def on_time(self) -> None:
        """What the clock alone causes: heartbeats, finished minutes, the end of idle sessions."""
        now = self._venue.clock.now_ns()
        beat = now - self._last_heartbeat >= _HEARTBEAT_NS
        self._last_heartbeat = now if beat else self._last_heartbeat
        for session in self.sessions:
            session.on_time(now, beat=beat)

    def symbols(self) -> set[str]:
        """What clients watch."""
        held = (subscription for session in self.sessions for subscription in session.subscriptions.items())
        return {key for service, subscription in held if service != ACTIVITY for key in subscription.keys}

    def kick(self) -> None:
        """End all sessions as if the user had logged in elsewhere."""
        for session in self.sessions:
            session.kicked()

    def stop(self) -> None:
        """End all sessions by the server's will."""
        for session in self.sessions:
            session.stop()

    def _logged_in(self, session: SchwabSession) -> None:
        """Others of the same user end."""
        for other in self.sessions:
            if other is not session and other.login is not None:
                other.kicked()

    def _on_event(self, event: Event) -> None:
        for session in self.sessions:
            session.on_event(event)

    def _on_print(self, event: Print) -> None:
        for session in self.sessions:
            session.on_print(event)
