"""The simulated brokers in a thread of their own, for tests that start whole processes against them."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from fortified.clock import SystemClock
from fortified.simulators.server import Options, Simulation
from fortified.simulators.tokens import Credentials


class SimulatedVenues:
    """Where they are, and their side door."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.admin = httpx2.Client(base_url=simulation.admin_url, timeout=10)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a server that trades here."""
        return {
            "FORTIFIED_BROKERS": "simulated",
            "TASTY_API_URL": self.simulation.tastytrade_url,
            "TASTY_STREAMER_URL": self.simulation.tastytrade_streamer_url,
            "SCHWAB_API_URL": self.simulation.schwab_url,
            "SCHWAB_REDIRECT_URI": self.simulation.options.credentials.redirect_uri,
        }

    def push(self, **prices: tuple[str, str, str]) -> None:
        """A print of each symbol (``NQ`` is the future): price, bid, ask."""
        for name, (price, bid, ask) in prices.items():
            symbol = f"/{name}" if name == "NQ" else name
            answer = self.admin.post("/price", json={"symbol": symbol, "price": price, "size": 100, "bid": bid, "ask": ask})
            assert answer.status_code == 200, answer.text

    def held(self) -> dict[str, str]:
        """What is true: quantity by symbol, of both brokers."""
        state = self.admin.get("/state").json()
        accounts = [account for venue in state.values() for account in venue.values()]
        return {symbol: one["quantity"] for account in accounts for symbol, one in account["positions"].items()}

    def orders(self) -> list[str]:
        state = self.admin.get("/state").json()
        accounts = [account for venue in state.values() for account in venue.values()]
        return [f"{order['side']} {order['quantity']} {order['symbol']}" for account in accounts for order in account["orders"]]


@contextmanager
def simulated_venues(redirect_uri: str) -> Iterator[SimulatedVenues]:
    """They listen on free ports until the block ends; a log-in at Schwab leads to ``redirect_uri``. Prices come by ``push`` only."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    simulation = Simulation(SystemClock(), Options(credentials=Credentials(redirect_uri=redirect_uri)))
    try:
        asyncio.run_coroutine_threadsafe(simulation.__aenter__(), loop).result(10)
        venues = SimulatedVenues(simulation)
        try:
            yield venues
        finally:
            venues.admin.close()
            asyncio.run_coroutine_threadsafe(simulation.close(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
