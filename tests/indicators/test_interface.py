"""What every indicator promises, whatever it tells."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from tests.indicators.every import NAMES, Row, bars, compute, new, peek, update

from fortified.indicators.base import Indicator


def told(indicator: Indicator) -> list[float | None]:
    return [getattr(indicator, name) for name in indicator.lines]


@pytest.mark.parametrize("name", NAMES)
@given(rows=bars)
def test_peek_tells_the_next_value_bit_for_bit_and_changes_nothing(name: str, rows: list[Row]) -> None:
    indicator = new(name)
    for high, low, close in rows:
        before = indicator.snapshot()
        peek(indicator, (high + 50.0, low - 50.0, close))
        expected = peek(indicator, (high, low, close))
        assert indicator.snapshot() == before
        assert update(indicator, (high, low, close)) == expected == indicator.value


@pytest.mark.parametrize("name", NAMES)
@given(past=bars, future=bars)
def test_a_restored_one_and_a_fork_go_on_bit_for_bit(name: str, past: list[Row], future: list[Row]) -> None:
    living, fresh = new(name), new(name)
    for row in past:
        update(living, row)
    fresh.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(living.snapshot())))
    fork = living.fork()
    assert told(fresh) == told(fork) == told(living)
    for row in future:
        assert update(fresh, row) == update(fork, row) == update(living, row)
        assert told(fresh) == told(fork) == told(living)
        assert fresh.ready == fork.ready == living.ready


@pytest.mark.parametrize("name", NAMES)
@given(rows=bars)
def test_a_snapshot_is_not_touched_by_what_follows(name: str, rows: list[Row]) -> None:
    indicator, half = new(name), len(rows) // 2
    for row in rows[:half]:
        update(indicator, row)
    state = indicator.snapshot()
    kept, fork = msgspec.msgpack.encode(state), indicator.fork()
    for row in rows[half:]:
        update(fork, row)
    assert indicator.snapshot() == state
    indicator.restore(state)
    for row in rows[half:]:
        update(indicator, row)
    assert msgspec.msgpack.encode(state) == kept


@pytest.mark.parametrize("name", NAMES)
@given(past=bars, rows=bars)
def test_compute_gives_the_lines_of_a_new_one_to_the_bit(name: str, past: list[Row], rows: list[Row]) -> None:
    used, fresh, expected = new(name), new(name), []
    for row in past:
        update(used, row)
    before = used.snapshot()
    lines = compute(used, rows)
    assert used.snapshot() == before
    assert list(lines) == list(fresh.lines)
    for row in rows:
        update(fresh, row)
        expected.append(told(fresh))
    table = np.array(expected, np.float64).reshape(-1, len(fresh.lines))
    for column, line in zip(table.T, lines.values(), strict=True):
        assert line.dtype == np.float64
        np.testing.assert_array_equal(line, column)


@pytest.mark.parametrize("name", NAMES)
def test_ready_comes_once_and_stays(name: str) -> None:
    indicator, seen = new(name), []
    for number in range(40):
        close = 100.0 + 5.0 * (number % 7)
        update(indicator, (close + 1.0, close - 1.0, close))
        seen.append(indicator.ready)
        assert not indicator.ready or indicator.value is not None
    assert seen == sorted(seen)
    assert seen[-1]
