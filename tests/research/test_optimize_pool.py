"""Workers end when they should, and when one ends by itself that is told in words."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.research.optimize_stage import no_progress, no_report, optimization, options, own, walk

from fortified.adapters.tables import FileReport, TickTable
from fortified.domain.errors import DataError
from fortified.registry import Registry
from fortified.research.data import Data, load
from fortified.research.optimize.evaluate import Job
from fortified.research.optimize.folds import Span
from fortified.research.optimize.handover import Handover
from fortified.research.optimize.pool import LocalPool, WorkerError
from fortified.research.optimize.space import parse_space


def test_a_killed_worker_is_an_error_that_says_so(tmp_path: Path) -> None:
    strategy = own(tmp_path / "own.py", "if self.params.a == 3: os.kill(os.getpid(), signal.SIGKILL)")
    search = optimization(options(walk(tmp_path / "t.parquet"), strategy), params={"a": "1..6"}, jobs=2)
    with pytest.raises(WorkerError, match=r"worker process \d+ was killed by the system, most likely for want of memory"):
        search.run(no_progress)


def test_a_worker_that_leaves_is_an_error_that_says_so(tmp_path: Path) -> None:
    strategy = own(tmp_path / "own.py", "if self.params.a == 3: os._exit(7)")
    search = optimization(options(walk(tmp_path / "t.parquet"), strategy), params={"a": "1..6"}, jobs=2)
    with pytest.raises(WorkerError, match="ended with code 7; run it again with --jobs 1"):
        search.run(no_progress)


def test_a_worker_that_cannot_begin_says_why(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    run_options = options(walk(tmp_path / "t.parquet"), own(path))
    search = optimization(run_options, params={"a": "1..6"}, jobs=2)
    path.unlink()
    with pytest.raises(WorkerError, match=r"own\.py does not exist"):
        search.run(no_progress)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[LocalPool]:
    run_options = options(walk(tmp_path / "t.parquet"), own(tmp_path / "own.py", "time.sleep(3600) if self.params.a == 9 else None"))
    space = parse_space(Registry().resolve(run_options.strategy), {"a": "1..9"})
    made = LocalPool(run_options, load(run_options, no_report), space, 2)
    yield made
    made.close()


def test_close_ends_a_worker_in_the_middle_of_a_job(pool: LocalPool) -> None:
    span = Span(0, 299)
    answers = pool.run(iter([Job(span, (8,)), Job(span, (0,))]))
    assert next(answers).numbers == (0,)
    pids = [worker.process.pid for worker in pool._workers]
    pool.close()
    assert pool.slots == 0
    for pid in pids:
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_jobs_are_taken_only_when_somebody_is_free(pool: LocalPool) -> None:
    taken: list[int] = []

    def jobs() -> Iterator[Job]:
        for number in range(6):
            taken.append(number)
            yield Job(Span(0, 299), (number,))

    for done, _ in enumerate(pool.run(jobs()), start=1):
        assert len(taken) <= done + 2
    assert taken == list(range(6))


def columns(**more: Any) -> Data:
    fields: dict[str, Any] = {"ts_ns": np.arange(5), "price": np.arange(5) * 0.5, "size": np.ones(5), "bid": None, "ask": None}
    return Data(ticks=TickTable(**(fields | more), report=FileReport(5)))


def test_what_is_handed_over_arrives_and_outlives_the_file() -> None:
    data = columns(bid=np.arange(10.0)[::2])
    handover = Handover(data)
    arrived = handover.parcel.open().ticks
    handover.close()
    handover.close()
    assert not Path(handover.parcel.path).exists()
    assert arrived is not None
    assert data.ticks is not None
    assert arrived.ts_ns.tolist() == [0, 1, 2, 3, 4]
    assert arrived.bid is not None
    assert arrived.bid.tolist() == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert arrived.ask is None
    assert arrived.report == data.ticks.report
    assert not arrived.price.flags.writeable


def test_no_room_for_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fortified.research.optimize.handover._append", full)
    with pytest.raises(DataError, match="No space left on device; make room, set TMPDIR, or use --jobs 1"):
        Handover(columns())
