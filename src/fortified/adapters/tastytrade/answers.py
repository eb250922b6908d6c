"""What the end of a request to TastyTrade means for an order of ours: pure functions from outcomes to order events.

Owns the rule that an unclear end stays unclear. A refused token and "too many requests" were surely not carried out, yet they say nothing
about the order: it is looked up and sent again, not given up.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from fortified.adapters.tastytrade.statuses import STATUSES
from fortified.adapters.tastytrade.wire import Raw, child, children, data_of, decimal, notes, refusal_of, text
from fortified.adapters.transport import Accepted, NotSent, Outcome, Refused, Unknown
from fortified.domain.errors import AuthExpired, RateLimited, RemoteProtocolError, VenueUnavailable
from fortified.domain.order import Order, OrderEvent, OrderStatus

_PASSING: Final = frozenset({401, 429})


class DryRun(msgspec.Struct, frozen=True):
    """What the venue would do with an order: ``refusals`` when it would not take it, ``warnings`` that become refusals on the way."""

    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    buying_power_change: str = ""
    fees: str = ""


class ComplexPlacement(msgspec.Struct, frozen=True):
    """The answer to several orders sent as one. ``complex_id`` is what cancels them together, None when it is not known."""

    complex_id: str | None
    events: tuple[OrderEvent, ...]


def placed(order: Order, outcome: Outcome, ts: int) -> tuple[OrderEvent, ...]:
    """The events of an order that was sent. Raises what ``NotSent`` holds: then nothing happened."""
    sent = OrderEvent(order.order_id, OrderStatus.SUBMITTED, ts)
    match outcome:
        case NotSent(error=error):
            raise error
        case Accepted(body=body):
            try:
                data = data_of(body)
            except RemoteProtocolError as error:
                return sent, _unknown(order, ts, str(error))
            return sent, _taken(order, child(data, "order"), ts, notes(data, "warnings"))
        case _:
            return sent, _not_taken(order, outcome, ts)


def placed_complex(orders: Sequence[Order], outcome: Outcome, ts: int) -> ComplexPlacement:
    """The events of orders that were sent as one, trigger first. Raises what ``NotSent`` holds."""
    sent = tuple(OrderEvent(order.order_id, OrderStatus.SUBMITTED, ts) for order in orders)
    match outcome:
        case NotSent(error=error):
            raise error
        case Accepted(body=body):
            try:
                data = data_of(body)
            except RemoteProtocolError as error:
                return ComplexPlacement(None, (*sent, *(_unknown(order, ts, str(error)) for order in orders)))
            whole = child(data, "complex-order")
            parts = [part for part in (child(whole, "trigger-order"), *children(whole, "orders")) if part]
            told = notes(data, "warnings")
            pairs = zip(orders, _paired(orders, parts), strict=True)
            return ComplexPlacement(text(whole, "id"), (*sent, *(_taken(order, part, ts, told) for order, part in pairs)))
        case _:
            return ComplexPlacement(None, (*sent, *(_not_taken(order, outcome, ts) for order in orders)))


def canceled(order: Order, outcome: Outcome, ts: int) -> tuple[OrderEvent, ...]:
    """The events of a wish to cancel. Raises what ``NotSent`` holds."""
    match outcome:
        case NotSent(error=error):
            raise error
        case Refused(status=status, body=body) if status not in _PASSING:
            return (_back_to_work(order, ts, f"TastyTrade refuses the cancel ({status} {refusal_of(body)})"),)
        case _:
            return (OrderEvent(order.order_id, OrderStatus.PENDING_CANCEL, ts, _unclear(outcome), order.venue_order_id),)


def replaced(order: Order, outcome: Outcome, ts: int) -> tuple[OrderEvent, ...]:
    """The events of a wish for other prices; the venue's new id when it told one. Raises what ``NotSent`` holds."""
    match outcome:
        case NotSent(error=error):
            raise error
        case Refused(status=status, body=body) if status not in _PASSING:
            return (_back_to_work(order, ts, f"TastyTrade refuses the replacement ({status} {refusal_of(body)})"),)
        case _:
            new_id = _new_id(outcome)
            words = _unclear(outcome) or ("" if new_id else "the answer names no new order")
            return (OrderEvent(order.order_id, OrderStatus.PENDING_REPLACE, ts, words, new_id or order.venue_order_id),)


