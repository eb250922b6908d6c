"""Backtests against the pinned peers, side by side in one run: ``python benchmarks/backtest.py --peers`` from the project's root.

The job: synthetic futures ticks → 144t and 1m bars → EMA 9/21, stop and reverse, each market order filled at the next tick. Each
implementation is a program of its own in ``peers/``; it loads the ticks, runs once to warm up and then five times. Its time is shown when
it reports the same fills and the same profit as the reference in plain Python. Peers without bars of their own get them from numpy, in
their time.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fortified-peers"
GRID_TICKS, COLD_TICKS, COLD_ROUNDS, LONGEST_S, WIDTH = 7_000 * 144 + 1, 140_000, 5, 1_800, 130
COLD = ("--symbol", "/NQ", "--timeframe", "144t", "--strategy", "ema", "--fee", "2.00/contract")
SAME = ("fills", "net_pnl", "bars", "digest")
UNCHECKED = "another job"


class Program(NamedTuple):
    """An implementation: the module in ``peers/``, its environment (none: ours), its arguments, and the most ticks it is given."""

    title: str
    module: str
    environment: str = ""
    arguments: tuple[str, ...] = ()
    most: int = 100_000_000


PLAIN = Program("Fortified, per bar", "ours", "", ("class",))
OURS = (
    PLAIN,
    Program("Fortified, per bar, fees, stop, target", "ours", "", ("armed",)),
    Program("Fortified, built-in", "ours", "", ("named",)),
    Program("Fortified, built-in, records by column", "ours", "", ("columns",)),
    Program("Fortified, per tick", "ours", "", ("on_tick",)),
)
ALONE = OURS[1]
"""Does more than the others can, so its fills are its own."""
PEERS = (
    Program("a numba kernel, nothing else", "kernel", "numba"),
    Program("vectorbt", "vectorbt_", "vectorbt"),
    Program("backtesting.py", "backtesting_py", "backtesting"),
    Program("hftbacktest", "hftbacktest_", "hftbacktest"),
    Program("backtrader", "backtrader_", "backtrader"),
    Program("NautilusTrader, Rust, per bar", "nautilus_rust", "nautilus_trader", most=1_000_000),
    Program("NautilusTrader, Rust, per tick", "nautilus_rust", "nautilus_trader", ("on_tick",), most=1_000_000),
    Program("NautilusTrader, per bar", "nautilus", "nautilus_trader", most=1_000_000),
)
GRID = (Program("Fortified, built-in", "grid_ours", "", ("batch",)), Program("Fortified, per bar", "grid_ours", "", ("class",)))
GRID_PEERS = (Program("vectorbt", "grid_vectorbt", "vectorbt"),)


class Rows(NamedTuple):
    """A table: its title, its columns, its rows."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Bench:
    """Runs programs over ticks in a directory of its own; ``peers`` is where their environments are, None for none."""

    def __init__(self, home: Path, peers: Path | None) -> None:
        self.home, self.peers = home, peers

    def run(self, program: Program, *arguments: str) -> dict[str, Any]:
        """What ``program`` reports; ``error`` when it fails."""
        own = not program.environment
        python = Path(sys.executable) if own else (self.peers or CACHE) / program.environment / "bin/python"
        if not python.exists():
            return {"error": "not installed"}
        sys.stderr.write(f"  {program.title} {' '.join(arguments[1:])}\n")
        command: list[str | Path] = [python, "-m", f"benchmarks.peers.{program.module}", *arguments, *program.arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LONGEST_S)
        if done.returncode:
            said = done.stderr.strip().splitlines()
            return {"error": next((line for line in reversed(said) if "Error" in line), f"it ended with {done.returncode}")}
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    def ticks(self, count: int) -> str:
        """The file of ``count`` ticks."""
        path = self.home / f"{count}.npz"
        if not path.exists():
            subprocess.run([sys.executable, "-m", "benchmarks.peers.data", path, str(count)], cwd=ROOT, check=True)
        return str(path)

    # --- what is measured ---

    def job(self, count: int, timeframe: str) -> Rows:
        """The job by all implementations."""
        ticks = self.ticks(count)
        wanted = self.run(Program("reference", "reference"), ticks, timeframe)
        programs = [*OURS, *(peer for peer in PEERS if self.peers and count <= peer.most)]
        facts = {program: self.run(program, ticks, timeframe) for program in programs}
        unit = facts[PLAIN].get("seconds", 0.0)
        rows = [_job_row(program, facts[program], None if program is ALONE else wanted, unit, count) for program in programs]
        title = f"{count:,} ticks → {timeframe}: {wanted['bars']:,} bars, {wanted['fills']:,} fills, net {wanted['net_pnl']:,.2f}"
        return Rows(title, ("", "version", "best s", "median s", "M ticks/s", "time × ours", "result"), rows)

    def grid(self) -> Rows:
        """The grid of 640 pairs."""
        ticks = self.ticks(GRID_TICKS)
        wanted = self.run(Program("reference", "grid_reference"), ticks)
        rows = [_grid_row(program, self.run(program, ticks), wanted) for program in (*GRID, *(GRID_PEERS if self.peers else ()))]
        return Rows("640 pairs of periods over 7,000 bars", ("", "version", "pairs", "best s", "pairs/s", "result"), rows)

    def cold(self) -> Rows:
        """The command line from start to end."""
        with np.load(self.ticks(COLD_TICKS)) as columns:
            frame = pl.DataFrame({name: columns[name] for name in columns.files})
        frame.write_csv(self.home / "ticks.csv")
        frame.write_parquet(self.home / "ticks.parquet")
        rows = []
        for path in (self.home / "ticks.csv", self.home / "ticks.parquet"):
            times = sorted(_seconds([ROOT / "fortified", "backtest", path, *COLD]) for _ in range(COLD_ROUNDS + 1))
            rows.append((f"./fortified backtest {path.name}", f"{times[0]:.2f}", f"{statistics.median(times):.2f}"))
        return Rows(f"Cold start, {COLD_TICKS:,} ticks, caches warm", ("", "best s", "median s"), rows)

    def memory(self, count: int) -> Rows:
        """The most memory of a run over the bytes of its ticks."""
        facts = self.run(Program("memory", "ours", "", ("memory",)), self.ticks(count), "144t")
        if "error" in facts:
            raise SystemExit(f"memory was not measured: {facts['error']}")
        row = (f"{count:,} ticks", f"{facts['arrays'] / 1e6:.0f}", f"{facts['taken'] / 1e6:.0f}", f"{facts['taken'] / facts['arrays']:.2f}")
        return Rows("Memory, with the arrays themselves", ("", "arrays MB", "most MB", "ratio"), [row])


