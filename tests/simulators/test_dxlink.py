"""The simulated DXLink as any client sees it: what it demands, what it delivers, and how it fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from fortified.clock import SystemClock
from fortified.simulators.dxlink.candles import SyntheticPast
from fortified.simulators.dxlink.rows import FIELDS, index_of
from fortified.simulators.dxlink.server import DxLinkServer
from fortified.simulators.dxlink.venue import DxLinkVenue
from fortified.simulators.faults import Faults, Kind
from fortified.simulators.instruments import Listed, contracts
from fortified.simulators.market import Market
from fortified.simulators.synthetic import Synthetic

pytestmark = pytest.mark.anyio

ES, NAN = "/ESZ26:XCME", "NaN"
AUTHORIZED = {"type": "AUTH_STATE", "channel": 0, "state": "AUTHORIZED", "userId": "user1"}


class Client:
    """Says and hears single messages."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, type_: str, channel: int = 0, **fields: Any) -> None:
        await self.socket.send(orjson.dumps({"type": type_, "channel": channel, **fields}).decode())

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            found: dict[str, Any] = orjson.loads(await self.socket.recv())
            return found

    async def rows(self, event_type: str) -> list[dict[str, Any]]:
        """The rows of the next frame with data of ``event_type``, read by the fields that were told."""
        fields: dict[str, list[str]] = {}
        while True:
            message = await self.hear()
            if message["type"] == "FEED_CONFIG":
                fields.update(message.get("eventFields", {}))
            elif message["type"] == "FEED_DATA" and event_type in message["data"]:
                values = message["data"][message["data"].index(event_type) + 1]
                names = fields[event_type]
                return [dict(zip(names, values[at : at + len(names)], strict=True)) for at in range(0, len(values), len(names))]

    async def authorize(self) -> None:
        await self.say("SETUP", version="0.1-test", keepaliveTimeout=60, acceptKeepaliveTimeout=60)
        await self.say("AUTH", token="good")
        while await self.hear() != AUTHORIZED:
            pass

    async def open(self, channel: int, contract: str, fields: dict[str, list[str]] | None = None) -> None:
        await self.say("CHANNEL_REQUEST", channel, service="FEED", parameters={"contract": contract})
        assert (await self.hear())["type"] == "CHANNEL_OPENED"
        asked = {} if fields is None else {"acceptEventFields": fields}
        await self.say("FEED_SETUP", channel, acceptAggregationPeriod=0, acceptDataFormat="COMPACT", **asked)
        assert (await self.hear())["aggregationPeriod"] == 0

    async def add(self, channel: int, *lines: dict[str, Any]) -> None:
        await self.say("FEED_SUBSCRIPTION", channel, add=list(lines))


class Simulated:
    def __init__(self, **kept: Any) -> None:
        self.venue, self.faults = DxLinkVenue(SystemClock(), lambda token: token == "good", **kept), Faults()
        self.server = DxLinkServer(self.venue, self.faults)

    @asynccontextmanager
    async def client(self, *, authorized: bool = True) -> AsyncIterator[Client]:
        async with connect(self.server.url, compression=None) as socket:
            client = Client(socket)
            if authorized:
                await client.authorize()
            yield client

    async def until_subscribed(self, count: int = 1) -> None:
        async with asyncio.timeout(5):
            while self.subscriptions() < count:  # noqa: ASYNC110  # the server tells nobody
                await asyncio.sleep(0.005)

    def subscriptions(self) -> int:
        return sum(len(channel.subscriptions) for session in self.venue.sessions for channel in session.channels.values())


@asynccontextmanager
async def simulated(**kept: Any) -> AsyncIterator[Simulated]:
    made = Simulated(**kept)
    async with made.server:
        yield made


# --- the conversation -----------------------------------------------------------------------------------------------------------------


async def test_it_is_silent_until_the_setup_and_then_wants_a_token() -> None:
    async with simulated() as given, given.client(authorized=False) as client:
        await client.say("AUTH", token="good")
        await client.say("SETUP", version="0.1-test", keepaliveTimeout=60, acceptKeepaliveTimeout=60)
        assert (await client.hear())["type"] == "SETUP"
        assert await client.hear() == {"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"}
        await client.say("AUTH", token="bad")
        assert (await client.hear())["state"] == "UNAUTHORIZED"
        await client.say("CHANNEL_REQUEST", 1, service="FEED", parameters={"contract": "AUTO"})
        assert (await client.hear())["error"] == "UNAUTHORIZED"
        await client.say("AUTH", token="good")
        assert await client.hear() == AUTHORIZED


async def test_channels_are_odd_and_close_when_asked() -> None:
    async with simulated() as given, given.client() as client:
        await client.say("CHANNEL_REQUEST", 2, service="FEED", parameters={"contract": "AUTO"})
        error = await client.hear()
        assert (error["channel"], error["error"]) == (0, "BAD_ACTION")
        assert error["message"] == "Protocol violation with an even channel usage."
        await client.open(1, "AUTO")
        await client.say("CHANNEL_CANCEL", 1)
        assert await client.hear() == {"type": "CHANNEL_CLOSED", "channel": 1}


