"""Tick and bar files: what is read, which rows are left out and why, and which files are refused with what words."""

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fortified.adapters.files import fingerprint, load_bars, load_ticks, sniff, symbols
from fortified.adapters.files_select import select
from fortified.domain.errors import ConfigError, DataError
from fortified.domain.timeframe import Timeframe

HEAD = "ts_ns,price,size,bid,ask\n"
BAR_HEAD = "ts_open,open,high,low,close\n"
MINUTE = Timeframe.parse("1m")
SHARED = Path(__file__).parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared market data is not here")


def written(path: Path, text: str) -> Path:
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


# --- good files -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t [1].csv"])
def test_columns_come_as_written(tmp_path: Path, name: str) -> None:
    table = load_ticks([written(tmp_path / name, HEAD + "10,1.25,3,,\n10,1.5,0,1.25,1.5\n12,-2,1e1,1.25,\n")])
    assert table.ts_ns.tolist() == [10, 10, 12]
    assert table.price.tolist() == [1.25, 1.5, -2.0]
    assert table.size.tolist() == [3.0, 0.0, 10.0]
    assert table.bid is not None
    assert table.ask is not None
    np.testing.assert_array_equal(table.bid, [np.nan, 1.25, 1.25])
    np.testing.assert_array_equal(table.ask, [np.nan, 1.5, np.nan])
    assert (table.report.rows, table.report.bad) == (3, 0)


@pytest.mark.parametrize("more", ["", "4,dear,1\n"])
def test_blanks_around_numbers_do_not_matter_beside_good_and_bad_rows(tmp_path: Path, more: str) -> None:
    table = load_ticks([written(tmp_path / "t.csv", f"ts_ns, price, size\n1, 1.5, 2\n 2 ,2.5 , 3 \n{more}")])
    assert (table.ts_ns.tolist(), table.price.tolist(), table.size.tolist()) == ([1, 2], [1.5, 2.5], [2, 3])


def test_other_columns_case_and_order_do_not_matter(tmp_path: Path) -> None:
    table = load_ticks([written(tmp_path / "t.csv", "\ufeffexch,Size, PRICE ,TS_NS\r\nP,1,2,3\r\n")])
    assert (table.ts_ns.tolist(), table.price.tolist(), table.size.tolist()) == ([3], [2.0], [1.0])
    assert table.bid is None
    assert table.ask is None


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    frame = pl.DataFrame({"ts_ns": [1, 2, 3], "price": [1.5, None, 2.5], "size": [1, 2, -3], "bid": [None, 1.0, 2.0]})
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_csv(tmp_path / "t.csv")
    tables = [load_ticks([tmp_path / name]) for name in ("t.parquet", "t.csv")]
    assert tables[0].price.tolist() == tables[1].price.tolist() == [1.5]
    assert tables[0].report.counts == tables[1].report.counts == {"price is missing": 1, "size is negative": 1}
    assert [row.line for row in tables[0].report.samples] == [2, 3]
    assert [row.line for row in tables[1].report.samples] == [3, 4]


@pytest.mark.parametrize("unit", ["ns", "us", "ms"])
def test_parquet_stamps_with_a_zone(tmp_path: Path, unit: pl._typing.TimeUnit) -> None:
    stamps = pl.Series([1_000_000, 2_000_000]).cast(pl.Datetime("ns", "America/New_York")).dt.cast_time_unit(unit)
    pl.DataFrame({"ts": stamps, "price": [1, 2], "size": [1, 1]}).write_parquet(tmp_path / "t.parquet")
    assert load_ticks([tmp_path / "t.parquet"]).ts_ns.tolist() == [1_000_000, 2_000_000]


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-02T00:00:00Z", 86_400_000_000_000),
        ("1970-01-02T00:00:00.123456789Z", 86_400_123_456_789),
        ("1970-01-02T02:00:00+02:00", 86_400_000_000_000),
        ("1970-01-01T19:00:00.5-0500", 86_400_500_000_000),
        ("1970-01-02 00:00:00", 86_400_000_000_000),
        ("1970-01-02T00:01", 86_460_000_000_000),
        ("1970-01-02T00:01z", 86_460_000_000_000),
        ("1970-01-02", 86_400_000_000_000),
    ],
)
def test_iso_stamps_alone_and_mixed(tmp_path: Path, text: str, ns: int) -> None:
    alone = load_ticks([written(tmp_path / "a.csv", f"ts,price,size\n{text},1,1\n")])
    mixed = load_ticks([written(tmp_path / "b.csv", f"ts,price,size\n1970-01-01T00:00:00Z,1,1\n{text},1,1\n1970-01-03 00:00:00,1,1\n")])
    assert alone.ts_ns.tolist() == [ns]
    assert mixed.ts_ns.tolist() == [0, ns, 2 * 86_400_000_000_000]


