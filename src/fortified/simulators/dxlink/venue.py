"""DXLink's side of the simulated market: who is subscribed to what, and what they are sent.

Owns the tapes of all symbols and the sessions. It follows the market by its symbols, or is told prints directly. Knows no socket.
"""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from fortified.ports import Clock
from fortified.simulators.dxlink.candles import Past, candles, made_of, of_past, series
from fortified.simulators.dxlink.manners import Manners
from fortified.simulators.dxlink.rows import NS_PER_MS, Event, Tape, nothing, snapshot
from fortified.simulators.dxlink.session import Channel, DxLinkSession, Out
from fortified.simulators.market import Print


class DxLinkVenue:
    """``valid`` says whether a token opens the stream; ``past`` is what was before the first print."""

    def __init__(self, clock: Clock, valid: Callable[[str], bool], *, past: Past | None = None, manners: Manners | None = None) -> None:
        self.clock, self.valid = clock, valid
        self.manners = manners or Manners()
        self.tapes: dict[str, Tape] = {}
        self.sessions: list[DxLinkSession] = []
        self._past = past
        self._began_ns = clock.now_ns()
        self._numbers = count(1)

    # --- the market ---

    def print(
        self,
        symbol: str,
        price: float,
        size: float = 1.0,
        ts_ns: int | None = None,
        sequence: int | None = None,
        quote: tuple[float, float] | None = None,
        **fields: Any,
    ) -> Event:
        """One print of ``symbol`` (a streamer symbol), now or at ``ts_ns``; ``fields`` are those of the wire that are not as usual."""
        sides = {} if quote is None else {"bidPrice": quote[0], "askPrice": quote[1]}
        tape = self.tape(symbol)
        event = tape.record(self.clock.now_ns() if ts_ns is None else ts_ns, price, size, sequence, {**sides, **fields})
        told = {"TimeAndSale": event}
        if quote is not None:
            tape.quote = {**nothing(symbol, "Quote"), **sides, "bidSize": 10.0, "askSize": 10.0}
            told["Quote"] = tape.quote
        if tape.trade is not None and tape.trade["time"] == event["time"]:
            told["TradeETH" if event["extendedTradingHours"] else "Trade"] = tape.trade
        self._tell(symbol, told)
        return event

    def amend(self, event: Event, kind: str, **fields: Any) -> None:
        """A CORRECTION or CANCEL of a print."""
        amended = {**event, **fields, "type": kind}
        self.tape(event["eventSymbol"]).prints[event["index"]] = amended
        self._tell(event["eventSymbol"], {"TimeAndSale": amended})

    def follow(self, streamer_symbol: Callable[[str], str | None]) -> Callable[[Print], None]:
        """A listener for the market; ``streamer_symbol`` knows what its symbols are called here."""

        def on_print(event: Print) -> None:
            symbol = streamer_symbol(event.symbol)
            if symbol is not None:
                quote = float(event.bid), float(event.ask)
                self.print(symbol, float(event.price), float(event.size), event.ts_ns, event.number, quote)

        return on_print

    def tape(self, symbol: str) -> Tape:
        """What is remembered of ``symbol``."""
        return self.tapes.setdefault(symbol, Tape(symbol))

    def symbols(self) -> set[str]:
        """Streamer symbols that somebody is subscribed to."""
        keys = [key for session in self.sessions for channel in session.channels.values() for key in channel.subscriptions]
        return {symbol for event_type, symbol in keys if event_type != "Candle"}

    # --- sessions ---

    def begin(self, out: Out) -> DxLinkSession:
        """A client came."""
        session = DxLinkSession(self, out, f"user{next(self._numbers)}")
        self.sessions.append(session)
        return session

    def forget(self, session: DxLinkSession) -> None:
        """A client went."""
        if session in self.sessions:
            self.sessions.remove(session)

    def on_time(self) -> None:
        """What the clock alone causes."""
        now = self.clock.now_ns()
        for session in list(self.sessions):
            session.on_time(now)

    def greet(self, channel: Channel, event_type: str, symbol: str, from_ms: int | None) -> None:
        """Send the snapshot that belongs to a new subscription."""
        if event_type == "Candle":
            if from_ms is not None:
                self._candles(channel, symbol, from_ms)
            return
        tape = self.tape(symbol)
        if event_type == "TimeAndSale":
            if channel.contract in ("HISTORY", "AUTO") and from_ms is not None:
                rows = self._prints(tape, from_ms)
                channel.tell(event_type, list(snapshot(rows, symbol, event_type, self.manners.depth)), at_once=True)
            elif self.manners.resent:
                channel.tell(event_type, list(tape.prints.values())[-self.manners.resent :], at_once=True)
            return
        known = {"Trade": tape.trade, "Quote": tape.quote}.get(event_type)
        channel.tell(event_type, [known or nothing(symbol, event_type)], at_once=True)

    def _tell(self, symbol: str, events: dict[str, Event]) -> None:
        for session in list(self.sessions):
            for channel in session.channels.values() if session.authorized else ():
                wanted = {kind: event for kind, event in events.items() if (kind, symbol) in channel.subscriptions}
                for place, (kind, event) in enumerate(wanted.items(), start=1):
                    channel.tell(kind, [event], last=place == len(wanted))

    def _prints(self, tape: Tape, from_ms: int) -> Iterator[Event]:
        yield from tape.since(from_ms)
        if self._past is not None:
            before = Tape(tape.symbol)
            oldest_ns = min((event["time"] for event in tape.prints.values()), default=self._began_ns // NS_PER_MS) * NS_PER_MS - 1
            for event in self._past.prints(tape.symbol, from_ms * NS_PER_MS - 1, min(oldest_ns, self._began_ns)):
                quote = {"bidPrice": float(event.bid), "askPrice": float(event.ask)}
                before.record(event.ts_ns, float(event.price), float(event.size), event.number, quote)
            yield from before.since(from_ms)

    def _candles(self, channel: Channel, symbol: str, from_ms: int) -> None:
        found = series(symbol)
        if found is None:
            return
        base, length_ns, name = found
        if self._past is not None:
            made = list(of_past(self._past, base, length_ns, from_ms * NS_PER_MS, self.clock.now_ns()))
        else:
            made = made_of(self.tape(base).since(from_ms), length_ns)
        rows = candles(name, length_ns, made)
        channel.tell("Candle", list(snapshot(rows, name, "Candle", self.manners.depth)), at_once=True)
