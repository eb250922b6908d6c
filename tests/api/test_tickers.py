"""Ticker configurations: both bodies, one answer, precise refusals."""

from typing import Any

import httpx2
import pytest
from tests.api import fakes
from tests.api.conftest import Login

from fortified.orchestration.events import StrategyInfo

pytestmark = pytest.mark.anyio

FLAT: dict[str, Any] = {
    "symbol": "/NQ",
    "strategy": "ema",
    "timeframe": "144t",
    "trade_enabled": True,
    "schwab_quantity": 10,
    "schwab_symbol": "QQQ",
    "tastytrade_quantity": 1,
    "period_1": 9,
    "period_2": 21,
    "trend_line_1": "EMA",
    "trend_line_2": "EMA",
}
RULES: dict[str, Any] = {
    **{"stop_loss": None, "take_profit": None, "trailing": None, "break_even": None, "time_stop": None, "flatten_before": None},
    **{"leg_failure": "hold", "sizing": "fixed", "cash": "100000"},
}


async def test_the_flat_body_becomes_canonical_and_posts_back_unchanged(admin: httpx2.AsyncClient) -> None:
    answer = await admin.post("/api/tickers", json=FLAT)
    assert answer.status_code == 200
    parameters = {key: FLAT[key] for key in ("period_1", "period_2", "trend_line_1", "trend_line_2")}
    assert answer.json() == {**FLAT, **RULES, "demo": False, "parameters": parameters}
    again = await admin.post("/api/tickers", json=answer.json())
    assert again.json() == answer.json()
    listed = (await admin.get("/api/tickers/ema")).json()
    assert listed == {"strategy": "ema", "tickers": [answer.json()]}


async def test_the_nested_body_of_the_documentation(admin: httpx2.AsyncClient) -> None:
    body = {
        "strategy": "triple_ema",
        "ticker": "SPY",
        "config": {"timeframe": "5Min", "quantity": 100, "enabled": True},
    }
    answer = await admin.post("/api/tickers", json=body)
    assert answer.json() == {
        "symbol": "SPY",
        "strategy": "triple_ema",
        "timeframe": "5",
        "trade_enabled": True,
        "demo": False,
        **RULES,
        "schwab_quantity": 100,
        "parameters": {},
    }


async def test_a_plain_quantity_of_a_future_goes_to_tastytrade(admin: httpx2.AsyncClient) -> None:
    body = {"strategy": "ema", "symbol": "/es", "timeframe": 1, "quantity": "2", "enabled": False}
    answer = (await admin.post("/api/tickers", json=body)).json()
    assert (answer["symbol"], answer["timeframe"], answer["tastytrade_quantity"]) == ("/ES", "1", 2)
    assert answer["trade_enabled"] is False


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"stop_loss": " 20 Ticks "}, {"stop_loss": "20ticks"}),
        ({"take_profit": "10.50points", "trailing": "0.50%"}, {"take_profit": "10.5pts", "trailing": "0.5%"}),
        ({"time_stop": "120Min", "flatten_before": "600 s"}, {"time_stop": "2h", "flatten_before": "10min"}),
        ({"time_stop": "12 Bars", "break_even": "2.0 ticks"}, {"time_stop": "12bars", "break_even": "2ticks"}),
        ({"stop_loss": "1.5ATR", "trailing": "200tick"}, {"stop_loss": "1.5atr", "trailing": "200ticks"}),
        ({"sizing": "percent:25.0", "cash": 50_000}, {"sizing": "25%", "cash": "50000"}),
        ({"sizing": "all_in", "cash": "2.5e4"}, {"sizing": "all_in", "cash": "25000"}),
        ({"config": {"stop_loss": "8ticks", "cash": 1234.50}}, {"stop_loss": "8ticks", "cash": "1234.5"}),
        (dict.fromkeys(RULES), {}),
    ],
)
async def test_exits_and_sizing_are_kept_in_one_spelling(admin: httpx2.AsyncClient, given: dict[str, Any], stored: dict[str, Any]) -> None:
    answer = (await admin.post("/api/tickers", json=FLAT | given)).json()
    assert {name: answer[name] for name in RULES} == RULES | stored
    assert not set(answer["parameters"]) & set(RULES)
    assert (await admin.post("/api/tickers", json=answer)).json() == answer
    assert (await admin.get("/api/tickers/ema")).json()["tickers"] == [answer]


