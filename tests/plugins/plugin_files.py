"""Plugin files as users write them."""

from pathlib import Path

RISING = '''
from typing import Annotated
import msgspec
from fortified import BaseStrategy, Signal, Target

class Rising(BaseStrategy):
    """Long after a close above the one before."""

    class Params(msgspec.Struct, frozen=True):
        period: Annotated[int, msgspec.Meta(ge=1)] = 1

    last = 0.0

    def warmup_periods(self):
        return self.params.period

    def on_new_bar(self, bar, current_position):
        before, self.last = self.last, bar.close
        return Signal(Target.LONG if bar.close > before else Target.FLAT, "entry_rising")
'''
BROKER = """
from fortified import BaseBroker

class Desk(BaseBroker):
    name = "desk"
    account = "paper:desk"
    async def place_order(self, order): return ()
    async def cancel_order(self, order, ts_event): return ()
    async def restore(self, working): pass
"""
SOURCE = """
from fortified import BaseDataSource

class Wire(BaseDataSource):
    async def subscribe(self, instrument, after): pass
    async def unsubscribe(self, symbol): pass
    async def events(self):
        yield ()
"""


def write(directory: Path, **files: str) -> Path:
    """``directory`` with these Python files in it, named without their suffix."""
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / f"{name}.py").write_text(text)
    return directory
