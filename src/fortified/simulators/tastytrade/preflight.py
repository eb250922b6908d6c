"""What TastyTrade checks before it takes an order.

Owns the rules, their codes and the rewriting of a close without a position into an open. Knows no payload of an answer.
"""

from decimal import Decimal

import msgspec

from fortified.simulators.account import ZERO
from fortified.simulators.instruments import FUTURE, Listed
from fortified.simulators.matching import Exchange
from fortified.simulators.messages import HttpError
from fortified.simulators.orders import Life, OrderKind, Ticket
from fortified.simulators.tastytrade.bodies import ComplexBody, Leg, OrderBody, number, refusal

type Note = tuple[str, str]
"""A code and a text."""

_KINDS = {
    "Limit": OrderKind.LIMIT,
    "Marketable Limit": OrderKind.LIMIT,
    "Market": OrderKind.MARKET,
    "Stop": OrderKind.STOP,
    "Stop Limit": OrderKind.STOP_LIMIT,
}
_PRICED = (OrderKind.LIMIT, OrderKind.STOP_LIMIT)
_STOPPED = (OrderKind.STOP, OrderKind.STOP_LIMIT)
_NO_POSITION = "You cannot route a closing order without an existing position to close."


class Checked(msgspec.Struct, frozen=True):
    """An order that passed, and what the venue remarks."""

    ticket: Ticket
    warnings: list[Note]


class Preflight:
    """The checks of one venue. ``strings_only``: fractions as JSON numbers are refused, more strictly than the venue does."""

    def __init__(self, exchange: Exchange, *, strings_only: bool) -> None:
        self._exchange = exchange
        self._strings_only = strings_only

    def check(self, account: str, body: OrderBody, *, child: bool = False) -> Checked:
        """``body`` as a ticket. ``child``: its position comes from its parent.

        Raises:
            HttpError: what the venue would refuse, with all reasons (400, 422).
        """
        if len(body.legs) != 1:
            raise _failed([("invalid_leg_count", "Orders for equities and futures have exactly one leg.")])
        leg = body.legs[0]
        listed = self._exchange.find(leg.symbol)
        if listed is None or listed.kind != leg.instrument_type:
            raise _failed([("instrument_not_found", f"{leg.instrument_type} {leg.symbol} is not known.")])
        ticket = self._ticket(account, body, leg)
        errors = [*_terms(body, ticket), *_quantity(ticket), *_ticks(listed, ticket), *self._session(listed, ticket, leg)]
        warnings: list[Note] = []
        action: str = leg.action
        if listed.kind == FUTURE:
            if action not in ("Buy", "Sell"):
                errors.append(("invalid_action", "The action of an outright future is Buy or Sell."))
        elif action in ("Buy", "Sell"):
            errors.append(("invalid_action", "The action of an equity says to Open or to Close."))
        elif not child:
            action = self._effect(ticket, leg, strict=_strict(body), errors=errors, warnings=warnings)
        errors += [] if errors or child else self._margin(listed, ticket)
        if errors:
            raise _failed(errors)
        if not self._exchange.is_open(listed, extended=ticket.extended):
            warnings.append(("tif.next_valid_session", "Your order will begin working during next valid session."))
        return Checked(msgspec.structs.replace(ticket, details={**ticket.details, "action": action}), warnings)

    def check_complex(self, body: ComplexBody) -> None:
        """The composition of ``body``, before its orders are checked.

        Raises:
            HttpError: 422.
        """
        kinds = sorted(_KINDS.get(order.order_type, OrderKind.MARKET).value for order in body.orders)
        fits = 1 <= len(body.orders) <= 3 if body.type == "OTO" else kinds in (["limit", "stop"], ["limit", "stop_limit"])
        if not fits or (body.type != "OCO") is (body.trigger_order is None):
            raise _failed([("invalid_oco_order_type_combo", f"The orders of this {body.type} do not go together.")])

    def _ticket(self, account: str, body: OrderBody, leg: Leg) -> Ticket:
        decimals = {"strings_only": self._strings_only}
        life = Life.AT_ONCE if body.time_in_force == "IOC" else Life.UNTIL_CANCELLED if body.time_in_force.startswith("GT") else Life.DAY
        return Ticket(
            account=account,
            symbol=leg.symbol,
            buy=leg.action.startswith("Buy"),
            quantity=number(leg.quantity, **decimals) or ZERO,
            kind=_KINDS.get(body.order_type, OrderKind.MARKET),
            limit=number(body.price, **decimals),
            stop=number(body.stop_trigger, **decimals),
            life=life,
            extended="Ext" in body.time_in_force,
            details={
                "instrument-type": leg.instrument_type,
                "order-type": body.order_type,
                "time-in-force": body.time_in_force,
                "price-effect": body.price_effect,
                "external-identifier": body.external_identifier,
                "source": body.source,
            },
        )

    def _session(self, listed: Listed, ticket: Ticket, leg: Leg) -> list[Note]:
        closed = not self._exchange.is_open(listed, extended=ticket.extended)
        if ticket.kind is OrderKind.MARKET and ticket.extended:
            return [("market_orders_not_supported_in_extended_hours", "Orders for extended hours are limit orders.")]
        if ticket.kind is OrderKind.MARKET and closed and leg.action in ("Buy", "Sell", "Buy to Open", "Sell to Open"):
            return [("market_closed", "Opening market orders are not accepted while the market is closed.")]
        return []

    def _effect(self, ticket: Ticket, leg: Leg, *, strict: bool, errors: list[Note], warnings: list[Note]) -> str:
        """The action as the venue will route it; a wish that contradicts the position is an error."""
        held = self._exchange.accounts[ticket.account].seen.quantity(ticket.symbol)
        mine = held if not ticket.buy else -held  # what this side could close
        if leg.action.endswith("to Open"):
            if mine > 0:
                errors.append(("opening_against_opposite_position", f"You cannot open against the position of {held} {ticket.symbol}."))
        elif mine <= 0:
            if not strict:
                side = "buy" if ticket.buy else "sell"
                text = f"{_NO_POSITION} This order will be updated to a {side} to open order when routed."
                warnings.append(("closing_with_no_position", text))
                return leg.action.replace("to Close", "to Open")
            errors.append(("closing_with_no_position", _NO_POSITION))
        elif ticket.quantity > mine:
            errors.append(("closing_more_than_position", f"You cannot close {ticket.quantity} of a position of {held} {ticket.symbol}."))
        return leg.action

    def _margin(self, listed: Listed, ticket: Ticket) -> list[Note]:
        ledger = self._exchange.accounts[ticket.account].seen
        held = ledger.quantity(ticket.symbol)
        after = held + (ticket.quantity if ticket.buy else -ticket.quantity)
        last = self._exchange.market.last(ticket.symbol)
        price = ticket.limit or (last.price if last else listed.base)
        unit = listed.margin if listed.kind == FUTURE else price / 2
        needed = (abs(after) - abs(held)) * unit
        if needed > ledger.value(self._exchange.market) - ledger.margin():
            return [("margin_check_failed", f"The account does not have the {needed} that this order needs.")]
        return []


