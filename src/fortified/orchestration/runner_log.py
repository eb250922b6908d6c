"""The part of a structured logger that runners use."""

from typing import Protocol


class RunnerLog(Protocol):
    """Takes an event and its values."""

    def debug(self, event: str, **values: object) -> object: ...
    def info(self, event: str, **values: object) -> object: ...
    def warning(self, event: str, **values: object) -> object: ...
