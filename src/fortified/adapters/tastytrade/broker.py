"""TastyTrade as a broker.

Owns the sequence of a request: which contract, what the venue would refuse for sure, the one sending, the events of its end. Shapes, paths
and the meaning of answers belong to the modules beside it. It books nothing.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import ClassVar, Final

from fortified.adapters.tastytrade.account_socket import AccountSocket
from fortified.adapters.tastytrade.accounts import balances, masked, standing, venue_positions
from fortified.adapters.tastytrade.answers import ComplexPlacement, DryRun, canceled, dry_run, placed, placed_complex, replaced
from fortified.adapters.tastytrade.client import TastyTradeClient
from fortified.adapters.tastytrade.contracts import Contracts
from fortified.adapters.tastytrade.lookup import find_order, venue_orders
from fortified.adapters.tastytrade.orders import EQUITY, FUTURE, ORDER_TYPES, Leg, bracket_body, oco_body, order_body, replace_body
from fortified.adapters.tastytrade.quote_token import QuoteToken, read_quote_token
from fortified.adapters.tastytrade.statuses import WORKING
from fortified.adapters.transport import TokenSource
from fortified.domain.account import AccountId, Mode, account_id
from fortified.domain.errors import AuthExpired, ConfigError, Refused, RemoteProtocolError, VenueUnavailable
from fortified.domain.futures import FuturesSymbol, futures_root
from fortified.domain.futures_records import ContractRecord
from fortified.domain.instrument import Instrument
from fortified.domain.order import Order, OrderEvent, OrderStatus, Purpose
from fortified.domain.venue import AccountStanding, Balances, VenueOrder, VenuePosition, WakeUp
from fortified.ports import Clock, VenueBroker

VENUE: Final = "tastytrade"
_OVERLAP_NS: Final = 60 * 10**9
"""How far a read of orders goes back behind the one before."""


class TastyTradeBroker(VenueBroker):
    """One account. ``stream`` and ``resources`` (what else is to be closed) belong to it from now on."""

    name: ClassVar[str] = VENUE

    def __init__(
        self,
        client: TastyTradeClient,
        tokens: TokenSource,
        contracts: Contracts,
        stream: AccountSocket,
        clock: Clock,
        resources: AsyncExitStack,
    ) -> None:
        self._client, self._tokens, self._contracts, self._stream, self._clock = client, tokens, contracts, stream, clock
        self._resources = resources
        self._account = account_id(Mode.LIVE, VENUE)
        self._traded: dict[str, str] = {}
        self._working: set[str] = set()
        self._read_at: int | None = None
        self._read_session = -1

    @property
    def account(self) -> AccountId:
        return self._account

    # --- life ---

    async def connect(self) -> None:
        await self._tokens.token()
        await self._stream.start()

    async def close(self) -> None:
        await self._stream.close()
        await self._resources.aclose()

    async def restore(self, working: Sequence[Order]) -> None:
        """The venue has them; what we remember is which contract was traded for a root."""

    def wake_ups(self) -> AsyncIterator[WakeUp]:
        return self._stream.wake_ups.all()

    # --- what changes something ---

    async def place_order(self, order: Order) -> Sequence[OrderEvent]:
        try:
            body = order_body(order, await self._leg(order))
        except Refused as refused:
            return (OrderEvent(order.order_id, OrderStatus.REJECTED, self._clock.now_ns(), str(refused)),)
        return placed(order, await self._client.submit(body), self._clock.now_ns())

    async def cancel_order(self, order: Order, ts_event: int) -> Sequence[OrderEvent]:
        """No events when a clean read shows that the venue never had the order."""
        if order.venue_order_id is not None:
            return canceled(order, await self._client.cancel(order.venue_order_id), ts_event)
        found = await self.find(order)
        if found is None:
            return ()
        known = OrderEvent(order.order_id, OrderStatus.ACCEPTED, ts_event, venue_order_id=found.venue_order_id)
        return known, *canceled(order, await self._client.cancel(found.venue_order_id), ts_event)

    async def replace_order(self, order: Order, limit_price: Decimal | None, stop_price: Decimal | None) -> Sequence[OrderEvent]:
        """``Refused`` for an order whose id at the venue is not known: find it first."""
        if order.venue_order_id is None:
            raise Refused([f"Order {order.order_id} has no id at TastyTrade yet: reconcile it before its prices are changed."])
        body = replace_body(order, limit_price, stop_price)
        return replaced(order, await self._client.replace(order.venue_order_id, body), self._clock.now_ns())

    async def place_bracket(self, entry: Order, target: Order, stop: Order) -> ComplexPlacement:
        """An entry whose fill sets off ``target`` (a limit) and ``stop``, of which one cancels the other. ``Refused`` before sending."""
        bodies = [order_body(order, await self._leg(order)) for order in (entry, target, stop)]
        outcome = await self._client.submit_complex(bracket_body(*bodies))
        return placed_complex((entry, target, stop), outcome, self._clock.now_ns())

    async def place_oco(self, target: Order, stop: Order) -> ComplexPlacement:
        """``target`` (a limit) and ``stop``, of which one cancels the other. ``Refused`` before sending."""
        bodies = [order_body(order, await self._leg(order)) for order in (target, stop)]
        return placed_complex((target, stop), await self._client.submit_complex(oco_body(*bodies)), self._clock.now_ns())

    async def cancel_complex(self, complex_id: str, orders: Sequence[Order], ts_event: int) -> Sequence[OrderEvent]:
        """Ask for a cancel of all that ``place_bracket`` or ``place_oco`` placed as ``complex_id``."""
        outcome = await self._client.cancel_complex(complex_id)
        return tuple(event for order in orders for event in canceled(order, outcome, ts_event))

    # --- what only reads ---

    async def check(self, order: Order) -> DryRun:
        """What the venue would do with ``order``, without doing it."""
        try:
            body = order_body(order, await self._leg(order))
        except Refused as refused:
            return DryRun(refusals=tuple(refused.reasons))
        return dry_run(await self._client.dry_run(body))

    async def find(self, order: Order) -> VenueOrder | None:
        return await find_order(self._client, order, self._contracts.canonical)

    async def orders(self, since_ns: int) -> Sequence[VenueOrder]:
        """All working orders are asked for once per connection of the stream, because the venue suspends who does so often. Between, a
        read begins where the one before ended, and what has worked since before that is read by its id.
        """
        session, now, canonical = self._stream.sessions, self._clock.now_ns(), self._contracts.canonical
        start = since_ns if self._read_at is None else min(since_ns, self._read_at - _OVERLAP_NS)
        found = {order.venue_order_id: order for order in venue_orders(await self._client.orders(start), canonical)}
        if session != self._read_session:
            older = await self._client.live_orders()
        else:
            read = [await self._client.order(order_id) for order_id in sorted(self._working - found.keys())]
            older = [raw for raw in read if raw is not None]
        for order in venue_orders(older, canonical):
            found.setdefault(order.venue_order_id, order)
        self._working = {order_id for order_id, order in found.items() if order.raw_status in WORKING}
        self._read_at, self._read_session = now, session
        return tuple(found.values())

    async def positions(self) -> Sequence[VenuePosition]:
        try:
            return venue_positions(await self._client.positions(), self._contracts.canonical)
        except RemoteProtocolError as error:
            raise VenueUnavailable(str(error)) from None

    async def balances(self) -> Balances:
        return balances(await self._client.balances())

    async def standing(self) -> AccountStanding:
        number = self._client.account_number
        accounts = await self._client.accounts()
        try:
            return standing(number, accounts, await self._client.trading_status())
        except AuthExpired as error:  # the token is good: the account is none of ours
            return AccountStanding(masked(number), (str(error),))

    # --- instruments and market data ---

    async def contracts(self, root: str) -> Sequence[ContractRecord]:
        """What the venue lists of ``/NQ``."""
        return await self._contracts.of_root(root)

    async def streamer_symbol(self, instrument: Instrument) -> str:
        """The symbol of its market data, for a root that of the front contract."""
        return await self._contracts.streamer_symbol(instrument.symbol)

    async def quote_token(self) -> QuoteToken:
        """What opens the market data stream."""
        try:
            return read_quote_token(await self._client.quote_token(), self._clock.now_ns())
        except RemoteProtocolError as error:
            raise VenueUnavailable(str(error)) from None

    # ---

    async def _leg(self, order: Order) -> Leg:
        """What ``order`` is in, at the venue. ``Refused`` with what it would refuse for sure."""
        if order.type not in ORDER_TYPES:
            raise Refused([f"TastyTrade has no {order.type} orders: the level must be held here and sent as a market order."])
        if order.quantity != order.quantity.to_integral_value() or order.quantity <= 0:
            raise Refused([f"The quantity {order.quantity} is not a whole number above zero."])
        if not order.symbol.startswith("/"):
            return Leg(order.symbol, EQUITY)
        try:
            record = await self._record(order)
        except ConfigError as error:
            raise Refused([str(error)]) from None
        self._check(order, record)
        self._traded[futures_root(order.symbol)] = record.contract.canonical()
        return Leg(record.symbol, FUTURE)

    async def _record(self, order: Order) -> ContractRecord:
        """An exit that names only a root is for the contract that is held: a position is never switched silently."""
        if order.purpose is Purpose.EXIT and not FuturesSymbol.parse(order.symbol, self._contracts.today.year).is_contract:
            return await self._contracts.record(await self._held(order))
        return await self._contracts.record(order.symbol)

    async def _held(self, order: Order) -> str:
        root, year = futures_root(order.symbol), self._contracts.today.year
        held = {
            position.symbol
            for position in await self.positions()
            if position.quantity * order.side.sign < 0
            and position.symbol.startswith("/")
            and FuturesSymbol.parse(position.symbol, year).root == root
        }
        if len(held) > 1:
            raise Refused([f"Several contracts of /{root} are held ({', '.join(sorted(held))}): name the one to close."])
        return held.pop() if held else self._traded.get(root, order.symbol)

    def _check(self, order: Order, record: ContractRecord) -> None:
        if order.purpose is Purpose.ENTRY and not record.takes_entries(self._contracts.today):
            raise Refused([f"TastyTrade takes no new positions in {record.symbol}."])
        tick = record.tick_size
        for price in (order.limit_price, order.stop_price):
            if price is not None and tick and price % tick:
                raise Refused([f"The price {price} is not a multiple of the tick {tick} of {record.symbol}."])
