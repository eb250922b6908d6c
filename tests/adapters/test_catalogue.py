"""The catalogue: which rows are in which day, that no row is there twice, and that a failed or killed import leaves days whole."""

import itertools
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.dbn_files import bar, metadata, one, trade, written

from fortified.adapters.catalogue import writing
from fortified.adapters.catalogue_days import frame_of, merged, trading_days
from fortified.adapters.catalogue_gaps import DayReport
from fortified.adapters.catalogue_import import ImportOptions, ImportReport, import_files
from fortified.adapters.catalogue_layout import folder, symbols_in
from fortified.adapters.files import load_ticks
from fortified.adapters.files_select import select
from fortified.adapters.files_span import load_selected
from fortified.adapters.tables import BarTable, TickTable
from fortified.domain.calendar import get_calendar
from fortified.domain.errors import ConfigError, DataError
from fortified.domain.instrument import normalise_symbol

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
MONDAY = 1_750_032_000 * SECOND
"""2025-06-16, 00:00 UTC: in the session of Monday that opened on Sunday at 22:00 UTC and closes at 21:00 UTC."""
HEAD = "ts_ns,price,size,bid,ask\n"

type Row = tuple[float, float]
"""Hours since MONDAY, and a price."""


def csv(path: Path, rows: Iterable[Row]) -> Path:
    path.write_text(HEAD + "".join(f"{MONDAY + round(at * HOUR)},{price},1,,{price}\n" for at, price in rows))
    return path


def put(root: Path, *files: Path, symbol: str | None = "/NQ", **options: Any) -> ImportReport:
    return import_files(ImportOptions(files, root, symbol, **options), lambda done, total: None)


def prices(root: Path, symbol: str = "/NQ", **span: Any) -> list[float]:
    table = load_selected(select([root], symbol=symbol, **span), symbol, **span)
    assert isinstance(table, TickTable)
    return list(table.price)


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def changes(report: ImportReport) -> list[tuple[str, str, int]]:
    return [(day.day.isoformat(), day.change, day.rows) for day in report.days]


# --- what is in a day -----------------------------------------------------------------------------------------------------------------


def test_days_are_trading_days_and_keep_every_row(tmp_path: Path) -> None:
    rows = [(-3, 1), (-2, 2), (20.9, 3), (21.5, 4), (22, 5), (100, 6), (120, 7)]
    report = put(tmp_path / "c", csv(tmp_path / "t.csv", rows))
    assert changes(report) == [
        ("2025-06-16", "new", 3),  # -3: Sunday before the open
        ("2025-06-17", "new", 2),  # 21.5: the daily break
        ("2025-06-18", "missing", 0),
        ("2025-06-19", "missing", 0),
        ("2025-06-20", "new", 1),
        ("2025-06-23", "new", 1),  # 120: Saturday
    ]
    assert prices(tmp_path / "c") == [price for _, price in rows]
    assert sorted(content(tmp_path / "c")) == [
        *(f"_NQ/ticks/2025-06-{day}.parquet" for day in (16, 17, 20, 23)),
        "fortified-catalogue.json",
    ]