def _job_row(program: Program, facts: dict[str, Any], wanted: dict[str, Any] | None, unit: float, count: int) -> tuple[str, ...]:
    verdict = facts.get("error") or (UNCHECKED if wanted is None else _difference(facts, wanted))
    if verdict not in ("", UNCHECKED):
        return (program.title, facts.get("version", ""), "", "", "", "", verdict)
    ratio = f"{facts['seconds'] / unit:.2f}" if unit else ""
    times = (f"{facts['seconds']:.4f}", f"{facts['median']:.4f}", f"{count / facts['seconds'] / 1e6:.2f}", ratio)
    return (program.title, facts["version"], *times, verdict or "same")


def _difference(facts: dict[str, Any], wanted: dict[str, Any]) -> str:
    return ", ".join(f"{name} {facts[name]} not {wanted[name]}" for name in SAME if facts[name] != wanted[name])


def _grid_row(program: Program, facts: dict[str, Any], wanted: dict[str, Any]) -> tuple[str, ...]:
    profits = facts.get("profits", {})
    wrong = sum(profit != wanted["profits"][pair] for pair, profit in profits.items())
    if "error" in facts or wrong:
        return (program.title, facts.get("version", ""), str(len(profits)), "", "", facts.get("error") or f"{wrong} profits differ")
    rate = f"{len(profits) / facts['seconds']:,.0f}"
    return (program.title, facts["version"], str(len(profits)), f"{facts['seconds']:.4f}", rate, "same")


def _seconds(command: Sequence[str | Path]) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def machine() -> str:
    """The processor and the Python."""
    cpu = Path("/proc/cpuinfo")
    models = (
        [line.split(":", 1)[1].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")] if cpu.exists() else []
    )
    name = models[0] if models else platform.processor()
    return f"{os.cpu_count()} cores of {name}, Python {platform.python_version()}, numpy {np.__version__}"


def show(table: Rows, markdown: bool) -> None:
    """Print a table."""
    if markdown:
        lines: Iterable[Sequence[str]] = (table.columns, ["---"] * len(table.columns), *table.rows)
        print(f"\n**{table.title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))
        return
    shown = Table(title=table.title)
    for column in table.columns:
        shown.add_column(column, no_wrap=True)
    for row in table.rows:
        shown.add_row(*row)
    Console(width=WIDTH, markup=False).print(shown)


def main() -> None:
    parser = argparse.ArgumentParser(description="Backtests against pinned peers.")
    parser.add_argument("--ticks", type=int, action="append", help="how many; may be repeated (1000000 and 5000000)")
    parser.add_argument("--timeframe", action="append", help="144t, 1; may be repeated (both)")
    parser.add_argument("--peers", action="store_true", help="run the peers too; their environments are made first")
    parser.add_argument("--dir", type=Path, default=CACHE, help="where those are")
    parser.add_argument("--markdown", action="store_true", help="tables for a document")
    asked = parser.parse_args()
    if asked.peers:
        subprocess.run([ROOT / "benchmarks/peers/setup.sh", asked.dir], check=True)
    print(machine())
    with tempfile.TemporaryDirectory() as home:
        bench = Bench(Path(home), asked.dir if asked.peers else None)
        counts = asked.ticks or [1_000_000, 5_000_000]
        for count in counts:
            for timeframe in asked.timeframe or ["144t", "1"]:
                show(bench.job(count, timeframe), asked.markdown)
        show(bench.grid(), asked.markdown)
        show(bench.memory(max(counts)), asked.markdown)
        show(bench.cold(), asked.markdown)


if __name__ == "__main__":
    main()
