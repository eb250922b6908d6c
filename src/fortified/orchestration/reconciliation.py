"""Ledger and venue side by side.

Owns the comparison: positions by what they are in, futures by their root, because the ledger may name the root where the venue names the
contract. What a person declared to be none of ours (``external``) is taken off the venue's side. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from fortified.domain.futures import futures_root
from fortified.domain.order import ZERO
from fortified.domain.position import Position
from fortified.domain.venue import VenuePosition

PRICE_TOLERANCE = Decimal("0.0001")


class Difference(msgspec.Struct, frozen=True):
    """Signed units of ``what`` in the ledger, at the venue, and of those the units that are not ours."""

    what: str
    ledger: Decimal
    venue: Decimal
    external: Decimal = ZERO

    @property
    def text(self) -> str:
        others = f", of which {_units(self.external)} were declared external" if self.external else ""
        return f"{self.what}: the ledger holds {_units(self.ledger)}, the broker {_units(self.venue)}{others}"


def _units(quantity: Decimal) -> str:
    """Without the zeros that a venue may write behind."""
    return f"{quantity.normalize():f}"


class Comparison(msgspec.Struct, frozen=True):
    """``differences`` are in what we trade; ``foreign`` positions are in nothing we ever traded here and are shown only."""

    differences: tuple[Difference, ...] = ()
    foreign: tuple[Difference, ...] = ()
    price_notes: tuple[str, ...] = ()


def compare(
    ledger: Iterable[Position], venue: Sequence[VenuePosition], external: Mapping[str, Decimal], traded: Iterable[str]
) -> Comparison:
    """The positions of one account on both sides. ``traded`` are the symbols that are, or are to be, traded there."""
    positions = list(ledger)
    ours = _summed((position.symbol, position.quantity) for position in positions)
    theirs = _summed((position.symbol, position.quantity) for position in venue)
    known = {place(symbol) for symbol in traded} | {what for what, quantity in ours.items() if quantity} | set(external)
    differences: list[Difference] = []
    foreign: list[Difference] = []
    for what in sorted({*ours, *theirs, *external}):
        found = Difference(what, ours.get(what, ZERO), theirs.get(what, ZERO), external.get(what, ZERO))
        if found.venue - found.external != found.ledger:
            (differences if what in known else foreign).append(found)
    return Comparison(tuple(differences), tuple(foreign), tuple(_prices(positions, venue)))


def place(symbol: str) -> str:
    """What a symbol is compared as: ``/NQ`` of ``/NQZ26``."""
    return f"/{futures_root(symbol)}" if symbol.startswith("/") else symbol


def _summed(rows: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for symbol, quantity in rows:
        what = place(symbol)
        found[what] = found.get(what, ZERO) + quantity
    return found


def _prices(ledger: Sequence[Position], venue: Sequence[VenuePosition]) -> Iterable[str]:
    """Average prices that differ, where one strategy alone holds what the venue holds; a note, for venues average in ways of their own."""
    for theirs in venue:
        held = [position for position in ledger if place(position.symbol) == place(theirs.symbol) and position.quantity]
        if len(held) != 1 or held[0].quantity != theirs.quantity or theirs.average_price is None or held[0].average_price is None:
            continue
        mine = held[0].average_price
        if mine and abs(theirs.average_price / mine - 1) > PRICE_TOLERANCE:
            yield f"{theirs.symbol}: average price {mine} in the ledger, {theirs.average_price} at the broker"