def test_what_was_read_is_read_again_to_the_last_bit(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text(HEAD + "".join(f"{MONDAY + i},{0.1 * i},{i % 4},{'' if i % 3 else 0.3 * i},{0.7 * i}\n" for i in range(100)))
    put(tmp_path / "c", file)
    table = load_selected(select([tmp_path / "c"], symbol="/NQ"), "/NQ")
    assert isinstance(table, TickTable)
    assert frame_of(table).equals(frame_of(load_ticks([file])))
    stored = pl.read_parquet_schema(next((tmp_path / "c").rglob("*.parquet")))
    assert stored == {"ts_ns": pl.Int64, **dict.fromkeys(("price", "size", "bid", "ask"), pl.Float64)}


@pytest.mark.parametrize("symbol", ["/NQ", "/NQZ26:XCME", "BRK/B", "$SPX", "SPY"])
def test_the_folder_of_a_symbol_is_its_own(tmp_path: Path, symbol: str) -> None:
    put(tmp_path / "c", csv(tmp_path / "t.csv", [(1, 1)]), symbol=symbol)
    assert symbols_in(tmp_path / "c") == [normalise_symbol(symbol)]
    assert folder(tmp_path / "c", symbol, "ticks").parent.parent == tmp_path / "c"
    assert prices(tmp_path / "c", symbol) == [1]


def test_a_day_may_go_on_in_the_next_file(tmp_path: Path) -> None:
    files = [
        csv(tmp_path / "1.csv", [(1, 1), (2, 2), (2, 2)]),
        csv(tmp_path / "2.csv", [(2, 2), (3, 3)]),
        csv(tmp_path / "3.csv", [(30, 4)]),
    ]
    assert changes(put(tmp_path / "c", *files)) == [("2025-06-16", "new", 5), ("2025-06-17", "new", 1)]
    assert prices(tmp_path / "c") == [1, 2, 2, 2, 3, 4]
    with pytest.raises(DataError, match=r"1\.csv begins at .*, before .*2\.csv ends"):
        put(tmp_path / "d", *reversed(files[:2]))


@pytest.mark.parametrize("calendar", ["CME_INDEX", "NYSE", "24/7", "CME_GRAINS"])
@given(first=st.integers(0, 4_000_000_000), length=st.integers(0, 3_000_000))
def test_days_follow_each_other_without_a_hole(calendar: str, first: int, length: int) -> None:
    first_ns, last_ns = first * SECOND, (first + length) * SECOND
    rules = get_calendar(calendar)
    days = list(trading_days(rules, first_ns, last_ns))
    assert days[-1].end_ns > last_ns
    assert all(day.day < after.day and day.end_ns <= after.start_ns for day, after in itertools.pairwise(days))
    assert rules.trading_day(first_ns) == days[0].day
    assert rules.trading_day(last_ns) == days[-1].day


# --- importing again ------------------------------------------------------------------------------------------------------------------


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    file = csv(tmp_path / "t.csv", [(1, 1), (1, 1), (2, 2), (30, 3)])
    put(tmp_path / "c", file)
    before = content(tmp_path / "c")
    assert changes(put(tmp_path / "c", file)) == [("2025-06-16", "unchanged", 3), ("2025-06-17", "unchanged", 1)]
    assert content(tmp_path / "c") == before


def test_a_file_replaces_its_own_span_and_keeps_the_rest(tmp_path: Path) -> None:
    put(tmp_path / "c", csv(tmp_path / "a.csv", [(1, 1), (2, 2), (3, 3), (4, 4)]))
    report = put(tmp_path / "c", csv(tmp_path / "b.csv", [(2, 2), (2.5, 9), (3, 3)]))
    assert (changes(report), report.days[0].rows_before) == ([("2025-06-16", "changed", 5)], 4)
    assert prices(tmp_path / "c") == [1, 2, 9, 3, 4]


stamped = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 2)), min_size=1, max_size=12).map(
    lambda rows: sorted(rows, key=lambda row: row[0])
)


@given(rows=stamped, data=st.data())
def test_two_parts_of_a_day_make_the_day_in_either_order(rows: list[tuple[int, int]], data: st.DataObject) -> None:
    def frame(part: list[tuple[int, int]]) -> pl.DataFrame:
        return pl.DataFrame({"ts_ns": [at for at, _ in part], "price": [price for _, price in part], "bid": [None] * len(part)})

    whole = frame(rows)
    cut = data.draw(st.integers(0, 6))
    early, late = whole.filter(pl.col("ts_ns") <= cut), whole.filter(pl.col("ts_ns") > cut)
    overlap = whole.filter(pl.col("ts_ns") >= cut)
    for first, second in ((early, late), (early, overlap), (whole, early), (whole, late), (whole, overlap)):
        if len(first) and len(second):
            assert merged(first, second).equals(whole)
            assert merged(second, first).equals(whole)


