"""Positions, money, standing, instruments and refusals of TastyTrade, on every sample there is."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.tasty_fake import SAMPLES, sample

from fortified.adapters.tastytrade.accounts import balances, masked, standing, venue_positions
from fortified.adapters.tastytrade.quote_token import read_quote_token
from fortified.adapters.tastytrade.wire import data_of, decode, iso, items_of, pages_of, refusal_codes, refusal_of, stamp
from fortified.domain.errors import RemoteProtocolError
from fortified.domain.futures_records import ContractRecord

needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples of the venue are not beside the project")


def same(symbol: str, _: int | None) -> str:
    return symbol


def position(**fields: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"symbol": "/NQZ6", "quantity": 2, "quantity-direction": "Long", "average-open-price": "20000.5"}
    return values | {"multiplier": "1.0", "updated-at": "2026-11-23T00:00:01.000+00:00"} | fields


@pytest.mark.parametrize(("direction", "quantity"), [("Long", Decimal(2)), ("Short", Decimal(-2))])
@pytest.mark.parametrize("told", [2, "2", "2.0", Decimal("2.0")])
def test_a_position_is_signed_by_its_direction(direction: str, quantity: Decimal, told: Any) -> None:
    (found,) = venue_positions([position(**{"quantity-direction": direction, "quantity": told})], same)
    assert (found.quantity, found.average_price) == (quantity, Decimal("20000.5"))


def test_what_is_flat_is_no_position() -> None:
    assert venue_positions([position(**{"quantity-direction": "Zero"}), position(quantity="0.0")], same) == ()


@pytest.mark.parametrize("odd", [{"quantity-direction": "Sideways"}, {"quantity": "many"}, {"quantity": None}, {"symbol": None}])
def test_a_position_that_cannot_be_read_is_never_taken_for_none(odd: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError, match="cannot be read"):
        venue_positions([position(), position(**odd)], same)


def test_flags_become_obstacles_and_warnings_in_words() -> None:
    accounts = [{"account": {"account-number": "5WX00042"}, "authority-level": "owner"}]
    fine = standing("5WX00042", accounts, {"is-closed": False, "is-frozen": "false", "is-futures-enabled": True})
    assert (fine.account_number, fine.obstacles, fine.warnings, fine.closing_only) == ("****0042", (), (), False)
    frozen = standing("5WX00042", accounts, {"is-closed": True, "is-frozen": "true", "is-in-margin-call": True})
    assert len(frozen.obstacles) == 2
    assert frozen.warnings == ("The account is in a margin call.",)
    closing = standing("5WX00042", accounts, {"is-futures-closing-only": True, "is-futures-enabled": False, "day-trade-count": "3"})
    assert closing.closing_only
    assert [words.partition(":")[0] for words in closing.warnings] == [
        "TastyTrade takes only closing orders in futures.",
        "Futures are not enabled for the account",
        "3 day trades in the last five days.",
    ]


def test_another_account_and_a_right_only_to_read_are_obstacles() -> None:
    other = standing("5WX00043", [{"account": {"account-number": "5WX00042"}}], {})
    assert other.obstacles == ("TastyTrade shows no account ****0043 to these credentials. Correct TASTY_ACCOUNT_ID.",)
    reader = standing("5WX00042", [{"account": {"account-number": "5WX00042"}, "authority-level": "read-only"}], {})
    assert "only read" in reader.obstacles[0]
    assert masked("12") == "****"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"data": []}', b'{"data": null}', b"\xff\xfe"])
def test_an_answer_without_its_envelope_is_no_empty_answer(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        data_of(body)
    with pytest.raises(RemoteProtocolError):
        items_of({"items": None})


@given(st.integers(0, 4_000_000_000_000))
def test_times_are_read_in_every_form_and_written_in_milliseconds(ms: int) -> None:
    text = iso(ms * 10**6)
    assert stamp({"at": text}, "at") == ms * 10**6
    assert stamp({"at": text.replace("Z", "+00:00")}, "at") == ms * 10**6
    assert stamp({"at": ms}, "at") == (ms * 10**6 or None)


def test_a_refusal_is_told_in_one_line() -> None:
    body = json.dumps(
        {
            "error": {
                "code": "preflight_check_failure",
                "message": "One or more preflight checks failed",
                "errors": [{"code": "margin_check_failed", "message": "Too little."}, {"code": "cant_buy_for_credit"}],
            }
        }
    ).encode()
    assert refusal_of(body) == "margin_check_failed: Too little.; cant_buy_for_credit"
    assert refusal_codes(body) == {"preflight_check_failure", "margin_check_failed", "cant_buy_for_credit"}
    assert refusal_of(b'{"error": {"code": "not_permitted", "message": "No"}}') == "not_permitted: No"
    assert [refusal_of(odd) for odd in (b"", b"[]", b'{"error": "x"}')] == ["", "", ""]


# --- samples ---


@needs_samples
def test_positions_and_balances_of_the_samples_are_read() -> None:
    first, second = venue_positions(items_of(data_of((SAMPLES / "lean_Get_Positions.json").read_bytes())), same)
    assert (first.symbol, first.quantity, first.average_price) == ("AAPL", Decimal(1), Decimal("1.0"))
    assert (second.symbol, second.quantity, second.average_price) == ("TQQQ", Decimal(742), Decimal("52.73"))
    (streamed,) = venue_positions([sample("frame_current-position.derived")["data"]], same)
    assert (streamed.quantity, streamed.ts_updated) == (Decimal(100), 1785767400 * 10**9)
    assert balances(data_of((SAMPLES / "lean_Get_Account_Balance.json").read_bytes())).net_liquidation == Decimal("0.0")
    money = balances(sample("frame_account-balance.derived")["data"])
    assert (money.net_liquidation, money.cash, money.buying_power) == (Decimal("15500.0"), Decimal("10000.0"), Decimal("10000.0"))


@needs_samples
def test_the_standing_of_the_samples_is_read() -> None:
    accounts = [{"account": {"account-number": "SENTINEL-5WX00042"}}]
    assert standing("SENTINEL-5WX00042", accounts, sample("docex_trading_status")["data"]).obstacles == ()
    assert "no account" in standing("5WX00042", items_of(sample("cap_cert_accounts")), {}).obstacles[0]


@needs_samples
@pytest.mark.parametrize("name", ["mcp_get_futures_ES", "cap_cert_futures"])
def test_the_contracts_of_the_samples_are_read(name: str) -> None:
    records = [ContractRecord.read(raw) for raw in items_of(sample(name))]
    assert records
    assert all(record.tick_size and record.last_trading_day and record.streamer_symbol for record in records)
    reader = ContractRecord.read(data_of((SAMPLES / "leancs_22_DeserializeFutureResponse.json").read_bytes()))
    assert (reader.contract.canonical(), reader.is_closing_only, reader.roll_target_symbol) == ("/RBM25", True, "/RBN5")


@needs_samples
def test_the_refusals_of_the_samples_are_told() -> None:
    told = [refusal_of(json.dumps(error).encode()) for error in sample("lean_Error_Responses")]
    assert [text.partition(":")[0] for text in told] == ["not_permitted", "invalid_credentials", "gtc_market_orders_not_supported"]
    for name in ("docs_error_cannot_update_order_422", "leancs_02_DeserializeErrorMessage", "lean_Create_Session_Error_Response"):
        assert refusal_of((SAMPLES / f"{name}.json").read_bytes())


@needs_samples
def test_the_quote_token_of_the_sample_is_delayed_and_hidden() -> None:
    token = read_quote_token(data_of((SAMPLES / "lean_Get_Api_Quote_Token.json").read_bytes()), 5)
    assert token.is_delayed
    assert token.token.startswith("wxN")
    assert token.token not in repr(token)
    assert token.ts_expires == 5 + 86_400 * 10**9


@needs_samples
def test_the_sample_pages_are_counted() -> None:
    assert pages_of((SAMPLES / "leancs_26_DeserializeRestOpenOrderResponse.json").read_bytes()) == 1
    assert pages_of(b'{"pagination": {"total-pages": "3"}}') == 3


@needs_samples
def test_every_sample_is_used_or_is_named_with_its_reason() -> None:
    """What the broker does not read: market data, options, reference lists, and the frames that the stream's tests read."""
    elsewhere = (
        "docs_stream",
        "frame_",
        "leancs_0",
        "leancs_2",
        "docs_",
        "lean_",
        "mcp_get_futures",
        "mcp_get_live",
        "mcp_search",
        "mcp_dry",
    )
    unread = {
        "cap_cert_equities": "only the streamer symbol of one share is asked for",
        "cap_cert_future-products": "the records of contracts say all that is needed",
        "cap_cert_instrument-search": "nothing is searched by text",
        "cap_cert_market-session-current": "sessions come from the calendar",
        "cap_cert_nested-option-chain": "options are not traded",
        "cap_cert_quantity-decimal-precisions": "only whole units are traded",
        "docex_market_data_by_type": "market data comes by stream",
        "docex_transactions_listing": "fills come with orders",
        "mcp_get_quote_excerpt": "market data comes by stream",
        "mcp_get_transactions": "fills come with orders",
        "tastyware_pr47_timeandsale_future": "market data comes by stream",
    }
    read_here = {"cap_cert_accounts", "cap_cert_futures", "docex_trading_status"}
    names = {path.name.removesuffix(".json") for path in SAMPLES.glob("*.json")}
    assert {name for name in names if not name.startswith(elsewhere)} == set(unread) | read_here
    assert all(decode((SAMPLES / f"{name}.json").read_bytes()) for name in names)
