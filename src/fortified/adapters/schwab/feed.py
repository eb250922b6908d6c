"""One symbol of the streamer: rows in, events of a data source out.

Owns what is told when: bars as their seconds end, a gap before the first bar behind it, and how far the market is known. Time arrives as an
argument.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from fortified.adapters.schwab.level_one import LevelOne
from fortified.adapters.schwab.minutes import Minutes, read_minute
from fortified.adapters.schwab.seconds import DEFAULT_GRACE_NS, SecondBars
from fortified.domain.calendar import get_calendar
from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar, Quote, SourceEvent, Watermark
from fortified.domain.timeframe import NS_PER_SECOND

_log = structlog.get_logger(__name__)


class SymbolFeed:
    """Bars of one second of ``instrument``; ``after`` is the last ``seq`` known already, ``state`` what level one told so far."""

    def __init__(self, instrument: Instrument, after: int | None, state: LevelOne, *, grace_ns: int = DEFAULT_GRACE_NS) -> None:
        self.symbol = instrument.symbol
        self.seconds = SecondBars(self.symbol, get_calendar(instrument.calendar), after, state, grace_ns=grace_ns)
        self.minutes = Minutes(self.symbol)
        self._grace_ns = grace_ns
        self._live = False
        self._known_ns = 0
        self._delayed = False

    def on_level_one(self, row: Mapping[str, Any], now_ns: int) -> Sequence[SourceEvent]:
        """What a row of level one brings."""
        state = self.seconds.state
        before = state.bid, state.ask
        events: list[SourceEvent] = list(self._taken(self.seconds.on_row(row, now_ns)))
        if not self._live:
            self._live = True
            self.minutes.begin(now_ns)
        if state.delayed and not self._delayed:
            self._delayed = True
            _log.warning(
                "schwab's data is delayed: the log-in has no right to live data, and no order will go out on it", symbol=self.symbol
            )
        if (state.bid, state.ask) != before:
            stamp = now_ns if state.quote_ms is None else state.quote_ms * 1_000_000
            events.append(Quote(self.symbol, stamp, now_ns, state.bid, state.ask, state.bid_size or 0.0, state.ask_size or 0.0))
        return events

    def on_minute(self, row: Mapping[str, Any]) -> None:
        """Hold a minute of the venue's against ours."""
        theirs = read_minute(row)
        difference = None if theirs is None else self.minutes.compare(theirs)
        if difference is not None:
            _log.info(
                "a minute made of seconds differs from schwab's",
                symbol=self.symbol,
                fields=difference.fields,
                ours=difference.ours,
                theirs=difference.theirs,
                different=self.minutes.different,
                compared=self.minutes.compared,
            )

    def on_time(self, now_ns: int, heard_ns: int | None) -> Sequence[SourceEvent]:
        """The bar that is over at ``now_ns``, and how far all is known, given when the server was last heard (None: not connected)."""
        events: list[SourceEvent] = list(self._taken(self.seconds.on_time(now_ns)))
        if self._live and heard_ns is not None:
            known = (min(now_ns, heard_ns) - self._grace_ns) // NS_PER_SECOND * NS_PER_SECOND
            if known > self._known_ns:
                self._known_ns = known
                events.append(Watermark(self.symbol, known))
        return events

    def lost(self) -> None:
        """The connection broke."""
        if self._live:
            self._live = False
            self.seconds.lost()

    def _taken(self, made: Sequence[SourceEvent]) -> Sequence[SourceEvent]:
        for event in made:
            if isinstance(event, Bar):
                self.minutes.add(event)
        return made
