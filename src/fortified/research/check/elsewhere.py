"""What a strategy says in other processes: in other surroundings, and where what came later does not exist.

Owns how such a process is started. One has another order of hashes and another time zone, and tells what the strategy looked at; the
other is the same with only a part of the rows in its memory.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from fortified.research.check.child import DATA, JOB, TESTIMONY, Job, Testimony
from fortified.research.check.feed import Feed
from fortified.research.check.recording import Answer, first_difference
from fortified.research.check.verdict import Finding

_SOURCES = Path(__file__).parents[3]
_ZONE = "CHECK-13:17"
"""No place on earth is 13 hours and 17 minutes ahead of UTC."""


def ask(job: Job, feed: Feed, stop: int | None = None) -> Testimony:
    """What another process tells of the rows before ``stop``."""
    with TemporaryDirectory(prefix="fortified-check-") as name:
        directory = Path(name)
        (directory / JOB).write_bytes(msgspec.msgpack.encode(job))
        np.savez(directory / DATA, **feed.columns(stop))  # type: ignore[arg-type]  # its stub takes a column for the flag allow_pickle
        done = subprocess.run(  # noqa: S603  # our own module in our own interpreter
            [sys.executable, "-P", "-m", "fortified.research.check.child", name],
            env=_surroundings(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
        path = directory / TESTIMONY
        if not path.exists():
            last = done.stderr.strip().rpartition("\n")[2]
            return Testimony(error=f"the process ended with code {done.returncode}: {last or 'it said nothing'}")
        return msgspec.msgpack.decode(path.read_bytes(), type=Testimony)


def findings(job: Job, feed: Feed, expected: Sequence[Answer]) -> tuple[Finding, Finding, Finding]:
    """Of the surroundings, of what the strategy looked at, and of a process that holds three quarters of the rows."""
    whole = ask(job, feed)
    if whole.error:
        failed = Finding("surroundings", "failed", f"it does not run in another process: {whole.error}")
        return failed, _undecided("inputs"), _undecided("memory")
    stop = feed.rows * 3 // 4
    return _surroundings_finding(expected, whole), _inputs(whole), _memory(whole, ask(job, feed, stop), stop, feed.rows)


def _surroundings() -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(_SOURCES), os.environ.get("PYTHONPATH", ""))))
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    return dict(os.environ) | {"PYTHONPATH": path, "PYTHONHASHSEED": seed, "TZ": _ZONE}


def _surroundings_finding(expected: Sequence[Answer], whole: Testimony) -> Finding:
    found = first_difference(expected, whole.answers)
    if found is None:
        return Finding("surroundings", "ok", "another process with another hash seed and time zone gave the same answers")
    text = (
        "another process with another hash seed and time zone gave another answer. Sort sets before you walk them, do not use hash(), "
        "and turn stamps into hours and dates with a named time zone"
    )
    return Finding("surroundings", "failed", text, found)


def _inputs(whole: Testimony) -> Finding:
    if whole.opened:
        text = (
            f"{', '.join(whole.opened)} was opened while the strategy ran in a process that needed no file: it can read what comes later. "
            "(If another program read it just then, check again.)"
        )
        return Finding("inputs", "failed", text)
    if whole.others:
        return Finding("inputs", "warning", f"besides its bars it uses {', '.join(whole.others)}; nobody can check what it learns there")
    return Finding("inputs", "ok", "it opened no file and used nothing but its bars")


def _memory(whole: Testimony, part: Testimony, stop: int, rows: int) -> Finding:
    known = [answer for answer in whole.answers if answer.row < stop]
    found = None if part.error else first_difference(known, part.answers)
    if part.error or found is not None:
        text = f"a process that holds {stop} of {rows} rows gave another answer: it looks for what comes later in the memory of its process"
        return Finding("memory", "failed", f"{text}. {part.error}".strip(" ."), found)
    return Finding("memory", "ok", f"a process that holds {stop} of {rows} rows gave the same answers up to there")


def _undecided(check: str) -> Finding:
    return Finding(check, "undecided", "can be told when it runs in another process")
