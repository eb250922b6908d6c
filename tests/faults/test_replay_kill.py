"""A replay that is killed at any moment, any number of times, ends as if nothing had happened."""

import csv
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.integration.server import environment

from fortified.adapters.synthetic_market import SyntheticMarket
from fortified.domain.instrument import get_instrument

TICKS = 24_000
CASES = [("20t", "next"), ("20t", "last"), ("1", "next"), ("1", "last")]
STRIDE = 18
"""One in so many of the market's ticks, so that they last long enough for many crossings."""

SLOW = "9000"
"""Times real time: some seconds for all of it."""


def write_ticks(path: Path) -> Path:
    market = SyntheticMarket(3, get_instrument("SPY"))
    first = market.end(1_750_000_000 * 10**9)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("ts_ns", "price", "size", "bid", "ask"))
        for tick in market.ticks(first, first + TICKS * STRIDE)[::STRIDE]:
            writer.writerow((tick.ts_event, tick.price, tick.size, tick.bid, tick.ask))
    return path


class Replay:
    """The command, on a data directory of its own."""

    def __init__(self, directory: Path, timeframe: str, fill: str) -> None:
        ticks = write_ticks(directory / "ticks.csv")
        self._directory, self._out = directory, directory / "out.json"
        self._arguments = [sys.executable, "-m", "fortified", "replay", str(ticks), "--symbol", "SPY", "--timeframe", timeframe]
        self._arguments += ["--strategy", "ema", "--param", "period_1=3", "--param", "period_2=8", "--calendar", "24/7"]
        self._arguments += ["--fill", fill, "--fee", "0.005/share", "--quantity", "10", "--flatten-at-end", "--json", str(self._out)]

    def launch(self, speed: str = "max") -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._arguments, "--speed", speed],
            cwd=self._directory,
            env=environment(self._directory / "data"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> tuple[dict[str, Any], str]:
        """Run to the end; the result and what was said."""
        self._out.unlink(missing_ok=True)
        with self.launch() as process:
            _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        return json.loads(self._out.read_text()), said

    def disturbed(self, chance: random.Random, seconds: float) -> bool:
        """Start, and kill -9 some time later: at full speed, or when it takes its time. False when it was done by then."""
        slow = chance.random() < 0.6
        with self.launch(SLOW if slow else "max") as process:
            try:
                process.wait(chance.uniform(0.4, 2.0 if slow else 1.02) * seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                return True
            return False


@pytest.fixture(params=CASES, ids=["-".join(case) for case in CASES])
def replay(request: pytest.FixtureRequest, tmp_path: Path) -> Replay:
    return Replay(tmp_path, *request.param)


def test_a_killed_replay_ends_as_an_undisturbed_one(replay: Replay, chance: random.Random, rounds: int) -> None:
    begun = time.monotonic()
    undisturbed, _ = replay.finish()
    seconds = time.monotonic() - begun
    assert len(undisturbed["trades"]) > 15
    killed = resumed = 0
    for number in range(-(-rounds // len(CASES))):
        for _ in range(chance.randint(1, 3)):
            if not replay.disturbed(chance, seconds):
                break
            killed += 1
        result, said = replay.finish()
        resumed += "went on at tick" in said
        for part in ("bars", "orders", "fills", "trades", "stats", "digest"):
            assert result[part] == undisturbed[part], f"{part} after round {number}, {killed} kills"
    print(f"{killed} kills, {resumed} runs went on in the middle")