async def test_a_client_that_says_nothing_is_told_and_let_go() -> None:
    async with simulated() as given, given.client(authorized=False) as client:
        await client.say("SETUP", version="0.1-test", keepaliveTimeout=0.1, acceptKeepaliveTimeout=60)
        heard = [await client.hear() for _ in range(3)]
        assert heard[-1]["error"] == "TIMEOUT"
        with pytest.raises(ConnectionClosed):
            await client.hear()


async def test_it_keeps_the_connection_alive() -> None:
    async with simulated() as given, given.client() as client:
        given.venue.manners.keepalive_s = 0.1
        assert await client.hear() == {"type": "KEEPALIVE", "channel": 0}


@pytest.mark.parametrize("command", ["SETUP", "AUTH", "CHANNEL_REQUEST", "FEED_SETUP", "FEED_SUBSCRIPTION"])
async def test_it_hangs_up_at_any_step(command: str) -> None:
    async with simulated() as given, given.client(authorized=False) as client:
        given.faults.next(f"command {command}", Kind.ABORT)
        with pytest.raises((ConnectionClosed, ConnectionError)):  # noqa: PT012  # at one of these steps
            await client.authorize()
            await client.open(1, "AUTO")
            await client.add(1, {"type": "Quote", "symbol": ES})
            await client.hear()


async def test_a_token_may_end() -> None:
    async with simulated() as given, given.client() as client:
        given.venue.sessions[0].expire()
        assert (await client.hear())["state"] == "UNAUTHORIZED"


# --- what is delivered ----------------------------------------------------------------------------------------------------------------


async def test_fields_are_told_before_the_first_data_of_a_type_and_when_they_change() -> None:
    async with simulated() as given, given.client() as client:
        await client.open(1, "STREAM", {"TimeAndSale": ["eventType", "eventSymbol", "price", "nonsense", "index"]})
        await client.add(1, {"type": "TimeAndSale", "symbol": ES})
        await given.until_subscribed()
        event = given.venue.print(ES, 100.0)
        assert (await client.hear())["eventFields"] == {"TimeAndSale": ["eventType", "eventSymbol", "price", "index"]}
        assert (await client.hear())["data"] == ["TimeAndSale", [None, ES, 100.0, event["index"]]]
        given.venue.print(ES, 101.0)
        assert (await client.hear())["type"] == "FEED_DATA"
        given.venue.manners.reversed, given.venue.manners.omitted = True, {"TimeAndSale": {"eventType"}}
        given.venue.print(ES, 102.0)
        assert (await client.hear())["eventFields"] == {"TimeAndSale": ["index", "price", "eventSymbol"]}


async def test_several_types_share_a_frame() -> None:
    async with simulated() as given, given.client() as client:
        await client.open(1, "STREAM")
        await client.add(1, {"type": "TimeAndSale", "symbol": ES}, {"type": "Trade", "symbol": ES})
        await given.until_subscribed()
        given.venue.print(ES, 100.0, 2.0)
        given.venue.print(ES, 101.0, 3.0)
        data = next(
            message["data"]
            for message in [await client.hear() for _ in range(5)]
            if message.get("data", [0])[::2] == ["TimeAndSale", "Trade"]
        )
        assert len(data) == 4


async def test_what_never_traded_has_a_row_without_values() -> None:
    async with simulated() as given, given.client() as client:
        await client.open(1, "TICKER")
        await client.add(1, {"type": "Trade", "symbol": ES})
        (row,) = await client.rows("Trade")
        assert (row["eventSymbol"], row["price"], row["size"], row["time"]) == (ES, NAN, NAN, 0)


async def test_a_ticker_conflates_and_a_stream_does_not() -> None:
    async with simulated() as given, given.client() as client:
        given.venue.manners.aggregation_s = None
        for channel, contract in ((1, "TICKER"), (3, "STREAM")):
            await client.say("CHANNEL_REQUEST", channel, service="FEED", parameters={"contract": contract})
            await client.hear()
            await client.say("FEED_SETUP", channel, acceptAggregationPeriod=0.2, acceptDataFormat="COMPACT")
            assert (await client.hear())["aggregationPeriod"] == 0.2
        await client.add(1, {"type": "TimeAndSale", "symbol": ES})
        await client.add(3, {"type": "TimeAndSale", "symbol": ES})
        await given.until_subscribed(2)
        for price in (1.0, 2.0, 3.0):
            given.venue.print(ES, price)
        found: dict[int, int] = {}
        while len(found) < 2:
            message = await client.hear()
            if message["type"] == "FEED_DATA":
                found[message["channel"]] = len(message["data"][1]) // len(FIELDS["TimeAndSale"])
        assert found == {1: 1, 3: 3}


