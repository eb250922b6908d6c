"""The strategies socket over a real server."""

from decimal import Decimal

import pytest
from tests.api.conftest import Open
from tests.api.fakes import (
    A_RUNNER,
    NOON,
    FakeManager,
    FlakyStore,
    a_bar,
    a_position,
    a_trade,
    an_order,
    runner_status,
)

from fortified.domain.account import AccountId, Mode
from fortified.domain.order import Fill, Purpose
from fortified.domain.signal import OrderSide
from fortified.domain.ticker import TickerConfig
from fortified.engine.inputs import Denial, DenialCode
from fortified.orchestration.events import DenialSeen
from fortified.ports import LedgerUnit

pytestmark = pytest.mark.anyio

PATH = "/api/ws/strategies"
TICKER = TickerConfig("ema", "/NQ", "144t", quantities={"tastytrade": Decimal(1)})


async def test_snapshot_then_everything_that_happens(open_peer: Open, manager: FakeManager, store: FlakyStore) -> None:
    await store.ledger.commit(LedgerUnit(A_RUNNER, positions=[a_position()]))
    peer = await open_peer(PATH)
    snapshot = await peer.until("snapshot")
    assert (snapshot["runners"], snapshot["positions"][0]["quantity"]) == ([], "-2")
    account, side = AccountId("paper:tastytrade"), OrderSide.BUY
    fill = Fill(
        "f-1", "o-1", account, "ema", "/NQ", side, Decimal(1), Decimal("21000.5"), Decimal("2.25"), NOON, 1, "entry_long", Purpose.ENTRY
    )
    denial = Denial(DenialCode.SESSION_CLOSED, "The market is closed.", account, NOON)
    for event in (runner_status(TICKER), an_order("o-1"), fill, a_position("1", "21000.5"), a_trade(1), DenialSeen(A_RUNNER, denial)):
        manager.listeners.emit(event)
    manager.listeners.emit(a_bar(1))
    messages = [await peer.receive() for _ in range(6)]
    assert [message["type"] for message in messages] == ["runner", "order", "fill", "position", "trade", "denial"]
    assert [message["seq"] for message in messages] == [1, 2, 3, 4, 5, 6]
    assert messages[0]["runner"]["state"] == "running"
    assert messages[1]["order"]["status"] == "FILLED"
    assert messages[2]["fill"]["fee"] == "2.25"
    assert messages[3]["position"]["unrealized_pnl"] == "195.00"
    assert messages[4]["trade"]["net_pnl"] == "0"
    assert messages[5]["denial"]["code"] == "SESSION_CLOSED"
    assert messages[5]["runner"]["symbol"] == "/NQ"


async def test_the_state_of_all_runners_comes_every_few_seconds(
    open_peer: Open, manager: FakeManager, store: FlakyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fortified.api.socket_strategies.STATUS_SECONDS", 0.01)
    await store.config.put_ticker(TICKER)
    peer = await open_peer(PATH)
    assert (await peer.until("status"))["runners"] == []
    await manager.start("ema", Mode.PAPER, actor="test")
    while not (message := await peer.until("status"))["runners"]:
        pass
    assert message["runners"][0]["symbol"] == "/NQ"


async def test_resume_sends_the_facts_that_were_missed_once(open_peer: Open, manager: FakeManager) -> None:
    first = await open_peer(PATH)
    epoch = (await first.until("snapshot"))["epoch"]
    manager.listeners.emit(an_order("o-1"))
    assert (await first.until("order"))["seq"] == 1
    await first.connection.close()
    manager.listeners.emit(an_order("o-2"))
    manager.listeners.emit(a_trade(3))
    second = await open_peer(PATH)
    assert (await second.until("snapshot"))["seq"] == 3
    manager.listeners.emit(an_order("o-4"))
    assert (await second.until("order"))["order"]["order_id"] == "o-4"
    await second.send(type="resume", epoch=epoch, **{"from": 1})
    resumed = await second.until("resumed")
    assert (resumed["from"], resumed["to"], resumed["missed"]) == (1, 3, 2)
    assert [(await second.receive())["seq"] for _ in range(2)] == [2, 3]
    await second.send(type="resume", epoch="other", **{"from": 1})
    assert (await second.until("error"))["code"] == "resume_gap"


async def test_chart_messages_are_not_for_this_socket(open_peer: Open) -> None:
    peer = await open_peer(PATH)
    await peer.send(type="subscribe", streams=[{"symbol": "/NQ", "timeframe": "144t"}])
    assert (await peer.until("error"))["code"] == "invalid_message"
