"""The fill simulator, price by price."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import MS, NQ, OPEN, bar, order, update

from fortified.domain.market import BarFlag
from fortified.domain.order import Order, OrderType
from fortified.domain.signal import OrderSide
from fortified.engine.fills import FillModel, Market, market_of

BUY, SELL = OrderSide.BUY, OrderSide.SELL
LATER = OPEN + 1000 * MS


def at(price: float, *, seq: int = 10, ts: int = LATER, **fields: Any) -> Market:
    values: dict[str, Any] = {"high": price, "low": price} | fields
    return Market(seq, ts, price, **values)


def resting(kind: OrderType, side: OrderSide, limit: str | None = None, stop: str | None = None, **fields: Any) -> Order:
    return order(
        side, type=kind, limit_price=None if limit is None else Decimal(limit), stop_price=None if stop is None else Decimal(stop), **fields
    )


def price(model: FillModel, one: Order, market: Market) -> Decimal | None:
    return model.price(one, market, NQ)


def test_next_is_the_first_event_after_the_decision() -> None:
    assert price(FillModel(), order(seq=9), at(101.25, seq=9)) is None
    assert price(FillModel(), order(seq=9), at(101.25, seq=10)) == Decimal("101.25")
    assert FillModel().immediate(order(), NQ) is None


def test_latency_moves_it() -> None:
    model = FillModel(latency_ns=1000 * MS)
    assert price(model, order(), at(101.0, ts=LATER - 1)) is None
    assert price(model, order(), at(101.0, ts=LATER)) == 101


def test_a_buy_pays_the_ask_and_a_sell_gets_the_bid() -> None:
    quoted = at(101.0, bid=100.75, ask=101.5)
    model = FillModel(slippage_ticks=4)
    assert (price(model, order(BUY), quoted), price(model, order(SELL), quoted)) == (Decimal("101.5"), Decimal("100.75"))


def test_without_a_quote_the_price_gets_worse_by_the_slippage() -> None:
    model = FillModel(slippage_ticks=2)
    assert (price(model, order(BUY), at(101.0)), price(model, order(SELL), at(101.0))) == (Decimal("101.5"), Decimal("100.5"))


def test_last_takes_the_price_of_the_decision_itself() -> None:
    model = FillModel("last", slippage_ticks=1)
    assert model.immediate(order(SELL, reference_price=Decimal("101.25")), NQ) == Decimal("101.00")
    assert model.immediate(resting(OrderType.LIMIT, BUY, "99"), NQ) is None


@pytest.mark.parametrize(
    ("side", "traded", "plain", "touching"),
    [
        (BUY, 100.25, None, None),
        (BUY, 100.0, None, 100),
        (BUY, 99.75, Decimal("99.75"), Decimal("99.75")),
        (SELL, 99.75, None, None),
        (SELL, 100.0, None, 100),
        (SELL, 100.25, Decimal("100.25"), Decimal("100.25")),
    ],
)
def test_a_limit_needs_a_trade_through_it_or_with_touch_at_it(
    side: OrderSide, traded: float, plain: Decimal | None, touching: Decimal | None
) -> None:
    limit = resting(OrderType.LIMIT, side, "100")
    assert (price(FillModel(), limit, at(traded)), price(FillModel(touch=True), limit, at(traded))) == (plain, touching)


@pytest.mark.parametrize(("opened", "side", "got"), [(103.0, BUY, 100), (98.0, BUY, 98), (97.0, SELL, 100), (102.0, SELL, 102)])
def test_a_limit_in_a_bar_gets_its_price_or_a_better_open(opened: float, side: OrderSide, got: int) -> None:
    assert price(FillModel(), resting(OrderType.LIMIT, side, "100"), at(opened, high=105.0, low=95.0)) == got


@pytest.mark.parametrize(
    ("side", "market", "got"),
    [
        (BUY, at(99.75), None),
        (BUY, at(100.0), Decimal("100.25")),  # reached, one tick of slippage
        (BUY, at(104.0), Decimal("104.25")),  # a gap fills at the gap
        (BUY, at(99.0, high=105.0, low=98.0), Decimal("100.25")),  # inside a bar: at its level
        (BUY, at(103.0, high=105.0, low=98.0), Decimal("103.25")),  # the bar opens beyond
        (SELL, at(100.25), None),
        (SELL, at(96.0), Decimal("95.75")),
        (SELL, at(101.0, high=102.0, low=95.0), Decimal("99.75")),
    ],
)
def test_a_stop_fills_at_its_level_or_behind_the_gap(side: OrderSide, market: Market, got: Decimal | None) -> None:
    assert price(FillModel(slippage_ticks=1), resting(OrderType.STOP, side, stop="100"), market) == got


def test_a_stop_limit_works_as_a_limit_once_it_is_triggered() -> None:
    waiting = resting(OrderType.STOP_LIMIT, BUY, "101", "100")
    assert price(FillModel(), waiting, at(100.5)) is None
    assert FillModel().triggers(waiting, at(100.5))
    assert price(FillModel(), resting(OrderType.STOP_LIMIT, BUY, "101", "100", triggered=True), at(100.5)) == Decimal("100.5")


def test_latency_holds_for_the_trigger_of_a_stop_limit_too() -> None:
    model = FillModel(latency_ns=1000 * MS)
    assert not model.triggers(resting(OrderType.STOP_LIMIT, BUY, "101", "100"), at(100.5, ts=LATER - 1))


@pytest.mark.parametrize(("side", "level"), [(SELL, 1.1), (BUY, 70.07)])
def test_a_price_at_the_level_reaches_it_whatever_its_binary_digits(side: OrderSide, level: float) -> None:
    assert FillModel().triggers(resting(OrderType.STOP, side, stop=repr(level)), at(level))


def test_what_fills_see_of_an_event() -> None:
    assert market_of(update(7, 101.0, bid=100.75)) == at(101.0, seq=7, ts=update(7).ts_event, bid=100.75)
    assert market_of(bar(0)) is None  # its ticks were seen
    ready = bar(0, open=5.0, high=9.0, low=1.0, flags=BarFlag.FROM_BARS)
    assert market_of(ready) == at(5.0, seq=9, ts=OPEN, high=9.0, low=1.0)


@given(
    kind=st.sampled_from(OrderType),
    side=st.sampled_from(OrderSide),
    seq=st.integers(0, 12),
    late_ms=st.integers(-5, 20),
    latency_ms=st.integers(0, 10),
    spread=st.integers(0, 8),
    triggered=st.booleans(),
)
def test_nothing_fills_on_its_decision_or_before(
    kind: OrderType, side: OrderSide, seq: int, late_ms: int, latency_ms: int, spread: int, triggered: bool
) -> None:
    model = FillModel(latency_ns=latency_ms * MS, touch=True)
    one = resting(kind, side, "100", "100", seq=9, triggered=triggered)
    market = at(100.0, seq=seq, ts=OPEN + late_ms * MS, high=100.0 + spread, low=100.0 - spread)
    if price(model, one, market) is not None:
        assert seq > one.seq
        assert late_ms >= latency_ms
