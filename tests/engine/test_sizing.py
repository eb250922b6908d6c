"""Sizing: how it is written, what a budget pays for, and what the orders of an engine say of it."""

# mypy: disable-error-code="comparison-overlap"
# A Decimal equals an int, which mypy does not know.

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import NQ
from tests.engine.desk import Desk, codes

from fortified.domain.errors import ConfigError
from fortified.domain.instrument import get_instrument
from fortified.domain.order import Purpose
from fortified.engine.fees import NO_FEE, FeeModel
from fortified.engine.inputs import DenialCode
from fortified.engine.sizing import FIXED, Sizing, affordable

SPY = get_instrument("SPY")
PRICES = st.decimals("0.01", 5_000, places=2)
FEES = [NO_FEE, FeeModel.parse("2.50/contract"), FeeModel.parse("0.1%"), FeeModel(Decimal("0.005"), minimum=Decimal(1))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fixed", FIXED),
        ("all_in", Sizing("all_in")),
        ("25%", Sizing("percent", Decimal(25))),
        (" 12.5% ", Sizing("percent", Decimal("12.5"))),
        ("percent:40", Sizing("percent", Decimal(40))),
        ("100%", Sizing("percent", Decimal(100))),
    ],
)
def test_how_it_is_written(text: str, expected: Sizing) -> None:
    assert Sizing.parse(text) == expected


@pytest.mark.parametrize("text", ["", "25", "0.25", "0%", "101%", "-5%", "percent:", "all", "25 %", "25%%", "nan%"])
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"write fixed, all_in, or a share of the equity above 0 such as 25%"):
        Sizing.parse(text)


def test_the_budget_is_a_share_of_the_equity_and_never_negative() -> None:
    assert [Sizing.parse(text).budget(Decimal(2_000)) for text in ("all_in", "12.5%")] == [2_000, 250]
    assert Sizing.parse("all_in").budget(Decimal(-1)) == 0


@pytest.mark.parametrize(
    ("budget", "price", "units"),
    [("10000", "180.36", 55), ("10000", "100", 100), ("99.99", "100", 0), ("0", "100", 0), ("100", "0", 0), ("100", "-37.63", 2)],
)
def test_whole_units_of_a_share(budget: str, price: str, units: int) -> None:
    assert affordable(Decimal(budget), Decimal(price), SPY) == units


def test_a_contract_costs_its_multiplier() -> None:
    assert affordable(Decimal(1_000_000), Decimal(20_000), NQ) == 2


@pytest.mark.parametrize("fees", FEES)
@given(budget=st.decimals(0, 100_000, places=4), price=PRICES)
def test_one_unit_more_could_not_be_paid(fees: FeeModel, budget: Decimal, price: Decimal) -> None:
    def cost(units: Decimal) -> Decimal:
        return units * price + (fees.fee(units, price, SPY) if units else 0)

    units = affordable(budget, price, SPY, fees)
    assert units == units.to_integral_value() >= 0
    assert cost(units) <= budget < cost(units + 1)


def test_an_entry_says_its_budget_and_about_how_many_units_it_is() -> None:
    desk = Desk(sizing=Sizing.parse("50%"), cash=Decimal(1_030))
    [entry] = desk.bar(1.0).orders
    assert (entry.purpose, entry.budget, entry.quantity) == (Purpose.ENTRY, 515, 25)


def test_a_reversal_spends_what_the_exit_left() -> None:
    desk = Desk(sizing=Sizing.parse("all_in"), cash=Decimal(1_000))
    [entry] = desk.bar(1.0).orders
    desk.fill(entry)
    [out] = desk.bar(-1.0).orders
    assert (out.purpose, out.budget, out.quantity) == (Purpose.EXIT, None, 50)
    desk.leg = {"net_pnl": Decimal("-130.5")}
    [turned] = desk.fill(out).orders
    assert (turned.purpose, turned.budget, turned.quantity) == (Purpose.ENTRY, Decimal("869.5"), 43)


def test_without_money_for_a_unit_there_is_no_order() -> None:
    desk = Desk(sizing=Sizing.parse("all_in"), cash=Decimal(19))
    refused = desk.bar(1.0)
    assert (refused.orders, codes(refused)) == ((), [DenialCode.NO_CASH])
    assert "19 of money buys no unit at 1" in refused.denials[0].text
    desk.leg = {"net_pnl": Decimal(-500)}
    assert codes(desk.bar(-1.0)) == [DenialCode.NO_CASH]


def test_a_fixed_quantity_has_no_budget() -> None:
    [entry] = Desk(cash=Decimal(1)).bar(1.0).orders
    assert (entry.budget, entry.quantity) == (None, 2)
