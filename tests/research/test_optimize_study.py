"""Processes that join one study share its trials, on a real Redis, and survive that its owner leaves."""

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.research.optimize_stage import no_progress, optimization, options, own, start, walk

from fortified.domain.errors import ConfigError, StoreUnavailable
from fortified.research.optimize.adaptive import Shared
from fortified.research.optimize.study import RedisJournal

EVALUATED = "Path('evaluated').mkdir(exist_ok=True); Path(f'evaluated/{os.getpid()}-{self.params.a}-{self.params.b}').touch()"
UNTIL = "give_up = time.monotonic() + 40\n        while not (%s) and time.monotonic() < give_up: time.sleep(0.01)"
WORDS = ("--symbol", "/ES", "--timeframe", "10t", "--calendar", "24/7", "--strategy", "own.py", "--jobs", "1", "--json", "-")
SPACE = ("--method", "tpe", "--param", "a=1..30", "--param", "b=1..30")


def shared(url: str) -> Shared:
    return Shared(url, f"test-{uuid.uuid4().hex}", no_progress_is_made)


def no_progress_is_made() -> None:
    """Nobody brings this Redis back."""


def ended(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    out, err = process.communicate(timeout=50)
    assert process.returncode == 0, err.decode()
    result: dict[str, Any] = json.loads(out)
    return result


def params(result: dict[str, Any]) -> set[tuple[int, int]]:
    return {(point["params"]["a"], point["params"]["b"]) for point in result["points"]}


def test_two_processes_share_the_trials_of_a_study(tmp_path: Path, redis_url: str) -> None:
    both_are_here = UNTIL % "len({name.name.split('-')[0] for name in Path('evaluated').iterdir()}) > 1"
    own(tmp_path / "own.py", f"{EVALUATED}\n        {both_are_here}")
    walk(tmp_path / "t.parquet", 300)
    words = ("t.parquet", *WORDS, *SPACE, "--trials", "40", "--study", f"test-{uuid.uuid4().hex}")
    processes = [start(tmp_path, *words, REDIS_URL=redis_url) for _ in range(2)]
    results = [ended(process) for process in processes]
    evaluated = [path.name.split("-") for path in (tmp_path / "evaluated").iterdir()]
    points = {(int(a), int(b)) for _, a, b in evaluated}
    assert len({pid for pid, _, _ in evaluated}) == 2
    assert 40 <= len(points) <= 42
    assert max(len(params(result)) for result in results) >= 40
    assert all(params(result) <= points and len(params(result)) >= 39 for result in results)


def test_a_study_goes_on_where_it_was(tmp_path: Path, redis_url: str) -> None:
    run_options, study = options(walk(tmp_path / "t.parquet", 300), own(tmp_path / "own.py")), shared(redis_url)
    search: dict[str, Any] = {"params": {"a": "1..30", "b": "1..30"}, "method": "tpe", "shared": study}
    first = optimization(run_options, **search, trials=10).run(no_progress)
    told: list[tuple[int, int]] = []
    second = optimization(run_options, **search, trials=15).run(lambda done, total: told.append((done, total)))
    assert (len(first.points), len(second.points)) == (10, 15)
    assert all(point in second.points for point in first.points)
    assert told[-1] == (15, 15)
    third = optimization(run_options, **search, trials=15).run(no_progress)
    assert sorted(map(str, third.points)) == sorted(map(str, second.points))


def test_failures_are_shared_too(tmp_path: Path, redis_url: str) -> None:
    begin = "if self.params.a == 2: raise ValueError('two is too many')"
    run_options, study = options(walk(tmp_path / "t.parquet", 300), own(tmp_path / "own.py", begin)), shared(redis_url)
    search: dict[str, Any] = {"params": {"a": "1..3", "b": "1..2"}, "method": "tpe", "shared": study, "trials": 6}
    results = [optimization(run_options, **search).run(no_progress) for _ in range(2)]
    assert [len([point for point in result.points if point.error]) for result in results] == [2, 2]


def test_a_study_of_something_else_is_refused(tmp_path: Path, redis_url: str) -> None:
    run_options, study = options(walk(tmp_path / "t.parquet", 300)), shared(redis_url)
    search: dict[str, Any] = {"params": {"period_1": "2..5"}, "method": "tpe", "shared": study, "trials": 2}
    optimization(run_options, **search).run(no_progress)
    for changed, word in (
        (optimization(run_options, **(search | {"params": {"period_1": "2..6"}})), "space is"),
        (optimization(run_options, **(search | {"objective": "profit_factor"})), "objective is net_pnl there and profit_factor here"),
        (optimization(options(run_options.files[0], fee="0"), **search), "fee is 2.00/contract there and 0 here"),
    ):
        with pytest.raises(ConfigError, match=word):
            changed.run(no_progress)


def test_a_grid_is_not_shared(tmp_path: Path, redis_url: str) -> None:
    with pytest.raises(ConfigError, match="--method tpe or nsga2"):
        optimization(options(walk(tmp_path / "t.parquet", 300)), params={"period_1": "2..5"}, shared=shared(redis_url))


def test_who_joins_survives_the_owner_of_the_embedded_redis(tmp_path: Path) -> None:
    """The first process starts the server of the data directory and takes it along when it ends; the second one starts it again."""
    own(tmp_path / "own.py", f"Path('joined').touch()\n        {UNTIL % "Path('owner_left').exists()"}")
    own(tmp_path / "owner.py", UNTIL % "Path('joined').exists()")
    walk(tmp_path / "t.parquet", 300)
    owner_words = ("t.parquet", *(word if word != "own.py" else "owner.py" for word in WORDS), *SPACE)
    owner = start(tmp_path, *owner_words, "--trials", "2", "--study", "one")
    wait_for(tmp_path / "data" / "redis.json", owner)
    joined = start(tmp_path, "t.parquet", *WORDS, *SPACE, "--trials", "5", "--study", "two")
    assert len(ended(owner)["points"]) == 2
    (tmp_path / "owner_left").touch()
    assert len(ended(joined)["points"]) == 5


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()[1].decode()


def test_the_journal_is_bounded_and_repeats_nothing(redis_url: str) -> None:
    name = f"test-{uuid.uuid4().hex}"
    journal = RedisJournal(redis_url, name, no_progress_is_made)
    journal.append_logs([{"op_code": 1}, {"op_code": 2}])
    RedisJournal(redis_url, name, no_progress_is_made).append_logs([{"op_code": 3}])
    assert list(journal.read_logs(0)) == [{"op_code": 1}, {"op_code": 2}, {"op_code": 3}]
    assert list(journal.read_logs(2)) == [{"op_code": 3}]
    client = redis.Redis.from_url(redis_url)
    keys = list(client.scan_iter(f"study:{{{name}}}*"))
    assert all(0 < int(client.ttl(key)) <= 30 * 86_400 for key in keys)
    client.close()


def test_a_redis_that_stays_away_is_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("fortified.research.optimize.study.PATIENCE_S", 0.1)
    revived: list[bool] = []
    journal = RedisJournal(f"unix://{tmp_path}/none.sock", "test", lambda: revived.append(True))
    with pytest.raises(StoreUnavailable, match=r"Redis is away.*run the same command again to go on"):
        list(journal.read_logs(0))
    assert revived
