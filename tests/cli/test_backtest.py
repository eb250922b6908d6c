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
from tests.research.reported import Page

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
    before = set(Path().iterdir())
    ended = run("backtest", *words)
    assert (ended.code, ended.out) == (2, ""), ended
    assert set(Path().iterdir()) - before <= {Path("data")}
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
    assert {name: tested[name] for name in replayed if name != "stats"} == {
        name: value for name, value in replayed.items() if name != "stats"
    }
    assert tested["stats"].items() >= replayed["stats"].items()


def test_the_exits_that_were_asked_for_are_those_that_happen(run: Command, tmp_path: Path) -> None:
    found = result(
        run, "backtest", market(tmp_path / "t.csv"), *ES, "--stop-loss", "4ticks", "--take-profit", "5pts", "--trailing", "1.5pts"
    )
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


# --- the data ---


@pytest.mark.parametrize(
    ("span", "prints"),
    [
        (("--from", "2025-06-17"), 63),
        (("--to", "2025-06-17"), 33),
        (("--from", "2025-06-17", "--to", "2025-06-17"), 24),
        (("--from", "2025-06-17T12:00"), 51),
        (("--to", "2025-06-17T12:00"), 21),
        (("--to", "2025-06-17T12:00:00.000001"), 22),
        (("--from", "2025-06-17T02:00+02:00"), 63),
        (("--from", "2025-06-16T19:00-05:00", "--to", "2025-06-17T01:00Z"), 1),
        (("--from", "2001-01-01", "--to", "2199-12-31"), 72),
    ],
)
def test_a_span(run: Command, tmp_path: Path, span: tuple[str, ...], prints: int) -> None:
    """Three days with a print at each full hour, from 15:00 on."""
    path = ticks(tmp_path / "t.csv", ((i * HOUR, 5000 + i % 7, 1) for i in range(72)))
    found = result(run, "backtest", path, "--symbol", "/ES", "--timeframe", "1t", *EMA, "--calendar", "24/7", *span)
    assert found["bars"] == prints


@pytest.mark.parametrize(
    ("span", "says"),
    [
        (
            ("--from", "2025-06-18", "--to", "2025-06-17"),
            "the data is to end before it begins; give a --to that is later than --from",
        ),
        (
            ("--from", "2025-06-17"),
            "There is no data from 2025-06-17T00:00:00 to the end; the files hold 2025-06-16T15:00:00 to 2025-06-16T15:09:59 UTC. "
            "Choose another span.",
        ),
        (
            ("--from", "yesterday"),
            "--from 'yesterday' is not understood; write a day or a time such as 2025-03-05 or 2025-03-05T14:30",
        ),
        (
            ("--to", "2025-02-30"),
            "--to '2025-02-30' is not understood; write a day or a time such as 2025-03-05 or 2025-03-05T14:30",
        ),
        (("--from", "0001-01-01"), "--from '0001-01-01' is not possible; give a time from 1970 on and before 2262"),
        (("--to", "9999-12-31"), "--to '9999-12-31' is not possible; give a time from 1970 on and before 2262"),
    ],
    ids=["swapped", "empty", "word", "no day", "too early", "too late"],
)
def test_a_span_that_cannot_be(run: Command, tmp_path: Path, span: tuple[str, ...], says: str) -> None:
    assert refused(run, market(tmp_path / "t.csv"), *ES, *span) == error(says)


def test_stored_bars(run: Command, tmp_path: Path) -> None:
    rows = [(START + i * 60 * SECOND, 5000 + 0.25 * (abs(i % 40 - 20) + i * 7 % 9)) for i in range(300)]

    async def store() -> None:
        async with open_store(load_settings()) as opened:
            bars = [
                Bar("/ES", "1", ts, ts + 60 * SECOND, price, price + 1, price - 1, price, 9, 4, price, i)
                for i, (ts, price) in enumerate(rows)
            ]
            await opened.history.add(StreamRef("/ES", "1"), bars)

    asyncio.run(store())
    (tmp_path / "bars.csv").write_text(
        "ts_open,open,high,low,close,volume,ticks,vwap\n"
        + "".join(f"{ts},{price},{price + 1},{price - 1},{price},9,4,{price}\n" for ts, price in rows)
    )
    words = ("--symbol", "/ES", "--timeframe", "1", *EMA, "--stop-loss", "4ticks", "--from", "2025-06-16T16:00")
    found = result(run, "backtest", "--stored", *words)
    assert (found["bars"], len(found["trades"]) > 10) == (240, True)
    assert found == result(run, "backtest", "bars.csv", "--bars-timeframe", "1", *words)
    says = "No 5 bars of /ES are stored. Choose another timeframe or span, or give files."
    assert refused(run, "--stored", "--symbol", "/ES", "--timeframe", "5", *EMA) == error(says)


