"""The stages of our own brokers: both venues as they are simulated, and paper."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

from tests.adapters.schwab_desk import MONDAY, connection

from fortified.adapters.pacing import GLOBAL, Rate
from fortified.adapters.paper import PaperBroker
from fortified.adapters.tastytrade.connection import tastytrade_broker
from fortified.domain.instrument import get_instrument
from fortified.domain.market import BarUpdate
from fortified.domain.order import OrderEvent
from fortified.ports import VenueBroker
from fortified.simulators.faults import Fault, Faults, Kind
from fortified.simulators.feed import ManualClock
from fortified.simulators.matching import Exchange
from fortified.simulators.server import Options, Simulation
from fortified.simulators.tastytrade.venue import ACCOUNT
from fortified.testing.broker_stage import BrokerStage, Mishap, VenueStage

TIMEOUT_S = 0.5
LATE = Fault(Kind.SLOW_AFTER, seconds=2 * TIMEOUT_S)


class SimulatedStage(VenueStage):
    """A simulated venue on a clock that moves with each trade."""

    place: str
    read: str

    def __init__(self, simulation: Simulation, clock: ManualClock) -> None:
        self.simulation, self.clock = simulation, clock
        self.broker = self.connected()

    @property
    @abstractmethod
    def faults(self) -> Faults: ...

    @property
    @abstractmethod
    def exchange(self) -> Exchange: ...

    @abstractmethod
    def connected(self) -> VenueBroker:
        """A new broker."""

    def now_ns(self) -> int:
        return self.clock.now_ns()

    async def trade(self, price: Decimal, size: Decimal) -> Sequence[OrderEvent]:
        self.clock.advance(0.1)
        self.simulation.push(self.symbol, price, int(size))
        return ()

    async def reopen(self) -> None:
        await self.broker.close()
        self.broker = self.connected()
        await self.broker.connect()

    def strike(self, mishap: Mishap) -> None:
        match mishap:
            case Mishap.LOST_BEFORE:
                self.faults.next(self.place, Kind.DROP_BEFORE)
            case Mishap.REFUSED_FOR_NOW:
                self.faults.next(self.place, Fault(Kind.STATUS, status=503))
            case Mishap.LOST_AFTER:
                self.faults.next(self.place, Kind.DROP_AFTER)
            case Mishap.FAILED_AFTER:
                self.faults.next(self.place, Fault(Kind.STATUS_AFTER, status=502))
            case Mishap.GARBLED_AFTER:
                self.garble()
            case Mishap.SLOW_AFTER:
                self.faults.next(self.place, LATE)
            case Mishap.REJECTED_LATER:
                self.faults.next("order", Fault(Kind.REJECT, text="not today"))
            case Mishap.FILLED_FIRST:
                self.faults.next("cancel", Kind.FILL_FIRST)
            case Mishap.UNREADABLE:
                self.faults.always(self.read, Fault(Kind.STATUS, status=500))
            case Mishap.FRAME_MISSING:
                self.faults.always("stream *", Kind.MISSING)
            case Mishap.FRAME_TWICE:
                self.faults.always("stream *", Kind.TWICE)
            case Mishap.STREAM_CUT:
                self.faults.next("stream *", Kind.ABORT)

    def garble(self) -> None:
        self.faults.next(self.place, Kind.GARBLED)

    def mend(self) -> None:
        self.faults.clear()

    def taken(self) -> int:
        return len(self.exchange.orders)


class TastyTradeStage(SimulatedStage):
    symbol, price, tick = "/NQ", Decimal(20_000), Decimal("0.25")
    place, read = f"POST /accounts/{ACCOUNT}/orders", f"GET /accounts/{ACCOUNT}/orders*"

    @property
    def faults(self) -> Faults:
        return self.simulation.tastytrade_faults

    @property
    def exchange(self) -> Exchange:
        return self.simulation.tastytrade.exchange

    def connected(self) -> VenueBroker:
        secrets = self.simulation.options.credentials
        return tastytrade_broker(
            ACCOUNT,
            client_secret=secrets.client_secret,
            refresh_token=secrets.refresh_token,
            clock=self.clock,
            product_version="test",
            api_url=self.simulation.tastytrade_url,
            stream_url=self.simulation.tastytrade_streamer_url,
            rates={GLOBAL: Rate(1000, 1000)},
            timeout_s=TIMEOUT_S,
        )


class SchwabStage(SimulatedStage):
    symbol, price, tick = "SPY", Decimal(500), Decimal("0.01")
    place, read = "POST /trader/v1/accounts/*/orders", "GET /trader/v1/accounts/*/orders*"

    @property
    def faults(self) -> Faults:
        return self.simulation.schwab_faults

    @property
    def exchange(self) -> Exchange:
        return self.simulation.schwab.exchange

    def connected(self) -> VenueBroker:
        return connection(self.simulation, self.clock, timeout_s=TIMEOUT_S).broker()

    def garble(self) -> None:
        self.faults.next(self.place, Kind.NO_LOCATION)  # the body of Schwab's answer is empty: its id is in a header


class PaperStage(BrokerStage):
    """Paper trading fills at the next price of the market that it is shown."""

    def __init__(self, venue: str, symbol: str) -> None:
        instrument = get_instrument(symbol)
        self.symbol, self.price, self.tick = symbol, Decimal(500), instrument.tick_size
        self.broker = PaperBroker(venue, instrument)
        self._seq = 0

    def now_ns(self) -> int:
        return MONDAY + self._seq * 10**6

    async def trade(self, price: Decimal, size: Decimal) -> Sequence[OrderEvent]:
        self._seq += 100  # behind the order, which has a number of its own
        now, at = self.now_ns(), float(price)
        update = BarUpdate(self.symbol, "1", self._seq, now, now, at, float(size), None, None, MONDAY, at, at, at, at, 1.0, 1, 0.5)
        return self.broker.on_market(update)


@asynccontextmanager
async def simulated(kind: type[SimulatedStage], venue: str) -> AsyncIterator[SimulatedStage]:
    """One venue, open, with the market at the stage's price."""
    clock = ManualClock(MONDAY)
    async with Simulation(clock, Options(by_size=True), venues=(venue,)) as simulation:
        stage = kind(simulation, clock)
        await stage.trade(stage.price, Decimal(1))
        await stage.broker.connect()
        try:
            yield stage
        finally:
            await stage.broker.close()
