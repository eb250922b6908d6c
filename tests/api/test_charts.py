"""Bars over HTTP."""

import httpx2
import pytest
from tests.api.fakes import FlakyStore, a_bar

from fortified.ports import StreamRef

pytestmark = pytest.mark.anyio


@pytest.fixture
async def charted(admin: httpx2.AsyncClient, store: FlakyStore) -> httpx2.AsyncClient:
    await store.history.add(StreamRef("/NQ", "144t"), [a_bar(number) for number in range(10)])
    await store.history.add(StreamRef("BRK/B", "5"), [a_bar(0, "BRK/B", "5")])
    return admin


@pytest.mark.parametrize(
    "path",
    [
        "/api/charts//NQ/144t/bars",
        "/api/charts/%2FNQ/144T/bars",
        "/api/charts/NQ/144t/bars",
        "/api/charts/bars?symbol=/NQ&timeframe=144t",
    ],
)
async def test_bars_by_every_spelling(charted: httpx2.AsyncClient, path: str) -> None:
    answer = (await charted.get(path)).json()
    assert (answer["symbol"], answer["timeframe"], len(answer["bars"])) == ("/NQ", "144t", 10)
    assert answer["bars"][0] == {
        "time": "2025-01-01T12:00:00.000000Z",
        "close_time": "2025-01-01T12:01:00.000000Z",
        "open": 20_999.0,
        "high": 21_001.0,
        "low": 20_998.0,
        "close": 21_000.0,
        "volume": 500.0,
        "ticks": 144,
        "vwap": 21_000.0,
        "complete": True,
        "flags": 0,
    }


@pytest.mark.parametrize(
    ("query", "minutes"),
    [
        ("limit=3", [7, 8, 9]),
        ("from=2025-01-01T12:07:00Z", [7, 8, 9]),
        ("from=2025-01-01T12:02:00Z&to=2025-01-01T12:04:00Z", [2, 3, 4]),
        ("from=2025-01-01T12:02:00Z&to=2025-01-01T12:04:00Z&limit=1", [4]),
        ("from=2025-01-02", []),
        ("to=2025-01-01", list(range(10))),
    ],
)
async def test_ranges(charted: httpx2.AsyncClient, query: str, minutes: list[int]) -> None:
    bars = (await charted.get(f"/api/charts//NQ/144t/bars?{query}")).json()["bars"]
    assert [int(bar["time"][14:16]) for bar in bars] == minutes


async def test_a_class_share_keeps_its_slash(charted: httpx2.AsyncClient) -> None:
    assert (await charted.get("/api/charts/BRK/B/5/bars")).json()["symbol"] == "BRK/B"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/charts//ES/144t/bars", 404, "unknown_symbol"),
        ("/api/charts//NQ/512t/bars", 404, "unknown_timeframe"),
        ("/api/charts//NQ/fast/bars", 404, "unknown_timeframe"),
        ("/api/charts/not a symbol/1/bars", 404, "unknown_symbol"),
        ("/api/charts//NQ/144t/bars?limit=0", 422, "invalid_input"),
        ("/api/charts//NQ/144t/bars?from=x", 422, "invalid_input"),
        ("/api/charts//NQ/144t/bars?from=2025-02-01&to=2025-01-01", 422, "invalid_input"),
    ],
)
async def test_what_is_not_there_is_named(charted: httpx2.AsyncClient, path: str, status: int, code: str) -> None:
    answer = await charted.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_an_aggregated_stream_without_bars_is_empty(charted: httpx2.AsyncClient) -> None:
    assert (await charted.get("/api/charts/SPY/5/bars")).json()["bars"] == []
    listed = await charted.get("/api/charts")
    assert {"symbol": "SPY", "timeframe": "5"} in listed.json(), listed.text
