"""The simulated DXLink on a socket of its own.

Owns the server and its timer.
"""

import asyncio
import contextlib
from typing import Self

from fortified.simulators.dxlink.session import type_of
from fortified.simulators.dxlink.venue import DxLinkVenue
from fortified.simulators.faults import Faults
from fortified.simulators.sockets import SocketServer

_TURN_S = 0.02


class DxLinkServer:
    """Serves ``venue``. ``async with`` starts and ends it."""

    def __init__(self, venue: DxLinkVenue, faults: Faults, host: str = "127.0.0.1", port: int = 0) -> None:
        self.venue, self.faults = venue, faults
        self._host, self._port = host, port
        self._server = SocketServer(venue.begin, faults, type_of)
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where quote tokens send clients."""
        return f"ws://{self._host}:{self._server.port}"

    async def __aenter__(self) -> Self:
        await self._server.start(self._host, self._port)
        self._task = asyncio.create_task(self._turn())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Cut all connections and stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._server.close()

    async def _turn(self) -> None:
        while True:
            self.venue.on_time()
            await asyncio.sleep(_TURN_S)
