"""PaperBroker: a venue that only simulates.

Owns the resting orders of one simulated account and the venue's manners (what it would refuse). Fills and fees are the engine's models, so
paper, replay and backtest cannot differ. It books nothing: it emits order events. The request that the real venue would have been sent is
handed to a log.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import ClassVar

import msgspec

from fortified.adapters.paper_requests import WouldSend, refusal, would_send
from fortified.domain.account import AccountId, Mode, account_id
from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar, BarUpdate
from fortified.domain.order import Fill, Order, OrderEvent, OrderStatus, OrderType
from fortified.engine.fees import NO_FEE, FeeModel
from fortified.engine.fills import FillModel, Market, market_of
from fortified.engine.sizing import affordable
from fortified.ports import BaseBroker

NO_EVENTS: Sequence[OrderEvent] = ()


class PaperBroker(BaseBroker):
    """Simulates ``venue`` (``schwab``, ``tastytrade``) for one instrument's market."""

    name: ClassVar[str] = "paper"

    def __init__(
        self,
        venue: str,
        instrument: Instrument,
        *,
        fills: FillModel | None = None,
        fees: FeeModel = NO_FEE,
        log: Callable[[WouldSend], None] | None = None,
    ) -> None:
        self.venue = venue
        self._instrument = instrument
        self._fills = fills or FillModel()
        self._fees = fees
        self._log = log
        self._account = account_id(Mode.PAPER, venue)
        self._working: dict[str, Order] = {}
        self._last: BarUpdate | Bar | None = None

    @property
    def account(self) -> AccountId:
        return self._account

    async def place_order(self, order: Order) -> Sequence[OrderEvent]:
        if self._log is not None:
            self._log(would_send(self.venue, order, self._instrument))
        at = order.ts_created
        events = [OrderEvent(order.order_id, OrderStatus.SUBMITTED, at)]
        refused = refusal(self.venue, order, self._instrument)
        if refused is not None:
            return [*events, OrderEvent(order.order_id, OrderStatus.REJECTED, at, refused)]
        events.append(OrderEvent(order.order_id, OrderStatus.ACCEPTED, at, venue_order_id=f"paper-{order.order_id[:12]}"))
        price = self._fills.immediate(order, self._instrument)
        if price is not None:
            return [*events, self._filled(order, price, at, order.seq)]
        self._working[order.order_id] = order
        market = market_of(self._last) if self._last is not None else None
        return [*events, *self._match(order, market)] if market is not None else events

    async def cancel_order(self, order: Order, ts_event: int) -> Sequence[OrderEvent]:
        known = self._working.pop(order.order_id, None)
        if known is None:
            return NO_EVENTS
        return (OrderEvent(order.order_id, OrderStatus.CANCELED, ts_event, "canceled by us"),)

    async def restore(self, working: Sequence[Order]) -> None:
        self._working = {order.order_id: order for order in working}

    def on_market(self, event: BarUpdate | Bar) -> Sequence[OrderEvent]:
        if not self._working:
            if isinstance(event, BarUpdate) or market_of(event) is not None:
                self._last = event
            return NO_EVENTS
        market = market_of(event)
        if market is None:
            return NO_EVENTS
        self._last = event
        return [happened for order in list(self._working.values()) for happened in self._match(order, market)]

    def close_out(self) -> Sequence[OrderEvent]:
        """The data has ended: market orders fill at the price of their decision from now on, those that rest at once."""
        self._fills = msgspec.structs.replace(self._fills, market="last")
        events: list[OrderEvent] = []
        for order in list(self._working.values()):
            price = self._fills.immediate(order, self._instrument)
            if price is not None:
                del self._working[order.order_id]
                events.append(self._filled(order, price, order.ts_created, order.seq))
        return events

    def _match(self, order: Order, market: Market) -> Sequence[OrderEvent]:
        price = self._fills.price(order, market, self._instrument)
        if price is not None:
            del self._working[order.order_id]
            return (self._filled(order, price, market.ts_event, market.seq),)
        if order.type is OrderType.STOP_LIMIT and not order.triggered and self._fills.triggers(order, market):
            self._working[order.order_id] = msgspec.structs.replace(order, triggered=True)
            return (OrderEvent(order.order_id, OrderStatus.ACCEPTED, market.ts_event, "stop reached", triggered=True),)
        return NO_EVENTS

    def _filled(self, order: Order, price: Decimal, ts_event: int, seq: int) -> OrderEvent:
        quantity = order.quantity if order.budget is None else affordable(order.budget, price, self._instrument, self._fees)
        if not quantity:
            return OrderEvent(order.order_id, OrderStatus.CANCELED, ts_event, f"{order.budget} of money buys no unit at {price}")
        fill = Fill(
            fill_id=f"{order.order_id}.1",
            order_id=order.order_id,
            account=order.account,
            strategy=order.strategy,
            symbol=order.symbol,
            side=order.side,
            quantity=quantity,
            price=price,
            fee=self._fees.fee(quantity, price, self._instrument),
            ts_event=ts_event,
            seq=seq,
            reason=order.reason,
            purpose=order.purpose,
        )
        return OrderEvent(order.order_id, OrderStatus.FILLED, ts_event, fill=fill, quantity=None if order.budget is None else quantity)