@pytest.mark.parametrize("words", [(), ("t.csv", "--stored")], ids=["neither", "both"])
def test_files_or_the_store(run: Command, tmp_path: Path, words: tuple[str, ...]) -> None:
    market(tmp_path / "t.csv")
    says = "give files of ticks or bars, or --stored for the bars that the server has stored"
    assert refused(run, *words, *ES) == error(says)


def test_a_bad_row_is_left_out_or_refused(run: Command, tmp_path: Path) -> None:
    path = market(tmp_path / "t.csv")
    good = result(run, "backtest", path, *ES)
    path.write_text(f"{path.read_text()}{START + HOUR * SECOND},dear,1\n")
    ended = run("backtest", path, *ES, "--json", "-")
    assert "1 of 601 rows were left out: 1 price is not a number" in ended.err
    assert json.loads(ended.out) == good
    assert "t.csv:602: price is not a number" in refused(run, path, *ES, "--strict")


# --- several symbols ---


def two_symbols(path: Path) -> Path:
    rows = (
        f"{START + i * SECOND},{name},{first + 0.25 * (abs(i % 80 - 40) + i * step % 9)},1\n"
        for i in range(600)
        for name, first, step in (("/NQ", 20_000, 5), ("/ES", 5_000, 7))
    )
    path.write_text("ts_ns,symbol,price,size\n" + "".join(rows))
    return path


@pytest.mark.parametrize("source", ["file", "catalogue"])
def test_several_symbols(run: Command, tmp_path: Path, source: str) -> None:
    data = two_symbols(tmp_path / "t.csv")
    if source == "catalogue":
        assert run("import", data, "--out", "catalogue").code == 0
        data = tmp_path / "catalogue"
    words = ("--timeframe", "5t", *EMA, "--fee", "2.00/contract")
    alone = {symbol: result(run, "backtest", data, "--symbol", symbol, *words) for symbol in ("/NQ", "/ES")}
    both = ("backtest", data, "--symbol", "/NQ, /ES", *words)
    files = ("--json", "out.json", "--trades", "trades.csv", "--report", "out.html")
    ended = run(*both, *files)
    assert ended.code == 0, ended

    found = json.loads((tmp_path / "out.json").read_text())
    assert found.keys() == {"runs", "together"}
    assert found["runs"] == alone
    together = found["together"]
    for name in ("trades", "wins", "losses", "net_pnl", "gross_pnl", "fees"):
        assert together[name] == sum(run["stats"][name] for run in alone.values())
    assert "sharpe" not in together  # that is of one equity curve

    table = {cells[0]: cells for line in ended.out.splitlines() if len(cells := [cell.strip() for cell in line.split("│")[1:-1]]) > 2}
    assert [table[symbol][2] for symbol in ("/NQ", "/ES", "together")] == [
        str(stats["trades"]) for stats in (alone["/NQ"]["stats"], alone["/ES"]["stats"], together)
    ]
    assert table["/ES"][-1] == alone["/ES"]["digest"][:16]

    with (tmp_path / "trades.csv").open(newline="") as file:
        trades = list(csv.DictReader(file))
    assert len(trades) == together["trades"]
    assert {trade["symbol"] for trade in trades} == {"/NQ", "/ES"}
    assert [int(trade["ts_exit"]) for trade in trades] == sorted(int(trade["ts_exit"]) for trade in trades)

    assert not (tmp_path / "out.html").exists()
    for symbol, result_of in alone.items():
        page = (tmp_path / f"out-{symbol.strip('/')}.html").read_text(encoding="utf-8")
        assert result_of["digest"] in page
    assert json.loads(run(*both, "--json", "-").out) == found


def test_a_symbol_that_is_not_there(run: Command, tmp_path: Path) -> None:
    data = two_symbols(tmp_path / "t.csv")
    assert "t.csv holds no SPY; its symbols are /ES, /NQ." in refused(run, data, "--symbol", "/ES,SPY", "--timeframe", "5t", *EMA)
    assert "'' is not a symbol" in refused(run, data, "--symbol", "/ES,", "--timeframe", "5t", *EMA)


# --- what is written ---


