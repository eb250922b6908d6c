"""A Ray cluster finds what one process finds, also with a strategy of the user's own."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.research.optimize_stage import no_progress, optimization, options, own, walk

from fortified.domain.errors import ConfigError
from fortified.research.optimize.pool import WorkerError

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(180)]


@pytest.fixture
def cluster() -> Iterator[None]:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    ray = importlib.import_module("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=100_000_000,
            log_to_driver=False,
            logging_level="ERROR",
        )
        yield
        ray.shutdown()


def test_ray_finds_what_one_process_finds(cluster: None, tmp_path: Path) -> None:
    file = walk(tmp_path / "t.parquet")
    built_in = options(file)
    search = {"params": {"period_1": "2..5", "period_2": "6..12:2"}, "train": 0.6, "folds": 2}
    assert optimization(built_in, **search, jobs="ray").run(no_progress) == optimization(built_in, **search).run(no_progress)

    path = tmp_path / "own.py"
    of_the_user = options(file, own(path, "if self.params.a == 2: raise ValueError('two is too many')"))
    there = optimization(of_the_user, params={"a": "1..3", "b": "1..3"}, jobs="ray")
    here = optimization(of_the_user, params={"a": "1..3", "b": "1..3"}).run(no_progress)
    assert there.run(no_progress) == here

    own(path, "if self.params.a == 2: os._exit(7)")
    dying = optimization(of_the_user, params={"a": "1..3"}, jobs="ray")
    with pytest.raises(WorkerError, match="a Ray worker ended"):
        dying.run(no_progress)


def test_without_ray_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    search = optimization(options(walk(tmp_path / "t.parquet", 300)), params={"period_1": "2..5"}, jobs="ray")
    with pytest.raises(ConfigError, match=r"not installed; install fortified\[ray\], or use --jobs N"):
        search.run(no_progress)