@settings(deadline=None)
@given(prices=st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=20))
def test_prices_are_read_to_the_last_bit(tmp_path_factory: pytest.TempPathFactory, prices: list[float]) -> None:
    rows = "".join(f"{row},{price!r},1\n" for row, price in enumerate(prices))
    table = load_ticks([written(tmp_path_factory.mktemp("prices") / "t.csv", "ts_ns,price,size\n" + rows)])
    assert table.price.tolist() == prices


def test_iso_stamps_that_are_none_are_bad_rows(tmp_path: Path) -> None:
    stamps = ("1970-01-02T00:00:00Z", "", "1970-13-01T00:00:00Z", "2400-01-01T00:00:00Z", "5", "1970-01-03 00:00")
    table = load_ticks([written(tmp_path / "t.csv", "ts,price,size\n" + "".join(f"{stamp},1,1\n" for stamp in stamps))])
    assert table.ts_ns.tolist() == [86_400_000_000_000, 2 * 86_400_000_000_000]
    assert table.report.counts == {"time is missing": 1, "time is not ISO-8601": 3}


# --- bad rows -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("x,1,1,,", "time is not UTC nanoseconds: 'x'"),
        ("20.5,1,1,,", "time is not UTC nanoseconds: '20.5'"),
        ("99999999999999999999,1,1,,", "time is not UTC nanoseconds: '99999999999999999999'"),
        ("-1,1,1,,", "time is before 1970: '-1'"),
        (",1,1,,", "time is missing"),
        ("", "time is missing"),
        ("20,,1,,", "price is missing"),
        ("20,x,1,,", "price is not a number: 'x'"),
        ("20,NaN,1,,", "price is not finite: 'NaN'"),
        ("20,-inf,1,,", "price is not finite: '-inf'"),
        ("20,1,,,", "size is missing"),
        ("20,1", "size is missing"),
        ("20,1,-1,,", "size is negative: '-1'"),
        ("20,1,nan,,", "size is not finite: 'nan'"),
        ("20,1,1,q,", "bid is not a number: 'q'"),
        ("9,1,1,,", "time runs backwards: '9'"),
    ],
)
def test_a_bad_row_is_reported_with_its_line(tmp_path: Path, row: str, reason: str) -> None:
    path = written(tmp_path / "t.csv", f"{HEAD}10,1,1,,\n{row}\n30,2,1,,\n")
    table = load_ticks([path])
    assert table.ts_ns.tolist() == [10, 30]
    assert [(bad.line, bad.reason) for bad in table.report.samples] == [(3, reason)]
    assert table.report.counts == {reason.partition(":")[0]: 1}
    with pytest.raises(DataError, match=r"t\.csv:3: " + reason[:12]):
        load_ticks([path], strict=True)


def test_blank_last_lines_and_a_missing_newline_are_no_fault(tmp_path: Path) -> None:
    assert load_ticks([written(tmp_path / "a.csv", HEAD + "1,1,1,,\n\n\n")], strict=True).report.rows == 1
    assert load_ticks([written(tmp_path / "b.csv", HEAD + "1,1,1,,\n2,1,1,,")], strict=True).report.rows == 2


