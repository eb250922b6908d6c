"""What a fill costs, and how that is written."""

from decimal import Decimal

import pytest
from tests.builders import NQ

from fortified.domain.errors import ConfigError
from fortified.engine.fees import FeeModel


@pytest.mark.parametrize(
    ("text", "fee"), [("0", "0"), ("2.00/contract", "6.00"), ("0.005/share", "0.015"), ("0.1%", "6.000"), (" 1 /contract ", "3")]
)
def test_a_fee_for_three_units_at_a_hundred(text: str, fee: str) -> None:
    assert FeeModel.parse(text).fee(Decimal(3), Decimal(100), NQ) == Decimal(fee)


def test_a_minimum_holds_per_fill_and_a_negative_price_costs_too() -> None:
    assert FeeModel(Decimal("0.01"), minimum=Decimal(1)).fee(Decimal(3), Decimal(100), NQ) == 1
    assert FeeModel(Decimal("0.001"), "notional").fee(Decimal(1), Decimal(-100), NQ) == 2


@pytest.mark.parametrize("text", ["2", "-1/contract", "two", "", "1/lot", "1%%", "1e3/share"])
def test_what_is_not_understood_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigError, match=r"not understood; write 0, 2\.00/contract"):
        FeeModel.parse(text)
