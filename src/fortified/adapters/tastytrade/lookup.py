"""Which order of TastyTrade is one of ours.

Owns the search by our id and the chains that replacements make: one logical order under several ids of the venue. Only whole, successful
reads count; a read that fails raises.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from fortified.adapters.tastytrade.client import TastyTradeClient
from fortified.adapters.tastytrade.orders import Canonical, venue_order
from fortified.adapters.tastytrade.wire import Raw
from fortified.domain.errors import AmbiguousOrder, RemoteProtocolError, VenueUnavailable
from fortified.domain.order import ZERO, Order, OrderStatus
from fortified.domain.venue import VenueFill, VenueOrder

_MARGIN_NS: Final = 15 * 60 * 10**9
"""Clocks differ, and an order may have waited before it was sent."""
_LONGEST_CHAIN: Final = 100


async def find_order(client: TastyTradeClient, order: Order, canonical: Canonical) -> VenueOrder | None:
    """The venue's word on ``order``, over all its replacements; None after a clean read that lacks it.

    Raises:
        AmbiguousOrder: two orders, neither of which replaces the other, carry our id.
        AuthExpired, RateLimited, VenueUnavailable
    """
    named = None if order.venue_order_id is None else await _read(client, order.venue_order_id, canonical)
    if named is not None:
        return merged(await _chain(client, named, {}, canonical))
    since = min(order.ts_submitted or order.ts_created, order.ts_created) - _MARGIN_NS
    found = {one.venue_order_id: one for one in venue_orders(await client.orders(since), canonical)}
    heads = _heads([one for one in found.values() if one.client_order_id == order.order_id])
    if len(heads) > 1:
        ids = ", ".join(sorted(one.venue_order_id for one in heads))
        raise AmbiguousOrder(f"TastyTrade has several orders for {order.order_id}: {ids}. Cancel all but one there, then reconcile.")
    return merged(await _chain(client, heads[0], found, canonical)) if heads else None


def venue_orders(items: Iterable[Raw], canonical: Canonical) -> list[VenueOrder]:
    """``items`` as orders. ``VenueUnavailable`` when one of them cannot be read: the list is not clean without it."""
    try:
        return [venue_order(item, canonical) for item in items]
    except RemoteProtocolError as error:
        raise VenueUnavailable(str(error)) from None


def merged(chain: Sequence[VenueOrder]) -> VenueOrder:
    """One order of a chain of replacements, oldest first: the newest, with the fills of all.

    What traded before a replacement counts to its quantity too, because the newest order is only for what was left.
    """
    newest, fills = chain[-1], dict[str, VenueFill]()
    for member in chain:
        fills |= {fill.fill_id: fill for fill in member.fills}
    # A member may say more is done than its fills show yet.
    ahead = {one.venue_order_id: one.filled_quantity - sum((fill.quantity for fill in one.fills), ZERO) for one in chain}
    filled = sum((fill.quantity for fill in fills.values()), ZERO) + sum(ahead.values(), ZERO)
    status = newest.status
    if status is OrderStatus.ACCEPTED and filled:
        status = OrderStatus.PARTIALLY_FILLED
    return msgspec.structs.replace(
        newest,
        quantity=newest.quantity + filled - newest.filled_quantity,
        filled_quantity=filled,
        fills=tuple(fills.values()),
        status=status,
        ts_entered=chain[0].ts_entered,
        client_order_id=newest.client_order_id or chain[0].client_order_id,
    )


def _heads(matches: Sequence[VenueOrder]) -> list[VenueOrder]:
    """The newest of each chain. One that was rejected never worked, and does not count beside another."""
    ids = {one.venue_order_id for one in matches}
    newest = [one for one in matches if one.replaced_by not in ids]
    worked = [one for one in newest if one.status is not OrderStatus.REJECTED]
    return worked or newest[-1:]


async def _chain(client: TastyTradeClient, start: VenueOrder, known: dict[str, VenueOrder], canonical: Canonical) -> list[VenueOrder]:
    chain = [start]
    for _ in range(_LONGEST_CHAIN):
        older, newer = chain[0].replaces, chain[-1].replaced_by
        ids = {one.venue_order_id for one in chain}
        before = None if older is None or older in ids else known.get(older) or await _read(client, older, canonical)
        after = None if newer is None or newer in ids else known.get(newer) or await _read(client, newer, canonical)
        if before is None and after is None:
            return chain
        chain = [*([before] if before else []), *chain, *([after] if after else [])]
    raise VenueUnavailable(f"TastyTrade's order {start.venue_order_id} was replaced more than {_LONGEST_CHAIN} times. Look at it there.")


async def _read(client: TastyTradeClient, order_id: str, canonical: Canonical) -> VenueOrder | None:
    raw = await client.order(order_id)
    return None if raw is None else venue_orders([raw], canonical)[0]
