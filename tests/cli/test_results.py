"""What commands give: the documented columns and keys, computed by hand where that is possible."""

import json
from pathlib import Path

from tests.cli.conftest import Command
from tests.cli.data import SECOND, START, ticks, wave


def test_bars_to_standard_output(run: Command, tmp_path: Path) -> None:
    path = ticks(tmp_path / "t.csv", [(0, 5000, 1), (1, 5000.25, 2), (2.5, 4999.5, 3), (3, 5001, 1), (4, 5000.75, 0.5)])
    ended = run("bars", path, "--symbol", "/ES", "--timeframe", "2t", "--calendar", "24/7")
    assert ended.code == 0, ended
    assert ended.out.splitlines() == [
        "ts_open,ts_close,open,high,low,close,volume,ticks,complete",
        f"{START},{START + SECOND},5000,5000.25,5000,5000.25,3,2,1",
        f"{START + 5 * SECOND // 2},{START + 3 * SECOND},4999.5,5001,4999.5,5001,4,2,1",
        f"{START + 4 * SECOND},{START + 4 * SECOND},5000.75,5000.75,5000.75,5000.75,0.5,1,0",
    ]


def test_bars_of_time_to_a_file_with_a_summary(run: Command, tmp_path: Path) -> None:
    path = ticks(tmp_path / "t.csv", [(0, 1.1, 1), (59.9, 1.3, 1), (60, 1.2, 1), (185, 0.1, 1)])
    words = ("--symbol", "SPY", "--timeframe", "1Min", "--calendar", "24/7", "--out", "out.csv", "--json", "-")
    ended = run("bars", path, *words)
    assert ended.code == 0, ended
    assert json.loads(ended.out).items() >= {"bars": 3, "rows": 4, "bad_rows": 0, "late": 0, "out_of_session": 0}.items()
    minute = 60 * SECOND
    assert (tmp_path / "out.csv").read_text().splitlines()[1:] == [
        f"{START},{START + minute},1.1,1.3,1.1,1.3,2,2,1",
        f"{START + minute},{START + 2 * minute},1.2,1.2,1.2,1.2,1,1,1",
        f"{START + 3 * minute},{START + 4 * minute},0.1,0.1,0.1,0.1,1,1,0",
    ]


def test_ticks_outside_of_the_sessions_are_told_of(run: Command, tmp_path: Path) -> None:
    path = ticks(tmp_path / "t.csv", [(-2 * 86_400, 5000, 1), (0, 5000, 1)])
    ended = run("bars", path, "--symbol", "/ES", "--timeframe", "1t")
    assert ended.code == 0
    assert "1 ticks outside of the sessions" in ended.err
    assert "--calendar 24/7" in ended.err


def test_replay_gives_the_documented_keys(run: Command, tmp_path: Path) -> None:
    path = wave(tmp_path / "t.csv", 1200)
    words = ("--symbol", "/ES", "--timeframe", "5t", "--strategy", "ema", "--param", "period_1=2", "--param", "period_2=5")
    more = ("--fee", "2.00/contract", "--calendar", "24/7", "--flatten-at-end", "--trades", "trades.csv", "--json", "-")
    ended = run("replay", path, *words, *more)
    assert ended.code == 0, ended
    result = json.loads(ended.out)
    assert result.keys() >= {"bars", "orders", "fills", "trades", "stats", "digest"}
    assert result["bars"] == 240
    assert len(result["fills"]) == result["orders"] == 2 * len(result["trades"]) > 10
    assert all(fill.keys() >= {"ts_ns", "side", "quantity", "price", "fee", "reason"} for fill in result["fills"])
    assert {fill["side"] for fill in result["fills"]} == {"BUY", "SELL"}
    stats = result["stats"]
    assert stats.keys() >= {"net_pnl", "gross_pnl", "fees", "trades", "win_rate"}
    assert stats["fees"] == 2 * len(result["fills"])
    signed = sum(fill["price"] * (1 if fill["side"] == "SELL" else -1) for fill in result["fills"])
    assert stats["gross_pnl"] == signed * 50
    assert stats["net_pnl"] == stats["gross_pnl"] - stats["fees"]
    assert len((tmp_path / "trades.csv").read_text().splitlines()) == 1 + len(result["trades"])
    again = run("replay", path, *words, *more)
    assert json.loads(again.out) == result


