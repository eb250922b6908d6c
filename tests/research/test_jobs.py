"""The queue of backtests over real worker processes: results, failures, cancelling, bounds, restarts."""

import gzip
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from tests.builders import bar
from tests.research.backtest_data import MONDAY, SECOND, request, wave

from fortified.backtests_port import BacktestJob, BacktestRequest, QueueFull
from fortified.clock import SystemClock
from fortified.domain.errors import ConfigError, NotFound, Refused
from fortified.engine.fills import FillModel
from fortified.ports import StreamRef
from fortified.registry import Registry, load_file
from fortified.research.data import load
from fortified.research.jobs.files import Archive, JobFiles
from fortified.research.jobs.queue import STOPPED, WORKER, BacktestQueue, QueueOptions
from fortified.research.jobs.request import check_file, run_options, strategy_of
from fortified.research.run import Backtest
from fortified.storage.memory import MemoryStore

pytestmark = pytest.mark.anyio

HOLD = "import sys; sys.stdin.read()"
"""A worker that does nothing until the server ends."""

FAILS = """
from fortified.strategies.base import BaseStrategy


class Fails(BaseStrategy):
    name = "fails"

    def warmup_periods(self):
        return 1

    def on_new_bar(self, bar, current_position):
        print("a strategy may print")
        return 1 / (bar.close - bar.close)
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return wave(tmp_path / "data" / "wave.parquet").parent


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "backtests"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def queue_of(root: Path, data_dir: Path, store: MemoryStore) -> Callable[..., Any]:
    """Opens a queue; ``worker`` is Python text that is run instead of the worker."""

    @asynccontextmanager
    async def open_queue(worker: str | None = None, registry: Registry | None = None, **options: Any) -> AsyncIterator[BacktestQueue]:
        command = WORKER if worker is None else (sys.executable, "-c", worker)
        given = QueueOptions(root=root, data_dir=data_dir, command=command, **options)
        async with BacktestQueue(given, registry or Registry(), store.history, SystemClock()).running() as queue:
            yield queue

    return open_queue


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait at most half a minute."""
    for _ in range(6_000):
        if condition():
            return
        await anyio.sleep(0.005)
    pytest.fail(f"{what}: not within half a minute")


def kept_in(root: Path) -> set[str]:
    """The names of the directories there."""
    return {path.name for path in root.iterdir() if path.is_dir()}


async def over(queue: BacktestQueue, job: BacktestJob) -> BacktestJob:
    await until(lambda: queue.job(job.id).is_over, f"{job.id} is over")
    return queue.job(job.id)


async def held(queue: BacktestQueue, job: BacktestJob) -> int:
    """The pid of its worker, once it has one."""
    await until(lambda: queue.job(job.id).pid is not None, f"{job.id} has a worker")
    pid = queue.job(job.id).pid
    assert pid is not None
    return pid


# --- results ---


async def test_it_does_what_the_command_line_does(queue_of: Any, data_dir: Path) -> None:
    async with queue_of() as queue:
        job = await over(queue, await queue.submit(request(), actor="me@example.com"))
        assert (job.state, job.progress, job.error, job.pid, job.submitted_by) == ("done", 1.0, None, None, "me@example.com")
        assert job.ts_submitted <= job.ts_started <= job.ts_ended
        options = msgspec.structs.replace(run_options(request(), Path()), files=(data_dir / "wave.parquet",))
        result = Backtest(options, load(options, lambda report: None), strategy_of(request(), Registry())).run()
        own = result.summary()
        assert job.outcome is not None
        assert job.outcome.stats == msgspec.structs.asdict(result.stats)
        assert (job.outcome.digest, job.outcome.bars, job.outcome.orders) == (own.digest, own.bars, own.orders)
        assert (job.outcome.fills, job.outcome.trades, job.outcome.open_quantity) == (len(own.fills), len(own.trades), own.open_quantity)
        assert len(own.trades) > 10
        assert list(await queue.trades(job.id, offset=0, limit=1000)) == list(own.trades)
        assert list(await queue.trades(job.id, offset=3, limit=2)) == list(own.trades[3:5])
        equity = await queue.equity(job.id)
        assert equity == list(zip(result.equity.ts_ns.tolist(), result.equity.value.tolist(), strict=True))
        assert "</html>" in gzip.decompress(await queue.report(job.id)).decode()


