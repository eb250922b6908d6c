"""Numbers and entries survive the way to Redis and back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contract.builders import REF, bar, position

from fortified.domain.errors import DataError
from fortified.ports import EntryId, RunnerKey, StreamRef
from fortified.storage.codec import BAR_FIELDS, bar_values, decode_bar, decode_update, number
from fortified.storage.keys import Keys
from fortified.storage.rows import decode_history, decode_position, encode_history, encode_position

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite)
def test_a_number_reads_back_as_the_same_float(value: float) -> None:
    back = float(number(value))
    assert back == value
    assert math.copysign(1, back) == math.copysign(1, value)
    assert not number(value).endswith(".0")


@given(finite, finite)
def test_a_bar_reads_back_from_stream_and_history(close: float, volume: float) -> None:
    closed = bar(close=close, volume=volume, complete=False)
    fields = [part.encode() for pair in zip(BAR_FIELDS, bar_values(closed, "1-2"), strict=True) for part in pair]
    assert decode_bar(fields) == (closed, b"1-2")
    assert decode_history(REF, encode_history(closed)) == closed


def test_fields_in_another_order_are_read_and_missing_ones_named() -> None:
    pairs = list(zip(BAR_FIELDS, bar_values(bar(), "1-2"), strict=True))
    turned = [part.encode() for pair in reversed(pairs) for part in pair]
    assert decode_bar(turned) == (bar(), b"1-2")
    with pytest.raises(DataError, match="lacks prev"):
        decode_bar([part.encode() for pair in pairs[:-1] for part in pair])
    with pytest.raises(DataError, match="lacks ts"):
        decode_update(REF, EntryId(1, 5), [b"a", b"1"])


def test_a_position_is_a_readable_hash() -> None:
    fields = [part if isinstance(part, bytes) else part.encode() for part in encode_position(position())]
    shown = dict(zip(fields[::2], fields[1::2], strict=True))
    assert (shown[b"side"], shown[b"average_price"], shown[b"quantity"]) == (b"LONG", b"20000.25", b"2")
    assert decode_position(fields) == position()


def test_keys_are_those_of_the_documentation_and_a_cluster_keeps_a_symbol_together() -> None:
    ref, runner = StreamRef("/NQ", "144t"), RunnerKey("ema", "/NQ", "144t", "paper")
    assert Keys().bars_stream(ref) == "bars_stream:/NQ:144t"
    assert Keys("replay:a:").ticks_stream(ref) == "replay:a:ticks_stream:/NQ:144t"
    assert Keys(cluster=True).bars(ref) == "bars:{/NQ}:144t"
    assert Keys().working(runner) == "working:ema:/NQ:144t:paper"
    assert [Keys().trades("ema", mode) for mode in ("paper", "live")] == ["paper_trades:ema", "real_trades:ema"]