def test_a_cut_within_equal_stamps_loses_no_row(tmp_path: Path) -> None:
    put(tmp_path / "c", csv(tmp_path / "1.csv", [(1, 1), (2, 2), (2, 3)]))
    put(tmp_path / "c", csv(tmp_path / "2.csv", [(2, 4), (2, 5), (3, 6)]))
    assert prices(tmp_path / "c") == [1, 2, 3, 4, 5, 6]


# --- bars, symbols, spans -------------------------------------------------------------------------------------------------------------


def test_bars_lie_beside_ticks_and_are_asked_for_by_timeframe(tmp_path: Path) -> None:
    giga = 10**9
    opens = (-14, -13, 100)  # hours from the stamp of the builder, Monday 15:00 UTC
    rows = b"".join(bar(1, at * 3_600, (giga, 2 * giga, giga, 2 * giga), 5, 34) for at in opens)
    root = tmp_path / "c"
    hours = written(tmp_path / "h.dbn.zst", metadata("ohlcv-1h", {"NQU5": one(1)}) + rows)
    report = put(root, hours, symbol=None)
    assert {(day.symbol, day.kind) for day in report.days} == {("/NQU25", "bars-1h")}
    alone = select([root], symbol="/NQU25")
    assert (alone.kind, len(alone.files)) == ("bars", 2)
    bars = load_selected(alone, "/NQU25")
    assert isinstance(bars, BarTable)
    assert bars.volume.tolist() == [5, 5, 5]
    put(root, csv(tmp_path / "t.csv", [(1, 1)]), symbol="/NQU25")
    assert select([root], symbol="/NQU25").kind == "ticks"
    assert select([root], symbol="/NQU25", bars_timeframe="60").files == alone.files
    with pytest.raises(DataError, match="holds no 5 bars of /NQU25, but bars-1h, ticks"):
        select([root], symbol="/NQU25", bars_timeframe="5")


def test_bars_of_two_timeframes_must_be_chosen(tmp_path: Path) -> None:
    file = tmp_path / "b.csv"
    file.write_text(f"ts_open,open,high,low,close\n{MONDAY},1,1,1,1\n")
    for timeframe in ("5", "30s"):
        put(tmp_path / "c", file, bars_timeframe=timeframe)
    with pytest.raises(ConfigError, match="bars-30s, bars-5 of /NQ; say which with --bars-timeframe"):
        select([tmp_path / "c"], symbol="/NQ")


def test_all_symbols_of_the_files_come_in(tmp_path: Path) -> None:
    giga = 10**9
    ids = {"NQU5": one(1), "ESU5": one(2), "NQU5-NQZ5": one(3)}
    records = [trade(number, at, number * giga) for at in range(3) for number in (1, 2, 3)]
    report = put(tmp_path / "c", written(tmp_path / "t.dbn", metadata("trades", ids) + b"".join(records)), symbol=None)
    assert symbols_in(tmp_path / "c") == ["/ESU25", "/NQU25"]
    assert report.skipped == ("NQU5-NQZ5",)
    assert prices(tmp_path / "c", "/NQU25") == [1, 1, 1]
    with pytest.raises(DataError, match="holds no /GC; its symbols are /ESU25, /NQU25"):
        prices(tmp_path / "c", "/GC")


def test_only_the_days_of_a_span_are_read(tmp_path: Path) -> None:
    rows = [(24 * day + 1.0, float(day)) for day in range(40) if day % 7 < 5]
    root = tmp_path / "c"
    put(root, csv(tmp_path / "t.csv", rows))
    for start, end in ((0, 0.5), (3, 4), (5, 12), (38, 60), (-5, 3)):
        start_ns, end_ns = (MONDAY + round(24 * at * HOUR) for at in (start, end))
        wanted = [price for at, price in rows if 24 * start <= at < 24 * end]
        if wanted:
            assert prices(root, start_ns=start_ns, end_ns=end_ns) == wanted
    assert len(select([root], symbol="/NQ", start_ns=MONDAY, end_ns=MONDAY + HOUR).files) < 7
    with pytest.raises(DataError, match=r"There is no data from 2025-06-16T05:00:00 to .*; the files hold 2025-06-16T01:00:00 to"):
        prices(root, start_ns=MONDAY + 5 * HOUR, end_ns=MONDAY + 6 * HOUR)
    with pytest.raises(DataError, match="There is no data from 2030"):
        prices(root, start_ns=MONDAY + 5 * 365 * 24 * HOUR)