async def test_every_option_reaches_the_run(queue_of: Any, data_dir: Path) -> None:
    ticks = wave(data_dir / "wave.parquet")
    wanted = request(
        **{"fill": "last", "slippage_ticks": 2, "latency_ms": 1.5, "stop_loss": "8ticks", "take_profit": "12ticks", "sizing": "50%"},
        **{"cash": Decimal(2_000_000), "warmup": 9, "calendar": "24/7", "flatten_at_end": True, "tick_size": Decimal("0.5")},
        **{"start_ns": MONDAY + 100 * SECOND, "end_ns": MONDAY + 1500 * SECOND, "strict": True, "quantity": Decimal(3)},
    )
    options = msgspec.structs.replace(run_options(wanted, Path()), files=(ticks,))
    assert (options.fills, options.cash, options.warmup) == (FillModel("last", 2, 1_500_000), Decimal(2_000_000), 9)
    own = Backtest(options, load(options, lambda report: None), strategy_of(wanted, Registry())).run()
    async with queue_of() as queue:
        job = await over(queue, await queue.submit(wanted, actor="me"))
        assert job.error is None
        assert job.outcome is not None
        assert (job.outcome.digest, job.outcome.stats) == (own.digest, msgspec.structs.asdict(own.stats))
        assert job.outcome.bars < 200


async def test_a_long_equity_is_thinned_and_keeps_its_extremes(queue_of: Any, data_dir: Path) -> None:
    wave(data_dir / "wave.parquet", 60_000)
    async with queue_of() as queue:
        job = await over(queue, await queue.submit(request(timeframe="5t"), actor="me"))
        assert job.error is None
        assert job.outcome is not None
        points = await queue.equity(job.id)
        assert job.outcome.bars > 10_000
        assert 1_000 < len(points) <= 5_000
        peak, fall = 100_000.0, 0.0
        for _, value in points:
            peak = max(peak, value)
            fall = max(fall, peak - value)
        assert fall == pytest.approx(float(str(job.outcome.stats["equity_drawdown"])))
        assert fall > 0


async def test_stored_bars(queue_of: Any, root: Path, store: MemoryStore) -> None:
    bars = [bar(number, 20_000.0 + abs(number % 40 - 20)) for number in range(300)]
    await store.history.add(StreamRef("/NQ", "1"), bars)
    wanted = request(files=(), stored=True, timeframe="1min")
    async with queue_of() as queue:
        job = await over(queue, await queue.submit(wanted, actor="me"))
        assert job.error is None
        assert job.outcome is not None
        assert (job.outcome.bars, job.outcome.trades > 3) == (300, True)
        assert not JobFiles(root / job.id).stored_bars.exists()
        part = await queue.submit(msgspec.structs.replace(wanted, end_ns=bars[100].ts_open), actor="me")
        assert (outcome := (await over(queue, part)).outcome) is not None
        assert outcome.bars == 100
        with pytest.raises(ConfigError, match="no bars of SPY 1 are stored"):
            await queue.submit(msgspec.structs.replace(wanted, symbol="SPY"), actor="me")


async def test_at_once_as_many_as_there_are_workers_and_then_in_their_order(queue_of: Any) -> None:
    async with queue_of(HOLD, workers=2) as queue:
        jobs = [await queue.submit(request(), actor="me") for _ in range(4)]
        pids = [await held(queue, job) for job in jobs[:2]]
        assert len(set(pids)) == 2
        assert [queue.job(job.id).state for job in jobs] == ["running", "running", "queued", "queued"]
        assert [job.id for job in queue.jobs()] == [job.id for job in reversed(jobs)]
        os.kill(pids[0], 9)
        await held(queue, jobs[2])
        assert [queue.job(job.id).state for job in jobs] == ["failed", "running", "running", "queued"]