def test_replay_prints_trades_and_statistics(run: Command, tmp_path: Path) -> None:
    path = wave(tmp_path / "t.csv")
    ended = run(
        "replay", path, "--symbol", "/ES", "--timeframe", "5t", "--strategy", "ema", "--param", "period_1=2", "--param", "period_2=5"
    )
    assert ended.code == 0, ended
    assert "net_pnl" in ended.out
    assert "cross_up" in ended.out


def test_a_strategy_of_the_users_own(run: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from fortified.strategies.base import BaseStrategy\n"
        "class Mine(BaseStrategy):\n"
        "    def warmup_periods(self): return 2\n"
        "    def on_new_bar(self, bar, position):\n"
        "        return None if position else {'side': 'BUY', 'symbol': bar['symbol'], 'reason': 'entry_mine'}\n"
    )
    words = ("--symbol", "/ES", "--timeframe", "5t", "--strategy", "mine.py", "--fill", "last", "--json", "-")
    result = json.loads(run("replay", wave(tmp_path / "t.csv"), *words).out)
    assert [(fill["side"], fill["reason"]) for fill in result["fills"]] == [("BUY", "entry_mine")]


def test_users(run: Command) -> None:
    assert run("user", "add", "a@example.com", "--role", "viewer", "--password", "long enough").code == 0
    generated = run("user", "add", "b@example.com")
    assert generated.code == 0
    assert len(generated.out.rsplit(" ", 1)[1].strip()) >= 12
    assert run("user", "list").out.splitlines() == ["a@example.com\tviewer", "b@example.com\ttrader"]
    assert run("user", "password", "a@example.com", "--password", "another one").code == 0
    twice = run("user", "add", "a@example.com", "--password", "long enough")
    assert twice.code == 2
    assert "exists already" in twice.err


def test_state(run: Command) -> None:
    shown = run("state", "show", "--json")
    assert shown.code == 0
    assert json.loads(shown.out) == {"desired": [], "positions": []}
    assert "should run: nothing" in run("state", "show").out
    cleared = run("state", "clear", "--yes", "--strategy", "ema")
    assert cleared.code == 0
    assert "deleted 0 keys" in cleared.out


def test_redis_cli(run: Command) -> None:
    assert run("redis-cli", "SET", "bars_stream:x", "1").out == "OK\n"
    assert run("redis-cli", "KEYS", "*stream*").out == "bars_stream:x\n"
    wrong = run("redis-cli", "NOSUCH")
    assert wrong.code == 1
    assert "NOSUCH" in wrong.err


def test_doctor(run: Command, tmp_path: Path) -> None:
    ended = run("doctor", "--json")
    assert ended.code == 0, ended
    findings = {row["check"]: row for row in json.loads(ended.out)}
    assert findings.keys() >= {"version", "data directory", "redis", "port", "brokers"}
    assert findings["redis"]["state"] == "ok"
    assert str(tmp_path / "data") in findings["data directory"]["text"]


def test_doctor_finds_what_is_bad(run: Command, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    ended = run("doctor", "--json")
    assert ended.code == 1
    assert {row["state"] for row in json.loads(ended.out) if row["check"] in ("redis", "data directory")} == {"bad"}


def test_help_names_the_commands(run: Command) -> None:
    ended = run("--help")
    assert ended.code == 0
    assert all(name in ended.out for name in ("serve", "bars", "replay", "doctor", "user", "state", "redis-cli"))
