"""All simulated venues in one process: who listens where, and on what they run.

Owns the composition and the addresses. Tests take it into their own event loop; the command line runs it alone.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Self

import msgspec

from fortified.domain.errors import ConfigError
from fortified.ports import Clock
from fortified.simulators.admin import Admin
from fortified.simulators.dxlink.candles import SyntheticPast
from fortified.simulators.dxlink.server import DxLinkServer
from fortified.simulators.dxlink.venue import DxLinkVenue
from fortified.simulators.faults import Faults
from fortified.simulators.feed import Feed, FileFeed, SyntheticFeed, read_ticks, run
from fortified.simulators.hours import Hours
from fortified.simulators.http import HttpServer
from fortified.simulators.instruments import PRODUCTS, Listed, contracts
from fortified.simulators.market import Market
from fortified.simulators.schwab.commands import command_of
from fortified.simulators.schwab.rest import SchwabRest
from fortified.simulators.schwab.session import Manners
from fortified.simulators.schwab.streamer import SchwabStreamer
from fortified.simulators.schwab.venue import SchwabVenue
from fortified.simulators.sockets import SocketServer
from fortified.simulators.synthetic import Synthetic
from fortified.simulators.tastytrade.rest import TastyTradeRest
from fortified.simulators.tastytrade.streamer import AccountStreamer, action_of
from fortified.simulators.tastytrade.venue import TastyTradeVenue
from fortified.simulators.tokens import Credentials

TASTYTRADE, SCHWAB = "tastytrade", "schwab"
VENUES = (TASTYTRADE, SCHWAB)


class Ports(msgspec.Struct, frozen=True):
    """Where to listen; 0 is any free port."""

    tastytrade_api: int = 0
    tastytrade_streamer: int = 0
    dxlink: int = 0
    schwab_api: int = 0
    schwab_streamer: int = 0
    admin: int = 0


class Options(msgspec.Struct, frozen=True):
    """How the venues are. ``symbols``: what is traded without an order; futures by their root, such as /NQ.

    ``feed``: prints come by themselves; tests push them instead. ``by_size``, ``at_once``, ``strings_only``: see the venues.
    ``conflate_s``: Schwab tells level one at most so often.
    """

    seed: int = 1
    feed: bool = False
    file: Path | None = None
    speed: float = 1.0
    symbols: tuple[str, ...] = ("/NQ", "/ES", "/MNQ", "/MES", "SPY", "QQQ", "AAPL")
    prints_per_s: int = 10
    always_open: bool = True
    cash: Decimal = Decimal(250_000)
    by_size: bool = False
    at_once: bool = False
    strings_only: bool = True
    documented_codes: bool = True
    conflate_s: float = 0.0
    credentials: Credentials = Credentials()


class Simulation:
    """The venues with their servers. ``async with`` starts and ends them."""

    def __init__(
        self,
        clock: Clock,
        options: Options | None = None,
        *,
        venues: Sequence[str] = VENUES,
        host: str = "127.0.0.1",
        ports: Ports | None = None,
    ) -> None:
        self.clock, self.options, self.host, self.ports = clock, options or Options(), host, ports or Ports()
        self.venues = venues
        self.market = Market()
        self.hours = Hours(always=self.options.always_open)
        self.synthetic = Synthetic(self.options.seed, 1_000_000_000 // self.options.prints_per_s)
        seed = self.options.seed
        self.tastytrade_faults, self.schwab_faults, self.dxlink_faults = Faults(seed), Faults(seed + 1), Faults(seed + 2)
        self.tastytrade, self.account_streamer = self._tastytrade()
        self.schwab, self.schwab_streamer = self._schwab()
        self.dxlink = self._dxlink()
        self._servers: list[HttpServer | SocketServer | DxLinkServer] = []
        self._task: asyncio.Task[None] | None = None
        self.admin_url = self.tastytrade_url = self.tastytrade_streamer_url = self.schwab_url = ""

    @property
    def dxlink_url(self) -> str:
        """Where quote tokens send clients."""
        return self.tastytrade.dxlink_url

    def find(self, symbol: str) -> Listed | None:
        """What is listed under ``symbol``; a root such as /NQ stands for its active contract."""
        today = self.tastytrade.exchange.today()
        if symbol.removeprefix("/") in PRODUCTS and symbol.startswith("/"):
            return next(contract for contract in contracts(symbol[1:], today) if contract.active)
        return self.tastytrade.exchange.find(symbol)

    def find_streamed(self, streamer_symbol: str) -> Listed | None:
        """What DXLink knows by ``streamer_symbol``."""
        if not streamer_symbol.startswith("/"):
            return self.find(streamer_symbol)
        today = self.tastytrade.exchange.today()
        chains = (contract for root in PRODUCTS for contract in contracts(root, today))
        return next((contract for contract in chains if contract.streamer_symbol == streamer_symbol), None)

    def push(
        self, symbol: str, price: str | Decimal, size: int = 1, bid: str | Decimal | None = None, ask: str | Decimal | None = None
    ) -> None:
        """One print of the market, now. ``symbol`` may be a root."""
        listed = self.find(symbol)
        if listed is None:
            raise ConfigError(f"{symbol} is not listed; take a root such as /NQ, a contract, or an equity such as SPY")
        quote = (None if side is None else Decimal(side) for side in (bid, ask))
        self.market.push(listed.symbol, self.clock.now_ns(), Decimal(price), size, *quote)
        self.on_time()

    def _wanted(self) -> list[Listed]:
        """What has prints: the usual symbols, those with open orders, and those that somebody watches."""
        ordered = [order.ticket.symbol for venue in (self.tastytrade, self.schwab) for order in venue.exchange.live_orders()]
        names = [*self.options.symbols, *ordered, *self.schwab_streamer.symbols()]
        found = (*map(self.find, names), *map(self.find_streamed, self.dxlink.symbols()))
        return list({listed.symbol: listed for listed in found if listed is not None}.values())

    def on_time(self) -> None:
        """What the clock alone causes, at all venues."""
        self.tastytrade.exchange.on_time()
        self.schwab.exchange.on_time()
        self.schwab_streamer.on_time()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Cut all connections and stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for server in self._servers:
            await server.close()
        self._servers.clear()

    async def _start(self) -> None:
        ports = self.ports
        if TASTYTRADE in self.venues:
            api = HttpServer(TastyTradeRest(self.tastytrade).answer, self.tastytrade_faults, self.tastytrade.access.revoke)
            self.tastytrade_url = f"http://{await self._listen(api, ports.tastytrade_api)}"
            streamer = SocketServer(self.account_streamer.begin, self.tastytrade_faults, action_of)
            self.tastytrade_streamer_url = f"ws://{await self._listen(streamer, ports.tastytrade_streamer)}"
            dxlink = DxLinkServer(self.dxlink, self.dxlink_faults, self.host, ports.dxlink)
            await self._begin(dxlink, dxlink.__aenter__(), ports.dxlink)
            self.tastytrade.dxlink_url = dxlink.url
        if SCHWAB in self.venues:
            api = HttpServer(SchwabRest(self.schwab).answer, self.schwab_faults, self.schwab.access.revoke)
            self.schwab_url = self.schwab.api_url = f"http://{await self._listen(api, ports.schwab_api)}"
            streamer = SocketServer(self.schwab_streamer.begin, self.schwab_faults, command_of)
            self.schwab.streamer_url = f"ws://{await self._listen(streamer, ports.schwab_streamer)}/ws"
        self.admin_url = f"http://{await self._listen(HttpServer(Admin(self).answer, Faults()), ports.admin)}"
        feed = self._feed()
        if self.options.feed or feed is not None:
            self._task = asyncio.create_task(run(feed, self.on_time))

    async def _listen(self, server: HttpServer | SocketServer, port: int) -> str:
        await self._begin(server, server.start(self.host, port), port)
        return f"{self.host}:{server.port}"

    async def _begin(self, server: HttpServer | SocketServer | DxLinkServer, starting: Awaitable[object], port: int) -> None:
        try:
            await starting
        except OSError as error:
            raise ConfigError(f"cannot listen on {self.host}:{port}: {error.strerror}; choose another port") from None
        self._servers.append(server)

    def _feed(self) -> Feed | None:
        if self.options.file is not None:
            rows = read_ticks(self.options.file, self.options.symbols[0])
            return FileFeed(self.market, self.clock, rows, self.options.speed)
        if self.options.feed:
            return SyntheticFeed(self.market, self.clock, self.synthetic, self._wanted)
        return None

    def _tastytrade(self) -> tuple[TastyTradeVenue, AccountStreamer]:
        options = self.options
        venue = TastyTradeVenue(
            self.clock,
            self.market,
            self.hours,
            self.tastytrade_faults,
            credentials=options.credentials,
            cash=options.cash,
            by_size=options.by_size,
            at_once=options.at_once,
            strings_only=options.strings_only,
        )
        return venue, AccountStreamer(venue)

    def _schwab(self) -> tuple[SchwabVenue, SchwabStreamer]:
        options = self.options
        venue = SchwabVenue(
            self.clock,
            self.market,
            self.hours,
            self.schwab_faults,
            credentials=options.credentials,
            cash=options.cash,
            by_size=options.by_size,
            at_once=options.at_once,
            strings_only=options.strings_only,
            history=self.synthetic,
        )
        return venue, SchwabStreamer(venue, Manners(round(options.conflate_s * 1e9), options.documented_codes))

    def _dxlink(self) -> DxLinkVenue:
        """The past is invented where the ticks are."""
        invented = self.options.feed and self.options.file is None
        past = SyntheticPast(self.synthetic, self.find_streamed) if invented else None
        venue = DxLinkVenue(self.clock, self.tastytrade.quote_tokens.valid, past=past)
        self.market.listeners.append(venue.follow(self._streamer_symbol))
        return venue

    def _streamer_symbol(self, symbol: str) -> str | None:
        listed = self.find(symbol)
        return None if listed is None else listed.streamer_symbol