# --- what cannot be ---


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"symbol": "/QQQQ"}, "/QQQQ"),
        ({"symbol": "!"}, "'!' is not a symbol"),
        ({"timeframe": "7x"}, "'7x' is not a timeframe"),
        ({"strategy": "emu"}, "unknown strategy 'emu'; known are: ema"),
        ({"strategy": "evil.py"}, "'evil.py' is a file; here only registered ones run: ema"),
        ({"strategy": "/etc/evil"}, "'/etc/evil' is a file"),
        ({"params": {"perios": "1"}}, "no parameter 'perios'"),
        ({"params": {"period_1": "x"}}, "period_1"),
        ({"quantity": Decimal(0)}, "quantity 0 is not possible"),
        ({"quantity": Decimal("1.5")}, "give a whole number above 0"),
        ({"fee": "much"}, "much"),
        ({"calendar": "MOON"}, "MOON"),
        ({"stop_loss": "5 miles"}, "stop_loss: distance '5 miles' is not understood"),
        ({"sizing": "200%"}, "sizing '200%' is not understood"),
        ({"bars_timeframe": "0t"}, "0t"),
        ({"files": ()}, "either files, or stored: true"),
        ({"stored": True}, "either files, or stored: true"),
    ],
)
async def test_it_is_refused_in_words_before_it_is_queued(queue_of: Any, root: Path, changes: dict[str, Any], words: str) -> None:
    async with queue_of() as queue:
        with pytest.raises(ConfigError) as error:
            await queue.submit(request(**changes), actor="me")
        assert words in str(error.value)
        assert not isinstance(error.value, NotFound)
        assert queue.jobs() == []
        assert kept_in(root) == set()


@pytest.fixture
def escapes(tmp_path: Path, data_dir: Path) -> Path:
    """The data directory, with links that lead out of it and links that do not."""
    outside = wave(tmp_path / "outside" / "secret.parquet")
    (data_dir / "link.parquet").symlink_to(outside)
    (data_dir / "linked").symlink_to(outside.parent)
    (data_dir / "days").mkdir()
    (data_dir / "days" / "1.parquet").symlink_to(outside)
    (data_dir / "deep" / "er").mkdir(parents=True)
    (data_dir / "deep" / "there").symlink_to(data_dir / "days")
    (data_dir / "loop").symlink_to(data_dir / "loop")
    (data_dir / "good").mkdir()
    (data_dir / "good" / "1.parquet").symlink_to(data_dir / "wave.parquet")
    (data_dir / "good" / "round").symlink_to(data_dir / "good")
    return data_dir


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "/etc/passwd", "../outside/secret.parquet", "good/../../outside/secret.parquet", "good/../wave.parquet"),
        *("link.parquet", "linked", "linked/secret.parquet", "days", "deep", "loop", "missing.parquet", "nul\0", "x" * 5000),
    ],
)
def test_no_name_leads_out_of_the_data_directory(escapes: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="the data directory of backtests") as error:
        check_file(escapes, name)
    assert str(escapes) not in str(error.value)


@pytest.mark.parametrize("name", ["wave.parquet", "good", "good/1.parquet", "./wave.parquet"])
def test_links_within_the_data_directory_are_fine(escapes: Path, name: str) -> None:
    check_file(escapes, name)


def test_a_strategy_is_a_name_even_where_a_file_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ema").write_text(FAILS)
    monkeypatch.chdir(tmp_path)
    assert strategy_of(request(), Registry()).__module__ == "fortified.strategies.ema_crossover"


async def test_no_more_wait_than_may(queue_of: Any) -> None:
    async with queue_of(HOLD, waiting=2) as queue:
        first = await queue.submit(request(), actor="me")
        await held(queue, first)
        waiting = [await queue.submit(request(), actor="me") for _ in range(2)]
        with pytest.raises(QueueFull, match="2 backtests wait already"):
            await queue.submit(request(), actor="me")
        await queue.remove(waiting[0].id)
        assert (await queue.submit(request(), actor="me")).state == "queued"


# --- failures ---


