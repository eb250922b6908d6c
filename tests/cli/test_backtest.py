"""`fortified backtest`: each option once, what it is given, what it writes, and its words when it cannot be."""

import asyncio
import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Command
from tests.cli.data import HEADER, SECOND, START, ticks, wave

from fortified.bootstrap import open_store
from fortified.domain.market import Bar
from fortified.engine.performance import Statistics
from fortified.ports import StreamRef
from fortified.settings import load_settings

HOUR = 3600
BREAK = 6 * HOUR
"""From START until the session ends, at 16:00 in Chicago."""
EMA = ("--strategy", "ema", "--param", "period_1=2", "--param", "period_2=5")
ES = ("--symbol", "/ES", "--timeframe", "5t", *EMA)
OPTIONS: dict[str, tuple[str, ...]] = {
    "param": ("--param", "period_2=9"),
    "direction": ("--param", "direction=long"),
    "quantity": ("--quantity", "3"),
    "sizing and cash": ("--sizing", "50%", "--cash", "1000000"),
    "fill": ("--fill", "last"),
    "fee": ("--fee", "2.00/contract"),
    "slippage": ("--slippage-ticks", "2"),
    "latency": ("--latency-ms", "700"),
    "stop loss": ("--stop-loss", "6ticks"),
    "take profit": ("--take-profit", "1.5pts"),
    "trailing": ("--trailing", "0.02%"),
    "in atr": ("--stop-loss", "1.5atr", "--take-profit", "2atr"),
    "warm-up": ("--warmup", "70"),
    "calendar": ("--calendar", "24/7"),
    "tick size and multiplier": ("--tick-size", "0.05", "--multiplier", "7", "--slippage-ticks", "1"),
    "flatten at end": ("--flatten-at-end",),
}


def result(run: Command, *words: object) -> dict[str, Any]:
    ended = run(*words, "--json", "-")
    assert ended.code == 0, ended
    found: dict[str, Any] = json.loads(ended.out)
    return found


def refused(run: Command, *words: object) -> str:
    """What a backtest says that is refused before it wrote anything."""
    before = sorted(Path().iterdir())
    ended = run("backtest", *words)
    assert (ended.code, ended.out) == (2, ""), ended
    assert sorted(path for path in Path().iterdir() if path.name != "data") == before
    return ended.err


def error(text: str) -> str:
    return f"fortified: ERROR: {text}\n"


def market(path: Path, first_s: int = 0) -> Path:
    """A print a second from ``first_s`` after START on: waves of ten points, with a noise of two."""
    return ticks(path, ((first_s + i, 5000 + 0.25 * (abs(i % 80 - 40) + i * 7 % 9), 1 + i % 3) for i in range(600)))


# --- the same as a replay ---


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_does_what_it_does_in_a_replay(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str, option: str
) -> None:
    path = market(tmp_path / "t.csv", BREAK - 500 if option == "calendar" else 0)
    plain = result(run, "backtest", path, *ES)
    tested = result(run, "backtest", path, *ES, *OPTIONS[option])
    assert tested["digest"] != plain["digest"]
    monkeypatch.setenv("REDIS_URL", redis_url)
    replayed = result(run, "replay", path, *ES, *OPTIONS[option])
    assert {name: tested[name] for name in replayed if name != "stats"} == {name: value for name, value in replayed.items() if name != "stats"}
    assert tested["stats"].items() >= replayed["stats"].items()


def test_the_exits_that_were_asked_for_are_those_that_happen(run: Command, tmp_path: Path) -> None:
    found = result(run, "backtest", market(tmp_path / "t.csv"), *ES, "--stop-loss", "4ticks", "--take-profit", "5pts", "--trailing", "3pts")
    assert {trade["exit_reason"] for trade in found["trades"]} >= {"stop_loss", "take_profit", "trailing_stop"}
    for trade in found["trades"]:
        points = (trade["exit_price"] - trade["entry_price"]) * (1 if trade["side"] == "LONG" else -1)
        if trade["exit_reason"] == "take_profit":
            assert points >= 5
        if trade["exit_reason"] == "stop_loss":
            assert -2 <= points <= -1


def test_ready_made_bars(run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str) -> None:
    made = run("bars", wave(tmp_path / "t.csv", 4_000), "--symbol", "/ES", "--timeframe", "1", "--out", "bars.csv")
    assert made.code == 0, made
    words = ("bars.csv", "--symbol", "/ES", "--timeframe", "1", *EMA)
    assert "bars.csv holds bars; say of which timeframe with --bars-timeframe" in refused(run, *words)
    found = result(run, "backtest", *words, "--bars-timeframe", "1m")
    assert (found["bars"], len(found["trades"]) > 2) == (34, True)
    monkeypatch.setenv("REDIS_URL", redis_url)
    assert result(run, "replay", *words, "--bars-timeframe", "1m")["digest"] == found["digest"]