def test_json_and_the_table_hold_all_statistics(run: Command, tmp_path: Path) -> None:
    path = market(tmp_path / "t.csv")
    found = result(run, "backtest", path, *ES, "--fee", "2.00/contract", "--cash", "50000")
    assert found.keys() == {"bars", "orders", "fills", "trades", "stats", "late", "out_of_session", "digest"}
    stats = found["stats"]
    assert stats.keys() == {*Statistics.__struct_fields__, "open_quantity"}
    assert stats["cash"] == 50_000
    assert stats["fees"] == 4 * len(found["trades"])
    last = found["fills"][-1]
    mark = 50 * (5000 + 0.25 * (abs(599 % 80 - 40) + 599 * 7 % 9) - last["price"]) * (1 if last["side"] == "BUY" else -1)
    assert stats["final_equity"] == 50_000 + stats["net_pnl"] + mark - last["fee"]
    assert stats["return_percent"] == pytest.approx(100 * (stats["final_equity"] / 50_000 - 1))
    ended = run("backtest", path, *ES, "--fee", "2.00/contract", "--cash", "50000", "--json", "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == found
    assert all(name in ended.out for name in stats)
    assert f"digest {found['digest']}" in ended.out


def test_the_trades_as_csv(run: Command, tmp_path: Path) -> None:
    found = result(run, "backtest", market(tmp_path / "t.csv"), *ES, "--trades", "trades.csv")
    with (tmp_path / "trades.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found["trades"]) > 10
    for row, trade in zip(rows, found["trades"], strict=True):
        assert (row["trade_id"], row["exit_reason"]) == (trade["trade_id"], trade["exit_reason"])
        assert Decimal(row["net_pnl"]) == Decimal(str(trade["net_pnl"]))


def test_the_report_is_one_page_that_needs_nothing_else(run: Command, tmp_path: Path) -> None:
    found = result(run, "backtest", market(tmp_path / "t.csv"), *ES, "--report", "out.html")
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert found["digest"] in page
    tags = Page(page).tags
    assert "table" in [name for name, _ in tags]
    assert not [attributes for name, attributes in tags if name == "link" or "src" in attributes]


def test_the_symbol_has_no_part_in_where_one_report_goes(run: Command, tmp_path: Path) -> None:
    assert run("backtest", market(tmp_path / "t.csv"), *ES, "--report", "page").code == 0
    assert (tmp_path / "page").is_file()
    assert not list(tmp_path.glob("page-*"))


# --- what cannot be ---


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--stop-loss", "20"), "stop_loss: distance '20' is not understood; write 20ticks, 10pts, 0.5% or 1.5atr, above 0"),
        (("--stop-loss", "0ticks"), "stop_loss: distance '0ticks' is not understood; write 20ticks, 10pts, 0.5% or 1.5atr, above 0"),
        (("--take-profit=-1pts",), "take_profit: distance '-1pts' is not understood; write 20ticks, 10pts, 0.5% or 1.5atr, above 0"),
        (("--trailing", "2 stops"), "trailing: distance '2 stops' is not understood; write 20ticks, 10pts, 0.5% or 1.5atr, above 0"),
        (("--sizing", "much"), "sizing 'much' is not understood; write fixed, all_in, or a share of the equity above 0 such as 25%"),
        (("--sizing", "101%"), "sizing '101%' is not understood; write fixed, all_in, or a share of the equity above 0 such as 25%"),
        (("--sizing", "25"), "sizing '25' is not understood; write fixed, all_in, or a share of the equity above 0 such as 25%"),
        (("--cash", "0"), "cash 0 is not possible; give an amount above 0"),
        (("--cash", "nan"), "cash 'nan' is not a finite number"),
        (("--cash", "much"), "cash 'much' is not a number"),
        (("--quantity", "0.5"), "quantity 0.5 is not possible; give a whole number above 0"),
        (("--fill", "never"), "--fill 'never' is unknown; choose next or last"),
        (("--latency-ms", "inf"), "--latency-ms inf is not a finite number"),
        (("--fee", "much"), "fee 'much' is not understood; write 0, 2.00/contract, 0.005/share or 0.1%"),
        (("--param", "period_1"), "--param 'period_1' is not understood; write name=value, such as period_1=9"),
        (("--strategy", "emu"), "unknown strategy 'emu'; known are: ema, supertrend, triple_ema"),
        (("--multiplier", "0"), "multiplier 0 is not possible; give a number above 0"),
        (("--report", "no/out.html"), "no/out.html cannot be written: there is no directory no"),
        (("--report", "."), ". is a directory; name a file"),
        (("--trades", "no/out.csv"), "no/out.csv cannot be written: there is no directory no"),
        (("--json", "no/out.json"), "no/out.json cannot be written: there is no directory no"),
    ],
)
def test_options_that_cannot_be(run: Command, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    assert refused(run, market(tmp_path / "t.csv"), *ES, *words) == error(says)


@pytest.mark.parametrize("words", [("--slippage-ticks", "-1"), ("--latency-ms", "-1"), ("--latency-ms", "nan"), ("--warmup", "-1")])
def test_numbers_below_zero(run: Command, tmp_path: Path, words: tuple[str, str]) -> None:
    said = refused(run, market(tmp_path / "t.csv"), *ES, *words)
    assert words[0] in said
    assert "greater than or equal to 0" in said


def test_options_are_looked_at_before_the_data(run: Command, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(HEADER)
    words = ("t.csv", "--symbol", "/ES,/QQQQ", "--timeframe", "5t", *EMA)
    assert "/QQQQ" in refused(run, *words)


# --- a strategy that raises ---

STRATEGY = """from fortified import BaseStrategy
class Mine(BaseStrategy):
    def __init__(self, config, logger):
        super().__init__(config, logger)
        INIT
    def warmup_periods(self):
        return WARMUP
    def on_new_bar(self, bar, current_position):
        return BAR
"""
LATER = START + 30 * SECOND
PLAIN = {"INIT": "pass", "WARMUP": "1", "BAR": "None"}
ON_TICK = "    def on_tick(self, tick, current_position):\n        return 1 / 0 if tick.seq == 77 else None\n"
CALLED = "    def bad(self):\n        return 1 / 0\n"


def strategy(path: Path, more: str = "", **parts: str) -> Path:
    text = STRATEGY + more
    for name, code in (PLAIN | parts).items():
        text = text.replace(name, code)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("parts", "more", "moment", "line"),
    [
        ({"INIT": "self.x = 1 / 0"}, "", "its creation", "5"),
        ({"WARMUP": "1 / 0"}, "", "warmup_periods()", "7"),
        ({"BAR": f"1 / 0 if bar.ts_open == {LATER} else None"}, "", f"the 5t bar of /ES that opened at {LATER}", "9"),
        ({"BAR": "self.bad()"}, CALLED, f"the 5t bar of /ES that opened at {START}", "11, called from line 9"),
        ({}, ON_TICK, "tick 77 of /ES", "11"),
    ],
    ids=["init", "warmup_periods", "on_new_bar", "called", "on_tick"],
)
@pytest.mark.parametrize("way", ["lane", "desk"])
def test_a_strategy_that_raises(run: Command, tmp_path: Path, way: str, parts: dict[str, str], more: str, moment: str, line: str) -> None:
    """The desk makes the runs that have a latency."""
    file = strategy(tmp_path / "mine.py", more, **parts)
    words = ("--symbol", "/ES", "--timeframe", "5t", "--strategy", file, *(("--latency-ms", "1") if way == "desk" else ()))
    ended = run("backtest", market(tmp_path / "t.csv"), *words, "--json", "out.json", "--report", "out.html")
    assert (ended.code, ended.out) == (1, "")
    said = f"strategy 'mine' failed on {moment}, at {file}, line {line}: ZeroDivisionError: division by zero"
    assert ended.err == error(said)
    assert not (tmp_path / "out.json").exists()
    assert not (tmp_path / "out.html").exists()


@pytest.mark.parametrize("bars", ["-1", "2.5", "None", "'9'", "True"])
def test_a_warm_up_that_is_no_number_of_bars(run: Command, tmp_path: Path, bars: str) -> None:
    file = strategy(tmp_path / "mine.py", WARMUP=bars)
    said = refused(run, market(tmp_path / "t.csv"), "--symbol", "/ES", "--timeframe", "5t", "--strategy", file)
    assert said == error(f"strategy 'mine': warmup_periods() gave {bars}; return a whole number of bars, 0 or more")


def test_an_answer_that_is_none(run: Command, tmp_path: Path) -> None:
    file = strategy(tmp_path / "mine.py", BAR="7")
    ended = run("backtest", market(tmp_path / "t.csv"), "--symbol", "/ES", "--timeframe", "5t", "--strategy", file)
    assert (ended.code, ended.out) == (1, "")
    assert f"failed on the 5t bar of /ES that opened at {START}" in ended.err
    assert "a strategy answered 7; expected a Signal" in ended.err
