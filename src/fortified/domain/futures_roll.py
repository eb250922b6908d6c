"""The roll plan: which contract an order is for while contracts come and go under a strategy that trades a root.

Owns one rule. A position is never switched silently: its exits go to the contract it was opened in, and while it is open no order is
made in another contract of its leg. A reversal therefore closes the held contract and opens the front. Knows no orders, only purposes.
"""

from datetime import date

import msgspec

from fortified.domain.errors import ConfigError, Refused
from fortified.domain.futures import FuturesSymbol
from fortified.domain.futures_chain import front, successor
from fortified.domain.futures_contract import Contract, Records, check_listed, contract_of, read_symbol
from fortified.domain.futures_records import record_of
from fortified.domain.order import Purpose


class RollPlan(msgspec.Struct, frozen=True):
    """What a day means for one leg that trades a root, or one contract of it.

    ``target`` is the contract that new positions are opened in, None when there is none any more. ``refusal`` says why an entry
    cannot be made now; empty when it can. ``leave_by`` is the last day on which ``held`` may be open, None when flat. ``text`` is all of it
    in words.
    """

    day: date
    target: Contract | None
    held: Contract | None
    leave_by: date | None
    refusal: str
    text: str

    @property
    def must_leave(self) -> bool:
        """Whether the held contract has to be left on this day, or should have been."""
        return self.leave_by is not None and self.day >= self.leave_by


def roll_plan(symbol: str, day: date, held: str | None = None, records: Records = ()) -> RollPlan:
    """The plan for ``symbol``, a root (follows the front) or a contract (stays with it), while a position is open in ``held``.

    ``ConfigError`` when either symbol is not valid, or ``held`` is no contract of the same root.
    """
    wanted = read_symbol(symbol, day)
    open_in = None if held is None else _held(wanted, held, day, records)
    target = _target(wanted, day, records)
    refusal = _refusal(wanted, target, open_in, day, records)
    words = [refusal or _entries(target, day, records), "" if open_in is None else _position(open_in, day)]
    leave_by = None if open_in is None else open_in.last_day_to_hold
    return RollPlan(day, target, open_in, leave_by, refusal, " ".join(filter(None, words)))


def contract_to_trade(symbol: str, day: date, held: str | None, purpose: Purpose, records: Records = ()) -> Contract:
    """The contract that an order of ``purpose`` is for on ``day``. An exit goes to the held contract, whatever the calendar says of it.

    Raises:
        Refused: an entry while another contract is held, or after the roll; an exit without a position.
        ConfigError: as ``roll_plan``.
    """
    if purpose is Purpose.EXIT:
        if held is None:
            raise Refused([f"There is no position in {symbol} that an exit could close."])
        return _held(read_symbol(symbol, day), held, day, records)
    plan = roll_plan(symbol, day, held, records)
    if plan.target is None or plan.refusal:
        raise Refused([plan.refusal])
    return plan.target


def _held(wanted: FuturesSymbol, held: str, day: date, records: Records) -> Contract:
    contract = contract_of(read_symbol(held, day), records)
    if contract.symbol.root != wanted.root:
        raise ConfigError(f"The position in {contract.name} is none of /{wanted.root}. Name a contract of /{wanted.root}.")
    return contract


def _target(wanted: FuturesSymbol, day: date, records: Records) -> Contract | None:
    if not wanted.is_contract:
        return front(wanted.root, day, records)
    check_listed(wanted, records)
    contract, record = contract_of(wanted, records), record_of(wanted, records)
    active = record is not None and record.active_month and record.takes_entries(day)
    return contract if active or day < contract.roll_day else None


def _refusal(wanted: FuturesSymbol, target: Contract | None, held: Contract | None, day: date, records: Records) -> str:
    if target is None:
        name, now = wanted.canonical(), front(wanted.root, day, records).name
        return f"{name} takes no new position since {contract_of(wanted, records).roll_day}: trade /{wanted.root} or {now}."
    if held is not None and held.symbol != target.symbol:
        return f"A position is open in {held.name}: entries go to {target.name} once it is closed."
    return ""


def _entries(target: Contract | None, day: date, records: Records) -> str:
    if target is None:
        return ""
    following = successor(target, records)
    if target.roll_day <= day or following is None:
        return f"Entries go to {target.name}, the broker's active month."
    return f"Entries go to {target.name}. It rolls on {target.roll_day}: from then on they go to {following.name}."


def _position(held: Contract, day: date) -> str:
    if not held.trades_on(day):
        return f"{held.name} ended: its last trading day was {held.last_trading_day}. Compare the position with the broker's statement."
    late = day > held.last_day_to_hold
    kept = f"The open position in {held.name} is kept until it is closed or rolled by hand"
    until = "that is late, close it now" if late else f"at the latest on {held.last_day_to_hold}"
    if held.first_notice_day is None:
        return f"{kept}; {until}, its last trading day."
    return f"{kept}; {until}: its first notice day is {held.first_notice_day}."
