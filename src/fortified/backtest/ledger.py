"""The ledger of one backtest, in memory.

Owns the run's orders, its position and the sequence of what happened, from which the digest is made. The arithmetic is the domain's.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from fortified.backtest.outcome import MAX_DENIALS, Flows, TradeColumns, columns_of, flows_of
from fortified.domain.account import AccountId
from fortified.domain.calendar import Calendar
from fortified.domain.market import Bar
from fortified.domain.order import ZERO, Fill, Order, OrderEvent, apply_event
from fortified.domain.position import FillContext, Position, apply_fill
from fortified.domain.trade import Trade
from fortified.engine.digest import Digest
from fortified.engine.engine import Engine
from fortified.engine.inputs import Denial, LegState


class RunLedger:
    """Orders, position, fills and trades of one account."""

    def __init__(self, account: AccountId, calendar: Calendar) -> None:
        self.book: Mapping[AccountId, LegState] = {account: LegState()}
        self.bars: list[Bar] = []
        self.fills: list[Fill] = []
        self.trades: list[Trade] = []
        self.denials: list[Denial] = []
        self.orders = 0
        self.has_working = False
        self._account = account
        self._calendar = calendar
        self._working: dict[str, Order] = {}
        self._position: Position | None = None
        self._happened: list[Bar | Fill | Trade] = []

    def bar(self, bar: Bar) -> None:
        """A bar closed."""
        self.bars.append(bar)
        self._happened.append(bar)

    def refuse(self, denials: Sequence[Denial]) -> None:
        """Orders were not made; the first of them are kept."""
        self.denials.extend(denials[: MAX_DENIALS - len(self.denials)])

    def open(self, order: Order) -> None:
        """An order was decided."""
        self._working[order.order_id] = order
        self.orders += 1
        self._refresh()

    def apply(self, event: OrderEvent, engine: Engine) -> Order:
        """The order after ``event``, its fill booked."""
        order = apply_event(self._working[event.order_id], event)
        if order.is_terminal:
            del self._working[order.order_id]
        else:
            self._working[order.order_id] = order
        if event.fill is not None:
            self._book_fill(event.fill, engine)
        self._refresh()
        return order

    def order(self, order_id: str) -> Order:
        """The working order of that id."""
        return self._working[order_id]

    def working(self) -> list[Order]:
        """Orders that are not terminal, oldest first."""
        return list(self._working.values())

    def quantity(self) -> Decimal:
        """Signed units of the position."""
        return ZERO if self._position is None else self._position.quantity

    @property
    def open_quantity(self) -> Decimal:
        return self.quantity()

    @property
    def flows(self) -> Flows:
        """The fills by column."""
        return flows_of(self.fills)

    @property
    def columns(self) -> TradeColumns:
        """The trades by column."""
        return columns_of(self.trades)

    def digest(self) -> str:
        """The fingerprint of all that happened."""
        digest = Digest()
        for thing in self._happened:
            digest.add(thing)
        return digest.hex()

    def _book_fill(self, fill: Fill, engine: Engine) -> None:
        high, low = engine.extremes(fill.account)
        context = FillContext(
            timeframe=engine.config.timeframe,
            bar_index=len(self.bars),
            bar=engine.bar,
            high=high,
            low=low,
            trading_day=str(self._calendar.trading_day(fill.ts_event)),
        )
        before = self._position or Position(fill.account, fill.strategy, fill.symbol, engine.config.instrument.multiplier)
        self._position, trade = apply_fill(before, fill, context)
        self.fills.append(fill)
        self._happened.append(fill)
        if trade is not None:
            self.trades.append(trade)
            self._happened.append(trade)

    def _refresh(self) -> None:
        self.has_working = bool(self._working)
        working, held = tuple(self._working.values()), self._position
        if held is None:
            self.book = {self._account: LegState(working=working)}
        else:
            net = held.realized_pnl - held.fees
            leg = LegState(held.quantity, held.average_price, working, held.day_pnl, held.trading_day, net_pnl=net)
            self.book = {self._account: leg}
