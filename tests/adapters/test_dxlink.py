"""The DXLink protocol without a socket: each step of the handshake, each limit, and what is made of what the server delivers."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from fortified.adapters.tastytrade.dxlink import (
    ChannelFault,
    ChannelPlan,
    Configured,
    DxLink,
    Ready,
    Signal,
    Subscription,
    Timing,
    Unauthorized,
    Undecodable,
)
from fortified.adapters.tastytrade.dxlink_events import Batch, candles_of, prints_of, quotes_of, trades_of
from fortified.domain.errors import LocalProtocolError, RemoteProtocolError, VenueUnavailable

SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "dxlink"
STREAMS = Path(__file__).parents[3] / "shared" / "data" / "streams"
PLANS = (ChannelPlan(1, "STREAM", 0.0, ("TimeAndSale",)), ChannelPlan(3, "TICKER", 0.1, ("Quote", "Trade")))
CONFIG = {"type": "FEED_CONFIG", "channel": 1, "eventFields": {"Trade": ["eventSymbol", "price", "size", "time", "sequence"]}}


class Talk:
    """A link and what it was told and said; time stands still unless ``now`` is moved."""

    def __init__(self, plans: tuple[ChannelPlan, ...] = PLANS, token: str = "secret") -> None:
        self.now = 100.0
        self.link = DxLink(plans, token, "fortified/1", self.now)

    def hear(self, type_: str, channel: int = 0, **fields: Any) -> list[Signal]:
        return self.link.receive(orjson.dumps({"type": type_, "channel": channel, **fields}), self.now)

    def said(self) -> list[dict[str, Any]]:
        return [orjson.loads(frame) for frame in self.link.take(self.now)]

    def ready(self) -> "Talk":
        self.hear("SETUP", version="1.0", keepaliveTimeout=60, acceptKeepaliveTimeout=60)
        self.hear("AUTH_STATE", state="UNAUTHORIZED")
        self.hear("AUTH_STATE", state="AUTHORIZED")
        for plan in PLANS:
            self.hear("CHANNEL_OPENED", plan.number, service="FEED", parameters={"contract": plan.contract})
        self.said()
        return self


# --- the handshake --------------------------------------------------------------------------------------------------------------------


def test_every_step_waits_for_the_one_before() -> None:
    talk = Talk()
    assert talk.said() == [
        {"type": "SETUP", "channel": 0, "version": "0.1-fortified/1", "keepaliveTimeout": 60.0, "acceptKeepaliveTimeout": 60.0}
    ]
    assert talk.hear("SETUP", version="anything", keepaliveTimeout=60, acceptKeepaliveTimeout=60) == []
    assert talk.said() == []
    assert talk.hear("AUTH_STATE", state="UNAUTHORIZED") == []
    assert talk.said() == [{"type": "AUTH", "channel": 0, "token": "secret"}]
    assert talk.hear("AUTH_STATE", state="AUTHORIZED", userId="u") == []
    assert talk.said() == [
        {"type": "CHANNEL_REQUEST", "channel": 1, "service": "FEED", "parameters": {"contract": "STREAM"}},
        {"type": "CHANNEL_REQUEST", "channel": 3, "service": "FEED", "parameters": {"contract": "TICKER"}},
    ]
    assert talk.hear("CHANNEL_OPENED", 1) == []
    setup = talk.said()[0]
    assert (setup["type"], setup["acceptAggregationPeriod"], setup["acceptDataFormat"]) == ("FEED_SETUP", 0.0, "COMPACT")
    assert {"index", "validTick", "type"} <= set(setup["acceptEventFields"]["TimeAndSale"])
    assert talk.hear("CHANNEL_OPENED", 3) == [Ready()]


def test_a_server_that_trusts_from_the_start_is_not_shown_the_token() -> None:
    talk = Talk()
    talk.hear("SETUP")
    talk.hear("AUTH_STATE", state="AUTHORIZED")
    assert [message["type"] for message in talk.said()] == ["SETUP", "CHANNEL_REQUEST", "CHANNEL_REQUEST"]


def test_a_refused_token_is_not_shown_again() -> None:
    talk = Talk()
    talk.hear("SETUP")
    talk.hear("AUTH_STATE", state="UNAUTHORIZED")
    talk.said()
    assert talk.hear("AUTH_STATE", state="UNAUTHORIZED") == [Unauthorized()]
    assert talk.said() == []
    talk.link.authorize("another", talk.now)
    assert talk.said() == [{"type": "AUTH", "channel": 0, "token": "another"}]


def test_after_a_token_has_ended_all_is_subscribed_anew() -> None:
    talk = Talk().ready()
    assert talk.hear("ERROR", error="UNAUTHORIZED", message="token has expired") == [Unauthorized()]
    talk.link.authorize("another", talk.now)
    assert talk.hear("AUTH_STATE", state="AUTHORIZED") == [Ready()]
    assert [message["type"] for message in talk.said()] == ["AUTH"]


def test_a_renewal_in_time_changes_nothing() -> None:
    talk = Talk().ready()
    talk.link.authorize("another", talk.now)
    assert talk.hear("AUTH_STATE", state="AUTHORIZED") == []
    assert talk.link.is_ready


@pytest.mark.parametrize(
    ("heard", "missing"),
    [
        ([], "SETUP"),
        ([("SETUP", {})], "AUTH_STATE"),
        ([("SETUP", {}), ("AUTH_STATE", {"state": "UNAUTHORIZED"})], "AUTH_STATE"),
        ([("SETUP", {}), ("AUTH_STATE", {"state": "AUTHORIZED"})], "CHANNEL_OPENED"),
    ],
)
def test_every_answer_has_a_limit(heard: list[tuple[str, dict[str, Any]]], missing: str) -> None:
    talk = Talk()
    for kind, fields in heard:
        talk.hear(kind, **fields)
    talk.link.on_time(talk.now + 9.9)
    with pytest.raises(VenueUnavailable, match=f"did not send {missing} within 10 s"):
        talk.link.on_time(talk.now + 10.1)


def test_channels_are_odd() -> None:
    with pytest.raises(LocalProtocolError):
        DxLink((ChannelPlan(2, "STREAM", 0.0, ()),), "t", "v", 0.0)


# --- keep-alive -----------------------------------------------------------------------------------------------------------------------


def test_keepalive_goes_out_when_nothing_else_did() -> None:
    talk = Talk().ready()
    talk.now += 29.0
    talk.link.on_time(talk.now)
    assert talk.said() == []
    talk.hear("KEEPALIVE")
    talk.now += 1.5
    talk.link.on_time(talk.now)
    assert talk.said() == [{"type": "KEEPALIVE", "channel": 0}]


def test_keepalive_follows_what_was_promised() -> None:
    link = DxLink(PLANS, "t", "v", 0.0, Timing(keepalive_s=4.0))
    link.take(0.0)
    link.on_time(2.0)
    assert orjson.loads(link.take(2.0)[0])["type"] == "KEEPALIVE"


def test_silence_beyond_what_the_server_promised_ends_the_connection() -> None:
    talk = Talk()
    talk.hear("SETUP", keepaliveTimeout=20, acceptKeepaliveTimeout=60)
    talk.hear("AUTH_STATE", state="AUTHORIZED")
    for number in (1, 3):
        talk.hear("CHANNEL_OPENED", number)
    talk.link.on_time(talk.now + 19)
    with pytest.raises(VenueUnavailable, match="silent for 20 s"):
        talk.link.on_time(talk.now + 21)


# --- subscriptions --------------------------------------------------------------------------------------------------------------------


def test_long_subscriptions_are_cut() -> None:
    talk = Talk().ready()
    wanted = [Subscription("TimeAndSale", f"SYMBOL{number:04}") for number in range(500)]
    talk.link.subscribe(1, *wanted)
    frames = talk.link.take(talk.now)
    assert all(len(frame) <= 8192 for frame in frames)
    assert [line["symbol"] for frame in frames for line in orjson.loads(frame)["add"]] == [one.symbol for one in wanted]


def test_a_time_series_is_removed_with_its_time() -> None:
    talk = Talk().ready()
    talk.link.unsubscribe(3, Subscription("Candle", "AAPL{=d}", 1666569600000))
    assert talk.said() == [
        {"type": "FEED_SUBSCRIPTION", "channel": 3, "remove": [{"type": "Candle", "symbol": "AAPL{=d}", "fromTime": 1666569600000}]}
    ]


# --- the feed -------------------------------------------------------------------------------------------------------------------------


def test_rows_are_read_by_the_delivered_fields_also_when_they_change() -> None:
    talk = Talk().ready()
    talk.link.receive(orjson.dumps(CONFIG), talk.now)
    (first,) = talk.hear("FEED_DATA", 1, data=["Trade", ["A", 1.5, 2.0, 1700000000000, 7]])
    talk.hear("FEED_CONFIG", 1, eventFields={"Trade": ["time", "price", "eventSymbol"]})
    (second,) = talk.hear("FEED_DATA", 1, data=["Trade", [1700000000000, 1.5, "A", 1700000000001, 2.5, "B"]])
    assert isinstance(first, Batch)
    assert isinstance(second, Batch)
    assert [(trade.symbol, trade.price, trade.size) for trade in trades_of(first)] == [("A", 1.5, 2.0)]
    assert [(trade.symbol, trade.price) for trade in trades_of(second)] == [("A", 1.5), ("B", 2.5)]


def test_several_types_in_one_frame() -> None:
    talk = Talk().ready()
    talk.hear("FEED_CONFIG", 3, eventFields={"Quote": ["eventSymbol", "bidPrice", "askPrice"], "Trade": ["eventSymbol", "price", "time"]})
    signals = talk.hear("FEED_DATA", 3, data=["Quote", ["A", 1.0, 2.0, "B", "NaN", 3.0], "Trade", ["A", 1.5, 1700000000000]])
    assert [signal.type for signal in signals if isinstance(signal, Batch)] == ["Quote", "Trade"]


def test_configurations_of_types_and_channels_do_not_mix() -> None:
    talk = Talk().ready()
    talk.hear("FEED_CONFIG", 1, eventFields={"Quote": ["eventSymbol", "bidPrice", "askPrice"]})
    talk.hear("FEED_CONFIG", 1, eventFields={"Trade": ["eventSymbol", "price", "time"]})
    assert isinstance(talk.hear("FEED_DATA", 1, data=["Quote", ["A", 1, 2]])[0], Batch)
    assert isinstance(talk.hear("FEED_DATA", 3, data=["Quote", ["A", 1, 2]])[0], Undecodable)


@pytest.mark.parametrize(
    ("fields", "values", "reason"),
    [
        (None, ["A", 1.0], "fields were not told"),
        (["eventSymbol", "price", "time"], ["A", 1.0, 2, "B"], "does not fit its 3 fields"),
        (["eventSymbol", "price", "time"], "A", "does not fit"),
        (["eventSymbol", "size"], ["A", 1.0], "lacks price, time"),
    ],
)
def test_what_cannot_be_read_for_sure_is_thrown_away_and_told(fields: list[str] | None, values: Any, reason: str) -> None:
    talk = Talk().ready()
    if fields is not None:
        talk.hear("FEED_CONFIG", 1, eventFields={"Trade": fields})
    (signal,) = talk.hear("FEED_DATA", 1, data=["Trade", values])
    assert isinstance(signal, Undecodable)
    assert reason in signal.reason


def test_prints_without_any_identity_are_no_use() -> None:
    talk = Talk().ready()
    talk.hear("FEED_CONFIG", 1, eventFields={"TimeAndSale": ["eventSymbol", "time", "price", "size"]})
    assert talk.hear("FEED_DATA", 1, data=["TimeAndSale", ["A", 1, 2, 3]]) == [Undecodable(1, "TimeAndSale", "it lacks index and sequence")]


def test_objects_are_read_too() -> None:
    talk = Talk().ready()
    rows = [{"eventType": "Quote", "eventSymbol": "AAPL", "askPrice": 123, "bidPrice": 122}]
    (batch,) = talk.hear("FEED_DATA", 3, data=rows)
    assert isinstance(batch, Batch)
    assert [(quote.symbol, quote.bid, quote.ask) for quote in quotes_of(batch)] == [("AAPL", 122.0, 123.0)]


def test_the_aggregation_that_the_server_makes_is_told() -> None:
    talk = Talk().ready()
    assert talk.hear("FEED_CONFIG", 1, dataFormat="COMPACT", aggregationPeriod=0.1) == [Configured(1, 0.1)]


def test_an_error_of_a_channel_is_told_and_one_of_the_connection_ends_it() -> None:
    talk = Talk().ready()
    assert talk.hear("ERROR", 1, error="UNKNOWN", message="no") == [ChannelFault(1, "UNKNOWN: no")]
    with pytest.raises(RemoteProtocolError, match="BAD_ACTION: Protocol violation"):
        talk.hear("ERROR", 0, error="BAD_ACTION", message="Protocol violation with an even channel usage.")
    with pytest.raises(RemoteProtocolError, match="closed channel 1"):
        talk.hear("CHANNEL_CLOSED", 1)


@pytest.mark.parametrize("frame", [b"", b"[]", b"{}", b'"x"', b"not json", b"\xff"])
def test_what_is_no_message_ends_the_connection(frame: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Talk().ready().link.receive(frame, 0.0)


def test_unknown_messages_are_passed_over() -> None:
    assert Talk().ready().hear("DOM_SNAPSHOT", 1, bids=[]) == []


# --- the published and captured messages ----------------------------------------------------------------------------------------------


def sample(name: str) -> Any:
    path = SAMPLES / f"{name}.json"
    if not path.is_file():
        pytest.skip("the samples are not there")
    return json.loads(path.read_text())


def with_fields(name: str, fields: list[str]) -> Batch:
    """The rows of a sample, read with ``fields``."""
    message = sample(name)
    talk = Talk().ready()
    talk.hear("FEED_CONFIG", 1, eventFields={message["data"][0]: fields})
    (batch,) = talk.hear("FEED_DATA", 1, data=message["data"])
    assert isinstance(batch, Batch)
    return batch


def test_captured_trades_without_the_symbols_that_never_traded() -> None:
    batch = with_fields("lean_20_DeserializeFeedDataTradeStreamResponse", ["eventSymbol", "price", "size", "time"])
    assert [(trade.symbol, trade.price) for trade in trades_of(batch)] == [
        ("AMZN", 201.5417),
        ("TSLA", 340.89),
        ("AAPL", 196.1),
        ("SPX", 5931.91),
    ]


def test_captured_quotes() -> None:
    batch = with_fields("lean_21_DeserializeFeedDataQuoteStreamResponse", ["eventSymbol", "bidPrice", "askPrice", "bidSize", "askSize"])
    assert [(quote.symbol, quote.bid, quote.ask_size) for quote in quotes_of(batch)] == [("NVDA", 131.66, 307.0), ("PLTR", 124.05, 326.0)]


def test_captured_candles_end_with_a_row_that_removes() -> None:
    fields = ["eventFlags", "eventSymbol", "time", "open", "high", "low", "close", "volume", "openInterest"]
    rows = candles_of(with_fields("lean_31_DeserializeFeedDataCandleStreamResponse", fields))
    assert [(row.flags, row.close) for row in rows[:2]] == [(4, 198.42), (0, 196.45)]
    assert rows[-1].flags == 10


def test_captured_print_of_a_future() -> None:
    message = sample("wire_20261001_timeandsale_ESZ26")
    talk = Talk().ready()
    talk.hear("FEED_CONFIG", 1, eventFields={"TimeAndSale": message["_fields"]})
    (batch,) = talk.hear("FEED_DATA", 1, data=message["data"])
    assert isinstance(batch, Batch)
    (one,) = prints_of(batch)
    assert (one.symbol, one.price, one.size, one.bid, one.ask, one.valid) == ("/ESZ26:XCME", 7766.0, 1.0, 7765.75, 7766.0, True)
    assert one.ts_event == 1790834578430 * 10**6
    assert one.index == (1790834578 << 32) | (430 << 22) | 1122904


def test_all_published_server_messages_are_taken_in() -> None:
    if not SAMPLES.is_dir():
        pytest.skip("the samples are not there")
    fatal = {"spec_ErrorMessage_1", "spec_ErrorMessage_2", "lean_16_DeserializeErrorStreamResponse", "spec_ChannelClosedMessage_1"}
    for path in sorted(SAMPLES.glob("*.json")):
        message = json.loads(path.read_text())
        if "type" in message and path.stem not in fatal:
            Talk().ready().link.receive(orjson.dumps(message), 0.0)
        elif path.stem in fatal:
            with pytest.raises(RemoteProtocolError):
                Talk().ready().link.receive(orjson.dumps(message), 0.0)


def test_the_documented_handshake() -> None:
    path = STREAMS / "dxlink_handshake_tastytrade_docs.jsonl"
    if not path.is_file():
        pytest.skip("the samples are not there")
    talk = Talk((ChannelPlan(3, "AUTO", 0.1, ("Trade",)),))
    signals = []
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        if entry["dir"] == "R":
            signals += talk.link.receive(orjson.dumps(entry["msg"]), talk.now)
    assert Ready() in signals
    assert signals[-1] == Undecodable(3, "Trade", "its fields were not told")  # the page leaves them out
