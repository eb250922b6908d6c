"""Running coroutines from commands."""

from collections.abc import Coroutine
from typing import Any

import uvloop


def run[T](work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` on uvloop to its end."""
    return uvloop.run(work)
