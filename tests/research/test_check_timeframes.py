"""A strategy that reads other timeframes is shown them in every check, as a runner would, and is held to the same."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.research.test_check import CLEAN, HEAD, SECOND, SUNDAY_OPEN, found, market, statuses

from fortified.domain.errors import ConfigError, StrategyError
from fortified.engine.fills import FillModel
from fortified.research.check.run import check_files
from fortified.research.check.verdict import Verdict
from fortified.runs import RunOptions

TREND = """
class Mine(Base):
    wanted = {"1": 4, "25t": 3}
    warm = 6

    def __init__(self, config, logger):
        super().__init__(config, logger)
        self.minutes, self.trades, self.up = SMA(4), SMA(3), None

    def timeframes(self):
        return self.wanted

    def on_other_bar(self, bar):
        (self.minutes if bar.timeframe == "1" else self.trades).update(bar.close)
        self.up = bar.close > (self.minutes.value or 0.0)

    def on_new_bar(self, bar, position):
        crossed = self.cross(bar.close)
        if crossed is None or self.minutes.value is None or self.trades.value is None:
            return None
        return self.if_up(self.minutes.value > self.trades.value)
"""
ON_TICK = (
    TREND
    + """
    def on_tick(self, tick, position):
        if self.trades.value is not None and tick.price > self.trades.value + 4 and tick.fill > 0.5:
            return self.if_up(True)
"""
)
Check = Callable[..., Verdict]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Checks the code that follows HEAD, over the market or a file."""

    def checked(code: str, *, file: Path | None = None, **asked: Any) -> Verdict:
        strategy, data = tmp_path / "mine.py", file or market(tmp_path / "ticks.csv")
        strategy.write_text(HEAD + code)
        fields: dict[str, Any] = {
            **{"files": (data,), "symbol": "/ES", "timeframe": "10t", "strategy": str(strategy), "params": {}, "quantity": Decimal(1)},
            **{"fills": FillModel(), "fee": "0", "warmup": None, "calendar": "24/7", "tick_size": None, "multiplier": None},
            **{"flatten": False, "speed": None},
        }
        return check_files(RunOptions(**(fields | asked)), progress=lambda *_: None, report=lambda _: None)

    return checked


@pytest.mark.parametrize("code", [TREND, ON_TICK], ids=["bars", "ticks"])
def test_an_honest_strategy_passes(check: Check, code: str) -> None:
    verdict = check(code)
    assert statuses(verdict) == CLEAN, verdict.findings
    assert verdict.signals > 20


def test_ready_made_bars_make_the_longer_ones(check: Check, tmp_path: Path) -> None:
    columns = pl.read_csv(market(tmp_path / "ticks.csv"))
    minutes = [SUNDAY_OPEN + 60 * SECOND * number for number in range(len(columns))]
    prices = {name: columns["price"] + more for name, more in (("open", 0.0), ("high", 0.5), ("low", -0.5), ("close", 0.0))}
    file = tmp_path / "bars.csv"
    pl.DataFrame({"ts_open": minutes, **prices, "volume": columns["size"]}).write_csv(file)
    code = TREND.replace('"25t": 3', '"15": 3').replace('"1": 4', '"5": 4').replace('== "1"', '== "5"')
    assert statuses(check(code, file=file, timeframe="1", bars_timeframe="1")) == CLEAN
    with pytest.raises(ConfigError, match="25t bars cannot be built from 1 bars"):
        check(TREND.replace('"1"', '"5"'), file=file, timeframe="1", bars_timeframe="1")


def test_a_warm_up_that_is_too_short_in_another_timeframe_is_told(check: Check) -> None:
    verdict = check(TREND.replace('"1": 4', '"1": 2'))
    assert statuses(verdict) == CLEAN | {"warm-up": "failed"}
    assert "minutes is not ready" in found(verdict, "warm-up").text


def test_too_little_history_of_another_timeframe_is_said(check: Check) -> None:
    verdict = check(TREND.replace('"1": 4', '"1": 40'))
    assert statuses(verdict) == CLEAN | {"warm-up": "warning"}
    assert "it takes 12 bars, 80 of 1, 6 of 25t of history" in found(verdict, "warm-up").text


def test_what_an_instance_forgets_of_another_timeframe_is_found(check: Check) -> None:
    forgets = "\n    def snapshot(self):\n        return {name: held for name, held in super().snapshot().items() if name != 'minutes'}\n"
    assert statuses(check(TREND + forgets)) == CLEAN | {"durability": "failed"}


def test_what_the_class_remembers_of_another_timeframe_is_found(check: Check) -> None:
    verdict = check(
        TREND.replace("self.up = bar.close", "Base.warmth = getattr(Base, 'warmth', 0) + 1\n        self.up = bar.close").replace(
            "self.if_up(self.minutes.value > self.trades.value)", "self.if_up(Base.warmth % 7 > 2)"
        )
    )
    assert found(verdict, "determinism").status == "failed"


def test_an_error_is_blamed_on_the_bar_it_came_with(check: Check) -> None:
    with pytest.raises(StrategyError, match=r"failed on the 25t bar of /ES that opened at \d+, at .*mine.py, line \d+: LookupError: no"):
        check(
            TREND.replace(
                "        (self.minutes if", "        if bar.timeframe == '25t': raise LookupError('no')\n        (self.minutes if"
            )
        )
