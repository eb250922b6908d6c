"""DBN files: what their records become, whose they are, and which files are refused with what words."""

from datetime import date
from fractions import Fraction
from pathlib import Path

import databento_dbn as dbn
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.dbn_files import START, YEAR, bar, compressed, metadata, one, quoted, trade, written

from fortified.adapters.files import load_bars, load_ticks, sniff, symbols
from fortified.adapters.files_select import select
from fortified.adapters.zstd_frames import is_whole
from fortified.domain.errors import DataError
from fortified.domain.timeframe import Timeframe

NQ, ES = 4_000, 5_000
GIGA = 10**9
TWO = {"NQU5": one(NQ), "ESU5": one(ES)}
MIXED = metadata("trades", TWO) + b"".join(trade(NQ if i % 3 else ES, i, (20_000 if i % 3 else 5_000) * GIGA + i, 1 + i) for i in range(9))

each_form = pytest.mark.parametrize("name", ["t.dbn", "t.dbn.zst"])


@each_form
def test_trades_become_ticks_without_quotes(tmp_path: Path, name: str) -> None:
    data = metadata("trades", {"NQU5": one(NQ)}) + trade(NQ, 0, 20_000_250_000_000, 3) + trade(NQ, 0.5, -250_000_000, 1)
    path = written(tmp_path / name, data)
    assert sniff(path) == "ticks"
    table = load_ticks([path], symbol="/NQ", strict=True)
    assert table.ts_ns.tolist() == [START, START + GIGA // 2]
    assert (table.price.tolist(), table.size.tolist(), table.bid, table.ask) == ([20_000.25, -0.25], [3.0, 1.0], None, None)


@each_form
@pytest.mark.parametrize(
    ("symbol", "rows"), [("/NQ", [1, 2, 4, 5, 7, 8]), ("/NQU25", [1, 2, 4, 5, 7, 8]), ("/ESU25:XCME", [0, 3, 6]), ("/es", [0, 3, 6])]
)
def test_a_symbol_chooses_its_records(tmp_path: Path, name: str, symbol: str, rows: list[int]) -> None:
    table = load_ticks([written(tmp_path / name, MIXED)], symbol=symbol, strict=True)
    assert table.size.tolist() == [1 + row for row in rows]


@pytest.mark.parametrize("symbol", ["/GC", "/NQZ25", "NQ", "/N"])
def test_an_unknown_symbol_lists_those_present(tmp_path: Path, symbol: str) -> None:
    with pytest.raises(DataError, match=r"t\.dbn holds no .*; its symbols are ESU5, NQU5"):
        load_ticks([written(tmp_path / "t.dbn", MIXED)], symbol=symbol)


def test_without_a_symbol_there_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="several symbols: ESU5, NQU5"):
        load_ticks([written(tmp_path / "t.dbn", MIXED)])
    alone = metadata("trades", TWO) + trade(ES, 0, GIGA)
    assert len(load_ticks([written(tmp_path / "one.dbn", alone)])) == 1


def test_a_root_with_two_contracts_is_not_guessed(tmp_path: Path) -> None:
    data = metadata("trades", {"NQU5": one(1), "NQZ5": one(2)}) + trade(1, 0, GIGA) + trade(2, 1, 2 * GIGA)
    path = written(tmp_path / "t.dbn", data)
    with pytest.raises(DataError, match=r"several contracts of /NQ: NQU5, NQZ5"):
        load_ticks([path], symbol="/NQ")
    assert load_ticks([path], symbol="/NQZ25").price.tolist() == [2.0]
    assert symbols(path) == {"NQU5": "/NQU25", "NQZ5": "/NQZ25"}


def test_the_front_month_is_the_root_and_follows_its_ids_by_day(tmp_path: Path) -> None:
    roll = date(2025, 6, 17)
    ids = {"NQ.c.0": [(1, YEAR[0], roll), (2, roll, YEAR[1])], "NQ.c.1": [(2, YEAR[0], roll), (3, roll, YEAR[1])]}
    day = 86_400
    records = [trade(number, at, number * GIGA, 1) for at in (0.0, float(day)) for number in (1, 2, 3)]
    table = load_ticks([written(tmp_path / "t.dbn", metadata("trades", ids) + b"".join(records))], symbol="/NQ")
    assert table.price.tolist() == [1.0, 1.0, 2.0]  # the id 1 has no other name, so its days do not matter
    assert table.ts_ns.tolist() == [START, START + day * GIGA, START + day * GIGA]


def test_ids_without_names(tmp_path: Path) -> None:
    alone = written(tmp_path / "one.dbn", metadata("trades", {}) + trade(7, 0, GIGA))
    assert load_ticks([alone], symbol="/NQ").price.tolist() == [1.0]
    assert symbols(alone) == {}
    with pytest.raises(DataError, match="without their names"):
        load_ticks([written(tmp_path / "two.dbn", metadata("trades", {}) + trade(7, 0, GIGA) + trade(8, 0, GIGA))], symbol="/NQ")


def test_shares_keep_their_names_and_spreads_have_none(tmp_path: Path) -> None:
    shares = written(tmp_path / "s.dbn", metadata("trades", {"SPY": one(1)}, "XNAS.ITCH") + trade(1, 0, GIGA))
    spread = written(tmp_path / "f.dbn", metadata("trades", {"NQU5-NQZ5": one(1)}) + trade(1, 0, GIGA))
    assert (symbols(shares), symbols(spread)) == ({"SPY": "SPY"}, {"NQU5-NQZ5": None})
    assert len(load_ticks([shares], symbol="spy")) == 1


