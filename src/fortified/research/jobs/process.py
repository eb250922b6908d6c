"""One worker process: started, listened to, ended.

Owns the conversation: the worker writes JSON lines to its standard output, keeps reading a standard input that never says anything, and
ends when that closes, however the server ends. What it prints besides is on its standard error, of which the last words are kept.
"""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

import fortified

_TAIL_BYTES = 4096
_LAST_WORDS = 300
_PACKAGES = Path(fortified.__file__).parents[1]


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a worker: how far it is (0 to 1), that it is done, or why it failed."""

    progress: float = 0.0
    done: bool = False
    failed: str = ""


_said = msgspec.json.Decoder(Said)


class WorkerProcess:
    """A running worker."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.last_words = ""
        """What it printed last; known when it has ended."""

    @classmethod
    async def start(cls, command: Sequence[str]) -> "WorkerProcess":
        """Start ``command``, in a session of its own, so that Ctrl-C at a terminal is the server's to handle. Raises OSError."""
        path = os.pathsep.join([str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = os.environ | {"PYTHONPATH": path}
        return cls(
            await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, start_new_session=True)
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    async def listen(self, on_progress: Callable[[float], None]) -> str | None:
        """Listen until it has ended: None when it is done, else why it failed."""
        last, self.last_words = await asyncio.gather(self._read_lines(on_progress), self._read_tail())
        code = await self._process.wait()
        if last.failed:
            return last.failed
        return None if last.done and code == 0 else _how_it_ended(self.pid, code, self.last_words)

    def kill(self) -> None:
        """End it now; ``listen`` returns."""
        if self._process.returncode is None:
            self._process.kill()

    async def _read_lines(self, on_progress: Callable[[float], None]) -> Said:
        assert self._process.stdout is not None
        last = Said()
        async for line in self._process.stdout:
            with contextlib.suppress(msgspec.DecodeError):  # it was killed in the middle of a line
                last = _said.decode(line)
                on_progress(last.progress)
        return last

    async def _read_tail(self) -> str:
        assert self._process.stderr is not None
        tail = b""
        while part := await self._process.stderr.read(_TAIL_BYTES):
            tail = (tail + part)[-_TAIL_BYTES:]
        return tail.decode(errors="replace")


def _how_it_ended(pid: int, code: int, tail: str) -> str:
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    words = f"its last words: {lines[-1][-_LAST_WORDS:]}" if lines else "it said nothing"
    if code >= 0:
        return f"the worker process {pid} ended with exit code {code}; {words}"
    advice = " (somebody ended it, or the machine ran out of memory: then use less data)" if code == -signal.SIGKILL else ""
    return f"the worker process {pid} was ended by {signal.Signals(-code).name}{advice}; {words}"
