"""What is kept of backtests: a directory for each.

Owns the names and forms of its files. A file appears whole or not at all. All functions block; a server calls them in a thread. Knows
nothing of queues and processes.
"""

import contextlib
import gzip
import itertools
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import polars as pl

from fortified.backtests_port import BacktestJob, BacktestOutcome
from fortified.domain.errors import Refused
from fortified.domain.market import Bar
from fortified.domain.trade import Trade
from fortified.storage.embedded_lock import FileLock

_ID = re.compile(r"[0-9a-f]{16}")
_BAR_COLUMNS = ("ts_open", "ts_close", "open", "high", "low", "close", "volume", "ticks", "vwap", "complete")
_trade = msgspec.json.Decoder(Trade)


class Equity(msgspec.Struct, frozen=True):
    """Times in ns and money, by column."""

    ts_ns: list[int]
    value: list[float]


class JobFiles:
    """The files of one backtest."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.stored_bars = directory / "bars.parquet"

    def write_job(self, job: BacktestJob) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write("job.json", msgspec.json.encode(job))

    def read_job(self) -> BacktestJob:
        return msgspec.json.decode((self.directory / "job.json").read_bytes(), type=BacktestJob)

    def write_stored_bars(self, bars: Sequence[Bar]) -> None:
        """The stored bars that the run is to walk."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        pl.DataFrame({name: [getattr(bar, name) for bar in bars] for name in _BAR_COLUMNS}).write_parquet(self.stored_bars)

    def write_results(self, outcome: BacktestOutcome, trades: Iterable[Trade], equity: Equity, report: str) -> None:
        """All a run gives; the outcome last, so that where it is the rest is too."""
        self._write("trades.jsonl", b"".join(msgspec.json.encode(trade) + b"\n" for trade in trades))
        self._write("equity.json", msgspec.json.encode(equity))
        self._write("report.html.gz", gzip.compress(report.encode(), 6))
        self._write("result.json", msgspec.json.encode(outcome))

    def outcome(self) -> BacktestOutcome | None:
        """What the run came to; None when it did not get there."""
        try:
            return msgspec.json.decode((self.directory / "result.json").read_bytes(), type=BacktestOutcome)
        except FileNotFoundError:
            return None

    def trades(self, offset: int, limit: int) -> list[Trade]:
        with (self.directory / "trades.jsonl").open("rb") as lines:
            return [_trade.decode(line) for line in itertools.islice(lines, offset, offset + limit)]

    def equity(self) -> list[tuple[int, float]]:
        found = msgspec.json.decode((self.directory / "equity.json").read_bytes(), type=Equity)
        return list(zip(found.ts_ns, found.value, strict=True))

    def report(self) -> bytes:
        """Gzipped HTML."""
        return (self.directory / "report.html.gz").read_bytes()

    def drop_input(self) -> None:
        """Delete what only the run needed."""
        self.stored_bars.unlink(missing_ok=True)

    def delete(self) -> None:
        """Delete all; the job first, so that a deletion that is cut off is one still."""
        (self.directory / "job.json").unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _write(self, name: str, content: bytes) -> None:
        partial = self.directory / f"{name}.new"
        partial.write_bytes(content)
        partial.replace(self.directory / name)


class Archive:
    """The directories of all backtests, below ``root``, and the one with the data files they may name."""

    def __init__(self, root: Path, data_dir: Path) -> None:
        self.root, self._data_dir = root, data_dir

    def take(self) -> FileLock:
        """Make it this process's own.

        Raises:
            Refused: it is another one's. OSError: it cannot be written. ConfigError: it cannot be locked.
        """
        for directory in (self.root, self._data_dir):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(self.root / "lock")
        if lock.take():
            return lock
        lock.close()
        raise Refused(["they are run by another server on the same data directory; ask that one."])

    def of(self, job_id: str) -> JobFiles:
        return JobFiles(self.root / job_id)

    def load(self) -> tuple[list[BacktestJob], list[str]]:
        """All jobs, oldest first, and the ids that cannot be read; what a cut-off deletion or submission left is swept."""
        found, unreadable = [], []
        for directory in sorted(self.root.iterdir()):
            if not _ID.fullmatch(directory.name):
                continue
            try:
                found.append(JobFiles(directory).read_job())
            except FileNotFoundError:
                with contextlib.suppress(OSError):
                    JobFiles(directory).delete()
            except (OSError, msgspec.MsgspecError):
                unreadable.append(directory.name)
        return sorted(found, key=lambda job: job.ts_submitted), unreadable