def test_time_may_run_backwards_by_the_tolerance_of_the_latest_good_row(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", HEAD + "100,1,1,,\n999,x,1,,\n95,2,1,,\n90,3,1,,\n89,4,1,,\n101,5,1,,\n")
    assert load_ticks([path], tolerance_ns=10).price.tolist() == [1, 2, 3, 5]
    assert load_ticks([path]).price.tolist() == [1, 5]


def test_the_report_keeps_the_first_twenty_and_counts_all(tmp_path: Path) -> None:
    report = load_ticks([written(tmp_path / "t.csv", HEAD + "1,1,1,,\n" + "2,x,1,,\n" * 50)]).report
    assert (report.rows, report.bad, report.counts) == (51, 50, {"price is not a number": 50})
    assert [row.line for row in report.samples] == list(range(3, 23))


# --- refused files --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("t.csv", "", "is empty"),
        ("t.csv.gz", "", "is empty"),
        ("t.parquet", "", "is empty"),
        ("t.csv", HEAD, "has a header and no rows"),
        ("t.csv", HEAD + "\n\n", "has a header and no rows"),
        ("t.csv", HEAD + "x,1,1,,\n", "none of its 1 rows can be used; the first: .*t.csv:2: time is not"),
        ("t.csv", "time,last\n1,2\n", "no column ts_ns or ts; it has time, last"),
        ("t.csv", "ts_ns,size\n1,2\n", "no column price; it has ts_ns, size"),
        ("t.csv", "ts_ns,price,Price,size\n1,2,2,3\n", "a column name occurs twice"),
        ("t.csv", "\0\1\2\n\3", "its first line is not text"),
        ("t.parquet", "this is no parquet file at all", "may be torn or damaged"),
        ("t.txt", "x", "this kind of file is not read"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        load_ticks([written(tmp_path / name, text)])
    assert name in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_no_file_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    for paths, says in (([], "No tick file"), ([tmp_path / "no.csv"], "does not exist"), ([tmp_path], "is a directory")):
        with pytest.raises(DataError, match=says):
            load_ticks(paths)


@pytest.mark.parametrize("keep", [10, 40, -30, -4])
def test_a_torn_gzip_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress((HEAD + "".join(f"{row},1,1,,\n" for row in range(5_000))).encode())[:keep])
    with pytest.raises(DataError, match="torn or damaged"):
        load_ticks([path])


@pytest.mark.parametrize("keep", [3, 11, 200, -1, -500])
def test_a_torn_parquet_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"ts_ns": range(1_000), "price": [1.0] * 1_000, "size": [1] * 1_000}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="torn or damaged"):
        load_ticks([path])


@pytest.mark.parametrize(
    ("column", "says"), [({"ts_ns": [1.0]}, "no exact time"), ({"price": [[1.0]]}, "no numbers"), ({"price": [True]}, "no numbers")]
)
def test_parquet_columns_of_the_wrong_type_are_refused(tmp_path: Path, column: dict[str, list[object]], says: str) -> None:
    pl.DataFrame({"ts_ns": [1], "price": [1.0], "size": [1]} | column).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=says):
        load_ticks([tmp_path / "t.parquet"])


# --- several files --------------------------------------------------------------------------------------------------------------------


def test_files_are_joined_in_the_order_given(tmp_path: Path) -> None:
    first = written(tmp_path / "1.csv", "ts_ns,price,size\n1,1,1\n2,x,1\n")
    second = written(tmp_path / "2.csv", HEAD + "2,2,1,1.5,\n1,9,1,,\n")
    table = load_ticks([first, second])
    assert table.price.tolist() == [1, 2]
    assert table.bid is not None
    np.testing.assert_array_equal(table.bid, [np.nan, 1.5])
    assert (table.report.rows, table.report.bad) == (4, 2)
    assert [(Path(row.path).name, row.line) for row in table.report.samples] == [("1.csv", 3), ("2.csv", 3)]


