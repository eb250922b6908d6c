"""The queue of backtests of a server.

Owns the state of every backtest: what waits, what runs, what is kept, and that it is so after a restart. One process owns a directory of
backtests. Knows how a worker is started and ended, and nothing of what it does.
"""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import structlog

from fortified.backtests_port import BacktestJob, BacktestRequest, QueueFull
from fortified.domain.errors import ConfigError, FortifiedError, NotFound, Refused
from fortified.domain.market import Bar
from fortified.domain.trade import Trade
from fortified.ports import Clock, HistoryStore
from fortified.registry import Registry
from fortified.research.jobs.files import Archive
from fortified.research.jobs.process import WorkerProcess
from fortified.research.jobs.request import check_request, stored_ref
from fortified.storage.embedded_lock import FileLock

WAITING, KEPT = 100, 200
WORKER = (sys.executable, "-P", "-m", "fortified.research.jobs.worker")
STOPPED = "the server was stopped while it ran; submit it again"
_UNIQUE_BYTES = 8

_log = structlog.get_logger(__name__)


class QueueOptions(msgspec.Struct, frozen=True, kw_only=True):
    """``root`` holds the backtests, ``data_dir`` the files they may name; the newest ``kept`` that are over are kept."""

    root: Path
    data_dir: Path
    workers: int = 1
    waiting: int = WAITING
    kept: int = KEPT
    command: Sequence[str] = WORKER
    """What starts a worker; the directories of the job and of the data are added."""


class _Run:
    """A job that runs."""

    def __init__(self) -> None:
        self.worker: WorkerProcess | None = None
        self.task: asyncio.Task[None] | None = None
        self.canceled = False

    def cancel(self) -> None:
        self.canceled = True
        self.kill()

    def kill(self) -> None:
        if self.worker is not None:
            self.worker.kill()


