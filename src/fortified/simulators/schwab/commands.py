"""Commands of Schwab's streamer: how they are read, what they do to subscriptions, and the codes of the answers.

Owns codes and lists of keys. Knows no connection.
"""

from collections.abc import MutableMapping
from typing import Any, Final

import msgspec
import orjson

OK, LOGIN_DENIED, UNKNOWN, NOT_AVAILABLE, CLOSE_CONNECTION, SYMBOL_LIMIT = 0, 3, 9, 11, 12, 19
CONN_NOT_FOUND, BAD_FORMAT, STOP_STREAMING = 20, 21, 30
FAILED: Final = {"SUBS": 22, "UNSUBS": 23, "ADD": 24, "VIEW": 25}
SUCCEEDED: Final = {"SUBS": 26, "UNSUBS": 27, "ADD": 28, "VIEW": 29}

LEVELONE, CHART, ACTIVITY = "LEVELONE_EQUITIES", "CHART_EQUITY", "ACCT_ACTIVITY"
SERVICES: Final = (LEVELONE, CHART, ACTIVITY)
MOST_KEYS: Final = 500


class Subscription(msgspec.Struct):
    """The keys of one service with the fields that are wanted; ``told`` is what the client knows."""

    keys: list[str]
    fields: list[str]
    told: dict[str, dict[str, Any]] = {}
    seq: int = 0


type Subscriptions = MutableMapping[str, Subscription]


def change(subscriptions: Subscriptions, service: str, command: str, keys: list[str], fields: list[str]) -> list[str]:
    """Do what ``command`` says: SUBS begins a list, ADD extends it. Answers which keys are new."""
    held = subscriptions.get(service)
    if command == "SUBS" or (command == "ADD" and held is None):
        subscriptions[service] = Subscription(keys, fields)
        return keys
    if held is None:
        return []
    if command == "UNSUBS":
        held.keys = [key for key in held.keys if key not in keys]
        if not held.keys:
            del subscriptions[service]
        return []
    new = [key for key in keys if key not in held.keys] if command == "ADD" else []
    held.keys, held.fields = held.keys + new, fields
    return new


def requests_of(message: str) -> list[dict[str, Any]]:
    """The commands of a message: a bare one, or a list of them; none when it cannot be read."""
    try:
        asked = orjson.loads(message)
    except orjson.JSONDecodeError:
        return []
    batch = asked.get("requests", [asked]) if isinstance(asked, dict) else []
    return [each for each in batch if isinstance(each, dict)] if isinstance(batch, list) else []


def command_of(message: str) -> str:
    """The words by which the faults know a message: its first command, and its service."""
    batch = requests_of(message)
    return f"{batch[0].get('command')} {batch[0].get('service')}" if batch else "?"


def words(text: Any) -> list[str]:
    """A list in one text."""
    return [word.strip() for word in str(text or "").replace(" ", "").split(",") if word.strip()]
