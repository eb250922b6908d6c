"""The other process of a check: plays the strategy over the rows it was given, and has nothing else.

Owns what is asked of it and what it tells. Started by ``elsewhere`` with the directory that holds both.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from fortified.domain.calendar import get_calendar
from fortified.domain.errors import FortifiedError
from fortified.domain.timeframe import Timeframe
from fortified.registry import Registry
from fortified.research.check.feed import Feed, of_columns
from fortified.research.check.recording import Answer, Player, Subject, record
from fortified.research.check.witness import Witness
from fortified.strategies.base import StrategyConfig

JOB: Final = "job.msgpack"
DATA: Final = "data.npz"
TESTIMONY: Final = "testimony.msgpack"


class Job(msgspec.Struct, frozen=True):
    """``strategy`` is a name or a path; ``watched`` are the files that hold what comes later."""

    strategy: str
    config: StrategyConfig
    warmup: int
    quantity: float
    calendar: str
    timeframes: Mapping[str, int]
    watched: tuple[str, ...]


class Testimony(msgspec.Struct, frozen=True):
    """What the strategy said, which watched files were opened meanwhile, and what else it used."""

    answers: tuple[Answer, ...] = ()
    opened: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    error: str = ""


def main(directory: Path) -> None:
    """Do the job in ``directory`` and write the testimony beside it."""
    job = msgspec.msgpack.decode((directory / JOB).read_bytes(), type=Job)
    with np.load(directory / DATA) as columns:
        feed = of_columns(job.config.symbol, Timeframe.parse(job.config.timeframe), get_calendar(job.calendar), dict(columns))
    testimony = _testify(job, feed)
    (directory / TESTIMONY).write_bytes(msgspec.msgpack.encode(testimony))


def _testify(job: Job, feed: Feed) -> Testimony:
    witness = Witness(map(Path, job.watched))
    try:
        strategy = Registry().resolve(job.strategy)
        answers = record(Player(Subject(strategy, job.config, job.warmup, job.quantity, job.calendar, job.timeframes)), feed.events())
    except FortifiedError as error:
        return Testimony(error=str(error))
    return Testimony(tuple(answers), tuple(witness.opened()), tuple(witness.others()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
