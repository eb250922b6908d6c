"""Requests to Schwab over a real socket: what is asked, and what of an answer is believed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.adapters.venue_server import Answer, ManualTime, Received, Script, VenueServer, venue_server
from tests.builders import HOUR, ns

from fortified.adapters.pacing import Pacer
from fortified.adapters.schwab.client import MAX_RESULTS, SchwabClient
from fortified.adapters.schwab.wire import parse_time
from fortified.adapters.transport import BrokerTransport, Refused
from fortified.domain.errors import RateLimited, VenueUnavailable

pytestmark = pytest.mark.anyio
NOON = ns("2026-11-16 12:00:00")


class Token:
    async def token(self) -> str:
        return "acc"

    def reject(self, token: str) -> None:
        return


@asynccontextmanager
async def client(script: Script) -> AsyncIterator[tuple[SchwabClient, VenueServer]]:
    time = ManualTime()
    async with venue_server(script) as venue:
        pacer = Pacer({}, monotonic=time.monotonic, sleep=time.sleep)
        transport = BrokerTransport(venue.url, venue="Schwab", headers={}, pacer=pacer, tokens=Token(), sleep=time.sleep)
        yield SchwabClient(transport), venue
        await transport.close()


def listed(order_id: int) -> dict[str, object]:
    leg = {"instruction": "BUY", "quantity": 1, "instrument": {"symbol": "SPY", "assetType": "EQUITY"}}
    return {"orderId": order_id, "status": "WORKING", "orderLegCollection": [leg]}


async def test_a_list_that_is_cut_off_is_asked_for_in_halves() -> None:
    def answer(received: Received) -> Answer:
        start, end = (parse_time(received.query[name]) for name in ("fromEnteredTime", "toEnteredTime"))
        hours = range((start - NOON) // HOUR, (end - NOON) // HOUR + 1)
        return Answer(200, [listed(number) for hour in hours for number in range(hour * 1000, hour * 1000 + 1000)][:MAX_RESULTS])

    async with client(answer) as (asks, venue):
        found = await asks.orders("HASH", NOON, NOON + 3 * HOUR)
    assert sorted(str(order.order_id) for order in found) == sorted(str(number) for number in range(4000))
    assert len(venue.received) == 5  # the whole, its halves, and the halves of the second
    first = venue.received[0]
    assert first.line == "GET /trader/v1/accounts/HASH/orders"
    assert first.query == {"fromEnteredTime": "2026-11-16T12:00:00.000Z", "toEnteredTime": "2026-11-16T15:00:00.000Z", "maxResults": "3000"}
    assert first.headers["authorization"] == "Bearer acc"


async def test_an_order_that_is_not_there_is_none_and_any_other_refusal_is_an_error() -> None:
    async with client(lambda _: Answer(404, {"message": "Order not found"})) as (asks, _):
        assert await asks.order("HASH", "5") is None
    async with client(lambda _: Answer(403, {"message": "Forbidden"}, {"Schwab-Client-CorrelId": "c1"})) as (asks, _):
        with pytest.raises(VenueUnavailable, match="403: Forbidden"):
            await asks.order("HASH", "5")


async def test_reads_are_repeated_and_orders_are_not() -> None:
    async with client(lambda _: Answer(503)) as (asks, venue):
        with pytest.raises(VenueUnavailable):
            await asks.account_numbers()
        assert len(venue.received) > 1
        venue.received.clear()
        await asks.place("HASH", {"orderType": "MARKET"})
        assert venue.lines() == ["POST /trader/v1/accounts/HASH/orders"]


async def test_a_venue_that_asks_to_slow_down_is_told_as_such() -> None:
    async with client(lambda _: Answer(429)) as (asks, _):
        with pytest.raises(RateLimited):
            await asks.account_numbers()
        assert isinstance(await asks.cancel("HASH", "5"), Refused)


async def test_history_names_its_end_because_the_venue_s_own_is_yesterday() -> None:
    body = {"symbol": "SPY", "empty": False, "candles": [{"open": 1, "high": 2, "low": 0.5, "close": 1.5, "volume": 7, "datetime": 60000}]}
    async with client(lambda _: Answer(200, body)) as (asks, venue):
        told = await asks.minutes("BRK/B", NOON, NOON + HOUR, extended=True)
        await asks.days("SPY", NOON, NOON + HOUR)
    assert (told.candles[0].close, told.candles[0].datetime) == (1.5, 60000)
    minutes, days = (received.query for received in venue.received)
    assert minutes == {
        "symbol": "BRK/B",
        "periodType": "day",
        "frequencyType": "minute",
        "frequency": "1",
        "startDate": str(NOON // 10**6),
        "endDate": str((NOON + HOUR) // 10**6),
        "needExtendedHoursData": "true",
    }
    assert (days["periodType"], days["frequencyType"], days["needExtendedHoursData"]) == ("year", "daily", "false")


async def test_a_log_in_without_a_streamer_says_so() -> None:
    async with client(lambda _: Answer(200, {"accounts": [], "streamerInfo": []})) as (asks, _):
        with pytest.raises(VenueUnavailable, match="names no streamer"):
            await asks.streamer()
