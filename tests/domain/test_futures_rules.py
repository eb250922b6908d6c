"""Last trading, notice and roll days against dates that are known, and as properties of all roots over ten years."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from fortified.domain.calendar import get_calendar
from fortified.domain.futures import FuturesSymbol
from fortified.domain.futures_chain import chain, front
from fortified.domain.futures_contract import Contract, contract_of
from fortified.domain.futures_days import (
    business_day_before,
    is_business_day,
    is_london_business_day,
    months_later,
    nth_business_day,
    nth_last_business_day,
    nth_weekday,
)
from fortified.domain.futures_tables import CONTRACT_RULES, ContractRules
from fortified.domain.instrument_tables import FUTURES

FIRST, LAST = date(2018, 1, 2), date(2027, 12, 31)
NS_PER_DAY = 86_400_000_000_000

LAST_TRADING_DAYS = {
    "/ESZ24": "2024-12-20",
    "/NQM26": "2026-06-18",  # the third Friday is Juneteenth
    "/ESM27": "2027-06-17",
    "/RTYU25": "2025-09-19",
    "/YMH18": "2018-03-16",
    "/NKDZ24": "2024-12-12",
    "/CLF20": "2019-12-19",  # the 25th is Christmas
    "/CLK20": "2020-04-21",  # the 25th is a Saturday
    "/CLF25": "2024-12-19",
    "/MCLF25": "2024-12-18",
    "/QMU23": "2023-08-21",
    "/NGF25": "2024-12-27",
    "/QGF25": "2024-12-26",
    "/RBM25": "2025-05-30",
    "/HOF25": "2024-12-31",
    "/BZF25": "2024-11-29",
    "/BZG25": "2024-12-30",
    "/BZK18": "2018-03-29",  # the 30th is Good Friday
    "/BZV20": "2020-08-28",  # the 31st is London's summer holiday
    "/GCZ24": "2024-12-27",
    "/MGCJ27": "2027-04-28",
    "/SIH25": "2025-03-27",
    "/HGK24": "2024-05-29",
    "/MHGU22": "2022-08-29",
    "/MHGM23": "2023-05-26",
    "/PLF25": "2025-01-29",
    "/PAZ24": "2024-12-27",
    "/ZNZ24": "2024-12-19",
    "/ZBH24": "2024-03-19",
    "/ZFH24": "2024-03-28",  # the 29th is Good Friday
    "/ZTZ24": "2024-12-31",
    "/6EZ24": "2024-12-16",
    "/6JM24": "2024-06-17",  # the third Wednesday is Juneteenth
    "/6CZ24": "2024-12-17",
    "/M6EZ24": "2024-12-16",
    "/ZCZ24": "2024-12-13",
    "/ZSX24": "2024-11-14",
    "/XKN27": "2027-07-14",
    "/LEZ24": "2024-12-31",
    "/HEZ24": "2024-12-13",
    "/HEM27": "2027-06-14",
    "/GFX24": "2024-11-21",
    "/GFK24": "2024-05-23",  # Memorial Day is in the week of the 30th
    "/GFH24": "2024-03-28",
    "/BTCX24": "2024-11-29",
    "/BTCH24": "2024-03-28",  # the 29th is Good Friday
    "/METZ26": "2026-12-24",  # the 25th is Christmas
    "/MBTZ21": "2021-12-31",
}
FIRST_NOTICE_DAYS = {
    "/GCZ24": "2024-11-29",
    "/SIH26": "2026-02-27",
    "/PLF26": "2025-12-31",
    "/ZNZ24": "2024-11-29",
    "/ZTH26": "2026-02-27",
    "/ZCZ24": "2024-11-29",
    "/ZSF25": "2024-12-31",
    "/LEJ13": "2013-04-08",
    "/LEZ24": "2024-12-09",
}
ROLL_DAYS = {
    "/NQZ26": "2026-12-14",
    "/ESH26": "2026-03-16",
    "/ESM26": "2026-06-15",
    "/NKDZ14": "2014-12-08",
    "/NKDU26": "2026-09-08",  # the Monday is Labor Day
    "/GCZ24": "2024-11-25",
    "/ZNH25": "2025-02-25",
    "/6EZ24": "2024-12-11",
    "/CLF25": "2024-12-12",
    "/ZCZ24": "2024-11-21",
    "/LEZ24": "2024-12-02",
    "/HEZ24": "2024-12-06",
    "/BTCZ26": "2026-12-21",
}


def of(text: str) -> Contract:
    return contract_of(FuturesSymbol.parse(text))


def contracts(root: str) -> Iterator[Contract]:
    """The traded contracts of ``root`` that end from FIRST to LAST."""
    yield from (contract for contract in chain(root, FIRST, 130) if contract.last_trading_day <= LAST)


@cache
def trading_days(calendar: str) -> frozenset[date]:
    start, end = (int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 10**9 for day in (FIRST, LAST))
    return frozenset(session.trading_day for session in get_calendar(calendar).sessions(start - NS_PER_DAY, end + 2 * NS_PER_DAY))


each_root = pytest.mark.parametrize("root", sorted(FUTURES))


@pytest.mark.parametrize(("text", "day"), LAST_TRADING_DAYS.items())
def test_last_trading_days(text: str, day: str) -> None:
    assert of(text).last_trading_day == date.fromisoformat(day)


@pytest.mark.parametrize(("text", "day"), FIRST_NOTICE_DAYS.items())
def test_first_notice_days(text: str, day: str) -> None:
    contract = of(text)
    assert contract.first_notice_day == date.fromisoformat(day)
    assert contract.last_day_to_hold == business_day_before(date.fromisoformat(day))


@pytest.mark.parametrize(("text", "day"), ROLL_DAYS.items())
def test_roll_days(text: str, day: str) -> None:
    assert of(text).roll_day == date.fromisoformat(day)


def test_every_known_future_has_rules() -> None:
    assert CONTRACT_RULES.keys() == FUTURES.keys()


@each_root
def test_traded_months_are_listed(root: str) -> None:
    rules = CONTRACT_RULES[root]
    assert set(rules.traded) <= set(rules.months)
    assert list(rules.months) == sorted(rules.months)
    assert len(set(rules.months)) == len(rules.months)


@each_root
def test_contracts_end_on_trading_days_in_order(root: str) -> None:
    listed = list(contracts(root))
    assert len(listed) >= 4 * 9
    assert {contract.last_trading_day for contract in listed} <= trading_days(FUTURES[root][2])
    for contract in listed:
        assert contract.roll_day <= contract.last_day_to_hold <= contract.last_trading_day
        assert is_business_day(contract.roll_day)
        assert contract.first_notice_day is None or contract.roll_day < contract.last_day_to_hold < contract.first_notice_day
    for earlier, later in pairwise(listed):
        assert earlier.last_trading_day < later.last_trading_day
        assert earlier.roll_day < later.roll_day
        assert earlier.roll_day <= later.last_day_to_hold


@each_root
def test_the_front_changes_on_the_roll_day_only(root: str) -> None:
    """With rolls in order there is one front on each day, and it never goes backwards."""
    listed = list(contracts(root))
    for contract, following in pairwise(listed):
        assert front(root, business_day_before(contract.roll_day)) == contract
        assert front(root, contract.roll_day) == following
        assert front(root, contract.last_trading_day) != contract


def test_the_documented_rules_are_the_rules() -> None:
    page = (Path(__file__).parents[2] / "docs" / "futures.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| `/") and line.count("|") == 6
    ]
    documented = {root.strip(" `/"): rest for roots, *rest in rows for root in roots.split(" ")}
    assert documented == {root: documented_row(rules) for root, rules in CONTRACT_RULES.items()}


def documented_row(rules: ContractRules) -> list[str]:
    others = "".join(code for code in rules.months if code not in rules.traded)
    months = rules.traded + (f" ({others})" if others else "")
    return [months, rules.last_trade, rules.first_notice or "–", rules.roll_words]


def test_business_days() -> None:
    assert is_business_day(date(2024, 11, 29))  # after Thanksgiving
    assert is_business_day(date(2021, 12, 31))
    for holiday in ((2024, 1, 15), (2024, 3, 29), (2026, 4, 3), (2024, 6, 19), (2024, 11, 28), (2024, 12, 25), (2024, 11, 30)):
        assert not is_business_day(date(*holiday))
    assert business_day_before(date(2025, 1, 2)) == date(2024, 12, 31)
    assert business_day_before(date(2024, 12, 2), 3) == date(2024, 11, 26)
    assert nth_business_day(date(2024, 1, 1), 1) == date(2024, 1, 2)
    assert nth_last_business_day(date(2024, 5, 1), 4) == date(2024, 5, 28)
    assert nth_weekday(date(2024, 12, 1), 6, 1) == date(2024, 12, 1)
    assert [months_later(date(2024, 12, 1), count) for count in (1, -12)] == [date(2025, 1, 1), date(2023, 12, 1)]


def test_london_has_holidays_of_its_own() -> None:
    for holiday in ((2021, 5, 31), (2020, 8, 31), (2024, 3, 29), (2024, 4, 1), (2025, 12, 26), (2024, 12, 28)):
        assert not is_london_business_day(date(*holiday))
    assert is_london_business_day(date(2024, 11, 28))
