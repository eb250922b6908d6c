"""What the ledger promises, whichever store."""

from decimal import Decimal

import msgspec
import pytest
from tests.contract.builders import LIVE, MS, PAPER, REF, RUNNER, START_MS, Feed, fill, filled, order, position, trade
from tests.contract.conftest import OpenStore

from fortified.domain.order import OrderStatus
from fortified.domain.position import Position
from fortified.engine.inputs import Denial, DenialCode
from fortified.ports import ORIGIN, LedgerUnit, RunnerKey, Store, TradeQuery
from fortified.storage.keys import Limits

pytestmark = pytest.mark.anyio

OTHER = RunnerKey("zigzag", "/ES", "1", "live")


def denial(number: int = 0) -> Denial:
    return Denial(DenialCode.MAX_POSITION, f"position of {number}", PAPER, (START_MS + number) * MS, "entry_long")


def full_unit() -> LedgerUnit:
    return LedgerUnit(
        RUNNER,
        orders=[order(1), filled(2), order(3, status=OrderStatus.ACCEPTED, limit_price=Decimal("1.10"))],
        fills=[fill(2)],
        positions=[position()],
        trades=[trade(1)],
        denials=[denial()],
        state=b"\x00\xffsnapshot",
    )


async def contents(store: Store) -> tuple[object, ...]:
    return (
        await store.ledger.load(RUNNER),
        await store.ledger.orders(),
        await store.ledger.fills(),
        await store.ledger.positions(),
        await store.ledger.trades(TradeQuery()),
        await store.ledger.denials(),
    )


async def test_a_restarted_runner_finds_all_of_its_last_step(open_store: OpenStore) -> None:
    await (await open_store()).ledger.commit(full_unit())
    store = await open_store()
    record = await store.ledger.load(RUNNER)
    unit = full_unit()
    assert record.state == unit.state
    assert record.orders == [unit.orders[0], unit.orders[2]]
    assert record.positions == unit.positions
    assert await store.ledger.order("o00002") == unit.orders[1]
    assert await store.ledger.order("none") is None
    assert await store.ledger.fills() == unit.fills
    assert await store.ledger.trades(TradeQuery()) == (unit.trades, 1)
    assert await store.ledger.denials() == [(RUNNER, denial())]


async def test_an_unknown_runner_finds_nothing(store: Store) -> None:
    record = await store.ledger.load(OTHER)
    assert record.state is None
    assert not record.orders
    assert not record.positions


async def test_a_commit_twice_is_a_commit_once(open_store: OpenStore) -> None:
    store = await open_store(limits=Limits(every=1))
    await store.ledger.commit(full_unit())
    once = await contents(store)
    await store.ledger.commit(full_unit())
    assert await contents(store) == once


async def test_a_terminal_order_leaves_the_outbox(store: Store) -> None:
    await store.ledger.commit(LedgerUnit(RUNNER, orders=[order(1), order(2)]))
    await store.ledger.commit(LedgerUnit(RUNNER, orders=[order(1, status=OrderStatus.SUBMITTED), filled(1)]))
    assert [found.order_id for found in (await store.ledger.load(RUNNER)).orders] == ["o00002"]
    assert await store.ledger.order("o00001") == filled(1)
    assert len(await store.ledger.orders()) == 2


async def test_an_empty_state_is_not_none_and_none_keeps_the_last(store: Store) -> None:
    await store.ledger.commit(LedgerUnit(RUNNER, state=b""))
    await store.ledger.commit(LedgerUnit(RUNNER, orders=[order()]))
    assert (await store.ledger.load(RUNNER)).state == b""