class BacktestQueue:
    """Implements ``Backtests``."""

    def __init__(self, options: QueueOptions, registry: Registry, history: HistoryStore, clock: Clock) -> None:
        self._options, self._registry, self._history, self._clock = options, registry, history, clock
        self._archive = Archive(options.root, options.data_dir)
        self._jobs: dict[str, BacktestJob] = {}
        self._runs: dict[str, _Run] = {}
        self._entrance = asyncio.Lock()
        self._lock: FileLock | None = None
        self._why_not = "Backtests have not been started."

    @asynccontextmanager
    async def running(self) -> AsyncIterator["BacktestQueue"]:
        """Run what waits, and what is submitted, until the end of the block."""
        try:
            await self._open()
            yield self
        finally:
            await self._close()

    # --- what is asked of it ---

    async def submit(self, request: BacktestRequest, *, actor: str) -> BacktestJob:
        self._check_open()
        async with self._entrance:
            if sum(job.state == "queued" for job in self._jobs.values()) >= self._options.waiting:
                raise QueueFull(f"{self._options.waiting} backtests wait already; try again when some are done, or cancel some")
            await asyncio.to_thread(check_request, request, self._registry, self._options.data_dir)
            job = BacktestJob(id=secrets.token_hex(_UNIQUE_BYTES), request=request, submitted_by=actor, ts_submitted=self._clock.now_ns())
            await self._keep(job)
        self._start_more()
        return self._jobs[job.id]

    def jobs(self) -> Sequence[BacktestJob]:
        self._check_open()
        return list(reversed(self._jobs.values()))

    def job(self, job_id: str) -> BacktestJob:
        self._check_open()
        if job_id not in self._jobs:
            raise NotFound(f"There is no backtest {job_id!r}. GET /api/backtests lists those that are kept.")
        return self._jobs[job_id]

    async def trades(self, job_id: str, *, offset: int, limit: int) -> Sequence[Trade]:
        return await self._read(job_id, lambda: self._archive.of(job_id).trades(offset, limit))

    async def equity(self, job_id: str) -> Sequence[tuple[int, float]]:
        return await self._read(job_id, self._archive.of(job_id).equity)

    async def report(self, job_id: str) -> bytes:
        return await self._read(job_id, self._archive.of(job_id).report)

    async def remove(self, job_id: str) -> BacktestJob | None:
        async with self._entrance:
            job, run, files = self.job(job_id), self._runs.get(job_id), self._archive.of(job_id)
            if run is not None and run.task is not None:
                run.cancel()
                await asyncio.wait([run.task])
                return self._jobs.get(job_id)
            if job.state == "queued":
                job = await self._change(job_id, state="canceled", ts_ended=self._clock.now_ns())
                await asyncio.to_thread(files.drop_input)
                return job
            del self._jobs[job_id]
            await asyncio.to_thread(files.delete)
            return None

    async def _read[T](self, job_id: str, read: Callable[[], T]) -> T:
        job = self.job(job_id)
        if job.state != "done":
            raise Refused([f"Backtest {job_id} is {job.state}; only one that is done has results."])
        try:
            return await asyncio.to_thread(read)
        except FileNotFoundError:  # deleted meanwhile
            raise NotFound(f"Backtest {job_id!r} has no such result any more. GET /api/backtests lists those that are kept.") from None

    # --- running ---

    def _start_more(self) -> None:
        """Start what waits longest, while there is a free worker."""
        waiting = (job.id for job in list(self._jobs.values()) if job.state == "queued")
        for job_id in waiting:
            if len(self._runs) >= self._options.workers or self._why_not:
                return
            run = self._runs[job_id] = _Run()
            self._jobs[job_id] = msgspec.structs.replace(self._jobs[job_id], state="running", ts_started=self._clock.now_ns())
            run.task = asyncio.create_task(self._run(job_id, run))

    async def _run(self, job_id: str, run: _Run) -> None:
        files = self._archive.of(job_id)
        try:
            error = await self._work(job_id, run)
            outcome = await asyncio.to_thread(files.outcome) if error is None else None
            await asyncio.to_thread(files.drop_input)
            ended: dict[str, Any] = {"ts_ended": self._clock.now_ns(), "pid": None}
            if outcome is not None:
                await self._change(job_id, state="done", progress=1.0, outcome=outcome, **ended)
            elif run.canceled:
                await self._change(job_id, state="canceled", **ended)
            else:
                why = STOPPED if self._why_not else error or "the worker process left no result"
                _log.warning("backtest failed", id=job_id, reason=why, last_words=run.worker.last_words if run.worker else "")
                await self._change(job_id, state="failed", error=why, **ended)
        except (OSError, msgspec.MsgspecError) as failure:  # the disk is full, or somebody was at the files
            _log.error("a backtest cannot be kept", id=job_id, reason=str(failure))
            why = f"its files cannot be written or read: {failure}"
            self._jobs[job_id] = msgspec.structs.replace(self._jobs[job_id], state="failed", error=why, pid=None)
        finally:
            del self._runs[job_id]
            self._start_more()
        await self._forget_old()

    async def _work(self, job_id: str, run: _Run) -> str | None:
        """Run the worker to its end: None, or why it failed."""
        command = [*self._options.command, str(self._archive.of(job_id).directory), str(self._options.data_dir)]
        try:
            run.worker = await WorkerProcess.start(command)
        except OSError as error:
            return f"a worker process cannot be started: {error.strerror}"
        if run.canceled or self._why_not:
            run.kill()
        await self._change(job_id, pid=run.worker.pid)

        def progress(share: float) -> None:
            job = self._jobs[job_id]
            self._jobs[job_id] = msgspec.structs.replace(job, progress=max(share, job.progress))

        return await run.worker.listen(progress)

    # --- keeping ---

    async def _keep(self, job: BacktestJob) -> None:
        """From now on it is known and survives."""
        files = self._archive.of(job.id)
        bars = await self._stored_bars(job.request) if job.request.stored else ()
        try:
            if bars:
                await asyncio.to_thread(files.write_stored_bars, bars)
            await asyncio.to_thread(files.write_job, job)
        except OSError as error:
            raise Refused([f"Backtests cannot be kept: {self._options.root}: {error.strerror}. Make room or mend it."]) from None
        self._jobs[job.id] = job

    async def _stored_bars(self, request: BacktestRequest) -> Sequence[Bar]:
        ref = stored_ref(request)
        bars = await self._history.bars(ref, start_ns=request.start_ns, end_ns=request.end_ns)
        if not bars:
            raise ConfigError(f"no bars of {ref.symbol} {ref.timeframe} are stored in that time; GET /api/charts lists what is aggregated")
        return bars

    async def _change(self, job_id: str, **changes: Any) -> BacktestJob:
        job = self._jobs[job_id] = msgspec.structs.replace(self._jobs[job_id], **changes)
        await asyncio.to_thread(self._archive.of(job_id).write_job, job)
        return job

    async def _forget_old(self) -> None:
        over = [job.id for job in self._jobs.values() if job.is_over]
        for job_id in over[: -self._options.kept]:
            self._jobs.pop(job_id, None)
            await asyncio.to_thread(self._archive.of(job_id).delete)

    # --- life ---

    def _check_open(self) -> None:
        if self._why_not:
            raise Refused([self._why_not])

    async def _open(self) -> None:
        """Begin where the last server stopped. A server without backtests is one still: they say why they are off."""
        try:
            self._lock = await asyncio.to_thread(self._archive.take)
            await self._restore()
            self._why_not = ""
        except FortifiedError as error:
            self._why_not = f"Backtests are off: {error}"
        except OSError as error:
            self._why_not = f"Backtests are off: {error.filename} cannot be used ({error.strerror}). Mend that and start the server again."
        if self._why_not:
            _log.warning("backtests are off", reason=self._why_not)
        self._start_more()

    async def _restore(self) -> None:
        jobs, unreadable = await asyncio.to_thread(self._archive.load)
        self._jobs = {job.id: job for job in jobs}
        for job_id in unreadable:
            _log.warning("a kept backtest cannot be read and is left out", id=job_id)
        for job in jobs:
            if job.state == "running":
                await self._change(job.id, state="failed", error=STOPPED, pid=None, ts_ended=self._clock.now_ns())
        await self._forget_old()

    async def _close(self) -> None:
        """End the workers; what waits goes on at the next start."""
        self._why_not = "The server ends."
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        for run in self._runs.values():
            run.kill()
        if tasks:
            await asyncio.wait(tasks)
        if self._lock is not None:
            self._lock.close()
