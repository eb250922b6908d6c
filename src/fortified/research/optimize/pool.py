"""Worker processes on this machine.

Owns their life: they are started once, take the data from a shared file, end when the parent ends, and are killed at once when it
says so. Knows jobs and answers, not what is in them.
"""

import contextlib
import multiprocessing
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from fortified.domain.errors import FortifiedError
from fortified.registry import Registry
from fortified.research.data import Data
from fortified.research.optimize.evaluate import Answer, Evaluator, Job
from fortified.research.optimize.handover import Handover, Parcel
from fortified.research.optimize.space import Space
from fortified.runs import RunOptions


class WorkerError(FortifiedError):
    """A worker could not begin, or ended by itself."""


class Worker(NamedTuple):
    """A process and our end of the pipe to it."""

    process: BaseProcess
    pipe: "Connection[Any, Any]"


class LocalPool:
    """``jobs`` processes of this machine. ``options.strategy`` names the strategy, which each process loads for itself."""

    def __init__(self, options: RunOptions, data: Data, space: Space, jobs: int) -> None:
        self._handover = Handover(data)
        self._beginning = jobs
        # Never a fork: threads of this process (data frames, progress) may hold locks that the child would wait for.
        context = multiprocessing.get_context("spawn")
        self._workers: list[Worker] = []
        try:
            for _ in range(jobs):
                ours, theirs = context.Pipe()
                process = context.Process(target=_work, args=(theirs, options, self._handover.parcel, space), daemon=True)
                _start(process)
                theirs.close()
                self._workers.append(Worker(process, ours))
        except BaseException:
            self.close()
            raise

    @property
    def slots(self) -> int:
        return len(self._workers)

    def run(self, jobs: Iterator[Job]) -> Iterator[Answer]:
        free, busy = list(self._workers), dict[Any, Worker]()
        while True:
            while free and (job := next(jobs, None)) is not None:
                worker = free.pop()
                _send(worker, job)
                busy[worker.pipe] = worker
            if not busy:
                return
            for pipe in wait(list(busy)):
                worker = busy[pipe]
                message = _receive(worker)
                if isinstance(message, str):
                    raise WorkerError(message)
                if message is None:
                    self._begun()
                    continue
                del busy[pipe]
                free.append(worker)
                yield message

    def close(self) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()
        self._handover.close()

    def _begun(self) -> None:
        self._beginning -= 1
        if not self._beginning:
            self._handover.close()


def _start(process: BaseProcess) -> None:
    """Ctrl-C reaches the whole group of processes. What is blocked here stays blocked in the worker, and the parent decides."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _send(worker: Worker, job: Job) -> None:
    try:
        worker.pipe.send(job)
    except OSError:
        raise _ended(worker) from None


def _receive(worker: Worker) -> Answer | str | None:
    try:
        message: Answer | str | None = worker.pipe.recv()
    except (EOFError, OSError):
        raise _ended(worker) from None
    return message


def _ended(worker: Worker) -> WorkerError:
    worker.process.join()
    code = worker.process.exitcode or 0
    if code == -signal.SIGKILL:
        how = "was killed by the system, most likely for want of memory; use fewer --jobs, or less data"
    elif code < 0:
        how = f"was ended by {signal.Signals(-code).name}; run it again, with --jobs 1 to see whether the strategy does that"
    else:
        how = f"ended with code {code}; run it again with --jobs 1 to see why"
    return WorkerError(f"worker process {worker.process.pid} {how}")


def _work(pipe: "Connection[Any, Any]", options: RunOptions, parcel: Parcel, space: Space) -> None:
    """The life of a worker: it says None when it has begun, then answers jobs until nobody is there. A text is its last word."""
    with contextlib.suppress(EOFError, OSError):
        try:
            evaluator = Evaluator(options, parcel.open(), Registry().resolve(options.strategy), space)
            pipe.send(None)
            while True:
                pipe.send(evaluator.evaluate(pipe.recv()))
        except EOFError:
            return
        except Exception as error:  # it must reach the person, not this process's traceback
            pipe.send(str(error) if isinstance(error, FortifiedError) else f"a worker failed: {type(error).__name__}: {error}")
