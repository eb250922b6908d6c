"""A fingerprint of what a run did: a hash chain over its bars, fills and trades in the order they happened.

Two runs with the same digest saw the same bars and made the same fills and trades, to the last bit.
"""

import hashlib

import msgspec

from fortified.domain.market import Bar
from fortified.domain.order import Fill
from fortified.domain.trade import Trade

_ENCODER = msgspec.json.Encoder(order="deterministic")


class Digest:
    """``value`` after each step is SHA-256 of the value before and the canonical JSON of the thing that happened."""

    def __init__(self, value: bytes = b"") -> None:
        self.value = value

    def add(self, thing: Bar | Fill | Trade) -> None:
        self.value = hashlib.sha256(self.value + _ENCODER.encode(thing)).digest()

    def hex(self) -> str:
        return self.value.hex()