async def test_a_strategy_that_raises_is_named_with_its_line(queue_of: Any, tmp_path: Path) -> None:
    file = tmp_path / "fails.py"
    file.write_text(FAILS)
    worker = (
        f"import sys; from pathlib import Path; from fortified.registry import Registry, load_file; "
        f"from fortified.research.jobs.worker import work; registry = Registry(); registry.register(load_file(Path({str(file)!r}))); "
        f"work(Path(sys.argv[1]), Path(sys.argv[2]), registry)"
    )
    registry = Registry()
    registry.register(load_file(file))
    async with queue_of(worker, registry=registry) as queue:
        job = await over(queue, await queue.submit(request(strategy="fails", params={}), actor="me"))
        assert job.state == "failed"
        assert job.error is not None
        line = FAILS.splitlines().index("        return 1 / (bar.close - bar.close)") + 1
        assert "strategy 'fails' failed on" in job.error
        assert f"{file}, line {line}: ZeroDivisionError" in job.error
        assert "Traceback" not in job.error
        with pytest.raises(Refused, match="is failed; only one that is done has results"):
            await queue.report(job.id)


async def test_a_file_that_cannot_be_used_is_named_without_its_place(queue_of: Any, data_dir: Path) -> None:
    (data_dir / "torn.parquet").write_bytes(b"PAR1 and nothing more")
    async with queue_of() as queue:
        job = await over(queue, await queue.submit(request(files=("torn.parquet",)), actor="me"))
        assert job.state == "failed"
        assert job.error is not None
        assert job.error.startswith("torn.parquet ")
        assert str(data_dir) not in job.error


@pytest.mark.parametrize(
    ("worker", "words"),
    [
        ("import sys; sys.exit('out of cheese')", "exit code 1; its last words: out of cheese"),
        ("import os; os._exit(3)", "exit code 3; it said nothing"),
        ("import os; os.abort()", "was ended by SIGABRT; it said nothing"),
        ("print('{\"progress\": 0.5}')", "exit code 0; it said nothing"),
        ("print('{\"done\": true}')", "the worker process left no result"),
        ("print('{\"fai')", "exit code 0"),
        ('print(\'{"failed": "no luck"}\')', "no luck"),
    ],
)
async def test_a_worker_that_ends_says_how(queue_of: Any, worker: str, words: str) -> None:
    async with queue_of(worker) as queue:
        job = await over(queue, await queue.submit(request(), actor="me"))
        assert job.state == "failed"
        assert words in str(job.error)


async def test_a_worker_that_is_killed(queue_of: Any) -> None:
    async with queue_of(HOLD) as queue:
        job = await queue.submit(request(), actor="me")
        pid = await held(queue, job)
        os.kill(pid, 9)
        job = await over(queue, job)
        assert job.state == "failed"
        assert f"the worker process {pid} was ended by SIGKILL (somebody ended it, or the machine ran out of memory" in str(job.error)


async def test_a_worker_that_cannot_be_started(root: Path, data_dir: Path, store: MemoryStore) -> None:
    options = QueueOptions(root=root, data_dir=data_dir, command=(str(root / "nothing"),))
    async with BacktestQueue(options, Registry(), store.history, SystemClock()).running() as queue:
        job = await over(queue, await queue.submit(request(), actor="me"))
        assert (job.state, job.error) == ("failed", "a worker process cannot be started: No such file or directory")


# --- cancelling and deleting ---


async def test_what_runs_is_ended_and_what_waits_never_begins(queue_of: Any, root: Path) -> None:
    async with queue_of(HOLD) as queue:
        first, second = [await queue.submit(request(), actor="me") for _ in range(2)]
        pid = await held(queue, first)
        assert (await queue.remove(second.id)).state == "canceled"
        assert (await queue.remove(first.id)).state == "canceled"
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert JobFiles(root / first.id).read_job().state == "canceled"
        assert await queue.remove(first.id) is None
        assert not (root / first.id).exists()
        with pytest.raises(NotFound, match=first.id):
            await queue.remove(first.id)


