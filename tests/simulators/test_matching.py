"""The matching engine, without sockets: when and at which price orders trade, and what accounts hold behind that."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fortified.simulators.faults import Faults, Kind
from fortified.simulators.feed import ManualClock
from fortified.simulators.hours import Hours
from fortified.simulators.market import Market
from fortified.simulators.matching import Exchange
from fortified.simulators.orders import Life, Order, OrderKind, State, Ticket, What

NOW = 1_794_841_200_000_000_000
"""Monday 10:00 in New York."""


class Bench:
    """An exchange with one account and no fees."""

    def __init__(self, *, by_size: bool = False, at_once: bool = False, always: bool = True) -> None:
        self.clock, self.market, self.faults = ManualClock(NOW), Market(), Faults()
        self.exchange = Exchange(
            self.clock,
            self.market,
            Hours(always=always),
            self.faults,
            lambda listed, quantity: Decimal(0),
            by_size=by_size,
            at_once=at_once,
        )
        self.account = self.exchange.open_account("A", Decimal(1_000_000))

    def order(
        self,
        buy: bool = True,
        quantity: int = 10,
        kind: OrderKind = OrderKind.MARKET,
        limit: str | None = None,
        stop: str | None = None,
        life: Life = Life.DAY,
        extended: bool = False,
    ) -> Order:
        return self.exchange.submit(self.ticket(buy, quantity, kind, limit, stop, life, extended))

    def ticket(
        self,
        buy: bool = True,
        quantity: int = 10,
        kind: OrderKind = OrderKind.MARKET,
        limit: str | None = None,
        stop: str | None = None,
        life: Life = Life.DAY,
        extended: bool = False,
    ) -> Ticket:
        price, trigger = (None if text is None else Decimal(text) for text in (limit, stop))
        return Ticket("A", "SPY", buy, Decimal(quantity), kind, price, trigger, life, extended)

    def tick(self, price: str, size: int = 1, bid: str | None = None, ask: str | None = None) -> None:
        quote = (None if side is None else Decimal(side) for side in (bid, ask))
        self.market.push("SPY", self.clock.now_ns(), Decimal(price), size, *quote)


def prices(order: Order) -> list[str]:
    return [str(fill.price) for fill in order.fills]


@pytest.mark.parametrize(
    ("buy", "kind", "limit", "stop", "ticks", "expected"),
    [
        (True, OrderKind.MARKET, None, None, ["100"], ["100.01"]),
        (False, OrderKind.MARKET, None, None, ["100"], ["99.99"]),
        (True, OrderKind.LIMIT, "101", None, ["100"], ["100.01"]),  # it could trade when it came: at the quote
        (True, OrderKind.LIMIT, "99", None, ["100", "98"], ["99"]),  # it rested: at its limit
        (False, OrderKind.LIMIT, "101", None, ["100", "103"], ["101"]),
        (True, OrderKind.LIMIT, "99", None, ["100", "99.01"], []),
        (True, OrderKind.STOP, None, "101", ["100", "102"], ["102.01"]),  # a gap fills at the gap
        (False, OrderKind.STOP, None, "99", ["100", "97"], ["96.99"]),
        (False, OrderKind.STOP, None, "99", ["99.01"], []),
        (True, OrderKind.STOP_LIMIT, "101.5", "101", ["102", "101.4"], ["101.5"]),
        (True, OrderKind.STOP_LIMIT, "101.5", "101", ["101.2"], ["101.21"]),
        (True, OrderKind.STOP_LIMIT, "101.5", "101", ["100", "99"], []),
    ],
)
def test_when_and_where_it_trades(
    buy: bool, kind: OrderKind, limit: str | None, stop: str | None, ticks: list[str], expected: list[str]
) -> None:
    bench = Bench()
    order = bench.order(buy, 10, kind, limit, stop)
    for price in ticks:
        bench.tick(price, bid=str(Decimal(price) - Decimal("0.01")), ask=str(Decimal(price) + Decimal("0.01")))
    assert prices(order) == expected


def test_what_can_trade_at_once_does() -> None:
    bench = Bench(at_once=True)
    bench.tick("100")
    assert bench.order().state is State.FILLED
    assert bench.order(kind=OrderKind.LIMIT, limit="99").state is State.WORKING


@pytest.mark.parametrize(
    ("life", "state", "filled"),
    [(Life.DAY, State.WORKING, 4), (Life.AT_ONCE, State.CANCELLED, 4), (Life.ALL_AT_ONCE, State.CANCELLED, 0)],
)
def test_how_long_it_lives(life: Life, state: State, filled: int) -> None:
    bench = Bench(by_size=True)
    order = bench.order(kind=OrderKind.LIMIT, limit="100", life=life)
    bench.tick("100", 4)
    assert order.state is state
    assert order.filled == filled


def test_a_fill_of_one_ends_the_others_of_its_group() -> None:
    bench = Bench(by_size=True)
    target = bench.exchange.submit(bench.ticket(False, kind=OrderKind.LIMIT, limit="110"), group=7)
    stop = bench.exchange.submit(bench.ticket(False, kind=OrderKind.STOP, stop="90"), group=7)
    bench.tick("111", 3)
    assert [target.state, stop.state] == [State.WORKING, State.CANCELLED]
    assert target.filled == 3


def test_children_follow_their_parent() -> None:
    bench = Bench()
    parent = bench.order(kind=OrderKind.LIMIT, limit="90")
    child = bench.exchange.submit(bench.ticket(False, kind=OrderKind.LIMIT, limit="110"), parent=parent.id)
    bench.tick("120")
    assert child.state is State.WAITING
    new = bench.exchange.replace(parent, bench.ticket(kind=OrderKind.LIMIT, limit="121"))
    assert new is not None
    assert child.parent == new.id
    bench.tick("120")
    assert [parent.state, new.state, child.state] == [State.REPLACED, State.FILLED, State.WORKING]
    late = bench.exchange.submit(bench.ticket(False), parent=new.id)
    assert late.state is State.WORKING
    other = bench.order(kind=OrderKind.LIMIT, limit="1")
    orphan = bench.exchange.submit(bench.ticket(False), parent=other.id)
    bench.exchange.cancel(other)
    assert orphan.state is State.CANCELLED
    assert bench.exchange.submit(bench.ticket(False), parent=other.id).state is State.CANCELLED


def test_a_day_order_ends_with_its_session() -> None:
    bench = Bench(always=False)
    day, kept = bench.order(kind=OrderKind.LIMIT, limit="1"), bench.order(kind=OrderKind.LIMIT, limit="1", life=Life.UNTIL_CANCELLED)
    extended = bench.order(kind=OrderKind.LIMIT, limit="1", extended=True)
    bench.clock.advance(6 * 3600)
    bench.exchange.on_time()
    assert [day.state, kept.state, extended.state] == [State.EXPIRED, State.WORKING, State.WORKING]
    evening = bench.order()
    bench.tick("100")
    assert evening.state is State.QUEUED
    bench.clock.advance(4 * 3600)
    bench.exchange.on_time()
    assert extended.state is State.EXPIRED
    bench.clock.advance(14 * 3600)
    bench.tick("100")
    assert [fill.price for fill in evening.fills] == [100]


def test_events_tell_the_whole_story() -> None:
    bench = Bench()
    told: list[What] = []
    bench.exchange.listeners.append(lambda event: told.append(event.what))
    bench.exchange.cancel(bench.order())
    bench.order()
    bench.tick("100")
    cancelled = [What.ACCEPTED, What.WORKING, What.CANCEL_REQUESTED, What.CANCELLED]
    assert told == [*cancelled, What.ACCEPTED, What.WORKING, What.FILLED]


def test_a_wiped_account_has_no_orders() -> None:
    bench = Bench()
    bench.order()
    bench.exchange.open_account("A", Decimal(5))
    bench.tick("100")
    assert not bench.exchange.orders_of("A")
    assert bench.exchange.accounts["A"].truth.cash == 5


def test_what_ended_long_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fortified.simulators.matching._KEPT_ORDERS", 3)
    bench = Bench()
    working = bench.order(kind=OrderKind.LIMIT, limit="1")
    for _ in range(5):
        bench.exchange.cancel(bench.order())
    assert working.id in bench.exchange.orders
    assert len(bench.exchange.orders) <= 4


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9), st.integers(90, 110)), max_size=30))
def test_money_is_conserved(orders: list[tuple[bool, int, int]]) -> None:
    bench = Bench()
    for buy, quantity, price in orders:
        bench.order(buy, quantity)
        bench.tick(str(price))
    fills = [(fill, order.ticket.buy) for order in bench.exchange.orders.values() for fill in order.fills]
    spent = sum((fill.price * fill.quantity * (1 if buy else -1) for fill, buy in fills), Decimal(0))
    ledger = bench.account.truth
    assert ledger.cash == 1_000_000 - spent
    assert ledger.quantity("SPY") == sum(quantity * (1 if buy else -1) for buy, quantity, _ in orders)
    assert bench.account.seen.quantity("SPY") == ledger.quantity("SPY")


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3), st.integers(24_990, 25_010)), max_size=30))
def test_a_future_moves_cash_by_what_is_realized(orders: list[tuple[bool, int, int]]) -> None:
    bench = Bench()
    symbol = "/NQZ6"
    for buy, quantity, price in orders:
        bench.exchange.submit(Ticket("A", symbol, buy, Decimal(quantity), OrderKind.MARKET))
        bench.market.push(symbol, bench.clock.now_ns(), Decimal(price))
    flow = sum((Decimal(price * quantity * (-1 if buy else 1)) for buy, quantity, price in orders), Decimal(0))
    last = Decimal(orders[-1][2]) if orders else Decimal(0)
    held = bench.account.truth.quantity(symbol)
    equity = bench.account.truth.value(bench.market)
    assert abs(equity - (1_000_000 + 20 * (flow + held * last))) < Decimal("1e-9")


@pytest.mark.parametrize("deed", [lambda bench, order: bench.exchange.fill_now(order), lambda bench, order: bench.exchange.expire(order)])
def test_an_order_ends_once(deed: Callable[[Bench, Order], None]) -> None:
    bench = Bench()
    bench.faults.next("fill", Kind.LAG)
    order = bench.order()
    deed(bench, order)
    state, fills = order.state, list(order.fills)
    deed(bench, order)
    bench.exchange.reject(order, "late")
    bench.tick("100")
    assert (order.state, order.fills) == (state, fills)