def dry_run(outcome: Outcome) -> DryRun:
    """Raises AuthExpired, RateLimited, VenueUnavailable when the venue did not say."""
    match outcome:
        case NotSent(error=error):
            raise error
        case Accepted(body=body):
            try:
                data = data_of(body)
            except RemoteProtocolError as error:
                raise VenueUnavailable(str(error)) from None
            effect, fees = child(data, "buying-power-effect"), child(data, "fee-calculation")
            return DryRun((), notes(data, "warnings"), _signed(effect, "change-in-buying-power"), _signed(fees, "total-fees"))
        case Refused(status=401):
            raise AuthExpired("TastyTrade refuses the access token. Try again; if it stays, renew the grant.")
        case Refused(status=429):
            raise RateLimited("TastyTrade asks us to slow down. Try again in a moment.")
        case Refused(status=status, body=body):
            return DryRun((refusal_of(body) or f"HTTP {status}",))
        case Unknown(reason=reason):
            raise VenueUnavailable(f"TastyTrade did not check the order: {reason}. Try again.")


def _taken(order: Order, raw: Raw, ts: int, warnings: tuple[str, ...]) -> OrderEvent:
    order_id, word = text(raw, "id"), text(raw, "status") or ""
    if order_id is None:
        return _unknown(order, ts, "the answer names no order")
    if STATUSES.get(word) is OrderStatus.REJECTED:
        return OrderEvent(order.order_id, OrderStatus.REJECTED, ts, text(raw, "reject-reason") or "rejected without a reason", order_id)
    return OrderEvent(order.order_id, OrderStatus.ACCEPTED, ts, "; ".join(warnings), order_id)


def _not_taken(order: Order, outcome: Outcome, ts: int) -> OrderEvent:
    if isinstance(outcome, Refused) and outcome.status not in _PASSING:
        return OrderEvent(order.order_id, OrderStatus.REJECTED, ts, refusal_of(outcome.body) or f"HTTP {outcome.status}")
    return _unknown(order, ts, _unclear(outcome))


def _unknown(order: Order, ts: int, why: str) -> OrderEvent:
    return OrderEvent(order.order_id, OrderStatus.SUBMIT_UNKNOWN, ts, why)


def _unclear(outcome: Outcome) -> str:
    match outcome:
        case Unknown(reason=reason):
            return f"no clear answer: {reason}"
        case Refused(status=401):
            return "the access token was refused"
        case Refused(status=status):
            return f"HTTP {status}"
        case _:
            return ""


def _back_to_work(order: Order, ts: int, words: str) -> OrderEvent:
    status = OrderStatus.PARTIALLY_FILLED if order.filled_quantity else OrderStatus.ACCEPTED
    return OrderEvent(order.order_id, status, ts, words, order.venue_order_id)


def _new_id(outcome: Outcome) -> str | None:
    if not isinstance(outcome, Accepted):
        return None
    try:
        data = data_of(outcome.body)
    except RemoteProtocolError:
        return None
    return text(child(data, "order"), "id") or text(data, "id")


def _paired(orders: Sequence[Order], parts: list[Raw]) -> list[Raw]:
    """The part of each order: by our id where it is echoed, else by place."""
    by_id = {text(part, "external-identifier"): part for part in parts}
    if len(parts) != len(orders):
        return [by_id.get(order.order_id, {}) for order in orders]
    return [by_id.get(order.order_id, part) for order, part in zip(orders, parts, strict=True)]


def _signed(raw: Raw, key: str) -> str:
    value = decimal(raw, key)
    if value is None:
        return ""
    return f"{-value if text(raw, f'{key}-effect') == 'Debit' else value:f}"