async def test_a_position_is_replaced_and_its_decimals_keep_their_digits(store: Store) -> None:
    exact = position(cost=Decimal("0.1000000000000000000000000001"), quantity=Decimal("-3.50"))
    await store.ledger.commit(LedgerUnit(RUNNER, positions=[position()]))
    await store.ledger.commit(LedgerUnit(RUNNER, positions=[exact, position(account=LIVE, symbol="/MNQ", trip=None)]))
    found = await store.ledger.positions()
    assert [(kept.symbol, kept.account) for kept in found] == [("/MNQ", LIVE), ("/NQ", PAPER)]
    assert str(found[1].cost) == "0.1000000000000000000000000001"
    assert str(found[1].quantity) == "-3.50"
    assert found[1].trip == exact.trip
    assert found[0].trip is None
    flat = Position(PAPER, "ema", "/NQ", Decimal(20))
    await store.ledger.commit(LedgerUnit(RUNNER, positions=[flat]))
    assert list((await store.ledger.load(RUNNER)).positions) == [flat]  # those of its mode alone


async def test_orders_and_fills_newest_first_by_strategy_and_symbol(store: Store) -> None:
    for number in range(10):
        symbol = "/NQ" if number % 2 else "/ES"
        unit = LedgerUnit(RUNNER, orders=[filled(number, symbol=symbol)], fills=[fill(number, symbol=symbol)])
        await store.ledger.commit(unit)
    other = filled(90, order_id="x", strategy="zigzag")
    await store.ledger.commit(LedgerUnit(OTHER, orders=[other], fills=[fill(90, strategy="zigzag")]))
    assert [found.seq for found in await store.ledger.orders()] == [90, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert [found.seq for found in await store.ledger.orders(strategy="ema", symbol="/ES", limit=2)] == [8, 6]
    assert [found.seq for found in await store.ledger.fills(limit=3)] == [90, 9, 8]
    assert [found.seq for found in await store.ledger.fills(strategy="ema", symbol="/NQ", limit=2)] == [9, 7]
    assert await store.ledger.orders(strategy="nobody") == []


async def test_denials_newest_first(store: Store) -> None:
    await store.ledger.commit(LedgerUnit(RUNNER, denials=[denial(1), denial(3)]))
    await store.ledger.commit(LedgerUnit(OTHER, denials=[denial(2)]))
    assert [found[1].text[-1] for found in await store.ledger.denials()] == ["3", "2", "1"]
    assert [found[0] for found in await store.ledger.denials(strategy="zigzag")] == [OTHER]
    assert len(await store.ledger.denials(limit=1)) == 1


async def many_trades(store: Store) -> None:
    """Trades 0–9 of ema on paper, 10–14 live, 15–19 of zigzag; odd ones are short, every third is /ES."""
    for number in range(20):
        account = LIVE if 10 <= number < 15 else PAPER
        side, symbol = ("SHORT" if number % 2 else "LONG"), ("/ES" if number % 3 == 0 else "/NQ")
        strategy = "ema" if number < 15 else "zigzag"
        made = trade(number, account=account, side=side, symbol=symbol, strategy=strategy)
        await store.ledger.commit(LedgerUnit(RUNNER if number < 15 else OTHER, trades=[made]))


def at(number: int, offset_ns: int = 0) -> int:
    return (START_MS + number) * MS + offset_ns


@pytest.mark.parametrize(
    ("query", "expected", "total"),
    [
        (TradeQuery(limit=3), [19, 18, 17], 20),
        (TradeQuery(limit=3, offset=18), [1, 0], 20),
        (TradeQuery(limit=3, offset=1, descending=False), [1, 2, 3], 20),
        (TradeQuery(strategy="ema", mode="paper", limit=2), [9, 8], 10),
        (TradeQuery(strategy="ema", mode="paper", limit=2, offset=4, descending=False), [4, 5], 10),
        (TradeQuery(strategy="ema", mode="paper", limit=0), [], 10),
        (TradeQuery(mode="live", limit=None), [14, 13, 12, 11, 10], 5),
        (TradeQuery(venue="tastytrade", side="SHORT"), [13, 11], 2),
        (TradeQuery(symbol="/ES", strategy="zigzag"), [18, 15], 2),
        (TradeQuery(start_ns=at(3), end_ns=at(5)), [4, 3], 2),
        (TradeQuery(strategy="ema", mode="paper", start_ns=at(3), end_ns=at(5)), [4, 3], 2),
        (TradeQuery(strategy="ema", mode="paper", start_ns=at(3, 1), end_ns=at(5, 1)), [5, 4], 2),
        (TradeQuery(strategy="nobody"), [], 0),
    ],
)
async def test_a_page_of_trades(store: Store, query: TradeQuery, expected: list[int], total: int) -> None:
    await many_trades(store)
    found, count = await store.ledger.trades(query)
    assert [int(made.trade_id[1:]) for made in found] == expected
    assert count == total


async def test_trades_of_one_millisecond_are_in_the_order_of_their_nanoseconds(store: Store) -> None:
    exits = [500, 20, 999_999, 3]
    made = [trade(number, ts_exit=START_MS * MS + ns) for number, ns in enumerate(exits)]
    await store.ledger.commit(LedgerUnit(RUNNER, trades=made))
    for strategy in (None, "ema"):
        found, _ = await store.ledger.trades(TradeQuery(strategy=strategy, mode="paper", descending=False))
        assert [kept.ts_exit % MS for kept in found] == sorted(exits)


async def test_everything_is_bounded_and_working_orders_stay(open_store: OpenStore) -> None:
    store = await open_store(limits=Limits(orders=5, fills=6, trades=7, denials=8, every=4))
    await store.ledger.commit(LedgerUnit(RUNNER, orders=[order(0)]))
    for number in range(1, 40):
        unit = LedgerUnit(RUNNER, orders=[filled(number)], fills=[fill(number)], trades=[trade(number)], denials=[denial(number)])
        await store.ledger.commit(unit)
    orders = await store.ledger.orders()
    assert orders[-1] == order(0)
    assert [kept.seq for kept in orders[:3]] == [39, 38, 37]
    assert len(orders) <= 5 + 4
    assert len(await store.ledger.fills()) <= 6 + 4
    assert (await store.ledger.trades(TradeQuery()))[1] <= 7 + 4
    assert len(await store.ledger.denials()) <= 8 + 4
    assert await store.ledger.order("o00003") is None


async def test_history_of_one_strategy_can_be_cleared(store: Store) -> None:
    await store.ledger.commit(full_unit())
    other = msgspec.structs.replace(order(9), strategy="zigzag")
    await store.ledger.commit(LedgerUnit(OTHER, orders=[other], state=b"s"))
    # state, outbox, position and its index, orders and their index, fills, trades, denials
    assert await store.ledger.clear(strategy="ema") == 9
    assert await store.ledger.positions() == []
    assert (await store.ledger.load(RUNNER)).state is None
    assert await store.ledger.orders() == [other]
    assert await store.ledger.clear() == 4
    assert await store.ledger.clear() == 0
    assert await store.ledger.orders() == []


async def test_a_commit_acknowledges_only_its_own_group(store: Store) -> None:
    feed = Feed(store.bus)
    feed.ticks(4)
    await store.bus.flush()
    group = RunnerKey("ema", "/NQ", "4t", "live")
    readers = [await store.bus.reader(REF, key.group, key.consumer, ORIGIN) for key in (RUNNER, group)]
    for reader in readers:
        assert len(await reader.read(0)) == 5
    unit = LedgerUnit(group, updates_acked=feed.sent[:4], bars_acked=feed.sent[4:])
    await store.ledger.commit(unit)
    await store.ledger.commit(unit)
    for reader in readers:
        await reader.close()
    again = [await store.bus.reader(REF, key.group, key.consumer, ORIGIN) for key in (RUNNER, group)]
    assert [len(await reader.read(0)) for reader in again] == [5, 0]
    for reader in again:
        await reader.close()