def test_files_that_overlap_in_time_are_refused_by_name(tmp_path: Path) -> None:
    first, second = (written(tmp_path / f"{name}.csv", f"{HEAD}{name},1,1,,\n") for name in (20, 10))
    with pytest.raises(DataError, match=r"10\.csv begins at 10, before .*20\.csv ends at 20"):
        load_ticks([first, second])
    assert len(load_ticks([first, second], tolerance_ns=10)) == 2


def test_the_fingerprint_is_of_the_content_alone(tmp_path: Path) -> None:
    one, same, other = (written(tmp_path / name, text) for name, text in (("a.csv", "ab"), ("b.csv", "ab"), ("c.csv", "a")))
    rest = written(tmp_path / "d.csv", "b")
    assert fingerprint([one]) == fingerprint([same])
    assert len({fingerprint(paths) for paths in ([one], [other, rest], [rest, other], [other], [])}) == 5
    with pytest.raises(DataError, match=r"no\.csv cannot be read"):
        fingerprint([tmp_path / "no.csv"])


# --- symbols --------------------------------------------------------------------------------------------------------------------------

SYMBOLS = "ts_ns,symbol,price,size\n1,/NQ,10,1\n2,ESZ25,20,1\n3,/NQ,x,1\n4,,11,1\n5,/NQ,12,1\n4,ESZ25,21,1\n"


@pytest.mark.parametrize(("symbol", "prices"), [("/NQ", [10, 12]), ("/ESZ25", [20, 21]), ("/es", [20, 21])])
def test_only_the_rows_of_the_symbol_are_taken(tmp_path: Path, symbol: str, prices: list[float]) -> None:
    path = written(tmp_path / "t.csv", SYMBOLS)
    assert load_ticks([path], symbol=symbol).price.tolist() == prices
    frame = pl.read_csv(path, schema_overrides={"price": pl.String}).with_columns(pl.col("price").cast(pl.Float64, strict=False))
    frame.write_parquet(tmp_path / "t.parquet")
    assert load_ticks([tmp_path / "t.parquet"], symbol=symbol).price.tolist() == prices


def test_bad_rows_among_symbols_keep_their_lines(tmp_path: Path) -> None:
    report = load_ticks([written(tmp_path / "t.csv", SYMBOLS)], symbol="/NQ").report
    assert [(row.line, row.reason) for row in report.samples] == [(4, "price is not a number: 'x'"), (5, "symbol is missing")]
    assert (report.rows, report.bad) == (4, 2)


@pytest.mark.parametrize("names", ["SPY,SPY", "BRK.B,BRK.B", " spy , spy "])
def test_one_symbol_needs_no_choice_and_is_known(tmp_path: Path, names: str) -> None:
    first, second = names.split(",")
    path = written(tmp_path / "t.csv", f"ts_ns,price,size,Symbol\n1,1,1,{first}\n2,1,1,{second}\n")
    (known,) = symbols(path).values()
    assert len(load_ticks([path])) == len(load_ticks([path], symbol=known)) == 2


@pytest.mark.parametrize(
    ("names", "symbol", "says"),
    [
        (("/NQ", "/ES"), None, "several symbols: /ES, /NQ. Say which with --symbol"),
        (("/NQ", "/ES"), "SPY", "holds no SPY; its symbols are /ES, /NQ"),
        (("SPY", "spy"), "SPY", "spells SPY in several ways"),
        (("NQZ25", "NQH26"), "/NQ", "several contracts of /NQ: NQH26, NQZ25"),
        (("", ""), "SPY", "a column symbol with nothing in it"),
        (tuple(f"A{i}" for i in range(30)), "SPY", "A19 and 18 more"),
    ],
)
def test_a_symbol_that_is_not_there_or_not_clear(tmp_path: Path, names: tuple[str, ...], symbol: str | None, says: str) -> None:
    path = written(tmp_path / "t.csv", "ts_ns,price,size,symbol\n" + "".join(f"1,1,1,{name}\n" for name in names))
    with pytest.raises(DataError, match=says):
        load_ticks([path], symbol=symbol)


