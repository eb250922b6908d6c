"""Whether a strategy repeats itself, and says the same when what came later is cut off.

Owns where the cuts are. Everything here happens in this process; ``elsewhere`` asks in others.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from fortified.domain.errors import StrategyError
from fortified.research.check.feed import Feed
from fortified.research.check.recording import Answer, Player, Progress, Subject, first_difference, record, watched
from fortified.research.check.verdict import Finding


def reference(subject: Subject, feed: Feed, progress: Progress) -> list[Answer]:
    """The answers over the whole history, which all others are held against.

    Raises:
        StrategyError: the strategy raised, or changed the bars it was shown, which no other result would survive.
    """
    before = feed.columns()
    events = watched(feed.events(), lambda done: progress("whole history", done, feed.rows))
    answers = record(Player(subject), events, tolerant=False)
    if any(not np.array_equal(column, before[name], equal_nan=True) for name, column in feed.columns().items()):
        raise StrategyError(
            f"strategy {subject.strategy.name!r} changed bars it was shown, which others see too; copy what you want to change"
        )
    return answers


def determinism(subject: Subject, feed: Feed, expected: Sequence[Answer], progress: Progress) -> Finding:
    """A second instance over the same history says the same."""
    events = watched(feed.events(), lambda done: progress("determinism", done, feed.rows))
    found = first_difference(expected, record(Player(subject), events))
    if found is None:
        return Finding("determinism", "ok", f"a second run gave the same {len(expected)} answers")
    text = (
        "a second run over the same data gave another answer; the cause is chance, a clock, or state outside of the instance "
        "(a module, a class, a default argument). Keep all state in attributes that __init__ makes"
    )
    return Finding("determinism", "failed", text, found)


def look_ahead(subject: Subject, feed: Feed, expected: Sequence[Answer], cuts: int, progress: Progress) -> Finding:
    """At each cut a new instance that is shown no more than that says the same up to there."""
    stops = cut_rows(expected, feed.rows, cuts)
    total, done = sum(stops), 0
    for stop in stops:
        events = watched(feed.events(stop), partial(_tell, progress, done, total))
        known = [answer for answer in expected if answer.row < stop]
        found = first_difference(known, record(Player(subject), events))
        if found is not None:
            text = f"with the history cut behind row {stop} of {feed.rows} an earlier answer is another one: it knew what came later"
            return Finding("look-ahead", "failed", text, found)
        done += stop
    return Finding("look-ahead", "ok", f"{len(stops)} histories that end earlier gave the same answers up to their ends")


def _tell(progress: Progress, before: int, total: int, row: int) -> None:
    progress("look-ahead", before + row, total)


def cut_rows(answers: Sequence[Answer], rows: int, cuts: int) -> list[int]:
    """Where histories end, as the first row left out: half of them right behind answers, if there are any, the others evenly spread."""
    spoken = [answers[place] for place in spread(0, len(answers) - 1, cuts // 2)] if answers else []
    stops = {answer.row + 1 for answer in spoken}
    stops.update(spread(1, rows - 1, cuts - len(stops)))
    return sorted(stop for stop in stops if 0 < stop < rows)


def spread(first: int, last: int, count: int) -> list[int]:
    """Up to ``count`` whole numbers from ``first`` to ``last``, evenly spread, the ends among them."""
    if last < first or count < 1:
        return []
    if count == 1:
        return [(first + last) // 2]
    return sorted({first + place * (last - first) // (count - 1) for place in range(count)})
