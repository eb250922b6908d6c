"""Backtests in memory that keep the contract of the port; tests move them on by hand."""

import gzip
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from tests.api.fakes import NOON, NS, a_trade

from fortified.backtests_port import BacktestJob, BacktestOutcome, BacktestRequest, Figure, QueueFull
from fortified.domain.errors import ConfigError, NotFound, Refused
from fortified.domain.trade import Trade

REPORT = "<!DOCTYPE html><html><body><script>draw()</script></body></html>"


class FakeBacktests:
    """A queue whose workers are the tests."""

    def __init__(self, waiting: int = 3) -> None:
        self._waiting = waiting
        self._jobs: dict[str, BacktestJob] = {}

    async def submit(self, request: BacktestRequest, *, actor: str) -> BacktestJob:
        if request.strategy != "ema":
            raise ConfigError(f"unknown strategy {request.strategy!r}; known are: ema")
        if sum(job.state == "queued" for job in self._jobs.values()) >= self._waiting:
            raise QueueFull(f"{self._waiting} backtests wait already; try again when some are done, or cancel some")
        number = len(self._jobs)
        job = BacktestJob(id=f"{number:016x}", request=request, submitted_by=actor, ts_submitted=NOON + number * NS)
        self._jobs[job.id] = job
        return job

    def jobs(self) -> Sequence[BacktestJob]:
        return list(reversed(self._jobs.values()))

    def job(self, job_id: str) -> BacktestJob:
        if job_id not in self._jobs:
            raise NotFound(f"There is no backtest {job_id!r}.")
        return self._jobs[job_id]

    async def trades(self, job_id: str, *, offset: int, limit: int) -> Sequence[Trade]:
        self._done(job_id)
        return [a_trade(number) for number in range(3)][offset : offset + limit]

    async def equity(self, job_id: str) -> Sequence[tuple[int, float]]:
        self._done(job_id)
        return [(NOON, 100_000.0), (NOON + NS, 100_020.5)]

    async def report(self, job_id: str) -> bytes:
        self._done(job_id)
        return gzip.compress(REPORT.encode())

    async def remove(self, job_id: str) -> BacktestJob | None:
        if self.job(job_id).is_over:
            del self._jobs[job_id]
            return None
        return self.move(job_id, state="canceled", ts_ended=NOON)

    def move(self, job_id: str, **changes: Any) -> BacktestJob:
        """What a worker does to a job."""
        self._jobs[job_id] = msgspec.structs.replace(self._jobs[job_id], **changes)
        return self._jobs[job_id]

    def finish(self, job_id: str, net_pnl: str = "1E+2", **changes: Any) -> BacktestJob:
        stats: dict[str, Figure] = {"trades": 3, "net_pnl": Decimal(net_pnl), "sharpe": 1.25, "profit_factor": None}
        outcome = BacktestOutcome(
            stats=stats,
            digest="d1",
            bars=40,
            orders=6,
            fills=6,
            trades=3,
            denials=0,
            late=0,
            out_of_session=2,
            left_out=1,
            open_quantity=Decimal(-1),
        )
        return self.move(job_id, state="done", progress=1.0, outcome=outcome, ts_started=NOON, ts_ended=NOON + 5 * NS, **changes)

    def _done(self, job_id: str) -> None:
        if self.job(job_id).state != "done":
            raise Refused([f"Backtest {job_id} is {self.job(job_id).state}; only one that is done has results."])
