"""The container of DBN files: metadata, compression, records of one length.

Owns how bytes become an array of records, and what is said of a file that is torn. Knows nothing of what the fields mean.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import databento_dbn as dbn
import numpy as np
from numpy.typing import NDArray

from fortified.adapters.zstd_frames import is_whole
from fortified.domain.errors import DataError

type Records = NDArray[np.void]

_CHUNK: Final = 1 << 18
_FAILURES: Final = (dbn.DBNError, RuntimeError, ValueError)


def read_metadata(path: Path) -> dbn.Metadata:
    """What is written before the records.

    Raises:
        DataError: the file is no DBN, or ends too early.
    """
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty. Give a file with data.")
    try:
        if _is_compressed(path):
            return next(item for items in _decoded(path) for item in items if isinstance(item, dbn.Metadata))
        with path.open("rb") as file:
            head = file.read(8)
            return dbn.Metadata.decode(head + file.read(int.from_bytes(head[4:], "little")))
    except StopIteration:
        raise _torn(path, "it ends within its metadata") from None
    except _FAILURES as error:
        raise _torn(path, str(error)) from None


def read_records(path: Path, rtype: int, layout: Sequence[tuple[str, str]]) -> Records:
    """All records, which are of the type ``rtype`` and begin with the fields of ``layout``.

    Raises:
        DataError: the file is torn, has no records, or has some of another kind.
    """
    raw = _decompressed(path) if _is_compressed(path) else _mapped(path)
    if not len(raw):
        raise DataError(f"{path} has metadata and no records. Give a file with data.")
    fields, size = np.dtype(list(layout)), 4 * int(raw[0])  # a record begins with its length in words and its type
    kinds = np.ndarray(len(raw) // max(size, 1), np.uint16, raw, strides=(size,))
    if size < fields.itemsize or (kinds != int(raw[0]) + 256 * rtype).any():
        raise _mixed(path)
    records = raw[: len(raw) // size * size].view(_padded(fields, size))
    if len(raw) % size:
        raise _torn(path, f"its last record has {len(raw) % size} of {size} bytes")
    return records


def _padded(fields: np.dtype[np.void], size: int) -> np.dtype[np.void]:
    """``fields`` in records of ``size`` bytes: a stamp of sending may follow them."""
    names = fields.names or ()
    return np.dtype({"names": list(names), "formats": [fields[name] for name in names], "itemsize": size})


def _mapped(path: Path) -> NDArray[np.uint8]:
    with path.open("rb") as file:
        begin = 8 + int.from_bytes(file.read(8)[4:], "little")
    if begin >= path.stat().st_size:
        return np.empty(0, np.uint8)
    return np.memmap(path, np.uint8, "r", begin)


def _decompressed(path: Path) -> NDArray[np.uint8]:
    if not is_whole(path.read_bytes()):
        raise _torn(path, "its compressed data has no end")
    try:
        parts = [b"".join(map(bytes, items[isinstance(items[0], dbn.Metadata) :])) for items in _decoded(path) if items]
    except _FAILURES as error:
        raise _torn(path, str(error)) from None
    return np.frombuffer(b"".join(parts), np.uint8)


def _decoded(path: Path) -> Iterator[Sequence[Any]]:
    """The metadata and the records, as they come out of the decompression."""
    decoder = dbn.DBNDecoder(compression=dbn.Compression.from_str("zstd"))
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield decoder.write_and_decode(chunk)


def _is_compressed(path: Path) -> bool:
    return path.name.lower().endswith(".zst")


def _torn(path: Path, why: str) -> DataError:
    return DataError(f"{path} cannot be read, it may be torn or damaged: {why}. Copy or export it again.")


def _mixed(path: Path) -> DataError:
    return DataError(f"{path} holds records of other kinds than its schema says. Store each schema in a file of its own.")
