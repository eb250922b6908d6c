"""`python -m fortified.research.jobs.worker [PLUGINS] JOB DATA`: one backtest in a process of its own, of low priority.

Owns what such a process does: read the job's request, run it, write its results, tell how far it is. The state of the job is the
server's. It never outlives the server.
"""

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec

from fortified.adapters.tables import FileReport
from fortified.backtests_port import BacktestOutcome
from fortified.domain.errors import FortifiedError
from fortified.registry import Registry
from fortified.research.data import load
from fortified.research.jobs.files import Equity, JobFiles
from fortified.research.jobs.process import Said
from fortified.research.jobs.request import check_request, run_options, strategy_of
from fortified.research.report.backtest import backtest_report
from fortified.research.report.thinning import extremes
from fortified.research.result import BacktestResult
from fortified.research.run import Backtest

NICE = 10
MAX_POINTS = 5_000
_EVERY_S = 0.1
_MAX_TEXT = 2_000
_RUN_SHARE = 0.95
"""What of the progress is the run itself; the rest is writing the results."""

Say = Callable[[Said], None]


def work(job_dir: Path, data_dir: Path, registry: Registry) -> None:
    """Do the job in ``job_dir``; what is said goes to standard output, what the strategy prints to standard error."""
    say = _take_output()
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    os.nice(NICE)
    os.chdir(data_dir)  # names of files are relative to it, and so they are in messages
    try:
        _run(JobFiles(job_dir), data_dir, registry, say)
    except FortifiedError as error:
        say(Said(failed=str(error)[:_MAX_TEXT]))
    except MemoryError:
        say(Said(failed="the run needs more memory than there is; use less data: fewer files, or start and end"))
    except Exception as error:  # a bug must not show its inside to users
        traceback.print_exc()
        say(Said(failed=f"the backtest ended by an error of Fortified itself: {type(error).__name__}: {error}"[:_MAX_TEXT]))
    else:
        say(Said(progress=1.0, done=True))


def _run(files: JobFiles, data_dir: Path, registry: Registry, say: Say) -> None:
    request = files.read_job().request
    check_request(request, registry, data_dir)
    options, left_out = run_options(request, files.stored_bars), 0

    def report(found: FileReport) -> None:
        nonlocal left_out
        left_out += found.bad

    result = Backtest(options, load(options, report), strategy_of(request, registry)).run(progress=_Progress(say))
    files.write_results(_outcome(result, left_out), result.trades, _equity(result), backtest_report(result))


class _Progress:
    """Tells of progress now and then."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._next = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVERY_S
            self._say(Said(progress=_RUN_SHARE * done / max(total, 1)))


def _outcome(result: BacktestResult, left_out: int) -> BacktestOutcome:
    return BacktestOutcome(
        stats=msgspec.structs.asdict(result.stats),
        digest=result.digest,
        bars=len(result.bars),
        orders=result.orders,
        fills=len(result.fills),
        trades=len(result.trades),
        denials=len(result.denials),
        late=result.late,
        out_of_session=result.out_of_session,
        left_out=left_out,
        open_quantity=result.open_quantity,
    )


def _equity(result: BacktestResult) -> Equity:
    places = extremes(result.equity.value, MAX_POINTS)
    return Equity(result.equity.ts_ns[places].tolist(), result.equity.value[places].tolist())


def _take_output() -> Say:
    """The way to the server, which from now on is no one else's: what is printed goes to standard error."""
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def say(said: Said) -> None:
        channel.write(msgspec.json.encode(said) + b"\n")

    return say


def _end_with_the_server() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    *plugins_dir, job_dir, files_dir = map(Path, sys.argv[1:])
    work(job_dir, files_dir, Registry.discover(*plugins_dir) if plugins_dir else Registry())
