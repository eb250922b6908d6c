"""A few schedules of the campaign of faults; ``docs/faults.md`` says how to run many."""

import pytest
from tests.faults.live_schedule import schedule


@pytest.mark.parametrize("seed", range(1, 11))
def test_ledger_and_venues_agree_when_the_faults_have_ended(seed: int) -> None:
    outcome = schedule(seed)
    assert outcome.failures == [], "\n".join(outcome.notes[-80:])
    assert outcome.orders


def test_a_schedule_is_repeatable() -> None:
    first, second = schedule(17), schedule(17)
    assert first.notes == second.notes
