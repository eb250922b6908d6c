"""The command line in this process: the same words, exit codes and streams as in a shell, without its second of start."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import structlog

from fortified.cli.main import main


class Ended(msgspec.Struct, frozen=True):
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs `fortified` with the given words in ``tmp_path``, on a data directory ``data`` in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("REDIS_URL", "REDIS_HOST", "PORT", "HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FORTIFIED_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    handlers, level = list(logging.root.handlers), logging.root.level

    def command(*words: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["fortified", *map(str, words)])
        capfd.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        said = capfd.readouterr()
        assert "Traceback" not in said.err
        return Ended(code, said.out, said.err)

    yield command
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()
