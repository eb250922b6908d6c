"""Whether Zstandard data is whole.

Owns the walk over frames and blocks; decompresses nothing. A stream that was cut off decodes without complaint up to the cut, so a reader
that must not lose the end of a file asks here first.
"""

from typing import Final

_FRAME: Final = 0xFD2FB528
_SKIPPABLE: Final = range(0x184D2A50, 0x184D2A60)
_DICTIONARY: Final = (0, 1, 2, 4)
_CONTENT: Final = (0, 2, 4, 8)
_RLE: Final = 1


def is_whole(data: bytes) -> bool:
    """Whether ``data`` is one or more frames, each with its last block and checksum, and nothing else."""
    at = 0
    while 0 <= at < len(data):
        at = _after_frame(data, at)
    return at == len(data) > 0


def _after_frame(data: bytes, at: int) -> int:
    """Where the frame at ``at`` ends, beyond the data when it is cut off; -1 when there is none."""
    magic = int.from_bytes(data[at : at + 4], "little")
    if magic in _SKIPPABLE:
        return at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
    if magic != _FRAME or at + 4 >= len(data):
        return -1
    descriptor = data[at + 4]
    single = descriptor >> 5 & 1
    content = _CONTENT[descriptor >> 6] or single
    at += 5 + (1 - single) + _DICTIONARY[descriptor & 3] + content
    last = False
    while not last:
        if at + 3 > len(data):
            return -1
        header = int.from_bytes(data[at : at + 3], "little")
        last = bool(header & 1)
        at += 3 + (1 if header >> 1 & 3 == _RLE else header >> 3)
    return at + 4 * (descriptor >> 2 & 1)
