"""What goes wrong, when, and how often: named faults at named points.

Owns the rules and which of them is due. Knows no venue: a front-end asks ``take`` at each point it passes and does what it is told.

Points are words that a pattern (``fnmatch``) matches:

    POST /accounts/5WX00001/orders      a request; the path is as sent, without its query
    stream Order                        a frame a streamer is about to send, by its type or service
    command LOGIN                       a message a streamer received
    order, cancel, replace, fill        what happens at the matching engine
    activity                            an event that Schwab is about to tell
"""

import enum
import random
from collections import deque
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec


class Kind(enum.StrEnum):
    """What goes wrong. The comment names the points at which it is understood."""

    DROP_BEFORE = "drop_before"  # request: the connection is cut, nothing was processed
    DROP_AFTER = "drop_after"  # request: processed, then cut without an answer
    CUT_ANSWER = "cut_answer"  # request: processed, cut in the middle of the answer's body
    STATUS = "status"  # request: answered with ``status``, not processed
    STATUS_AFTER = "status_after"  # request: processed, and still answered with ``status``
    GARBLED = "garbled"  # request: processed, the body of the answer is no JSON
    SLOW_BEFORE = "slow_before"  # request: waits ``seconds``, then is processed, even if the client has gone
    SLOW_AFTER = "slow_after"  # request: processed, the answer waits ``seconds``
    TWICE = "twice"  # request: processed twice, as by a proxy that tries again; frame: sent twice
    EXPIRE_TOKEN = "expire_token"  # noqa: S105  # request: every access token ends before it; the name of a fault, no secret
    NO_LOCATION = "no_location"  # request (Schwab): the answer lacks its Location
    WRONG_LOCATION = "wrong_location"  # request (Schwab): the Location names another order
    MISSING = "missing"  # frame: not sent; command: not answered
    LATE = "late"  # frame: sent behind the next one
    EMPTY = "empty"  # activity: the empty message of every night comes first
    CLOSE = "close"  # frame, command: the connection is closed in order instead
    ABORT = "abort"  # frame, command: the connection is cut instead
    FREEZE = "freeze"  # frame, command: nothing is sent or read any more, and the socket stays open
    DENY = "deny"  # command: refused
    KICK = "kick"  # frame, command: the connection ends as if the user had logged in elsewhere
    REJECT = "reject"  # order: accepted, and rejected behind that, with ``text``
    SILENT = "silent"  # order: it waits and never trades by itself
    STUCK = "stuck"  # cancel, replace: asked for, and never done
    FILL_FIRST = "fill_first"  # cancel, replace: the order is filled before
    LAG = "lag"  # fill: positions and balances show it only ``seconds`` later, on the venue's clock
    FILLED_EARLY = "filled_early"  # fill (TastyTrade): a frame says Filled before it has the fill


class Fault(msgspec.Struct, frozen=True):
    """One thing that goes wrong. ``gzip``: the body of the wrong status is compressed."""

    kind: Kind
    status: int = 503
    seconds: float = 0.0
    text: str = ""
    gzip: bool = False


class Rule(msgspec.Struct):
    """Faults at the points that ``pattern`` matches: after ``skip`` of them, at each ``every``-th, ``times`` times (None: always)."""

    pattern: str
    faults: tuple[Fault, ...]
    times: int | None = 1
    skip: int = 0
    every: int = 1
    rate: float = 1.0
    seen: int = 0


_KEPT: Final = 1_000


class Faults:
    """The rules of one venue. The first rule that is due decides."""

    def __init__(self, seed: int = 0) -> None:
        self.rules: list[Rule] = []
        self.happened: deque[tuple[str, Fault]] = deque(maxlen=_KEPT)
        self._dice = random.Random(seed)  # noqa: S311  # a repeatable schedule, no secret

    def next(self, pattern: str, fault: Fault | Kind, times: int = 1, skip: int = 0) -> None:
        """``fault`` at the next ``times`` points that match, after ``skip`` of them."""
        self.rules.append(Rule(pattern, (_fault(fault),), times, skip))

    def always(self, pattern: str, fault: Fault | Kind, every: int = 1) -> None:
        """``fault`` at each ``every``-th point that matches, until ``clear``."""
        self.rules.append(Rule(pattern, (_fault(fault),), None, every - 1, every))

    def by_chance(self, pattern: str, faults: Sequence[Fault | Kind], rate: float) -> None:
        """One of ``faults`` at a share ``rate`` of the points that match; the seed decides at which."""
        self.rules.append(Rule(pattern, tuple(map(_fault, faults)), None, rate=rate))

    def clear(self, pattern: str | None = None) -> None:
        """Forget the rules of ``pattern``, or all."""
        self.rules = [rule for rule in self.rules if pattern is not None and rule.pattern != pattern]

    def take(self, point: str) -> Fault | None:
        """The fault that is due at ``point``, which uses up one of its times."""
        for rule in self.rules:
            if fnmatchcase(point, rule.pattern):
                fault = self._due(rule)
                if fault is not None:
                    self.happened.append((point, fault))
                    return fault
        return None

    def _due(self, rule: Rule) -> Fault | None:
        if rule.times == 0:
            return None
        rule.seen += 1
        if rule.seen <= rule.skip or (rule.seen - rule.skip - 1) % rule.every:
            return None
        if rule.rate < 1.0 and self._dice.random() >= rule.rate:
            return None
        if rule.times is not None:
            rule.times -= 1
        return rule.faults[0] if len(rule.faults) == 1 else self._dice.choice(rule.faults)


def _fault(fault: Fault | Kind) -> Fault:
    return Fault(fault) if isinstance(fault, Kind) else fault
