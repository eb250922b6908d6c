"""What a run walks: files, directories and catalogues in a span, and the stored history."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.adapters.dbn_files import SECOND, START, bar, metadata, one, written

from fortified.adapters.tables import FileReport
from fortified.bootstrap import open_store
from fortified.domain.errors import ConfigError, DataError
from fortified.domain.market import Bar
from fortified.engine.fills import FillModel
from fortified.ports import StreamRef
from fortified.research.data import Data, load, load_stored
from fortified.runs import RunOptions
from fortified.settings import load_settings

MINUTE = 60 * SECOND


def options(*files: Path, **more: Any) -> RunOptions:
    plain = RunOptions(
        files=files,
        symbol="/ES",
        timeframe="1",
        strategy="ema",
        params={},
        quantity=Decimal(1),
        fills=FillModel(),
        fee="0",
        warmup=None,
        calendar=None,
        tick_size=None,
        multiplier=None,
        flatten=False,
        speed=None,
    )
    return msgspec.structs.replace(plain, **more)


def ticks(path: Path, first: int, last: int) -> Path:
    """A tick a second, at as many seconds after START as its price."""
    path.write_text("ts_ns,price,size\n" + "".join(f"{START + at * SECOND},{at},1\n" for at in range(first, last)))
    return path


def prices(data: Data) -> list[float]:
    assert data.ticks is not None
    assert data.bars is None
    return list(data.ticks.price)


def silent(report: FileReport) -> None:
    assert not report.bad


@pytest.mark.parametrize(
    ("start", "end", "expected"), [(None, None, range(10)), (3, None, range(3, 10)), (None, 3, range(3)), (4, 6, (4, 5))]
)
def test_a_span_is_half_open(tmp_path: Path, start: int | None, end: int | None, expected: range | tuple[int, ...]) -> None:
    start_ns, end_ns = (None if at is None else START + at * SECOND for at in (start, end))
    data = load(options(ticks(tmp_path / "t.csv", 0, 10), start_ns=start_ns, end_ns=end_ns), silent)
    assert prices(data) == list(expected)


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        (100, None, r"from 2025-06-16T15:01:40 to the end; the files hold 2025-06-16T15:00:00 to 2025-06-16T15:00:09 UTC"),
        (None, -1, "from the beginning to 2025-06-16T14:59:59"),
        (5, 5, "There is no data from"),
    ],
)
def test_an_empty_span_says_what_there_is(tmp_path: Path, start: int | None, end: int | None, says: str) -> None:
    start_ns, end_ns = (None if at is None else START + at * SECOND for at in (start, end))
    with pytest.raises(DataError, match=says):
        load(options(ticks(tmp_path / "t.csv", 0, 10), start_ns=start_ns, end_ns=end_ns), silent)


def test_directories_and_bad_rows(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    ticks(folder / "t10.csv", 5, 7)
    first = ticks(folder / "t9.csv", 0, 5)
    first.write_text(f"{first.read_text()}{START},nan,1\n")
    told: list[FileReport] = []
    assert prices(load(options(folder), told.append)) == list(range(7))
    assert [(report.rows, report.bad) for report in told] == [(8, 1)]
    with pytest.raises(DataError, match=r"t9\.csv:7: price is not finite"):
        load(options(folder, strict=True), silent)


def test_bars_of_several_files_and_of_dbn(tmp_path: Path) -> None:
    for number in (1, 2):
        stamp = START + number * MINUTE
        (tmp_path / f"{number}.csv").write_text(f"ts_open,open,high,low,close\n{stamp},{number},{number},{number},{number}\n")
    files = [tmp_path / "1.csv", tmp_path / "2.csv"]
    bars = load(options(*files, bars_timeframe="1m"), silent).bars
    assert bars is not None
    assert (bars.timeframe.name, bars.close.tolist()) == ("1", [1, 2])
    cut = load(options(*files, bars_timeframe="1", start_ns=START + 2 * MINUTE), silent).bars
    assert cut is not None
    assert cut.close.tolist() == [2]
    rows = metadata("ohlcv-1m", {"ESU5": one(1)}) + bar(1, 180, (5 * 10**9,) * 4, 1)
    vendor = load(options(written(tmp_path / "b.dbn", rows)), silent).bars
    assert vendor is not None
    assert (vendor.timeframe.name, vendor.close.tolist()) == ("1", [5])
    with pytest.raises(ConfigError, match="holds bars of 1, not of 5; leave --bars-timeframe out"):
        load(options(tmp_path / "b.dbn", bars_timeframe="5"), silent)
    with pytest.raises(ConfigError, match="say of which timeframe with --bars-timeframe"):
        load(options(*files), silent)


@pytest.mark.anyio
async def test_stored_bars(redis_url: str) -> None:
    settings = load_settings(redis_url=redis_url)
    stored = [
        Bar("/GC", "5", START + at * 5 * MINUTE, START + (at + 1) * 5 * MINUTE, 1, 3, 1, 2 + at, 7, 9, 2, at, at != 2) for at in range(4)
    ]
    async with open_store(settings) as store:
        await store.history.add(StreamRef("/GC", "5"), stored)
    bars = (await load_stored(settings, "/gc", "5m")).bars
    assert bars is not None
    assert (bars.timeframe.name, bars.close.tolist(), bars.complete.tolist()) == ("5", [2, 3, 4, 5], [True, True, False, True])
    assert (bars.ts_open[0], bars.ts_close[-1], bars.ticks.tolist()) == (START, START + 20 * MINUTE, [9] * 4)
    some = (await load_stored(settings, "/GC", "5", START + 5 * MINUTE, START + 15 * MINUTE)).bars
    assert some is not None
    assert some.close.tolist() == [3, 4]
    with pytest.raises(DataError, match=r"No 15 bars of /GC are stored\. Choose"):
        await load_stored(settings, "/GC", "15")
    with pytest.raises(DataError, match="No 5 bars of /GC are stored in that span"):
        await load_stored(settings, "/GC", "5", START + 60 * MINUTE)
