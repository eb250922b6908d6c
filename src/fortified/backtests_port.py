"""What the HTTP layer needs of backtests: a queue of runs, as a protocol.

Owns the seam; ``research.jobs`` implements it. Nothing here does I/O.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal, Protocol

import msgspec

from fortified.domain.errors import FortifiedError
from fortified.domain.trade import Trade

type Figure = Decimal | int | float | None


class BacktestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backtest is asked to do, in the words of the command line.

    ``files`` are names in the data directory; with ``stored`` the stored bars are taken instead. ``warmup`` None: the strategy's own;
    ``start_ns`` and ``end_ns`` (exclusive) limit the data.
    """

    symbol: str
    timeframe: str
    strategy: str
    files: tuple[str, ...] = ()
    stored: bool = False
    bars_timeframe: str | None = None
    strict: bool = False
    params: Mapping[str, str] = {}
    quantity: Decimal = Decimal(1)
    fill: Literal["next", "last"] = "next"
    fee: str = "0"
    slippage_ticks: int = 0
    latency_ms: float = 0
    warmup: int | None = None
    calendar: str | None = None
    tick_size: Decimal | None = None
    multiplier: Decimal | None = None
    flatten_at_end: bool = False
    stop_loss: str | None = None
    take_profit: str | None = None
    trailing: str | None = None
    break_even: str | None = None
    time_stop: str | None = None
    flatten_before: str | None = None
    cash: Decimal = Decimal(100_000)
    sizing: str = "fixed"
    start_ns: int | None = None
    end_ns: int | None = None


class BacktestOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a backtest came to: statistics by name, and the counts and the digest of its run. ``left_out`` rows of files were bad."""

    stats: Mapping[str, Figure]
    digest: str
    bars: int
    orders: int
    fills: int
    trades: int
    denials: int
    late: int
    out_of_session: int
    left_out: int
    open_quantity: Decimal


class BacktestJob(msgspec.Struct, frozen=True, kw_only=True):
    """A backtest. ``progress`` is 0 to 1, ``pid`` its worker while it runs, ``error`` why it failed. Times are ns, 0: not yet."""

    id: str
    request: BacktestRequest
    submitted_by: str
    ts_submitted: int
    state: Literal["queued", "running", "done", "failed", "canceled"] = "queued"
    progress: float = 0.0
    ts_started: int = 0
    ts_ended: int = 0
    pid: int | None = None
    error: str | None = None
    outcome: BacktestOutcome | None = None

    @property
    def is_over(self) -> bool:
        return self.state in {"done", "failed", "canceled"}


class QueueFull(FortifiedError):
    """As much waits as may wait."""


class Backtests(Protocol):
    """Backtests that run beside the server, and what they came to.

    All methods raise NotFound for an unknown id, and Refused where what is asked for is not there yet or cannot be done here.
    """

    async def submit(self, request: BacktestRequest, *, actor: str) -> BacktestJob:
        """Check ``request`` and queue it. Raises ConfigError: it is not possible; QueueFull."""
        ...

    def jobs(self) -> Sequence[BacktestJob]:
        """Newest first."""
        ...

    def job(self, job_id: str) -> BacktestJob: ...

    async def trades(self, job_id: str, *, offset: int, limit: int) -> Sequence[Trade]:
        """A page of the trades, in the order of their exits."""
        ...

    async def equity(self, job_id: str) -> Sequence[tuple[int, float]]:
        """Time (ns) and money, thinned to at most 5,000 points, highs and lows kept."""
        ...

    async def report(self, job_id: str) -> bytes:
        """The report: an HTML page, gzipped."""
        ...

    async def remove(self, job_id: str) -> BacktestJob | None:
        """Cancel what waits or runs, and give the job; delete what is over, and give None."""
        ...
