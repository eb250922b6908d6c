"""What must hold when the faults have ended: the ledger says of every order what the venue's own books say.

Owns the comparison. The simulators' matching engines are the truth; nothing of the product is asked what it thinks of itself.
"""

from collections.abc import Sequence
from decimal import Decimal

from tests.faults.live_world import FEES, SYMBOLS, TASTYTRADE, World

from fortified.domain.futures import futures_root
from fortified.domain.instrument import get_instrument
from fortified.domain.order import Fill, Order, OrderStatus
from fortified.ports import TradeQuery
from fortified.simulators import orders as at_venue

ALL = 1_000_000
CENT = Decimal("0.01")


async def differences(world: World) -> list[str]:
    """Everything in which ledger and venues differ, in words."""
    ledger = world.store.ledger
    orders, fills = await ledger.orders(limit=ALL), await ledger.fills(limit=ALL)
    found = [text for venue in SYMBOLS for text in _of_venue(world, venue, orders, fills)]
    found += [text for venue in SYMBOLS for text in await _money(world, venue, fills)]
    found += [f"denial {denial.code} has no text" for _, denial in await ledger.denials(limit=ALL) if not denial.text.strip()]
    refused = (OrderStatus.REJECTED, OrderStatus.DENIED, OrderStatus.SUBMIT_UNKNOWN)
    found += [f"{order.order_id} is {order.status} without a text" for order in orders if order.status in refused and not order.text]
    return found


def _of_venue(world: World, venue: str, orders: Sequence[Order], fills: Sequence[Fill]) -> list[str]:
    chains = _chains(list(world.exchange(venue).orders.values()))
    ours = [order for order in orders if order.account == f"live:{venue}"]
    found: list[str] = []
    unclaimed = dict(enumerate(chains))
    for order in ours:
        mine = [number for number, chain in unclaimed.items() if _is(order, chain, venue)]
        for number in mine:
            del unclaimed[number]
        if len(mine) > 1:
            ids = [[one.id for one in chains[number]] for number in mine]
            found.append(f"{venue}: {_short(order)} is at the venue {len(mine)} times: {ids}")
        found += _same(venue, order, chains[mine[0]] if mine else [], [fill for fill in fills if fill.order_id == order.order_id])
    for chain in unclaimed.values():
        found.append(f"{venue}: order {chain[-1].id} ({chain[-1].state}, {chain[-1].ticket.details}) is none of ours")
    return found


def _chains(orders: Sequence[at_venue.Order]) -> list[list[at_venue.Order]]:
    """Orders with those that replaced them."""
    by_id = {order.id: order for order in orders}
    chains = []
    for first in orders:
        if first.replaces is None:
            chain = [first]
            while chain[-1].replaced_by is not None and chain[-1].replaced_by in by_id:
                chain.append(by_id[chain[-1].replaced_by])
            chains.append(chain)
    return chains


def _is(order: Order, chain: Sequence[at_venue.Order], venue: str) -> bool:
    if venue == TASTYTRADE:
        return any(one.ticket.details.get("external-identifier") == order.order_id for one in chain)
    return any(str(one.id) == order.venue_order_id for one in chain)


def _same(venue: str, order: Order, chain: Sequence[at_venue.Order], fills: Sequence[Fill]) -> list[str]:
    found = []
    theirs = sorted((fill.price, fill.quantity) for one in chain for fill in one.fills)
    mine = sorted((fill.price, fill.quantity) for fill in fills)
    if theirs != mine:
        found.append(f"{venue}: {_short(order)}: fills {mine}, at the venue {theirs}")
    if sum((quantity for _, quantity in mine), Decimal(0)) != order.filled_quantity:
        found.append(f"{venue}: {_short(order)}: its fills add to another quantity")
    over = not chain or chain[-1].ended
    if order.is_terminal != over:
        state = chain[-1].state if chain else "absent"
        found.append(f"{venue}: {_short(order)} is {state} at the venue")
    model, instrument = FEES[venue], get_instrument(SYMBOLS[venue])
    for fill in fills:
        if fill.fee != model.fee(fill.quantity, fill.price, instrument):
            found.append(f"{venue}: the fee of {fill.fill_id} is {fill.fee}, which is not the model's")
    return found


async def _money(world: World, venue: str, fills: Sequence[Fill]) -> list[str]:
    [account] = world.exchange(venue).accounts.values()
    held = [one for one in account.truth.positions.values() if _what(one.listed.symbol) == SYMBOLS[venue]]
    quantity = sum((one.quantity for one in held), Decimal(0))
    realized = sum((one.realized for one in held), Decimal(0))
    positions = [one for one in await world.store.ledger.positions() if one.account == f"live:{venue}"]
    ours = sum((one.quantity for one in positions), Decimal(0))
    gained = sum((one.realized_pnl for one in positions), Decimal(0))
    fees = sum((fill.fee for fill in fills if fill.account == f"live:{venue}"), Decimal(0))
    booked = sum((one.fees for one in positions), Decimal(0))
    trades, _ = await world.store.ledger.trades(TradeQuery(venue=venue, mode="live", limit=None))
    found = []
    if ours != quantity:
        found.append(f"{venue}: the ledger holds {ours}, the venue {quantity}")
    if abs(gained - realized) >= CENT:
        found.append(f"{venue}: the ledger realized {gained}, the venue {realized}")
    if booked != fees:
        found.append(f"{venue}: the position paid {booked} in fees, its fills {fees}")
    if not ours and abs(sum((trade.net_pnl for trade in trades), Decimal(0)) - gained + booked) >= CENT:
        found.append(f"{venue}: the trades add to another result than the position, {gained - booked}")
    return found


def _what(symbol: str) -> str:
    return f"/{futures_root(symbol)}" if symbol.startswith("/") else symbol


def _short(order: Order) -> str:
    return f"{order.purpose} {order.order_id[:8]} {order.side} {order.quantity} {order.status} (venue {order.venue_order_id})"
