"""Outboxes and topics: order, conflation, bounds, what a resume gets."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.api.fakes import a_bar, an_update

from fortified.api.hub import PARTIAL
from fortified.api.messages import chart_delta
from fortified.api.topics import KEPT_EVENTS, Outbox, Topic

pytestmark = pytest.mark.anyio


def _fail() -> None:
    raise AssertionError("overflowed")


def _topic() -> Topic:
    return Topic("/NQ:144t", "e", chart_delta)


async def _drain(outbox: Outbox, count: int) -> list[tuple[str, int]]:
    messages = [json.loads(await outbox.get()) for _ in range(count)]
    return [(message["type"], message["seq"]) for message in messages]


async def test_a_waiting_partial_is_replaced_and_a_bar_ends_it() -> None:
    topic, outbox = _topic(), Outbox(_fail)
    topic.join(outbox)
    topic.publish(an_update(1, 1), slot=PARTIAL)
    topic.publish(an_update(1, 2), slot=PARTIAL)
    topic.publish(a_bar(1), ends=PARTIAL)
    assert await _drain(outbox, 1) == [("bar", 3)]
    topic.publish(an_update(2, 1), slot=PARTIAL)
    topic.publish(a_bar(2), ends=PARTIAL)
    topic.publish(an_update(3, 1), slot=PARTIAL)
    topic.publish(an_update(3, 2), slot=PARTIAL)
    assert await _drain(outbox, 2) == [("bar", 5), ("partial", 7)]


async def test_a_reader_that_keeps_up_gets_everything() -> None:
    topic, outbox = _topic(), Outbox(_fail)
    topic.join(outbox)
    seen = []
    for ticks in (1, 2, 3):
        topic.publish(an_update(1, ticks), slot=PARTIAL)
        seen += await _drain(outbox, 1)
    assert seen == [("partial", 1), ("partial", 2), ("partial", 3)]


async def test_bars_beyond_the_bound_end_the_client_once() -> None:
    ends: list[int] = []
    topic, slow, fast = _topic(), Outbox(lambda: ends.append(1), limit=3), Outbox(_fail)
    topic.join(slow)
    topic.join(fast)
    for number in range(10):
        topic.publish(a_bar(number), ends=PARTIAL)
    assert ends == [1]
    assert len(await _drain(fast, 10)) == 10


async def test_partials_alone_never_overflow() -> None:
    topic, outbox = _topic(), Outbox(_fail, limit=1)
    topic.join(outbox)
    for ticks in range(1, 140):
        topic.publish(an_update(1, ticks), slot=PARTIAL)
    assert await _drain(outbox, 1) == [("partial", 139)]


async def test_an_outbox_wakes_its_reader() -> None:
    outbox = Outbox(_fail)
    reader = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    outbox.put("hello")
    assert await reader == "hello"


async def test_leaving_forgets_what_was_conflated() -> None:
    topic, outbox = _topic(), Outbox(_fail)
    topic.join(outbox)
    topic.publish(an_update(1), slot=PARTIAL)
    topic.leave(outbox)
    topic.publish(a_bar(1), ends=PARTIAL)
    outbox.put("last")
    assert await outbox.get() == "last"


@given(st.lists(st.booleans(), max_size=60), st.integers(-2, 70))
def test_a_resume_gives_every_bar_and_the_present_partial_or_says_no(kinds: list[bool], seq: int) -> None:
    topic = _topic()
    bars = []
    for number, is_bar in enumerate(kinds, 1):
        if is_bar:
            topic.publish(a_bar(number), ends=PARTIAL)
            bars.append(number)
        else:
            topic.publish(an_update(number), slot=PARTIAL)
    missed = topic.since(seq, "e")
    if not 0 <= seq <= len(kinds):
        assert missed is None
        return
    assert missed is not None
    numbers = [delta.seq for delta, _ in missed]
    assert numbers == sorted(numbers)
    assert [delta.seq for delta, slot in missed if slot is None] == [number for number in bars if number > seq]
    pending = kinds[-1:] == [False] and len(kinds) > seq
    assert [delta.seq for delta, slot in missed if slot is not None] == ([len(kinds)] if pending else [])


def test_a_resume_from_too_far_back_or_another_epoch_is_not_possible() -> None:
    topic = _topic()
    for number in range(KEPT_EVENTS + 2):
        topic.publish(a_bar(number), ends=PARTIAL)
    assert topic.since(1, "e") is None
    assert topic.since(2, "other") is None
    missed = topic.since(2, "e")
    assert missed is not None
    assert len(missed) == KEPT_EVENTS
