"""The tutorial does what it says: its blocks are run from top to bottom, as a reader would, in an empty directory."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.server import PASSWORD, SOURCES, Server, environment, until

PAGE = Path(__file__).parents[2] / "docs" / "first-strategy.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (plugins/\w+\.py)\n")
COMMANDS = {"fortified": "-P -m fortified", "run_tests.sh": "-P -m pytest -q -p no:cacheprovider"}
START = "./start_api.sh\n"


def blocks() -> list[tuple[str, str]]:
    """Kind and text of each block of the page."""
    found = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert {kind for kind, _ in found} == {"sh", "python", "text"}
    return found


class Reader:
    """Somebody who does what the page says."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.server = Server(directory)
        self.said = ""
        self._environment = environment(self.server.data_dir, PORT="0", COLUMNS="200")
        self._token = ""
        for name, words in COMMANDS.items():
            (directory / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
            (directory / name).chmod(0o755)

    def shell(self, text: str) -> None:
        """Run the lines; what they say is what the block behind is about."""
        if text == START:
            self.server.start()
            self._token = ""
            return
        if "/api/trades" in text:
            with self.server.client() as client:  # a person looks when there is something to see
                until(lambda: client.get("/api/trades", params={"strategy": "rising"}).json()["items"], "it trades", 60)
        script = text.replace("localhost:8000", f"localhost:{self.server.port}").replace("your-password", PASSWORD)
        done = self._run(["bash", "-euo", "pipefail", "-c", f'{self._token}{script}\necho "TOKEN=${{TOKEN:-}}"'])
        self.said, _, token = done.rpartition("TOKEN=")
        self._token = f"TOKEN={token.strip()}\n"

    def python(self, text: str) -> None:
        """A file is as the page shows it, or is made so; all else is run."""
        named = FILE.match(text)
        if named is None:
            self.said = self._run([sys.executable, "-P", "-c", text])
            return
        path, code = self.directory / named[1], text[named.end() :]
        if path.exists():
            assert path.read_text().startswith(code)
        else:
            path.write_text(code)

    def look(self, text: str) -> None:
        """What the page shows was said."""
        for line in text.splitlines():
            assert line in self.said, self.said

    def _run(self, words: list[str]) -> str:
        done = subprocess.run(words, cwd=self.directory, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words[-1]}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.server.kill()


@pytest.mark.timeout(300)
def test_the_page_can_be_followed(reader: Reader) -> None:
    does = {"sh": reader.shell, "python": reader.python, "text": reader.look}
    for kind, text in blocks():
        does[kind](text)
    assert (reader.directory / "rising.html").stat().st_size > 10_000


def test_the_commands_are_those_of_the_checkout() -> None:
    root = PAGE.parents[1]
    called = {word for kind, text in blocks() if kind == "sh" for word in re.findall(r"^\./([\w.]+)", text, re.MULTILINE)}
    assert called == {*COMMANDS, START.strip("./\n")}
    assert all(os.access(root / name, os.X_OK) for name in called)
    assert SOURCES.parent == root