async def test_a_parameter_with_the_name_of_a_key_of_the_ticker_has_its_place(
    admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = StrategyInfo("own", "Own", "", {"properties": {"stop_loss": {"type": "number"}, "pace": {"type": "integer"}}})
    monkeypatch.setattr(fakes, "STRATEGIES", (own,))
    body = {"symbol": "/NQ", "strategy": "own", "timeframe": "1", "stop_loss": "8ticks", "parameters": {"stop_loss": 2.5, "pace": 3}}
    answer = (await admin.post("/api/tickers", json=body)).json()
    assert (answer["stop_loss"], answer["pace"], answer["parameters"]) == ("8ticks", 3, {"stop_loss": 2.5, "pace": 3})
    assert (await admin.post("/api/tickers", json=answer)).json() == answer


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"perriod_1": 9}, ["'perriod_1'", "period_1", "{broker}_quantity"]),
        ({"schwab_symbol": None}, ["schwab", "schwab_symbol"]),
        ({"timeframe": "7x"}, ["'7x'", "144t"]),
        ({"timeframe": None}, ["'timeframe'"]),
        ({"symbol": "not a symbol"}, ["'not a symbol'"]),
        ({"symbol": "/ZZZZ"}, ["ZZZZ"]),
        ({"tastytrade_quantity": -1}, ["tastytrade_quantity", "-1"]),
        ({"tastytrade_quantity": True}, ["tastytrade_quantity"]),
        ({"tastytrade_quantity": "NaN"}, ["tastytrade_quantity", "NaN"]),
        ({"quantity": 5}, ["quantity", "tastytrade_quantity"]),
        ({"trade_enabled": "yes"}, ["trade_enabled", "true or false"]),
        ({"ticker": "SPY"}, ["symbol", "twice"]),
        ({"parameters": {"period_1": 10}}, ["period_1", "once"]),
        ({"config": 3}, ["config", "object"]),
        ({"stop_loss": "20"}, ["stop_loss", "'20'", "20ticks"]),
        ({"stop_loss": 20}, ["'stop_loss'", "20ticks", "not 20"]),
        ({"take_profit": "0pts"}, ["take_profit", "'0pts'", "above 0"]),
        ({"trailing": ""}, ["trailing", "''"]),
        ({"time_stop": "20ticks"}, ["time_stop", "20ticks", "30min"]),
        ({"time_stop": 5}, ["time_stop", "5", "30min"]),
        ({"flatten_before": "3bars"}, ["flatten_before", "3bars", "10min"]),
        ({"trailing": "9" * 400 + "ticks"}, ["trailing", "1000000000"]),
        ({"sizing": "120%"}, ["sizing", "'120%'", "all_in"]),
        ({"sizing": 25}, ["'sizing'", "25%"]),
        ({"cash": 0}, ["cash", "above 0"]),
        ({"cash": "much"}, ["'cash'", "'much'"]),
        ({"cash": 1e13}, ["'cash'", "1000000000000"]),
        ({"parameters": {"stop_loss": "8ticks"}}, ["'stop_loss'", "beside"]),
    ],
)
async def test_refusals_name_what_is_wrong_and_change_nothing(admin: httpx2.AsyncClient, change: dict[str, Any], words: list[str]) -> None:
    answer = await admin.post("/api/tickers", json=FLAT | change)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert all(word in answer.json()["detail"] for word in words), answer.json()["detail"]
    assert (await admin.get("/api/tickers")).json() == []


async def test_an_unknown_strategy_is_not_found(admin: httpx2.AsyncClient) -> None:
    assert (await admin.post("/api/tickers", json=FLAT | {"strategy": "nope"})).status_code == 404
    missing = await admin.get("/api/tickers/nope")
    assert missing.status_code == 404
    assert "triple_ema" in missing.json()["detail"]
    assert (await admin.get("/api/tickers/triple_ema")).json() == {"strategy": "triple_ema", "tickers": []}


@pytest.mark.parametrize("spelling", ["//NQ", "/%2FNQ", "/NQ", "/nq"])
async def test_delete_by_any_spelling(admin: httpx2.AsyncClient, spelling: str) -> None:
    await admin.post("/api/tickers", json=FLAT)
    assert (await admin.delete(f"/api/tickers/ema{spelling}")).status_code == 204
    assert (await admin.delete(f"/api/tickers/ema{spelling}")).status_code == 404


async def test_delete_is_refused_while_running(admin: httpx2.AsyncClient) -> None:
    await admin.post("/api/tickers", json=FLAT)
    await admin.get("/api/start-trading?strategy=ema")
    refused = await admin.delete("/api/tickers/ema//NQ")
    assert (refused.status_code, refused.json()["code"]) == (409, "refused")


async def test_viewers_may_read_only(login: Login) -> None:
    viewer = await login("viewer")
    assert (await viewer.get("/api/tickers/ema")).status_code == 200
    assert (await viewer.post("/api/tickers", json=FLAT)).status_code == 403
    assert (await viewer.delete("/api/tickers/ema//NQ")).status_code == 403


async def test_strategies_show_their_parameters(admin: httpx2.AsyncClient) -> None:
    strategies = {entry["name"]: entry for entry in (await admin.get("/api/strategies")).json()}
    assert "period_1" in strategies["ema"]["parameters"]["properties"]
    assert strategies["triple_ema"]["available"] is True