async def test_one_that_is_just_starting_is_ended_too(queue_of: Any) -> None:
    async with queue_of(HOLD) as queue:
        job = await queue.submit(request(), actor="me")
        assert job.state == "running"
        assert (await queue.remove(job.id)).state == "canceled"


async def test_the_newest_are_kept(queue_of: Any, root: Path) -> None:
    async with queue_of('print(\'{"failed": "no luck"}\')', kept=2) as queue:
        jobs = [await over(queue, await queue.submit(request(), actor="me")) for _ in range(4)]
        kept = {job.id for job in jobs[2:]}
        await until(lambda: {job.id for job in queue.jobs()} == kept, "the oldest are gone")
        await until(lambda: kept_in(root) == kept, "their files too")


# --- restarts ---


async def test_a_restart_keeps_what_is_done_fails_what_ran_and_goes_on_with_what_waited(queue_of: Any) -> None:
    async with queue_of() as queue:
        done = await over(queue, await queue.submit(request(), actor="me"))
    async with queue_of(HOLD) as queue:
        ran, waited = [await queue.submit(request(), actor="me") for _ in range(2)]
        pid = await held(queue, ran)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    async with queue_of() as queue:
        assert queue.job(done.id) == done
        assert len(await queue.trades(done.id, offset=0, limit=5)) == 5
        assert (queue.job(ran.id).state, queue.job(ran.id).error) == ("failed", STOPPED)
        went_on = await over(queue, waited)
        assert went_on.state == "done"
        assert went_on.outcome == done.outcome
        assert [job.id for job in queue.jobs()] == [waited.id, ran.id, done.id]


async def test_what_a_dead_server_left_behind(queue_of: Any, root: Path) -> None:
    ran = BacktestJob(id="0" * 16, request=request(), submitted_by="me", ts_submitted=1, state="running", pid=1, progress=0.5)
    JobFiles(root / ran.id).write_job(ran)
    (root / ("1" * 16)).mkdir()
    (root / ("2" * 16)).mkdir()
    (root / ("2" * 16) / "job.json").write_text("{")
    (root / "notes").mkdir()
    async with queue_of() as queue:
        assert [(job.id, job.state, job.error, job.pid) for job in queue.jobs()] == [(ran.id, "failed", STOPPED, None)]
        assert kept_in(root) == {"0" * 16, "2" * 16, "notes"}


async def test_a_second_server_leaves_them_alone(queue_of: Any) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(queue_of(HOLD))
        job = await first.submit(request(), actor="me")
        second = await stack.enter_async_context(queue_of(HOLD))
        for ask in (second.jobs, lambda: second.job(job.id)):
            with pytest.raises(Refused, match="run by another server"):
                ask()
        with pytest.raises(Refused, match="run by another server"):
            await second.submit(request(), actor="me")
        assert first.job(job.id).state == "running"


async def test_a_directory_that_cannot_be_written_is_named(data_dir: Path, store: MemoryStore) -> None:
    below_a_file = data_dir / "wave.parquet" / "backtests"
    options = QueueOptions(root=below_a_file, data_dir=data_dir)
    async with BacktestQueue(options, Registry(), store.history, SystemClock()).running() as queue:
        with pytest.raises(Refused, match=f"{below_a_file} cannot be used"):
            queue.jobs()


def test_a_deletion_that_was_cut_off_is_finished(root: Path) -> None:
    files = JobFiles(root / ("a" * 16))
    files.write_job(BacktestJob(id="a" * 16, request=request(), submitted_by="me", ts_submitted=1))
    (files.directory / "job.json").unlink()
    (files.directory / "result.json").write_text("{}")
    assert Archive(root, root).load() == ([], [])
    assert not files.directory.exists()


def test_a_request_survives_its_file(root: Path) -> None:
    wanted: BacktestRequest = request(tick_size=Decimal("0.25"), end_ns=5, stop_loss="20ticks", stored=True)
    job = BacktestJob(id="a" * 16, request=wanted, submitted_by="me", ts_submitted=1)
    files = JobFiles(root / job.id)
    files.write_job(job)
    assert files.read_job() == job
