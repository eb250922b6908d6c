"""What is listed, when it trades, and where its prices come from."""

import gzip
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from fortified.domain.errors import DataError
from fortified.simulators.feed import FileFeed, ManualClock, SyntheticFeed, read_ticks
from fortified.simulators.hours import Hours
from fortified.simulators.instruments import PRODUCTS, contracts, find
from fortified.simulators.market import Market, Print
from fortified.simulators.synthetic import Synthetic

NS = 1_000_000_000
NOW = int(datetime(2026, 11, 16, 15, tzinfo=UTC).timestamp()) * NS


@pytest.mark.parametrize("root", list(PRODUCTS))
def test_each_day_has_one_active_contract_and_one_next(root: str) -> None:
    for offset in range(0, 800, 7):
        chain = contracts(root, date(2026, 1, 1) + timedelta(days=offset))
        assert [contract.active for contract in chain].count(True) == 1
        following = chain[[contract.active for contract in chain].index(True) + 1]
        assert [contract.symbol for contract in chain if contract.next_active] == [following.symbol]


@pytest.mark.parametrize(
    ("root", "day", "active"),
    [
        ("NQ", date(2026, 11, 22), "/NQZ6"),
        ("NQ", date(2026, 12, 11), "/NQZ6"),
        ("NQ", date(2026, 12, 14), "/NQH7"),
        ("CL", date(2026, 11, 10), "/CLZ6"),
        ("CL", date(2026, 11, 16), "/CLF7"),
    ],
)
def test_the_active_contract_rolls(root: str, day: date, active: str) -> None:
    assert [contract.symbol for contract in contracts(root, day) if contract.active] == [active]


def test_ticks() -> None:
    day = date(2026, 11, 16)
    future, share = find("/NQZ6", day), find("SIRI", day)
    assert future is not None
    assert share is not None
    assert [future.on_tick(Decimal(price)) for price in ("25000.25", "25000.1")] == [True, False]
    assert [share.on_tick(Decimal(price)) for price in ("0.9501", "0.95011", "1.01", "1.001")] == [True, False, True, False]
    assert [find(symbol, day) for symbol in ("/XXZ6", "/NQZ5", "/NQ", "ZZZZ")] == [None] * 4


def test_sessions() -> None:
    hours, night = Hours(), NOW + 13 * 3600 * NS
    assert [hours.is_open("NYSE", at) for at in (NOW, night)] == [True, False]
    assert hours.is_open("NYSE", NOW - 3 * 3600 * NS, extended=True)
    current = hours.session("NYSE", NOW)
    assert (current.day, current.close_ns - current.open_ns, current.end_ns - current.start_ns) == (
        date(2026, 11, 16),
        int(6.5 * 3600) * NS,
        16 * 3600 * NS,
    )
    assert [hours.before("NYSE", current).day, hours.after("NYSE", current).day] == [date(2026, 11, 13), date(2026, 11, 17)]
    always = Hours(always=True)
    assert always.is_open("NYSE", night)
    day = always.session("NYSE", night)
    assert (always.after("NYSE", day).start_ns, always.before("NYSE", day).end_ns) == (day.end_ns, day.start_ns)


def collected(market: Market) -> list[Print]:
    found: list[Print] = []
    market.listeners.append(found.append)
    return found


def test_an_invented_market_is_the_same_in_every_cut() -> None:
    listed = find("/NQZ6", date(2026, 11, 16))
    assert listed is not None

    def played(steps: list[float]) -> list[Print]:
        clock, market = ManualClock(NOW), Market()
        found, feed = collected(market), SyntheticFeed(market, clock, Synthetic(3), lambda: [listed])
        for step in steps:
            clock.advance(step)
            feed.turn()
        return found

    whole = played([4])
    assert whole == played([0.05] * 80)
    assert len(whole) == 40
    assert all(listed.on_tick(event.price) and event.bid <= event.price <= event.ask for event in whole)
    assert [event.number for event in whole] == sorted({event.number for event in whole})
    assert len(played([60])) == 50  # behind a pause only its end


def test_the_past_is_what_the_ticks_were() -> None:
    listed = find("SPY", date(2026, 11, 16))
    assert listed is not None
    invented = Synthetic(3)
    bar = invented.candle(listed, NOW, 60 * NS)
    ticks = [event.price for event in invented.prints(listed, NOW, NOW + 60 * NS)]
    assert abs(bar.open - ticks[0]) <= 2 * listed.tick
    assert min(ticks) - listed.tick <= bar.low <= bar.high <= max(ticks) + listed.tick


def test_a_file_is_played_at_its_pace_and_again(tmp_path: Path) -> None:
    path = tmp_path / "ticks.csv.gz"
    path.write_bytes(gzip.compress(b"ts_ns,price,size,bid,ask\n1000000000,10.5,3,10.4,10.6\n2000000000,11,1,,\n4000000000,12,1,,\n"))
    clock, market = ManualClock(NOW), Market()
    found, feed = collected(market), FileFeed(market, clock, read_ticks(path, "SPY"), speed=2)
    seen = []
    for _ in range(4):
        feed.turn()
        seen.append([str(event.price) for event in found])
        found.clear()
        clock.advance(0.5)
    assert seen == [["10.5"], ["11"], [], ["12"]]
    feed.turn()
    assert [(str(event.price), event.ts_ns, event.bid, event.number) for event in found] == [
        ("10.5", clock.now_ns(), Decimal("10.4"), 4),
        ("11", clock.now_ns(), Decimal("11"), 5),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [("ts_ns,price,size\n", "no ticks"), ("ts_ns,price,size\n1,x,1\n", "line 2"), ("a,b\n1,2\n", "line 2")],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "ticks.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_ticks(path, "SPY")
    with pytest.raises(DataError, match="cannot be read"):
        read_ticks(tmp_path / "none.csv", "SPY")