def test_bars_of_a_symbol(tmp_path: Path) -> None:
    rows = "60000000000,1,1,1,1,SPY\n60000000000,2,2,2,2,QQQ\n120000000000,3,3,3,3,SPY\n"
    path = written(tmp_path / "b.csv", BAR_HEAD.replace("close", "close,symbol") + rows)
    assert load_bars(path, MINUTE, symbol="SPY", strict=True).close.tolist() == [1, 3]


# --- directories ----------------------------------------------------------------------------------------------------------------------


def test_a_directory_is_its_files_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 100):
        written(tmp_path / f"ticks-{number}.csv", f"ts_ns,price,size\n{number},1,1\n")
    for other in ("read me.txt", ".hidden.csv"):
        (tmp_path / other).write_text("no data")
    selection = select([tmp_path], symbol="/NQ")
    assert [path.name for path in selection.files] == ["ticks-9.csv", "ticks-10.csv", "ticks-100.csv"]
    assert selection.kind == "ticks"
    assert load_ticks(selection.files).ts_ns.tolist() == [9, 10, 100]


def test_a_directory_must_hold_one_kind_of_data(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("none", "mixed"):
        (tmp_path / name).mkdir()
    written(tmp_path / "none" / "x.txt", "x")
    ticks, bars = written(tmp_path / "mixed" / "a.csv", HEAD + "1,1,1,,\n"), written(tmp_path / "mixed" / "b.csv", BAR_HEAD + "1,1,1,1,1\n")
    for paths, says in (
        ([tmp_path / "empty"], "a directory without data files"),
        ([tmp_path / "none"], "a directory without data files"),
        ([tmp_path / "mixed"], r"holds ticks \(a.csv\) and bars \(b.csv\)"),
        ([ticks, bars], r"b.csv holds 1 bars and .*a.csv ticks"),
        ([], "No data file is given"),
    ):
        with pytest.raises(DataError, match=says):
            select(paths, symbol="/NQ", bars_timeframe="1")
    with pytest.raises(DataError, match=r"xx\.csv cannot be read: File name too long"):
        select([tmp_path / f"{'x' * 300}.csv"], symbol="/NQ")
    with pytest.raises(ConfigError, match=r"b\.csv holds bars; say of which timeframe with --bars-timeframe"):
        select([bars], symbol="/NQ")


def test_bar_files_are_joined_in_the_order_of_time(tmp_path: Path) -> None:
    first, second = (written(tmp_path / f"{at}.csv", f"{BAR_HEAD}{at}000000000,{at},{at},{at},{at}\n") for at in (60, 120))
    table = load_bars([first, second], MINUTE)
    assert (table.ts_open.tolist(), table.close.tolist(), table.report.rows) == ([60 * 10**9, 120 * 10**9], [60, 120], 2)
    for paths in ([second, first], [first, first]):
        with pytest.raises(DataError, match="Give the files in the order of time"):
            load_bars(paths, MINUTE)


# --- bars -----------------------------------------------------------------------------------------------------------------------------


def test_bars_as_we_write_them(tmp_path: Path) -> None:
    head = "ts_open,ts_close,open,high,low,close,volume,ticks,complete,vwap\n"
    table = load_bars(written(tmp_path / "b.csv", head + "5,9,2,4,1,3,10,144,1,2.5\n9,11,3,3,3,3,0,7,false,\n"), Timeframe.parse("144t"))
    assert (table.ts_open.tolist(), table.ts_close.tolist()) == ([5, 9], [9, 11])
    assert (table.open[0], table.high[0], table.low[0], table.close[0], table.volume[0]) == (2, 4, 1, 3, 10)
    assert (table.ticks.tolist(), table.complete.tolist(), table.vwap.tolist()) == ([144, 7], [True, False], [2.5, 3.0])


@pytest.mark.parametrize("column", ["ts_start_ns", "ts_open_ns", "time", "date", "Datetime"])
def test_bars_of_others_get_what_they_lack(tmp_path: Path, column: str) -> None:
    table = load_bars(written(tmp_path / "b.csv", f"{column},open,high,low,close\n1970-01-01T00:01:00Z,1,3,1,2\n"), MINUTE)
    assert (table.ts_open.tolist(), table.ts_close.tolist()) == ([60_000_000_000], [120_000_000_000])
    assert (table.volume.tolist(), table.ticks.tolist(), table.vwap.tolist(), table.complete.tolist()) == ([0.0], [0], [2.0], [True])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("120000000000,1,0.5,0.5,1", "high is below open, low or close: '0.5'"),
        ("120000000000,1,2,1.5,1.6", "low is above open or close: '1.5'"),
        ("120000000000,1,2,,1", "low is missing"),
        ("120000000000,inf,inf,1,1", "open is not finite: 'inf'"),
        ("60000000000,1,2,1,1", "time runs backwards: '60000000000'"),
        ("x,1,2,1,1", "time is not UTC nanoseconds or ISO-8601: 'x'"),
    ],
)
def test_a_bar_that_cannot_be_is_left_out(tmp_path: Path, row: str, reason: str) -> None:
    table = load_bars(written(tmp_path / "b.csv", f"{BAR_HEAD}60000000000,1,1,1,1\n{row}\n180000000000,1,1,1,1\n"), MINUTE)
    assert len(table) == 2
    assert [(bad.line, bad.reason) for bad in table.report.samples] == [(3, reason)]


