"""The contracts of a root in their order: which is the front, which follows, what a symbol means on a day.

Owns the choice of the front contract. A broker's records go before the rules of the calendar. Does not know positions: what is done with
one is for ``futures_roll``.
"""

import itertools
from collections.abc import Iterator
from datetime import date

from fortified.domain.errors import ConfigError
from fortified.domain.futures_contract import Contract, Records, check_listed, code_of, contract_of, months_from, no_rules, read_symbol
from fortified.domain.futures_records import ContractRecord, record_of
from fortified.domain.futures_tables import CONTRACT_RULES


def front(root: str, day: date, records: Records = ()) -> Contract:
    """The contract that new positions of ``root`` (``NQ``) are opened in on ``day``.

    The broker's active month, else its next active month, while it takes new positions; without such a record the nearest contract whose
    roll day is to come. ``ConfigError`` for a root that has neither rules nor records.
    """
    ours = [record for record in _of(root, records) if record.takes_entries(day)]
    flagged = [record for record in ours if record.active_month] or [record for record in ours if record.next_active_month]
    if flagged:
        return contract_of(flagged[0].contract, records)
    found = next((contract for contract in _contracts(root, day, records) if contract.roll_day > day), None)
    if found is None:
        raise ConfigError(f"The broker's records have no contract of /{root} after {day}. Refresh them, or name a contract.")
    return found


def chain(root: str, day: date, count: int, records: Records = ()) -> list[Contract]:
    """The nearest ``count`` contracts that are traded as front sooner or later and have not ended before ``day``, in order."""
    return list(itertools.islice(_contracts(root, day, records), count))


def successor(contract: Contract, records: Records = ()) -> Contract | None:
    """The contract that is the front from the roll day of ``contract`` on: the broker's roll target, else by the calendar.

    None when there are only records, and none for a later one.
    """
    record = record_of(contract.symbol, records)
    if record is not None and record.roll_target is not None:
        return contract_of(record.roll_target, records)
    later = _contracts(contract.symbol.root, contract.roll_day, records)
    return next((other for other in later if other.roll_day > contract.roll_day), None)


def resolve(text: str, day: date, records: Records = ()) -> Contract:
    """The contract that ``text`` means on ``day``, in any spelling; a root means its front.

    ``ConfigError`` for an unknown root, another exchange than the root's, a month that is not listed, and a contract that has ended.
    """
    symbol = read_symbol(text, day)
    if not symbol.is_contract:
        return front(symbol.root, day, records)
    check_listed(symbol, records)
    contract = contract_of(symbol, records)
    if not contract.trades_on(day):
        now = front(symbol.root, day, records).name
        raise ConfigError(
            f"{contract.name} ended: its last trading day was {contract.last_trading_day}. The front contract on {day} is {now}."
        )
    return contract


def _contracts(root: str, day: date, records: Records) -> Iterator[Contract]:
    """The contracts that have not ended before ``day``, nearest first; without an end where there are rules."""
    rules = CONTRACT_RULES.get(root)
    ours = _of(root, records)
    if rules is None:
        if not ours:
            raise ConfigError(no_rules(root))
        listed = sorted((contract_of(record.contract, records) for record in ours), key=lambda contract: contract.last_trading_day)
        yield from (contract for contract in listed if contract.trades_on(day))
        return
    flagged = {record.contract for record in ours if record.active_month or record.next_active_month}
    for symbol in months_from(root, day):
        if symbol in flagged or code_of(symbol) in rules.traded:
            contract = contract_of(symbol, records)
            if contract.trades_on(day):
                yield contract


def _of(root: str, records: Records) -> list[ContractRecord]:
    return [record for record in records if record.contract.root == root]
