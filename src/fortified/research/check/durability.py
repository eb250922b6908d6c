"""Whether a strategy goes on after a restart as if nothing had happened."""

from collections.abc import Iterator, Sequence

import msgspec

from fortified.domain.errors import FortifiedError
from fortified.research.check.feed import Event, Events, Feed
from fortified.research.check.lookahead import spread
from fortified.research.check.recording import Answer, Player, Progress, Subject, first_difference, record, watched
from fortified.research.check.verdict import Finding
from fortified.strategies.base import BaseStrategy

RESTARTS = 8


class NotDurable(FortifiedError):
    """The state cannot be written or read back."""


def durability(subject: Subject, feed: Feed, expected: Sequence[Answer], progress: Progress) -> Finding:
    """An instance that is written down, thrown away and read into a new one, again and again, says the same."""
    points = spread(0, feed.rows, RESTARTS + 2)[1:-1]
    player = Player(subject)
    events = watched(_restarted(player, feed.events(), points), lambda row: progress("durability", row, feed.rows))
    try:
        found = first_difference(expected, record(player, events))
    except NotDurable as error:
        return Finding("durability", "failed", str(error))
    if found is None:
        return Finding("durability", "ok", f"restarted {len(points)} times from its snapshot, it gave the same answers")
    text = (
        "after a restart from its snapshot it gave another answer; something it needs is not in snapshot() or not put back by restore(). "
        "Keep state in attributes that are indicators or plain data"
    )
    return Finding("durability", "failed", text, found)


def _restarted(player: Player, events: Events, points: Sequence[int]) -> Iterator[tuple[int, Event]]:
    left = list(reversed(points))
    for row, event in events:
        if left and row >= left[-1]:
            left.pop()
            player.strategy = _revived(player.subject, player.strategy)
        yield row, event


def _revived(subject: Subject, old: BaseStrategy) -> BaseStrategy:
    """A new instance with the state of ``old``, through the bytes that a runner would store."""
    fresh = subject.new()
    try:
        stored = msgspec.msgpack.encode(old.snapshot())
        fresh.restore(msgspec.msgpack.decode(stored))
    except FortifiedError as error:
        raise NotDurable(str(error)) from None
    except Exception as error:  # snapshot and restore may be the user's
        text = f"its state cannot be stored and read back: {type(error).__name__}: {error}; keep it plain data"
        raise NotDurable(text) from error
    return fresh
