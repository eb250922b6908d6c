"""Requests and replies as values, and the table that leads from a path to its handler.

Owns the reading of a path and a query. Handlers are plain functions, so that a request is processed as a whole or not at all. Knows no
socket.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
import orjson


class Request(msgspec.Struct, frozen=True):
    """One HTTP request. ``path`` is as sent, still quoted; header names are in lower case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = {}
    body: bytes = b""

    def get(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), None)

    def all(self, name: str) -> list[str]:
        """All values of a query parameter; ``name[]`` counts as ``name``."""
        return [value for key, value in self.query if key in (name, f"{name}[]")]

    def form(self) -> dict[str, str]:
        """The body as a form, or as the JSON object it is."""
        if "json" in self.headers.get("content-type", ""):
            fields = orjson.loads(self.body)
            return {str(key): str(value) for key, value in fields.items()} if isinstance(fields, dict) else {}
        return dict(parse_qsl(self.body.decode(errors="replace")))


class Reply(msgspec.Struct, frozen=True):
    """One HTTP answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


class HttpError(Exception):
    """A request ends here with ``reply``."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


JSON = {"content-type": "application/json"}


def json_reply(payload: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """``payload`` as JSON."""
    return Reply(status, orjson.dumps(payload), {**JSON, **(headers or {})})


type Handler = Callable[..., Reply]
"""Called with the request and the words that stand for the braces of its path, unquoted."""


class Routes:
    """Which handler a method and a path lead to, in the order they were added."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, template: str, handler: Handler) -> None:
        """``{name}`` in ``template`` stands for one quoted segment."""
        pattern = re.compile(re.sub(r"\{\w+\}", "([^/]+)", template.replace(".", r"\.")))
        self._rows.append((method, pattern, handler))

    def find(self, method: str, path: str) -> tuple[Handler, list[str]] | int:
        """The handler and its words, or the status that says why there is none."""
        known = False
        for of_method, pattern, handler in self._rows:
            found = pattern.fullmatch(path)
            if found and of_method == method:
                return handler, [unquote(word) for word in found.groups()]
            known = known or found is not None
        return 405 if known else 404


def target(raw: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Path and query of a request's target."""
    path, _, query = raw.partition("?")
    return path, tuple(parse_qsl(query, keep_blank_values=True))