def _strict(body: OrderBody) -> bool:
    return body.advanced_instructions is not None and body.advanced_instructions.strict_position_effect_validation


def _terms(body: OrderBody, ticket: Ticket) -> list[Note]:
    """Which prices go with which type."""
    found: list[Note] = []
    if body.order_type == "Notional Market":
        found.append(("notional_not_supported", "Notional orders are not supported for this instrument."))
    if ticket.kind is OrderKind.MARKET and body.time_in_force in ("GTC", "GTD", "GTC Ext", "GTC Ext Overnight"):
        found.append(("gtc_market_orders_not_supported", "GTC/GTD Market orders are not supported."))
    if (ticket.limit is None) is (ticket.kind in _PRICED):
        found.append(("invalid_price", f"A price goes with limit orders, and {body.order_type} orders have none or need one."))
    if (ticket.stop is None) is (ticket.kind in _STOPPED):
        found.append(("invalid_stop_trigger", f"A stop trigger goes with stop orders, and {body.order_type} orders have none or need one."))
    if ticket.kind in _PRICED and body.price_effect is None:
        found.append(("price_effect_required", "A price has an effect: Debit or Credit."))
    if ticket.limit is not None and body.price_effect == ("Credit" if ticket.buy else "Debit"):
        found.append(("cant_buy_for_credit", "You cannot buy for a credit or sell for a debit."))
    if body.time_in_force == "GTD" and body.gtc_date is None:
        found.append(("gtc_date_required", "A GTD order says until when."))
    return found


def _quantity(ticket: Ticket) -> list[Note]:
    if ticket.quantity <= 0 or ticket.quantity != ticket.quantity.to_integral_value():
        return [("invalid_quantity", f"The quantity {ticket.quantity} is not a whole number above 0.")]
    return []


def _ticks(listed: Listed, ticket: Ticket) -> list[Note]:
    return [
        ("invalid_price_increment", f"{price} is not a multiple of {listed.tick}.")
        for price in (ticket.limit, ticket.stop)
        if price is not None and (price <= Decimal(0) or not listed.on_tick(price))
    ]


def _failed(errors: list[Note]) -> HttpError:
    return HttpError(refusal(422, "preflight_check_failure", "One or more preflight checks failed", errors))
