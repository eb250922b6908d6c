"""The one simulator of fills, behind paper, replay and backtest.

Owns at which market event an order fills and at what price. An order never fills on the event its decision saw or on an earlier one; the
exception is the model ``last``, which takes the price of that very event. Knows nothing of accounts or books.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Literal

import msgspec

from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar, BarFlag, BarUpdate
from fortified.domain.order import Order, OrderType
from fortified.domain.signal import OrderSide


class Market(msgspec.Struct, frozen=True, gc=False):
    """A market event as fills see it: a trade with the quote around it, or a whole bar when ticks are not known.

    ``low``/``high`` are the prices that traded in it, ``price`` the first of them (for a bar: its open).
    """

    seq: int
    ts_event: int
    price: float
    high: float
    low: float
    bid: float | None = None
    ask: float | None = None


def market_of(event: BarUpdate | Bar) -> Market | None:
    """The market event in ``event``; None for a closed bar whose ticks were seen one by one."""
    if isinstance(event, BarUpdate):
        return Market(event.seq, event.ts_event, event.price, event.price, event.price, event.bid, event.ask)
    if event.flags & BarFlag.FROM_BARS:
        return Market(event.seq, event.ts_open, event.open, event.high, event.low)
    return None


class FillModel(msgspec.Struct, frozen=True):
    """How orders fill.

    ``market``: ``next`` fills market orders at the first event after the decision plus ``latency_ns`` (the next bar's open on bar data),
    buys at the ask and sells at the bid when they are known, else at the trade price made worse by ``slippage_ticks``; ``last`` fills at
    the price that caused the order, made worse likewise. A limit fills when the price trades through it, or at it with ``touch``.
    """

    market: Literal["next", "last"] = "next"
    slippage_ticks: int = 0
    latency_ns: int = 0
    touch: bool = False

    def immediate(self, order: Order, instrument: Instrument) -> Decimal | None:
        """Price of a fill that needs no market event."""
        if self.market == "last" and order.type is OrderType.MARKET:
            return self.worse(order.side, order.reference_price, instrument)
        return None

    def price(self, order: Order, market: Market, instrument: Instrument) -> Decimal | None:
        """Price at which ``order`` fills on ``market``; None when it does not."""
        return _BY_TYPE[order.type](self, order, market, instrument) if self._may_act(order, market) else None

    def triggers(self, order: Order, market: Market) -> bool:
        """Whether ``market`` reaches the stop of ``order``."""
        if order.stop_price is None or not self._may_act(order, market):
            return False
        return _exact(market.high) >= order.stop_price if _upwards(order) else _exact(market.low) <= order.stop_price

    def _may_act(self, order: Order, market: Market) -> bool:
        """Whether ``market`` comes after the decision, and the order has reached the venue by then.

        A touched level rests since the fill that armed it, which on bar data is the open of the very bar.
        """
        after = market.seq > order.seq or (market.seq == order.seq and _touched(order))
        return after and market.ts_event >= order.ts_created + self.latency_ns

    def at_market(self, order: Order, market: Market, instrument: Instrument) -> Decimal:
        """The price a market order gets on ``market``."""
        return self.crossing(order.side, market.price, market.bid, market.ask, instrument)

    def crossing(self, side: OrderSide, price: float, bid: float | None, ask: float | None, instrument: Instrument) -> Decimal:
        """The price of buying or selling at once: the other side's quote, else the last price made worse by the slippage."""
        quoted = ask if side is OrderSide.BUY else bid
        return self.worse(side, instrument.price(price), instrument) if quoted is None else instrument.price(quoted)

    def limit(self, order: Order, market: Market, instrument: Instrument) -> Decimal | None:
        """A limit gets its price, or the open of the event when that is better."""
        limit = order.limit_price
        if limit is None:
            return None
        buy = order.side is OrderSide.BUY
        extreme = instrument.price(market.low if buy else market.high)
        through = extreme < limit if buy else extreme > limit
        if not through and not (self.touch and extreme == limit):
            return None
        first = instrument.price(market.price)
        return min(limit, first) if buy else max(limit, first)

    def stop(self, order: Order, market: Market, instrument: Instrument) -> Decimal | None:
        """A stop, or its other side, becomes a market order at its level, or at the first price beyond it after a gap.

        One that was touched before it reached the venue is a market order by then, wherever the price has gone.
        """
        reached = self.triggers(order, market)
        if order.stop_price is None or not (reached or order.triggered):
            return None
        if not reached or market.high == market.low:
            return self.at_market(order, market, instrument)
        first = instrument.price(market.price)
        level = max(order.stop_price, first) if _upwards(order) else min(order.stop_price, first)
        return self.worse(order.side, level, instrument)

    def stop_limit(self, order: Order, market: Market, instrument: Instrument) -> Decimal | None:
        """Works as a limit from the event after the one that triggered it."""
        return self.limit(order, market, instrument) if order.triggered else None

    def worse(self, side: OrderSide, price: Decimal, instrument: Instrument) -> Decimal:
        """``price`` with the slippage."""
        return price + side.sign * self.slippage_ticks * instrument.tick_size


def _touched(order: Order) -> bool:
    """Whether a level that we watch was touched; a stop-limit is triggered by the venue."""
    return order.triggered and order.limit_price is None


def _upwards(order: Order) -> bool:
    """Whether a rising price reaches the stop of ``order``."""
    return (order.side is OrderSide.BUY) != (order.type is OrderType.MARKET_IF_TOUCHED)


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))


_BY_TYPE: dict[OrderType, Callable[[FillModel, Order, Market, Instrument], Decimal | None]] = {
    OrderType.MARKET: FillModel.at_market,
    OrderType.LIMIT: FillModel.limit,
    OrderType.STOP: FillModel.stop,
    OrderType.STOP_LIMIT: FillModel.stop_limit,
    OrderType.MARKET_IF_TOUCHED: FillModel.stop,
}