# --- gaps -----------------------------------------------------------------------------------------------------------------------------


def only(report: ImportReport) -> DayReport:
    (day,) = report.days
    return day


def test_silence_counts_in_sessions_from_the_open_to_the_close(tmp_path: Path) -> None:
    found = only(put(tmp_path / "a", csv(tmp_path / "a.csv", [(h / 2 - 2, 1) for h in range(46) if h not in (10, 11, 12)])))
    assert (found.silence_ns, found.silence_from_ns) == (2 * HOUR, MONDAY + round(2.5 * HOUR))
    late = only(put(tmp_path / "b", csv(tmp_path / "b.csv", [(h, 1) for h in range(8, 21)])))
    assert (late.silence_ns, late.silence_from_ns) == (10 * HOUR, MONDAY - 2 * HOUR)
    assert (late.first_ns, late.last_ns, late.sessions, late.empty_sessions) == (MONDAY + 8 * HOUR, MONDAY + 20 * HOUR, 1, 0)


def test_a_session_without_data_and_equal_rows_are_counted(tmp_path: Path) -> None:
    rows = [(-10.0, 1.0), (-10.0, 1.0), (-10.0, 2.0), (-9.0, 2.0)]  # Sunday at 14:00: no market
    found = only(put(tmp_path / "c", csv(tmp_path / "t.csv", rows)))
    assert (found.day, found.rows, found.sessions, found.empty_sessions, found.duplicates) == (date(2025, 6, 16), 4, 1, 1, 1)
    assert found.silence_ns == 23 * HOUR


def test_bars_are_not_silent_while_they_last(tmp_path: Path) -> None:
    file = tmp_path / "b.csv"
    stamps = [MONDAY + hour * HOUR for hour in range(-2, 21) if hour not in (3, 4)]
    file.write_text("ts_open,open,high,low,close\n" + "".join(f"{stamp},1,1,1,1\n" for stamp in stamps))
    found = only(put(tmp_path / "c", file, bars_timeframe="1h"))
    assert (found.silence_ns, found.silence_from_ns) == (2 * HOUR, MONDAY + 3 * HOUR)


