"""Charles Schwab as a broker: our orders out, its words in.

Owns the account, the reads, cancels and replacements, and the hints of the stream. A request is sent once; one whose end is not clear stays
pending, and what became of an order is read, never concluded. The stream only says that there is something to read.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from decimal import Decimal
from typing import ClassVar, Final

import msgspec
import structlog

from fortified.adapters.schwab import activity
from fortified.adapters.schwab.auth import Expiry
from fortified.adapters.schwab.client import SchwabClient
from fortified.adapters.schwab.listing import Window, read_orders
from fortified.adapters.schwab.lookup import Lookup
from fortified.adapters.schwab.orders import refusal, symbol_of
from fortified.adapters.schwab.placing import NOT_TAKEN, Placing, reason_of
from fortified.adapters.schwab.stream import Failed, Rows, Severed, StreamEvent, Subscribed
from fortified.adapters.schwab.streamer import SchwabStreamer
from fortified.adapters.schwab.wire import AccountNumber, Validation, error_text, order_id_of
from fortified.adapters.transport import Accepted, NotSent, Refused
from fortified.domain.account import AccountId, Mode, account_id
from fortified.domain.errors import ConfigError, VenueUnavailable
from fortified.domain.order import ZERO, Order, OrderEvent, OrderStatus
from fortified.domain.timeframe import NS_PER_SECOND
from fortified.domain.venue import AccountStanding, Balances, VenueOrder, VenuePosition, WakeUp
from fortified.ports import Clock, VenueBroker

REACH_NS: Final = 60 * 86_400 * NS_PER_SECOND
"""How long ago an order that still works may have been entered."""
_MAX_HINTS: Final = 1024

_log = structlog.get_logger(__name__)
S = OrderStatus


class SchwabBroker(VenueBroker):
    """One account at Schwab. ``account_number`` None: the only one of the log-in. ``extended``: limit orders work outside of the regular
    session too. ``claimed`` are the venue's ids of all our orders; ``login`` says when the log-in ends; ``release`` ends the connections.
    """

    name: ClassVar[str] = "schwab"

    def __init__(
        self,
        client: SchwabClient,
        streamer: SchwabStreamer,
        clock: Clock,
        *,
        account_number: str | None = None,
        extended: bool = False,
        claimed: Callable[[], Collection[str]] = tuple,
        login: Callable[[], Expiry | None] = lambda: None,
        release: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._client, self._streamer, self._clock = client, streamer, clock
        self._account_number, self._extended, self._claimed, self._login = account_number, extended, claimed, login
        self._release = streamer.close if release is None else release
        self._desk: _Desk | None = None
        self._window = Window(REACH_NS)
        self._repeats = activity.Repeats()
        self._hints: asyncio.Queue[WakeUp | None] = asyncio.Queue(_MAX_HINTS)
        streamer.listen(self._on_stream)

    @property
    def account(self) -> AccountId:
        return account_id(Mode.LIVE, self.name)

    # --- connection ---

    async def connect(self) -> None:
        """Raises ConfigError when it is not clear which account is meant."""
        account = _chosen(await self._client.account_numbers(), self._account_number)
        if self._desk is None:
            lookup = Lookup(self._client, account.hash_value, self._claimed, extended=self._extended)
            self._desk = _Desk(account, lookup, Placing(self._client, account.hash_value, lookup, self._clock))
        self._streamer.want(activity.SERVICE, (activity.KEY,), activity.FIELDS)
        self._streamer.start()

    async def close(self) -> None:
        await self._release()
        self._hint(None)

    async def restore(self, working: Sequence[Order]) -> None:
        """Nothing is held here that a restart loses: working orders are found by reading."""

    # --- orders ---

    async def place_order(self, order: Order) -> Sequence[OrderEvent]:
        return await self._ready().placing.place(order)

    async def place_bracket(self, entry: Order, target: Order, stop: Order) -> Sequence[OrderEvent]:
        """An entry whose fill sets a target and a stop, as one request: the venue sets them even if we are gone."""
        return await self._ready().placing.bracket(entry, target, stop)

    async def place_oco(self, target: Order, stop: Order) -> Sequence[OrderEvent]:
        """Two orders of which the first that fills cancels the other, as one request."""
        return await self._ready().placing.one_cancels_other(target, stop)

    async def cancel_order(self, order: Order, ts_event: int) -> Sequence[OrderEvent]:
        order_id = order.venue_order_id
        if order_id is None:
            found = await self.find(order)
            if found is None:
                return ()
            order_id = found.venue_order_id
        match await self._client.cancel(self._ready().hash, self._newest(order_id)):
            case NotSent(error=error):
                raise error
            case Accepted():
                text = ""
            case Refused(status=status, body=body) if status not in NOT_TAKEN:
                return (_back_to_work(order, ts_event, f"Schwab refuses the cancel ({status}: {error_text(body)})"),)
            case unclear:
                text = f"whether Schwab took the cancel is not known ({reason_of(unclear)}); the order is looked up"
        return (OrderEvent(order.order_id, S.PENDING_CANCEL, ts_event, text, order_id),)

    async def replace_order(self, order: Order, limit_price: Decimal | None, stop_price: Decimal | None) -> Sequence[OrderEvent]:
        """The new order is for what remains now; its id is in the event. Refused, the order works on as it was."""
        wanted = msgspec.structs.replace(
            order,
            limit_price=order.limit_price if limit_price is None else limit_price,
            stop_price=order.stop_price if stop_price is None else stop_price,
        )
        now, reason = self._clock.now_ns(), refusal(wanted)
        if reason is not None:
            return (_back_to_work(order, now, reason),)
        told = await self.find(order)
        if told is None or told.status not in (S.ACCEPTED, S.PARTIALLY_FILLED):
            return ()  # it has ended, or is about to: the next reading says how
        wanted = msgspec.structs.replace(wanted, quantity=told.quantity - told.filled_quantity)
        match await self._client.replace(self._ready().hash, told.venue_order_id, self._ready().lookup.body(wanted)):
            case NotSent(error=error):
                raise error
            case Accepted(headers=headers):
                new, text = order_id_of(headers.get("location")), ""
            case Refused(status=status, body=body) if status not in NOT_TAKEN:
                return (_back_to_work(order, now, f"Schwab refuses the replacement ({status}: {error_text(body)})"),)
            case unclear:
                new, text = None, f"whether Schwab replaced the order is not known ({reason_of(unclear)}); it is looked up"
        if new is not None:
            self._ready().lookup.replaced(told.venue_order_id, new)
        return (OrderEvent(order.order_id, S.PENDING_REPLACE, now, text, new or told.venue_order_id),)

    async def preview(self, order: Order) -> Validation:
        """What Schwab would say to ``order``. Nothing is placed. Raises what reads raise."""
        return (await self._client.preview(self._ready().hash, self._ready().lookup.body(order))).order_validation_result

    # --- reads ---

    async def find(self, order: Order) -> VenueOrder | None:
        return await self._ready().lookup.find(order)

    async def orders(self, since_ns: int) -> Sequence[VenueOrder]:
        now = self._clock.now_ns()
        told = await self._client.orders(self._ready().hash, self._window.start(since_ns, now), now + 60 * NS_PER_SECOND)
        read, unread = read_orders(told, self._ready().lookup.links)
        if unread:
            _log.info("orders at schwab that are not ours", orders=[f"{order.venue_order_id}: {order.reason}" for order in unread])
        self._window.saw(read, since_ns)
        return [order for order in read if self._window.matters(order, since_ns)]

    async def positions(self) -> Sequence[VenuePosition]:
        account, now = await self._client.account(self._ready().hash, positions=True), self._clock.now_ns()
        return [
            VenuePosition(symbol_of(held.instrument.symbol), held.long_quantity - held.short_quantity, held.average_price, now)
            for held in account.positions
        ]

    async def balances(self) -> Balances:
        told = (await self._client.account(self._ready().hash, positions=False)).current_balances
        cash = told.cash_balance if told.cash_balance is not None else told.total_cash
        power = told.buying_power if told.buying_power is not None else told.cash_available_for_trading
        return Balances(told.liquidation_value, cash, power)

    async def standing(self) -> AccountStanding:
        told = await self._client.account(self._ready().hash, positions=False)
        login = self._login()
        warnings = (
            "The account is restricted to closing orders." if told.is_closing_only_restricted else None,
            "The account is flagged as that of a pattern day trader." if told.is_day_trader else None,
            "A cash account cannot sell short." if told.type == "CASH" else None,
            login.warning(self._clock.now_ns()) if login is not None else None,
        )
        number = self._ready().account.account_number
        return AccountStanding(_masked(number), (), tuple(filter(None, warnings)), told.is_closing_only_restricted)

    async def wake_ups(self) -> AsyncIterator[WakeUp]:
        while (hint := await self._hints.get()) is not None:
            yield hint

    # --- the stream ---

    def _on_stream(self, event: StreamEvent) -> None:
        match event:
            case Subscribed(service=activity.SERVICE):  # what happened before this, after the log-in too, was not told
                self._hint(WakeUp("reconnected"))
            case Severed(text=text):
                self._hint(WakeUp("lost", text=text))
            case Failed(service=activity.SERVICE, code=code, text=text):
                told = f"Schwab does not tell of account activity ({code} {text}); orders are read by the clock."
                self._hint(WakeUp("warning", text=told))
                self._hint(WakeUp("reconnected"))
            case Rows(service=activity.SERVICE, rows=rows):
                for row in rows:
                    self._on_activity(activity.read_activity(row))

    def _on_activity(self, told: activity.AccountActivity) -> None:
        if not told.is_quiet and not self._repeats.has(told):
            self._hint(WakeUp("order", text=" ".join(filter(None, (told.kind, told.order_id, told.reason)))))

    def _hint(self, hint: WakeUp | None) -> None:
        """A reader that is late misses hints, not news: one that is left is enough to make it look."""
        if self._hints.full():
            self._hints.get_nowait()
        self._hints.put_nowait(hint)

    # --- helpers ---

    def _ready(self) -> "_Desk":
        if self._desk is None:
            raise VenueUnavailable("Schwab is not connected yet; connect first.")
        return self._desk

    def _newest(self, order_id: str) -> str:
        """The id at the end of the chain of replacements."""
        links = self._ready().lookup.links
        while order_id in links:
            order_id = links[order_id]
        return order_id


class _Desk(msgspec.Struct, frozen=True):
    """What is there once the account is known."""

    account: AccountNumber
    lookup: Lookup
    placing: Placing

    @property
    def hash(self) -> str:
        return self.account.hash_value


def _back_to_work(order: Order, now: int, text: str) -> OrderEvent:
    status = S.PARTIALLY_FILLED if order.filled_quantity > ZERO else S.ACCEPTED
    return OrderEvent(order.order_id, status, now, text, order.venue_order_id)


def _chosen(accounts: Sequence[AccountNumber], number: str | None) -> AccountNumber:
    if number is None and len(accounts) == 1:
        return accounts[0]
    digits = (number or "").replace("-", "")
    found = [account for account in accounts if number and account.account_number.replace("-", "") == digits]
    if len(found) == 1:
        return found[0]
    known = ", ".join(_masked(account.account_number) for account in accounts) or "none"
    asked = "No account is named" if number is None else f"There is no account {_masked(number)}"
    raise ConfigError(f"{asked}, and the log-in at Schwab has these: {known}. Set SCHWAB_ACCOUNT_ID to the number of one of them.")


def _masked(number: str) -> str:
    return f"…{number[-4:]}" if len(number) > 4 else "…"