@pytest.mark.parametrize("schema", ["tbbo", "mbp-1"])
def test_trades_with_quotes(tmp_path: Path, schema: str) -> None:
    records = quoted(NQ, 0, 2 * GIGA, GIGA, 3 * GIGA) + quoted(NQ, 1, 2 * GIGA, dbn.UNDEF_PRICE, 3 * GIGA)
    others = quoted(NQ, 1, 9 * GIGA, GIGA, 3 * GIGA, "A") if schema == "mbp-1" else b""
    path = written(tmp_path / "t.dbn", metadata(schema, {"NQU5": one(NQ)}) + others + records)
    table = load_ticks([path], symbol="/NQ", strict=True)
    assert table.price.tolist() == [2.0, 2.0]
    assert table.bid is not None
    assert table.ask is not None
    np.testing.assert_array_equal(table.bid, [1.0, np.nan])
    assert table.ask.tolist() == [3.0, 3.0]


@pytest.mark.parametrize(("name", "rtype", "seconds"), [("1s", 32, 1), ("1m", 33, 60), ("1h", 34, 3_600), ("1d", 35, 86_400)])
def test_bars_know_their_timeframe(tmp_path: Path, name: str, rtype: int, seconds: int) -> None:
    data = metadata(f"ohlcv-{name}", {"NQU5": one(NQ)}) + bar(NQ, 0, (2 * GIGA, 4 * GIGA, GIGA, 3 * GIGA), 10, rtype)
    path = written(tmp_path / "b.dbn.zst", data)
    selection = select([path], symbol="/NQ")
    assert (selection.kind, selection.timeframe) == ("bars", Timeframe("time", seconds))
    table = load_bars(path, Timeframe("time", seconds), symbol="/NQ", strict=True)
    assert (table.open[0], table.high[0], table.low[0], table.close[0], table.volume[0]) == (2, 4, 1, 3, 10)
    assert (table.ts_open.tolist(), table.ts_close.tolist()) == ([START], [START + seconds * GIGA])


@given(price=st.integers(-(2**63) + 1, 2**63 - 2))
def test_prices_are_the_nearest_floats(tmp_path_factory: pytest.TempPathFactory, price: int) -> None:
    path = written(tmp_path_factory.mktemp("price") / "t.dbn", metadata("trades", {}) + trade(1, 0, price))
    assert load_ticks([path]).price[0] == float(Fraction(price, GIGA))


def test_a_stamp_of_sending_is_no_price(tmp_path: Path) -> None:
    data = metadata("trades", {}, ts_out=True) + b"".join(trade(1, i, (i + 1) * GIGA, ts_out=START) for i in range(3))
    for name in ("t.dbn", "t.dbn.zst"):
        assert load_ticks([written(tmp_path / name, data)]).price.tolist() == [1.0, 2.0, 3.0]


def test_undefined_is_a_bad_row_with_the_number_of_its_record(tmp_path: Path) -> None:
    rows = [
        trade(ES, 0, GIGA),
        trade(NQ, 0, GIGA),
        trade(NQ, 1, dbn.UNDEF_PRICE),
        trade(NQ, 2, GIGA, ts_ns=2**64 - 1),
        trade(NQ, 0.5, GIGA),
    ]
    path = written(tmp_path / "t.dbn", metadata("trades", TWO) + b"".join([*rows, trade(NQ, -1, GIGA)]))
    report = load_ticks([path], symbol="/NQ").report
    assert (report.rows, report.bad) == (5, 3)
    assert [(row.line, row.reason.partition(":")[0]) for row in report.samples] == [
        (3, "price is missing"),
        (4, "time is missing"),
        (6, "time runs backwards"),
    ]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"no such thing as a DBN file", "torn or damaged"),
        (MIXED[:7], "torn or damaged"),
        (MIXED[:100], "torn or damaged"),
        (metadata("trades", TWO), "metadata and no records"),
        (MIXED[:-5], "torn or damaged: its last record has 43 of 48 bytes"),
        (metadata("mbo", {}) + trade(1, 0, 1), "is of the schema mbo, which is not read. Use one of: trades, tbbo"),
        (metadata("tbbo", {}) + trade(1, 0, 1), "records of other kinds"),
        (MIXED + quoted(NQ, 20, 1, 1, 1), "records of other kinds"),
        (metadata("mbp-1", {}) + quoted(1, 0, 1, 1, 1, "A"), "quotes and no trades"),
    ],
    ids=["empty", "text", "head", "metadata", "no records", "record", "schema", "length", "mixed", "no trades"],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        load_ticks([written(tmp_path / "t.dbn", data)], symbol="/NQ")
    assert "t.dbn" in str(caught.value)


@pytest.mark.parametrize("keep", [3, 5, 40, 100, -1, -4, -30])
def test_torn_compression_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "t.dbn.zst"
    path.write_bytes(compressed(MIXED)[:keep])
    with pytest.raises(DataError, match="torn or damaged"):
        load_ticks([path], symbol="/NQ")


def test_damaged_compression_is_refused(tmp_path: Path) -> None:
    data = bytearray(compressed(MIXED + b"".join(trade(NQ, 10 + i, i * 7919 * GIGA) for i in range(500))))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "t.dbn.zst"
    path.write_bytes(data)
    with pytest.raises(DataError, match="torn or damaged"):
        load_ticks([path], symbol="/NQ")


def test_only_whole_frames_are_whole() -> None:
    frame = compressed(MIXED)
    skippable = bytes.fromhex("502a4d18 03000000 616263")
    empty_block = bytes.fromhex("28b52ffd 20 00 010000")
    assert all(map(is_whole, (frame, frame + frame, skippable + frame, frame + empty_block)))
    assert not any(is_whole(frame[:keep]) for keep in range(len(frame)))
    assert not any(map(is_whole, (b"", frame + b"x", frame + skippable[:-1], b"PAR1" + frame)))