def test_a_market_that_never_closes_has_days_of_utc(tmp_path: Path) -> None:
    report = put(tmp_path / "c", csv(tmp_path / "t.csv", [(1, 1), (60, 2)]), calendar="24/7")
    assert changes(report) == [("2025-06-16", "new", 1), ("2025-06-17", "missing", 0), ("2025-06-18", "new", 1)]
    assert [(day.silence_ns // HOUR, day.empty_sessions) for day in report.days] == [(23, 0), (24, 1), (12, 0)]


# --- refusals and interruptions -------------------------------------------------------------------------------------------------------


def test_bad_input_changes_nothing(tmp_path: Path) -> None:
    root, good = tmp_path / "c", csv(tmp_path / "1.csv", [(1, 1), (30, 2)])
    torn = tmp_path / "2.parquet"
    torn.write_bytes(b"PAR1 and no more")
    bad = csv(tmp_path / "3.csv", [(40, 1), (39, 1)])
    for files, strict in (([good, torn], False), ([good, bad], True)):
        with pytest.raises(DataError):
            put(root, *files, strict=strict)
        assert not root.exists()
    put(root, good)
    before = content(root)
    with pytest.raises(DataError):
        put(root, csv(tmp_path / "0.csv", [(1, 7), (29, 8)]), torn)
    assert content(root) == before
    report = put(root, good, bad)
    assert report.files.counts == {"time runs backwards": 1}


def test_refused_options(tmp_path: Path) -> None:
    file = csv(tmp_path / "t.csv", [(1, 1)])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_text("x")
    cases: list[tuple[Path, dict[str, Any], str]] = [
        (tmp_path / "other", {}, "is no catalogue and not empty"),
        (file, {}, "is no catalogue and not empty"),
        (tmp_path / "no" / "c", {}, "there is no directory"),
        (tmp_path / ("x" * 300), {}, "cannot be written: File name too long"),
        (tmp_path / "c", {"symbol": None}, "does not say whose data it is; name the symbol with --symbol"),
        (tmp_path / "c", {"symbol": "/QQQQ"}, "calendar of /QQQQ is not known; name one with --calendar"),
        (tmp_path / "c", {"symbol": "no symbol"}, "is not a symbol"),
        (tmp_path / "c", {"calendar": "moon"}, "no calendar 'moon'"),
    ]
    for root, options, says in cases:
        with pytest.raises(ConfigError, match=says):
            put(root, file, **options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "t.csv"]


def test_an_empty_directory_may_become_a_catalogue_and_stays_when_it_does_not(tmp_path: Path) -> None:
    root = tmp_path / "c"
    root.mkdir()
    with pytest.raises(DataError):
        put(root, csv(tmp_path / "bad.csv", []))
    assert list(root.iterdir()) == []
    put(root, csv(tmp_path / "t.csv", [(1, 1)]))
    assert prices(root) == [1]


def test_a_killed_import_leaves_whole_days_and_the_next_one_completes_them(tmp_path: Path) -> None:
    root = tmp_path / "c"
    rows = frame_of(load_ticks([csv(tmp_path / "t.csv", [(1, 1), (30, 2)])]))
    put(root, csv(tmp_path / "first.csv", [(1, 1)]))
    staged = root / ".import" / "_NQ" / "ticks" / "2025-06-17.parquet"
    staged.parent.mkdir(parents=True)
    staged.write_bytes(b"PAR1 half a day")
    assert prices(root) == [1]
    assert changes(put(root, tmp_path / "t.csv")) == [("2025-06-16", "unchanged", 1), ("2025-06-17", "new", 1)]
    assert prices(root) == rows["price"].to_list()
    assert not (root / ".import").exists()


def test_a_day_that_is_torn_is_named_with_the_way_out(tmp_path: Path) -> None:
    root, file = tmp_path / "c", csv(tmp_path / "t.csv", [(1, 1)])
    put(root, file)
    day = root / "_NQ" / "ticks" / "2025-06-16.parquet"
    day.write_bytes(day.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"2025-06-16\.parquet cannot be read: .* Delete it and import the day again"):
        put(root, file)
    with pytest.raises(DataError, match=r"2025-06-16\.parquet cannot be read"):
        prices(root)
    day.unlink()
    assert changes(put(root, file)) == [("2025-06-16", "new", 1)]


def test_one_import_at_a_time(tmp_path: Path) -> None:
    root, file = tmp_path / "c", csv(tmp_path / "t.csv", [(1, 1)])
    put(root, file)
    with writing(root), pytest.raises(ConfigError, match="Another import writes the catalogue"):
        put(root, file)
    assert changes(put(root, file)) == [("2025-06-16", "unchanged", 1)]


def test_a_catalogue_of_another_version_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "fortified-catalogue.json").write_text('{"format": 9}')
    with pytest.raises(ConfigError, match="made by another version"):
        put(tmp_path / "c", csv(tmp_path / "t.csv", [(1, 1)]))


def test_a_catalogue_may_be_imported_into_another(tmp_path: Path) -> None:
    put(tmp_path / "c", csv(tmp_path / "t.csv", [(1, 1), (30, 2)]))
    put(tmp_path / "d", tmp_path / "c")
    assert prices(tmp_path / "d") == [1, 2]
    with pytest.raises(ConfigError, match="say which symbol of it"):
        put(tmp_path / "e", tmp_path / "c", symbol=None)
