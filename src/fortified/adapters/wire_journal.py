"""The wire journal of a live session: what was said to a venue and by it, line by line, without secrets.

Owns the redaction, the files with their rotation, and their reading. A journal never disturbs what it records: a disk that is full costs
lines, and they are counted. Knows no venue; texts are kept as they went over the wire but for what is redacted, so that they can be
replayed through the adapters.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import msgspec
import structlog

from fortified.ports import Clock

_log = structlog.get_logger(__name__)

Kind = Literal["request", "response", "sent", "received", "opened", "closed"]
REDACTED = "<redacted>"
_KEYS = (
    "access_token|refresh_token|id_token|client_secret|auth-token|token|authorization|password|api-key|"
    "schwabClientCustomerId|schwabClientCorrelId"
)
_KEY = re.compile(rf'(\\*)"(?:{_KEYS})\1"\s*:\s*\1"', re.IGNORECASE)
"""A key and the quote that opens its value, in JSON or in JSON that is a string of JSON: then quotes carry backslashes."""
_QUOTE = re.compile(r'(\\*)"')
_PATTERNS = (
    # In a form or in the query of a URL; there a code and a session let somebody in.
    (re.compile(rf"(?<![\w-])((?:{_KEYS}|code|session)=)[^&\s\"'<>]+", re.IGNORECASE), rf"\1{REDACTED}"),
    (re.compile(r"\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{6,}"), rf"\1{REDACTED}"),
)
_HINT = re.compile(rf"{_KEYS}|code=|session=|bearer|basic", re.IGNORECASE)
_KEPT_HEADERS = ("content-type", "location", "retry-after", "date", "schwab-client-correlid", "x-request-id")


class WireEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that went over the wire. ``ts`` is ns; ``number`` pairs the response of a channel with its request."""

    ts: int
    channel: str
    kind: Kind
    text: str = ""
    number: int = 0
    method: str = ""
    url: str = ""
    status: int | None = None
    headers: dict[str, str] = {}


class Redactor:
    """Takes secrets out of texts. ``hidden`` are further words (account numbers) with what stands in their place."""

    def __init__(self, hidden: Mapping[str, str] = MappingProxyType({})) -> None:
        self._hidden = {word: name for word, name in hidden.items() if word}
        words = sorted(self._hidden, key=len, reverse=True)
        self._words = re.compile("|".join(map(re.escape, words))) if words else None

    @classmethod
    def of_accounts(cls, numbers: Sequence[str]) -> "Redactor":
        """Account numbers become ACCOUNT1, ACCOUNT2 and so on: the same in requests, answers and frames."""
        return cls({number: f"ACCOUNT{place}" for place, number in enumerate(numbers, start=1)})

    def __call__(self, text: str) -> str:
        if _HINT.search(text):
            text = _without_values(text)
            for pattern, kept in _PATTERNS:
                text = pattern.sub(kept, text)
        return text if self._words is None else self._words.sub(lambda found: self._hidden[found[0]], text)


class WireJournal:
    """Writes entries of one session to ``directory/name-<number>.jsonl``, at most ``files`` of about ``max_bytes`` each.

    Each line is handed to the system at once, so that the death of this process loses none.
    """

    def __init__(
        self,
        directory: Path,
        name: str,
        *,
        clock: Clock,
        redact: Redactor | None = None,
        max_bytes: int = 64 * 2**20,
        files: int = 8,
    ) -> None:
        self._directory, self._name = directory, name
        self._clock, self._redact = clock, redact or Redactor()
        self._max_bytes, self._files = max_bytes, max(1, files)
        self._fd: int | None = None
        self._written = 0
        self.lost = 0
        """Lines that could not be written."""

    def channel(self, name: str) -> "Channel":
        """The part of the journal for one connection, for example ``rest`` or ``account``."""
        return Channel(self, name)

    def write(self, entry: WireEntry) -> None:
        """Redact and append. Never raises for a disk that cannot take it."""
        clean = msgspec.structs.replace(
            entry,
            text=self._redact(entry.text),
            url=self._redact(entry.url),
            headers={name: self._redact(value) for name, value in entry.headers.items()},
        )
        line = msgspec.json.encode(clean) + b"\n"
        try:
            if self._fd is None or self._written + len(line) > self._max_bytes:
                self._rotate()
            assert self._fd is not None
            self._written += os.write(self._fd, line)
        except OSError as error:
            if not self.lost:
                _log.error("wire journal cannot be written", directory=str(self._directory), error=error.strerror)
            self.lost += 1

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def now_ns(self) -> int:
        return self._clock.now_ns()

    def _rotate(self) -> None:
        self.close()
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        there = journal_files(self._directory, self._name)
        number = _number(there[-1]) + 1 if there else 1
        for old in there[: len(there) - self._files + 1]:
            old.unlink(missing_ok=True)
        path = self._directory / f"{self._name}-{number:06d}.jsonl"
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._written = os.fstat(self._fd).st_size


class Channel:
    """What one connection says to the journal. Implements the transport's ``Journal``."""

    def __init__(self, journal: WireJournal, name: str) -> None:
        self._journal, self._name = journal, name

    def request(self, number: int, method: str, url: str, body: bytes) -> None:
        self._write("request", body, number=number, method=method, url=url)

    def response(self, number: int, status: int | None, headers: Mapping[str, str], body: bytes) -> None:
        kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
        self._journal.write(WireEntry(self._journal.now_ns(), self._name, "response", _text(body), number, status=status, headers=kept))

    def sent(self, frame: str | bytes) -> None:
        self._write("sent", frame)

    def received(self, frame: str | bytes) -> None:
        self._write("received", frame)

    def opened(self, url: str) -> None:
        self._write("opened", "", url=url)

    def closed(self, reason: str) -> None:
        self._write("closed", reason)

    def _write(self, kind: Kind, text: str | bytes, *, number: int = 0, method: str = "", url: str = "") -> None:
        self._journal.write(WireEntry(self._journal.now_ns(), self._name, kind, _text(text), number, method, url))


def _without_values(text: str) -> str:
    parts, at = list[str](), 0
    while (key := _KEY.search(text, at)) is not None:
        depth = len(key[1])
        # A quote that ends the value has as many backslashes as the one that began it; one within has more.
        ends = (quote.end(1) - depth for quote in _QUOTE.finditer(text, key.end()) if len(quote[1]) % (2 * depth + 2) == depth)
        parts += (text[at : key.end()], REDACTED)
        at = next(ends, len(text))
    return "".join(parts) + text[at:]


def journal_files(directory: Path, name: str) -> list[Path]:
    """The files of the journal ``name``, oldest first."""
    found = [path for path in directory.glob(f"{name}-*.jsonl") if _number(path) > 0] if directory.is_dir() else []
    return sorted(found, key=_number)


def read_journal(directory: Path, name: str) -> Iterator[WireEntry]:
    """All entries, oldest first. A line that was torn, by the end of its process or by a full disk, is left out."""
    decoder = msgspec.json.Decoder(WireEntry)
    for path in journal_files(directory, name):
        with path.open("rb") as lines:
            for line in lines:
                with suppress(msgspec.DecodeError):
                    yield decoder.decode(line)


def _number(path: Path) -> int:
    digits = path.stem.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def _text(data: str | bytes) -> str:
    return data if isinstance(data, str) else data.decode("utf-8", "backslashreplace")