def test_tick_bars_need_their_close_time(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column ts_close"):
        load_bars(written(tmp_path / "b.csv", BAR_HEAD + "1,1,1,1,1\n"), Timeframe.parse("144t"))


def test_sniffing(tmp_path: Path) -> None:
    assert sniff(written(tmp_path / "t.csv.gz", HEAD)) == "ticks"
    assert sniff(written(tmp_path / "b.csv", BAR_HEAD)) == "bars"
    with pytest.raises(DataError, match=r"neither ticks .* nor bars .*; its columns are a, b"):
        sniff(written(tmp_path / "x.csv", "a,b\n"))


# --- real files -----------------------------------------------------------------------------------------------------------------------


@needs_shared
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("CLF0_20191216", 140_617),
        ("ESH4_20231225", 2_973),
        ("ESU4_20240701T2358", 120),
        ("SPY_20131007", 250_601),
    ],
)
def test_real_ticks_are_all_good(name: str, rows: int) -> None:
    table = load_ticks([SHARED / "ticks" / f"{name}_trades.csv.gz"], strict=True)
    assert len(table) == table.report.rows == rows
    for length in ("144t", "1m"):
        bars = load_bars(SHARED / "bars" / f"{name}_trades__{length}.csv", Timeframe.parse(length), strict=True)
        assert bars.volume.sum() == table.size.sum()
        assert bars.ticks.sum() == rows


@pytest.mark.parametrize(
    "text",
    [
        "date,open,high,low,close\n20250304,1,2,0.5,1.5\n20250305,1,2,0.5,1.5\n",
        ",Open,High,Low,Close\n2025-03-04,1,2,0.5,1.5\n2025-03-05,1,2,0.5,1.5\n",
    ],
    ids=["days as numbers", "the index of pandas"],
)
def test_days_are_read_however_they_are_spelled(tmp_path: Path, text: str) -> None:
    bars = load_bars(written(tmp_path / "b.csv", text), Timeframe.parse("1d"))
    assert np.datetime_as_string(bars.ts_open.view("datetime64[ns]"), "D").tolist() == ["2025-03-04", "2025-03-05"]


def test_a_day_that_is_none_is_a_bad_row(tmp_path: Path) -> None:
    text = "date,open,high,low,close\n20250304,1,2,0.5,1.5\n20251399,1,2,0.5,1.5\n"
    bars = load_bars(written(tmp_path / "b.csv", text), Timeframe.parse("1d"))
    assert (len(bars), bars.report.bad) == (1, 1)
