"""Live accounts: both sides, and what a person decides where they differ."""

from decimal import Decimal

import httpx2
import msgspec
import pytest
from tests.api.conftest import Login
from tests.api.fakes import A_RUNNER, NOON, FakeKeeper, FakeManager, FlakyStore, a_position, an_account
from tests.api.test_tickers import FLAT

from fortified.domain.account import AccountId
from fortified.domain.venue import AccountStanding, Balances, VenuePosition
from fortified.orchestration.reconciliation import Difference
from fortified.ports import LedgerUnit

pytestmark = pytest.mark.anyio
TASTY = "live:tastytrade"
DIFFERENCE = Difference("/NQ", Decimal(0), Decimal(1))


@pytest.fixture
def keeper(manager: FakeManager) -> FakeKeeper:
    report = an_account(
        TASTY,
        refusals=("live:tastytrade: /NQ: the ledger holds 0, the broker 1; adopt one of them",),
        differences=(DIFFERENCE,),
        foreign=(Difference("AAPL", Decimal(0), Decimal(5)),),
        standing=AccountStanding("****6827", (), ("The account is in a margin call.",)),
        balances=Balances(Decimal("1000.50"), None, Decimal(2000)),
        positions=(VenuePosition("/NQZ26", Decimal(1), Decimal("20000.25")),),
        frozen={"/NQ": DIFFERENCE.text},
        ts_positions=NOON,
    )
    manager.keepers[TASTY] = FakeKeeper(report)
    return manager.keepers[TASTY]


async def test_no_broker_means_no_accounts(admin: httpx2.AsyncClient) -> None:
    assert (await admin.get("/api/accounts")).json() == []
    unknown = await admin.get("/api/accounts/live:nope")
    assert (unknown.status_code, "live:nope" in unknown.json()["detail"]) == (404, True)


async def test_both_sides_are_shown(admin: httpx2.AsyncClient, keeper: FakeKeeper, store: FlakyStore) -> None:
    mine = msgspec.structs.replace(a_position("1", "20000"), account=AccountId(TASTY))
    await store.ledger.commit(LedgerUnit(A_RUNNER, positions=[mine, a_position()]))
    [account] = (await admin.get("/api/accounts")).json()
    assert (account["account"], account["broker"], account["number"]) == (TASTY, "tastytrade", "****6827")
    assert (account["ready"], account["agrees"]) == (True, False)
    assert account["differences"] == [
        {"what": "/NQ", "ledger": "0", "broker": "1", "external": "0", "text": "/NQ: the ledger holds 0, the broker 1"}
    ]
    assert [one["what"] for one in account["foreign"]] == ["AAPL"]
    assert account["frozen"].keys() == {"/NQ"}
    assert [(one["symbol"], one["quantity"]) for one in account["ledger_positions"]] == [("/NQ", "1")]
    assert account["broker_positions"] == [{"symbol": "/NQZ26", "quantity": "1", "average_price": "20000.25"}]
    assert account["balances"] == {"net_liquidation": "1000.50", "cash": None, "buying_power": "2000", "currency": "USD"}
    assert (account["positions_read_at"], account["orders_read_at"]) == ("2025-01-01T12:00:00.000000Z", None)
    assert (await admin.get(f"/api/accounts/{TASTY}")).json() == account


async def test_a_difference_is_declared_external(admin: httpx2.AsyncClient, keeper: FakeKeeper) -> None:
    answer = await admin.post(f"/api/accounts/{TASTY}/adopt", json={"what": "/NQ", "as": "external"})
    assert (answer.status_code, answer.json()["text"]) == (200, DIFFERENCE.text)
    assert keeper.known.differences == ()
    again = await admin.post(f"/api/accounts/{TASTY}/adopt", json={"what": "/NQ", "as": "external"})
    assert again.status_code == 502


async def test_a_difference_becomes_a_position_of_a_strategy(admin: httpx2.AsyncClient, keeper: FakeKeeper) -> None:
    wish = {"what": "/NQ", "as": "ledger", "strategy": "ema"}
    assert (await admin.post(f"/api/accounts/{TASTY}/adopt", json=wish)).status_code == 404
    await admin.post("/api/tickers", json=FLAT)
    await admin.post("/api/start-trading?strategy=ema")
    answer = await admin.post(f"/api/accounts/{TASTY}/adopt", json=wish)
    assert (answer.status_code, answer.json()["broker"]) == (200, "1")


@pytest.mark.parametrize(
    "body",
    [
        {"what": "/NQ", "as": "ledger"},
        {"what": "/NQ", "as": "external", "strategy": "ema"},
        {"what": "/NQ", "as": "mine"},
        {"what": "", "as": "external"},
        {"what": "/NQ"},
        {"what": "/NQ", "as": "external", "amount": 1},
    ],
)
async def test_wishes_that_say_nothing_certain_are_refused(admin: httpx2.AsyncClient, keeper: FakeKeeper, body: dict[str, object]) -> None:
    answer = await admin.post(f"/api/accounts/{TASTY}/adopt", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert keeper.known.differences == (DIFFERENCE,)


async def test_a_check_looks_soon(admin: httpx2.AsyncClient, keeper: FakeKeeper) -> None:
    answer = await admin.post(f"/api/accounts/{TASTY}/check")
    assert (answer.status_code, answer.json()["account"], keeper.looks) == (202, TASTY, 1)


async def test_viewers_read_and_traders_act(login: Login, client: httpx2.AsyncClient, keeper: FakeKeeper) -> None:
    viewer = await login("viewer")
    assert (await viewer.get("/api/accounts")).status_code == 200
    assert (await viewer.post(f"/api/accounts/{TASTY}/check")).status_code == 403
    assert (await viewer.post(f"/api/accounts/{TASTY}/adopt", json={"what": "/NQ", "as": "external"})).status_code == 403
    assert (await client.get("/api/accounts")).status_code == 401
    assert (await (await login("trader")).post(f"/api/accounts/{TASTY}/check")).status_code == 202
