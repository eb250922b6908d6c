"""The conversation with Schwab's streamer without a socket: order of commands, codes, silence; and what activity messages say."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fortified.adapters.schwab.activity import AccountActivity, Repeats, decimal_of, read_activity
from fortified.adapters.schwab.frames import MAX_KEYS, SEVERING, SUCCEEDED, Code, decode_frame
from fortified.adapters.schwab.stream import (
    DEFAULT_ANSWER_NS,
    DEFAULT_SILENCE_NS,
    MAX_REPEATS,
    Failed,
    LoggedIn,
    Noise,
    Rows,
    Severed,
    StreamEvent,
    StreamProtocol,
    Subscribed,
)
from fortified.adapters.schwab.wire import StreamerInfo
from fortified.domain.errors import LocalProtocolError, RemoteProtocolError

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
samples = pytest.mark.skipif(not SHARED.is_dir(), reason="the brokers' samples are not here")
INFO = StreamerInfo("ws://127.0.0.1/ws", "customer", "correlation", "N9", "APIAPP")
LEVEL_ONE = "LEVELONE_EQUITIES"


def sample(name: str) -> bytes:
    return (SHARED / "samples" / "schwab" / f"{name}.json").read_bytes()


class Server:
    """Answers the commands of a protocol, one by one."""

    def __init__(self, *, now: int = 0) -> None:
        self.protocol = StreamProtocol(INFO, "token", now)
        self.sent: list[dict[str, Any]] = []

    def next(self, now: int = 0) -> dict[str, Any] | None:
        message = self.protocol.next_message(now)
        if message is None:
            return None
        (request,) = json.loads(message)["requests"]
        self.sent.append(request)
        return request  # type: ignore[no-any-return]  # JSON

    def answer(self, code: int = 0, msg: str = "", request: dict[str, Any] | None = None, now: int = 0) -> list[StreamEvent]:
        to = self.sent[-1] if request is None else request
        content = {"code": code, "msg": msg}
        response = {"service": to["service"], "command": to["command"], "requestid": to["requestid"], "timestamp": 1, "content": content}
        return list(self.protocol.receive(json.dumps({"response": [response]}), now))

    def log_in(self) -> "Server":
        self.next()
        self.answer(msg="server=s1;status=NP")
        return self

    def settle(self) -> list[tuple[str, str, list[str]]]:
        """Answer everything with success; service, command and keys of what was sent."""
        done = []
        while (request := self.next()) is not None:
            keys = request.get("parameters", {}).get("keys", "")
            done.append((request["service"], request["command"], keys.split(",") if keys else []))
            self.answer()
        return done


# --- order ---


def test_the_log_in_is_first_and_nothing_follows_before_its_answer() -> None:
    server = Server()
    server.protocol.want(LEVEL_ONE, ["SPY"], [1, 0])
    login = server.next()
    assert login is not None
    assert login == {
        "requestid": "1",
        "service": "ADMIN",
        "command": "LOGIN",
        "SchwabClientCustomerId": "customer",
        "SchwabClientCorrelId": "correlation",
        "parameters": {"Authorization": "token", "SchwabClientChannel": "N9", "SchwabClientFunctionId": "APIAPP"},
    }
    assert server.next() is None
    assert server.answer(msg="server=s0166bdv-1;status=PN") == [LoggedIn("s0166bdv-1", "PN")]
    request = server.next()
    assert request is not None
    assert request["parameters"] == {"keys": "SPY", "fields": "0,1"}
    assert server.next() is None


def test_what_is_subscribed_follows_what_is_wanted() -> None:
    server = Server().log_in()
    server.protocol.want("ACCT_ACTIVITY", ["Account Activity"], [0, 1])
    server.protocol.want(LEVEL_ONE, ["SPY", "QQQ"], [0, 1])
    assert server.settle() == [("ACCT_ACTIVITY", "SUBS", ["Account Activity"]), (LEVEL_ONE, "SUBS", ["SPY", "QQQ"])]
    server.protocol.want(LEVEL_ONE, ["SPY", "IWM"], [0, 1])
    assert server.settle() == [(LEVEL_ONE, "UNSUBS", ["QQQ"]), (LEVEL_ONE, "ADD", ["IWM"])]
    server.protocol.want(LEVEL_ONE, ["SPY", "IWM"], [0, 1, 2])
    assert server.settle() == [(LEVEL_ONE, "VIEW", [])]
    assert server.sent[-1]["parameters"] == {"fields": "0,1,2"}
    assert server.protocol.held(LEVEL_ONE) == {"SPY", "IWM"}
    server.protocol.want(LEVEL_ONE, [], [0])
    assert server.settle() == [(LEVEL_ONE, "UNSUBS", ["SPY", "IWM"])]


def test_fields_that_change_while_a_command_is_under_way_are_set_after_it() -> None:
    server = Server().log_in()
    server.protocol.want(LEVEL_ONE, ["SPY"], [0])
    server.next()
    server.protocol.want(LEVEL_ONE, ["SPY"], [0, 3])
    server.answer()
    assert server.settle() == [(LEVEL_ONE, "VIEW", [])]


def test_keys_go_out_in_pieces_the_server_takes() -> None:
    server = Server().log_in()
    server.protocol.want(LEVEL_ONE, [f"K{number}" for number in range(2 * MAX_KEYS + 1)], [0])
    sent = server.settle()
    assert [(command, len(keys)) for _, command, keys in sent] == [("SUBS", MAX_KEYS), ("ADD", MAX_KEYS), ("ADD", 1)]


def test_leaving_logs_out_after_the_command_under_way() -> None:
    server = Server().log_in()
    server.protocol.want(LEVEL_ONE, ["SPY"], [0])
    server.next()
    server.protocol.leave()
    assert server.next() is None
    server.answer()
    request = server.next()
    assert request is not None
    assert request["command"] == "LOGOUT"
    assert server.answer(msg="SUCCESS") == [Severed(0, "logged out")]
    assert server.next() is None


# --- codes ---


@pytest.mark.parametrize("code", sorted(SUCCEEDED))
def test_every_code_of_success_is_one(code: int) -> None:
    server = Server().log_in()
    server.protocol.want(LEVEL_ONE, ["SPY"], [0])
    server.next()
    assert server.answer(code) == [Subscribed(LEVEL_ONE, ("SPY",))]


@pytest.mark.parametrize("code", sorted({*SEVERING, Code.STREAM_CONN_NOT_FOUND}))
def test_codes_that_end_the_conversation(code: int) -> None:
    server = Server().log_in()
    server.protocol.want(LEVEL_ONE, ["SPY"], [0])
    server.next()
    assert server.answer(code, "over") == [Severed(code, "over")]
    assert server.next() is None
    with pytest.raises(LocalProtocolError):
        server.protocol.receive(b"{}", 0)


def test_a_connection_taken_by_another_program_is_told_without_a_command_of_ours() -> None:
    server = Server().log_in()
    stranger = {"service": "ADMIN", "command": "LOGIN", "requestid": "77"}
    assert server.answer(Code.CLOSE_CONNECTION, "other", request=stranger) == [Severed(12, "other")]


@pytest.mark.parametrize("code", [Code.SERVICE_NOT_AVAILABLE, Code.REACHED_SYMBOL_LIMIT, Code.BAD_COMMAND_FORMAT, 99])
def test_a_refusal_is_told_and_not_sent_again(code: int) -> None:
    server = Server().log_in()
    server.protocol.want(LEVEL_ONE, ["SPY"], [0])
    server.next()
    assert server.answer(code, "no") == [Failed(LEVEL_ONE, "SUBS", ("SPY",), code, "no")]
    assert server.next() is None
    server.protocol.want(LEVEL_ONE, ["SPY", "QQQ"], [0])
    assert server.settle() == [(LEVEL_ONE, "SUBS", ["QQQ"])]


@pytest.mark.parametrize("code", [9, 22, 23, 24, 25])
def test_a_failure_is_tried_a_few_times(code: int) -> None:
    server = Server().log_in()
    server.protocol.want(LEVEL_ONE, ["SPY"], [0])
    told = []
    while server.next() is not None:
        told += server.answer(code)
    assert [type(event) for event in told] == [Noise] * (MAX_REPEATS - 1) + [Failed]


def test_all_documented_codes_are_known() -> None:
    assert {int(code) for code in Code} == {0, 3, 9, 11, 12, 19, *range(20, 31)}


@samples
@pytest.mark.parametrize(("name", "event"), [("pdf_07_response_admin", LoggedIn("s0166bdv-1", "PN")), ("pdf_08_response_admin", Severed)])
def test_documented_answers_to_a_log_in(name: str, event: Any) -> None:
    server = Server()
    server.next()
    (found,) = server.protocol.receive(sample(name), 0)
    assert found == event if isinstance(event, LoggedIn) else isinstance(found, event)


# --- time ---


def test_silence_ends_the_conversation_and_a_heartbeat_is_no_silence() -> None:
    server = Server().log_in()
    heartbeat = b'{"notify":[{"heartbeat":"1668715930582"}]}'
    assert server.protocol.receive(heartbeat, DEFAULT_SILENCE_NS - 1) == []
    assert server.protocol.on_time(DEFAULT_SILENCE_NS + 1) == ()
    (event,) = server.protocol.on_time(2 * DEFAULT_SILENCE_NS)
    assert isinstance(event, Severed)
    assert "silent" in event.text


def test_a_command_without_an_answer_ends_the_conversation() -> None:
    server = Server().log_in()
    server.protocol.want(LEVEL_ONE, ["SPY"], [0])
    server.next(now=5)
    assert server.protocol.deadline_ns == 5 + DEFAULT_ANSWER_NS
    (event,) = server.protocol.on_time(5 + DEFAULT_ANSWER_NS)
    assert isinstance(event, Severed)
    assert "SUBS" in event.text


# --- frames ---


@pytest.mark.parametrize("message", [b"", b"nothing", b"[]", b'{"data": 5}', "\ud800".encode("utf-8", "surrogatepass")])
def test_what_is_no_frame_is_noise(message: bytes) -> None:
    (event,) = Server().log_in().protocol.receive(message, 0)
    assert isinstance(event, Noise)
    with pytest.raises(RemoteProtocolError):
        decode_frame(message)


@pytest.mark.parametrize("message", [b"{}", b'{"unheard": [1]}', b'{"notify":[{"heartbeat":1}]}'])
def test_frames_that_say_nothing_to_us_do_no_harm(message: bytes) -> None:
    assert Server().log_in().protocol.receive(message, 0) == []


@samples
@pytest.mark.parametrize(
    ("name", "service", "keys"),
    [
        ("sdstream_level_one_equities", LEVEL_ONE, ["AMD", "INTC"]),
        ("pdf_11_data_levelone_equities", LEVEL_ONE, ["SCHW", "AAPL", "SPY"]),
        ("sdstream_chart_equity", "CHART_EQUITY", ["AMD"]),
        ("schwabpy_chart_equity_msft", "CHART_EQUITY", ["MSFT"]),
        ("sdstream_acct_activity_2_routed", "ACCT_ACTIVITY", ["Account Activity"] * 2),
    ],
)
def test_real_data_is_rows_even_without_its_envelope(name: str, service: str, keys: list[str]) -> None:
    (event,) = Server().log_in().protocol.receive(sample(name), 0)
    assert isinstance(event, Rows)
    assert (event.service, [row["key"] for row in event.rows]) == (service, keys)


@samples
def test_recorded_frames_of_all_services_are_read() -> None:
    frames = 0
    for name in ("schwab_stream_samples", "schwab_chart_equity_schwabpy"):
        for line in (SHARED / "data" / "streams" / f"{name}.jsonl").read_bytes().splitlines():
            events = Server().log_in().protocol.receive(line, 0)
            assert not [event for event in events if isinstance(event, Noise) and "cannot be read" in event.text]
            frames += 1
    assert frames > 10


# --- activity ---


def activities(name: str) -> list[AccountActivity]:
    (event,) = Server().log_in().protocol.receive(sample(name), 0)
    assert isinstance(event, Rows)
    return [read_activity(row) for row in event.rows]


@samples
@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("sdstream_acct_activity_1_created_accepted_execrequested", ["OrderCreated", "OrderAccepted", "ExecutionRequested"]),
        ("sdstream_acct_activity_2_routed", ["ExecutionRequestCreated", "ExecutionRequestCompleted"]),
        ("sdstream_acct_activity_3_filled", ["OrderFillCompleted"]),
        ("sdstream_acct_activity_4_cancel_accepted", ["CancelAccepted"]),
        (
            "sdstream_acct_activity_5_cancel_urout",
            ["ExecutionRequested", "ExecutionRequestCompleted", "ExecutionCreated", "OrderUROutCompleted"],
        ),
        ("rs_SYNTHETIC_streaming_account_activity_data", ["OrderEntryRequest"]),
    ],
)
def test_real_activity_is_read(name: str, kinds: list[str]) -> None:
    told = activities(name)
    assert [activity.kind for activity in told] == kinds
    assert not any(activity.is_quiet for activity in told)
    assert all(activity.order_id or name.startswith("rs_") for activity in told)


@samples
def test_a_real_fill_has_its_execution_price_and_quantity() -> None:
    (fill,) = activities("sdstream_acct_activity_3_filled")
    assert (fill.transaction, fill.quantity, fill.price) == ("Fill", Decimal(1), Decimal("213.4091"))
    assert fill.execution_id == "20250320-EST-ngOMS-########"
    out = activities("sdstream_acct_activity_5_cancel_urout")[2]
    assert (out.transaction, out.quantity, out.price) == ("UROut", Decimal(1), None)


@samples
def test_the_nightly_frame_without_a_type_is_quiet() -> None:
    (activity,) = activities("lean_acct_activity_feature_not_supported")
    assert activity.is_quiet
    assert activity.reason == "Feature not supported"


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ({"lo": "213409100", "signScale": 12}, Decimal("213.4091")),
        ({"lo": "220470000", "signScale": 13}, Decimal("-220.47")),
        ({"signScale": 12}, Decimal(0)),
        ({"lo": "200"}, Decimal(200)),
        ({"lo": "1", "hi": 1, "signScale": 0}, Decimal(2**64 + 1)),
        ({}, None),
        (None, None),
        ("213.4", None),
        ({"lo": "x", "signScale": 12}, None),
        ({"DateTimeString": "2025-12-09"}, None),
    ],
)
def test_decimals_of_activity(value: object, number: Decimal | None) -> None:
    assert decimal_of(value) == number


def test_a_rejection_by_the_system_says_why() -> None:
    details = [{"NgOMSRuleName": "R", "NgOMSRuleDescription": "not enough"}, {"NgOMSRuleDescription": "really"}, 5]
    event = {"EventType": "OrderUROutCompleted", "OutCancelType": "SystemReject", "ValidationDetail": details}
    body = {"SchwabOrderID": 5, "BaseEvent": {"EventType": "OrderUROutCompleted", "OrderUROutCompletedEvent": event}}
    activity = read_activity({"1": "1", "2": "OrderUROutCompleted", "3": json.dumps(body)})
    assert (activity.order_id, activity.reason) == ("5", "not enough; really")


@pytest.mark.parametrize(
    "row", [{}, {"2": "OrderNew", "3": "{"}, {"2": "OrderNew", "3": "[1]"}, {"2": None, "3": None}, {"2": "SUBSCRIBED", "3": ""}]
)
def test_activity_that_cannot_be_read_is_a_hint_all_the_same(row: dict[str, Any]) -> None:
    activity = read_activity(row)
    assert activity.order_id is None
    assert activity.is_quiet == (activity.kind != "OrderNew")


def test_an_execution_that_is_told_again_is_known() -> None:
    repeats = Repeats()
    fill = AccountActivity("OrderFillCompleted", execution_id="E1")
    assert [repeats.has(fill), repeats.has(fill)] == [False, True]
    assert not repeats.has(AccountActivity("ExecutionCreated", execution_id="E1"))
    accepted = AccountActivity("OrderAccepted")
    assert [repeats.has(accepted), repeats.has(accepted)] == [False, False]
