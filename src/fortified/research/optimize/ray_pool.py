"""Workers of a Ray cluster.

Owns how data and strategy reach other machines: put into Ray's object store once, opened once by each Ray process. Ray is optional and
slow to import: only making a pool imports it.
"""

import importlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from fortified.domain.errors import ConfigError, FortifiedError
from fortified.registry import Registry, split
from fortified.research.data import Data
from fortified.research.optimize.evaluate import Answer, Evaluator, Job
from fortified.research.optimize.pool import WorkerError
from fortified.research.optimize.space import Space
from fortified.runs import RunOptions
from fortified.strategies.base import BaseStrategy

NEEDED = "each machine of the cluster needs this version of fortified"
_opened: dict[str, tuple[Evaluator, str]] = {}
"""In a Ray process: the evaluator of the search it works for, and where its copy of the strategy lay."""


class Setup(msgspec.Struct, frozen=True):
    """What a Ray process needs. ``sources`` are the user's strategy file and its helpers, which other machines do not have."""

    options: RunOptions
    data: Data
    space: Space
    sources: dict[str, bytes]


class RayPool:
    """One slot per CPU of the cluster: that of RAY_ADDRESS, one that runs on this machine, or a new one of this process."""

    def __init__(self, options: RunOptions, data: Data, space: Space) -> None:
        self._ray: Any = _import()
        self._ours = not self._ray.is_initialized()
        if self._ours:
            self._connect()
        self._setup = self._ray.put(Setup(options, data, space, _sources(options.strategy)))
        self._task = self._ray.remote(num_cpus=1)(_evaluate)
        self._running: list[Any] = []
        self._search = uuid.uuid4().hex

    @property
    def slots(self) -> int:
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def run(self, jobs: Iterator[Job]) -> Iterator[Answer]:
        while True:
            slots = self.slots
            while len(self._running) < slots and (job := next(jobs, None)) is not None:
                self._running.append(self._task.remote(self._search, self._setup, job))
            if not self._running:
                return
            (done,), self._running = self._ray.wait(self._running, num_returns=1)
            yield self._get(done)

    def close(self) -> None:
        while self._running:
            self._ray.cancel(self._running.pop(), force=True)
        if self._ours and self._ray.is_initialized():
            self._ray.shutdown()

    def _connect(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
        try:
            self._ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise WorkerError(f"no Ray cluster can be reached or started: {error}; set RAY_ADDRESS, or use --jobs N") from None

    def _get(self, reference: Any) -> Answer:
        try:
            answer: Answer = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause
            raise WorkerError(str(cause) if isinstance(cause, FortifiedError) else f"a Ray worker failed: {cause!r}; {NEEDED}") from None
        except self._ray.exceptions.RayError as error:
            raise WorkerError(f"a Ray worker ended: {error}") from None
        return answer


def _import() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise ConfigError("--jobs ray needs Ray, which is not installed; install fortified[ray], or use --jobs N") from None


def _sources(strategy: str) -> dict[str, bytes]:
    file, _ = split(strategy)
    return {} if file is None else {path.name: path.read_bytes() for path in (file, *file.parent.glob("_*.py"))}


def _evaluate(search: str, setup: Setup, job: Job) -> Answer:
    """Runs in a Ray process."""
    if search not in _opened:
        _opened.clear()
        strategy, here = _load(setup)
        _opened[search] = Evaluator(setup.options, setup.data, strategy, setup.space), here
    evaluator, here = _opened[search]
    answer, there = evaluator.evaluate(job), str(split(setup.options.strategy)[0])
    named = {number: text.replace(here, there) for number, text in answer.failed.items()} if here else answer.failed
    return msgspec.structs.replace(answer, failed=named)


def _load(setup: Setup) -> tuple[type[BaseStrategy], str]:
    """The strategy, and the path of its copy, which a person does not know."""
    file, name = split(setup.options.strategy)
    if file is None:
        return Registry().resolve(name), ""
    with tempfile.TemporaryDirectory(prefix="fortified-strategy-") as directory:
        for source, content in setup.sources.items():
            (Path(directory) / source).write_bytes(content)
        path = Path(directory) / file.name
        return Registry().resolve(f"{path}:{name}" if name else str(path)), str(path)
