"""The campaign of faults against live trading: many schedules, one after the other.

    python -m tests.faults.live_campaign --seeds 1000 --first 1
    python -m tests.faults.live_campaign --seeds 1 --first 129 --verbose

Owns the command. A failed schedule is named by its seed, which repeats it alone.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.faults.live_schedule import Outcome, schedule

REACHED = {
    "sent again": "an order never reached the broker",
    "cancels asked again": "a cancel is asked for again",
    "differences": "ledger and broker differ",
    "legs failed": "a leg failed",
    "calls for a person": "an order needs a person",
    "refusals of the gate": "order denied",
}
"""What a schedule can come to, and how the log says it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code is the number of failed schedules, 100 at most."""
    parser = argparse.ArgumentParser(
        prog="live_campaign", description="Schedules of faults against live trading at both simulated brokers."
    )
    parser.add_argument("--seeds", type=int, default=100, help="how many schedules")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no schedule after that time")
    parser.add_argument("--verbose", action="store_true", help="print all that happened")
    given = parser.parse_args(arguments)
    began, outcomes, reached = time.monotonic(), list[Outcome](), Counter[str]()
    for seed in range(given.first, given.first + given.seeds):
        if time.monotonic() - began > given.minutes * 60:
            print(f"stopped after {given.minutes:g} minutes")
            break
        outcomes.append(schedule(seed))
        _tell(outcomes[-1], verbose=given.verbose)
        reached.update(name for note in outcomes[-1].notes for name, text in REACHED.items() if text in note)
        outcomes[-1].notes.clear()  # thousands of schedules have much to say
        if len(outcomes) % 50 == 0:
            print(_sum(outcomes, reached, time.monotonic() - began), flush=True)
    print(_sum(outcomes, reached, time.monotonic() - began))
    return min(100, sum(1 for outcome in outcomes if outcome.failures))


def _tell(outcome: Outcome, *, verbose: bool) -> None:
    if verbose:
        print(*outcome.notes, sep="\n")
    for failure in outcome.failures:
        print(f"seed {outcome.seed}: {failure}", flush=True)


def _sum(outcomes: Sequence[Outcome], reached: Counter[str], seconds: float) -> str:
    failed = [outcome.seed for outcome in outcomes if outcome.failures]
    parts = (
        f"{len(outcomes)} schedules in {seconds:.0f} s",
        f"{sum(outcome.virtual_s for outcome in outcomes) / 3600:.1f} h of trading",
        f"{sum(outcome.orders for outcome in outcomes)} orders",
        f"{sum(outcome.faults for outcome in outcomes)} faults",
        f"{sum(outcome.lives - 1 for outcome in outcomes)} kills",
        f"{sum(outcome.outages for outcome in outcomes)} outages of the store",
        *(f"{reached[name]} {name}" for name in REACHED),
        f"failed: {failed or 'none'}",
    )
    return ", ".join(parts)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is a chance too
        os.execve(sys.executable, [sys.executable, "-m", "tests.faults.live_campaign", *sys.argv[1:]], os.environ | {"PYTHONHASHSEED": "0"})
    sys.exit(main())
