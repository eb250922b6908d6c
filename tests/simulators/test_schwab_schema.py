"""What the simulator takes and answers, against the schema that Schwab publishes and answers that were captured."""

import json
from pathlib import Path
from typing import Any, get_args

import httpx2
import pytest

from fortified.simulators.orders import State
from fortified.simulators.schwab import bodies
from fortified.simulators.schwab.shapes import STATUSES
from fortified.simulators.server import Simulation

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples"
pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not here")]


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text())


def schemas() -> dict[str, Any]:
    found: dict[str, Any] = sample("openapi/schwab_trader.openapi.json")["components"]["schemas"]
    return found


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("session", bodies.Session),
        ("duration", bodies.Duration),
        ("orderTypeRequest", bodies.OrderType),
        ("instruction", bodies.Instruction),
        ("orderStrategyType", bodies.StrategyType),
        ("assetType", bodies.AssetType),
        ("specialInstruction", bodies.SpecialInstruction),
        ("stopType", bodies.StopType),
        ("priceLinkBasis", bodies.LinkBasis),
        ("priceLinkType", bodies.LinkType),
        ("taxLotMethod", bodies.TaxLotMethod),
        ("status", bodies.Status),
        ("complexOrderStrategyType", bodies.Complex),
    ],
)
def test_enumerations_are_those_of_the_schema(name: str, ours: Any) -> None:
    assert list(get_args(ours)) == schemas()[name]["enum"]


def test_enumerations_of_a_leg() -> None:
    leg = schemas()["OrderLegCollection"]["properties"]
    for name, ours in (("orderLegType", bodies.LegType), ("positionEffect", bodies.PositionEffect), ("quantityType", bodies.QuantityType)):
        assert list(get_args(ours)) == leg[name]["enum"]


@pytest.mark.parametrize(("name", "ours"), [("OrderRequest", bodies.OrderBody), ("OrderLegCollection", bodies.LegBody)])
def test_names_are_those_of_the_schema(name: str, ours: Any) -> None:
    assert set(ours.__struct_encode_fields__) == set(schemas()[name]["properties"])


def test_every_state_has_a_published_status() -> None:
    assert set(STATUSES) == set(State)
    assert set(STATUSES.values()) <= set(schemas()["status"]["enum"])


def differences(real: Any, ours: Any, path: str = "") -> list[str]:
    """Where ``ours`` lacks a key of ``real``, or has another type there."""
    if isinstance(real, dict):
        if not isinstance(ours, dict):
            return [path]
        return [
            found for key in real for found in (differences(real[key], ours[key], f"{path}.{key}") if key in ours else [f"{path}.{key}"])
        ]
    if isinstance(real, list):
        return differences(real[0], ours[0], f"{path}[]") if real and ours else []
    return [] if type(real) is type(ours) or real is None else [f"{path}: {type(real).__name__}, ours {type(ours).__name__}"]


async def test_answers_have_the_shape_of_captured_ones(simulation: Simulation, schwab: httpx2.AsyncClient) -> None:
    numbers = (await schwab.get("/trader/v1/accounts/accountNumbers")).json()
    assert differences(sample("schwab/rb_account_numbers.json"), numbers) == []
    path = f"/trader/v1/accounts/{numbers[0]['hashValue']}"
    body = sample("schwab/sdapi_place_order.json")
    assert (await schwab.post(f"{path}/orders", json=body)).status_code == 201
    simulation.push("INTC", "9.99")
    account = (await schwab.get(path, params={"fields": "positions"})).json()
    wanted = sample("schwab/rb_account.json")
    wanted["securitiesAccount"]["positions"] = sample("schwab/sdapi_account_position_entry.json")
    assert [found for found in differences(wanted, account) if "Short" not in found] == []
    preference = (await schwab.get("/trader/v1/userPreference")).json()
    assert differences(sample("schwab/rb_user_preferences.json"), preference) == []
    quote = (await schwab.get("/marketdata/v1/NVDA/quotes")).json()
    missing = differences(sample("schwab/rb_quote_NVDA.json"), quote)
    assert [found for found in missing if not found.startswith((".NVDA.fundamental", ".NVDA.extended"))] == []


async def test_an_order_has_the_shape_of_captured_ones(simulation: Simulation, schwab: httpx2.AsyncClient) -> None:
    numbers = (await schwab.get("/trader/v1/accounts/accountNumbers")).json()
    path = f"/trader/v1/accounts/{numbers[0]['hashValue']}/orders"
    location = (await schwab.post(path, json=sample("schwab/sdapi_place_order.json"))).headers["Location"]
    await schwab.delete(location)
    cancelled = next(one for one in sample("schwab/rb_orders_with_iron_condor.json") if one["status"] == "CANCELED")
    assert differences(cancelled, (await schwab.get(location)).json()) == []