async def test_a_history_comes_newest_first_with_its_flags() -> None:
    async with simulated() as given, given.client() as client:
        events = [given.venue.print(ES, float(price)) for price in range(3)]
        given.venue.amend(events[1], "CORRECTION", price=7.0)
        await client.open(1, "HISTORY")
        await client.add(1, {"type": "TimeAndSale", "symbol": ES, "fromTime": events[0]["time"]})
        rows = await client.rows("TimeAndSale")
        assert [(row["eventFlags"], row["price"], row["type"]) for row in rows] == [
            (4, 2.0, "NEW"),
            (0, 7.0, "CORRECTION"),
            (0, 0.0, "NEW"),
            (10, NAN, NAN),
        ]
        given.venue.manners.depth = 2
        await client.add(1, {"type": "TimeAndSale", "symbol": ES, "fromTime": 0})
        message = await client.hear()
        assert len(message["data"][1]) == 2 * len(FIELDS["TimeAndSale"])


async def test_candles_have_the_normalised_name() -> None:
    async with simulated() as given, given.client() as client:
        minute = 1_790_000_000_000 // 60_000 * 60_000
        for offset, price in ((0, 3.0), (1000, 5.0), (2000, 4.0), (60_000, 6.0)):
            given.venue.print(ES, price, ts_ns=(minute + offset) * 10**6)
        await client.open(1, "HISTORY")
        await client.add(1, {"type": "Candle", "symbol": f"{ES}{{=1m}}", "fromTime": minute})
        rows = await client.rows("Candle")
        assert {row["eventSymbol"] for row in rows} == {f"{ES}{{=m}}"}
        values = [(row["time"], row["open"], row["high"], row["low"], row["close"], row["volume"]) for row in rows[:-1]]
        assert values == [(minute + 60_000, 6.0, 6.0, 6.0, 6.0, 1.0), (minute, 3.0, 5.0, 3.0, 4.0, 3.0)]


async def test_amendments_go_out_with_the_index_of_the_print() -> None:
    async with simulated() as given, given.client() as client:
        await client.open(1, "STREAM")
        await client.add(1, {"type": "TimeAndSale", "symbol": ES})
        await given.until_subscribed()
        event = given.venue.print(ES, 100.0)
        given.venue.amend(event, "CANCEL")
        (new,), (cancel,) = (
            await client.rows("TimeAndSale"),
            [dict(zip(FIELDS["TimeAndSale"], (await client.hear())["data"][1], strict=True))],
        )
        assert (new["index"], cancel["index"], cancel["type"]) == (event["index"], event["index"], "CANCEL")


async def test_prints_may_be_sent_again_after_a_connect() -> None:
    async with simulated() as given:
        given.venue.manners.resent = 2
        for price in (1.0, 2.0, 3.0):
            given.venue.print(ES, price)
        async with given.client() as client:
            await client.open(1, "STREAM")
            await client.add(1, {"type": "TimeAndSale", "symbol": ES})
            assert [row["price"] for row in await client.rows("TimeAndSale")] == [2.0, 3.0]


# --- the market -----------------------------------------------------------------------------------------------------------------------


async def test_it_follows_the_market_of_the_other_venues() -> None:
    market = Market()
    async with simulated() as given, given.client() as client:
        market.listeners.append(given.venue.follow({"/ESZ6": ES}.get))
        await client.open(1, "STREAM")
        await client.add(1, {"type": "TimeAndSale", "symbol": ES})
        await given.until_subscribed()
        market.push("/NQZ6", 1_790_000_000_000_000_000, Decimal("20000"))
        market.push("/ESZ6", 1_790_000_000_123_456_789, Decimal("5000.25"), 3, Decimal("5000"), Decimal("5000.25"))
        (row,) = await client.rows("TimeAndSale")
        assert (row["price"], row["size"], row["bidPrice"], row["time"], row["timeNanoPart"]) == (
            5000.25,
            3.0,
            5000.0,
            1_790_000_000_123,
            456_789,
        )
        assert row["index"] == index_of(1_790_000_000_123, row["sequence"])


async def test_an_invented_past_is_what_its_ticks_were() -> None:
    clock, synthetic = SystemClock(), Synthetic(1, 10**9)
    (listed, *_) = contracts("ES", date(2026, 11, 23))
    now = clock.now_ns()

    def find(symbol: str) -> Listed | None:
        return listed if symbol == listed.streamer_symbol else None

    async with simulated(past=SyntheticPast(synthetic, find)) as given, given.client() as client:
        await client.open(1, "HISTORY")
        from_ms = now // 10**6 - 10_000
        await client.add(1, {"type": "TimeAndSale", "symbol": listed.streamer_symbol, "fromTime": from_ms})
        rows = await client.rows("TimeAndSale")
        expected = list(synthetic.prints(listed, from_ms * 10**6 - 1, now))
        assert [row["price"] for row in reversed(rows[:-1])] == [float(event.price) for event in expected]
        await client.add(1, {"type": "Candle", "symbol": f"{listed.streamer_symbol}{{=5m}}", "fromTime": from_ms - 3_600_000})
        assert 12 <= len(await client.rows("Candle")) <= 15
