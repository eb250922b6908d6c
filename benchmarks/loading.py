"""Speed of loading files: Parquet, a catalogue, CSV, CSV.gz and DBN, checks included.

Run ``python benchmarks/loading.py [rows]`` from the project's root. Each file is read by processes of its own, once by one that has read
nothing before and then again; the best of each is shown, and the rate by the time of one processor, which other work on the machine changes
less. The files lie in the cache of the operating system.
"""

import gzip
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import databento_dbn as dbn
import numpy as np
import polars as pl

from fortified.adapters.catalogue_import import ImportOptions, import_files
from fortified.adapters.files_select import select
from fortified.adapters.files_span import load_selected

START = 1_760_000_000_000_000_000
SYMBOL = "/NQ"
TRIES = 3


def market(count: int) -> pl.DataFrame:
    """A random walk on quarter points with quotes, about 100 ticks a second."""
    dice = np.random.default_rng(7)
    ts = START + np.cumsum(dice.integers(0, 20_000_000, count))
    price = 20_000 + 0.25 * np.cumsum(dice.integers(-2, 3, count))
    size = dice.integers(1, 9, count).astype(np.float64)
    return pl.DataFrame({"ts_ns": ts, "price": price, "size": size, "bid": price - 0.25, "ask": price + 0.25})


def trades(ticks: pl.DataFrame) -> bytes:
    """The ticks as DBN records behind their metadata."""
    told, kept, schema = dbn.SType.from_str("raw_symbol"), dbn.SType.from_str("instrument_id"), dbn.Schema.from_str("trades")
    head = dbn.Metadata(dataset="GLBX.MDP3", start=START, stype_in=told, stype_out=kept, schema=schema).encode()
    one = bytes(dbn.TradeMsg(1, 1, START, 0, 1, dbn.Action.from_str("T"), dbn.Side.from_str("A"), 0, START))
    records = np.frombuffer(one * len(ticks), np.dtype(dbn.TradeMsg._dtypes)).copy()
    records["ts_event"], records["size"] = ticks["ts_ns"], ticks["size"]
    records["price"] = (ticks["price"].to_numpy() * 1e9).astype(np.int64)
    return head + records.tobytes()


def compressed(data: bytes) -> bytes:
    """DBN data as Zstandard."""
    out = io.BytesIO()
    encoder = dbn.Transcoder(out, dbn.Encoding.from_str("dbn"), dbn.Compression.from_str("zstd"))
    encoder.write(data)
    encoder.flush()
    encoder.finish()
    return out.getvalue()


def write_all(home: Path, rows: int) -> dict[str, Path]:
    """The files by what they are called in the table."""
    ticks, few = market(rows), market(max(rows * 2 // 5, 1))
    files = {}
    for codec in ("zstd", "snappy", "uncompressed"):
        files[f"Parquet {codec}"] = home / f"{codec}.parquet"
        ticks.write_parquet(files[f"Parquet {codec}"], compression=codec)
    files["catalogue"] = home / "catalogue"
    import_files(ImportOptions((files["Parquet zstd"],), files["catalogue"], SYMBOL), lambda done, total: None)
    files |= {"CSV": home / "t.csv", "CSV.gz": home / "t.csv.gz", "DBN trades": home / "t.dbn", "DBN trades zstd": home / "t.dbn.zst"}
    few.write_csv(files["CSV"])
    files["CSV.gz"].write_bytes(gzip.compress(files["CSV"].read_bytes(), 6))
    files["DBN trades"].write_bytes(trades(ticks))
    files["DBN trades zstd"].write_bytes(compressed(trades(few)))
    return files


def load(path: Path) -> tuple[int, float, float]:
    """The rows of ``path``, the seconds until they were there, and those of the processors."""
    began, busy = time.perf_counter(), time.process_time()
    table = load_selected(select([path], symbol=SYMBOL), SYMBOL)
    return len(table), time.perf_counter() - began, time.process_time() - busy


def measure(name: str, path: Path) -> None:
    command = [sys.executable, __file__, "--load", str(path)]
    tries = [subprocess.run(command, capture_output=True, check=True, text=True).stdout.split() for _ in range(TRIES)]
    rows = int(tries[0][0])
    first, again, busy = (rows / min(float(words[place]) for words in tries) / 1e6 for place in (1, 2, 3))
    print(f"{name:>20}: {first:6.1f} M rows/s at first, {again:6.1f} again, {busy:6.1f} per processor  ({rows:,} rows)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--load"]:
        attempts = [load(Path(sys.argv[2])) for _ in range(4)]
        print(*attempts[0][:2], *(min(attempt[place] for attempt in attempts[1:]) for place in (1, 2)))
    else:
        with tempfile.TemporaryDirectory() as directory:
            for label, file in write_all(Path(directory), int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000).items():
                measure(label, file)
