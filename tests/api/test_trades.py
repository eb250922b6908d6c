"""Trade history: filters, pages, dates, statistics, export."""

import csv
import io

import httpx2
import pytest
from tests.api.fakes import A_RUNNER, NOON, NS, FlakyStore, a_trade

from fortified.ports import LedgerUnit

pytestmark = pytest.mark.anyio

_MIDNIGHT = NOON + 12 * 3600 * NS


@pytest.fixture
async def history(admin: httpx2.AsyncClient, store: FlakyStore) -> httpx2.AsyncClient:
    trades = [
        a_trade(1),
        a_trade(2, side="SHORT"),
        a_trade(3, account="live:tastytrade"),
        a_trade(4, account="paper:schwab", symbol="SPY"),
        a_trade(5, ts_exit=_MIDNIGHT - 1),
        a_trade(6, ts_exit=_MIDNIGHT),
    ]
    await store.ledger.commit(LedgerUnit(A_RUNNER, trades=trades))
    return admin


async def _ids(client: httpx2.AsyncClient, url: str) -> list[str]:
    answer = await client.get(url)
    assert answer.status_code == 200, answer.text
    return [item["trade_id"] for item in answer.json()["items"]]


@pytest.mark.parametrize(
    ("url", "numbers"),
    [
        ("/api/trades", "654321"),
        ("/api/trades?strategy=ema&page=1&page_size=50", "654321"),
        ("/api/trades?sort=asc", "123456"),
        ("/api/trades?strategy=other", ""),
        ("/api/trades?strategy=ema&trade_type=paper", "65421"),
        ("/api/trades?trade_type=real", "3"),
        ("/api/trades?strategy=ema&symbol=/NQ&broker=tastytrade", "65321"),
        ("/api/trades?side=short", "2"),
        ("/api/trades?symbol=spy", "4"),
        ("/api/paper-trades?strategy=ema&page=1&page_size=100", "65421"),
        ("/api/real-trades?strategy=ema", "3"),
        ("/api/trades?start_date=2025-01-01&end_date=2025-01-01", "54321"),
        ("/api/trades?start_date=2025-01-02", "6"),
        ("/api/trades?end_date=2025-01-01T14:00:00Z", "21"),
        ("/api/trades?end_date=2025-01-01T09:00:00-05:00", "21"),
        ("/api/trades?start_date=2025-01-01T16:00:00", "654"),
    ],
)
async def test_filters(history: httpx2.AsyncClient, url: str, numbers: str) -> None:
    assert await _ids(history, url) == [f"t-{number}" for number in numbers]


async def test_pages_count_everything(history: httpx2.AsyncClient) -> None:
    page = (await history.get("/api/trades?page=2&page_size=4")).json()
    assert [item["trade_id"] for item in page["items"]] == ["t-2", "t-1"]
    assert {key: page[key] for key in ("page", "page_size", "total", "pages")} == {
        "page": 2,
        "page_size": 4,
        "total": 6,
        "pages": 2,
    }
    beyond = (await history.get("/api/trades?page=9")).json()
    assert (beyond["items"], beyond["total"]) == ([], 6)


async def test_a_trade_in_full(history: httpx2.AsyncClient) -> None:
    (trade,) = (await history.get("/api/real-trades")).json()["items"]
    assert (trade["trade_type"], trade["broker"], trade["account"]) == ("real", "tastytrade", "live:tastytrade")
    assert (trade["entry_price"], trade["net_pnl"], trade["mfe"]) == ("21000.25", "2", "0.25")
    assert (trade["entry_time"], trade["exit_time"]) == ("2025-01-01T14:59:00.000000Z", "2025-01-01T15:00:00.000000Z")
    assert (trade["bar"]["time"], trade["bar"]["close"]) == ("2025-01-01T12:03:00.000000Z", 21_003.0)


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("page=0", "page"),
        ("page_size=501", "page_size"),
        ("sort=sideways", "sort"),
        ("side=up", "side"),
        ("trade_type=fake", "trade_type"),
        ("start_date=yesterday", "start_date"),
        ("end_date=2025-02-30", "end_date"),
        ("start_date=0001-01-01", "start_date"),
        ("end_date=9999-12-31", "end_date"),
        ("start_date=2025-02-01&end_date=2025-01-01", "start_date"),
        ("symbol=not+a+symbol", "NOT A SYMBOL"),
    ],
)
async def test_bad_filters_are_named(history: httpx2.AsyncClient, query: str, word: str) -> None:
    answer = await history.get(f"/api/trades?{query}")
    assert answer.status_code == 422
    assert word.lower() in answer.json()["detail"].lower()


async def test_statistics_of_paper_trades(history: httpx2.AsyncClient) -> None:
    statistics = (await history.get("/api/paper-trades/stats?strategy=ema")).json()
    assert (statistics["trades"], statistics["wins"], statistics["losses"]) == (5, 4, 0)
    assert (statistics["gross_pnl"], statistics["fees"], statistics["net_pnl"]) == ("18", "5", "13")
    assert (statistics["win_rate"], statistics["profit_factor"]) == ("0.8", None)
    filtered = (await history.get("/api/paper-trades/stats?symbol=SPY")).json()
    assert (filtered["trades"], filtered["net_pnl"]) == (1, "3")
    assert (await history.get("/api/paper-trades/stats?strategy=none")).json()["win_rate"] is None


async def test_export_gives_every_trade(admin: httpx2.AsyncClient, store: FlakyStore) -> None:
    trades = [a_trade(number, ts_exit=NOON + number * NS) for number in range(1_001)]
    await store.ledger.commit(LedgerUnit(A_RUNNER, trades=trades))
    answer = await admin.get("/api/trades/export.csv?trade_type=paper")
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["trade_id"] for row in rows] == [f"t-{number}" for number in range(1_001)]
    assert (rows[3]["net_pnl"], rows[3]["entry_price"]) == ("2", "21000.25")
    assert "bar" not in rows[0]
    assert rows[3]["exit_time"] == "2025-01-01T12:00:03.000000Z"
