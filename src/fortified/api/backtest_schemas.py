"""The shapes of backtests: what may be asked for, and what is answered.

Owns what clients see of requests, jobs and their results. Whether a run is possible is not decided here.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from fortified.api.schemas import TradeOut
from fortified.api.wire import Answer, Number, OptionalTime, Time, decimal_text, iso_time, parse_period
from fortified.backtests_port import BacktestJob, BacktestOutcome, BacktestRequest, Figure

_NS_PER_US = 1_000
_EXAMPLE: dict[str, Any] = {
    **{"files": ["nq-2025-03.parquet"], "symbol": "/NQ", "timeframe": "144t", "strategy": "ema"},
    **{"params": {"period_1": 9, "period_2": 21}, "quantity": "1", "fee": "2.00/contract", "start": "2025-03-03"},
}

State = Literal["queued", "running", "done", "failed", "canceled"]
Text = Annotated[str, Field(min_length=1, max_length=64)]
Positive = Annotated[Number, Field(gt=0, le=10**12)]
Parameter = bool | int | float | Annotated[str, Field(max_length=256)]


class BacktestIn(BaseModel):
    """What to run, in the words of `./fortified backtest`: `files` in the data directory of backtests, or the `stored` bars."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    files: Annotated[list[Annotated[str, Field(max_length=1024)]], Field(max_length=1000)] = []
    stored: bool = False
    symbol: Annotated[str, Field(min_length=1, max_length=32)]
    timeframe: Annotated[str, Field(min_length=1, max_length=16)]
    bars_timeframe: Annotated[str | None, Field(max_length=16, description="Of the bars in the file, when it holds bars.")] = None
    strict: Annotated[bool, Field(description="Refuse a file with a bad row.")] = False
    strategy: Annotated[Text, Field(description="A registered name; GET /api/strategies lists them.")]
    params: Annotated[dict[Text, Parameter], Field(max_length=100)] = {}
    quantity: Annotated[Number, Field(le=10**9)] = Decimal(1)
    fill: Literal["next", "last"] = "next"
    fee: Annotated[Text, Field(description="0 | 2.00/contract | 0.005/share | 0.1%")] = "0"
    slippage_ticks: Annotated[int, Field(ge=0, le=1000)] = 0
    latency_ms: Annotated[float, Field(ge=0, le=60_000)] = 0
    warmup: Annotated[int | None, Field(ge=0, le=1_000_000, description="The strategy's own unless told.")] = None
    calendar: Annotated[Text | None, Field(description="The instrument's own unless told; 24/7 for none.")] = None
    tick_size: Positive | None = None
    multiplier: Positive | None = None
    flatten_at_end: bool = False
    stop_loss: Annotated[Text | None, Field(description="20ticks | 10pts | 0.5% | 1.5atr")] = None
    take_profit: Text | None = None
    trailing: Text | None = None
    break_even: Text | None = None
    time_stop: Annotated[Text | None, Field(description="20bars | 90s | 30min | 2h")] = None
    flatten_before: Annotated[Text | None, Field(description="90s | 10min | 1h before the session's end")] = None
    cash: Positive = Decimal(100_000)
    sizing: Annotated[Text, Field(description="fixed | all_in | 25%")] = "fixed"
    start: Annotated[str | None, Field(max_length=40, description="ISO date or datetime of the first data.")] = None
    end: Annotated[str | None, Field(max_length=40, description="ISO date (whole UTC day) or datetime of the last data.")] = None

    def request(self) -> BacktestRequest:
        """Raises ConfigError for a time that is none."""
        start_ns, end_ns = parse_period(("start", self.start), ("end", self.end))
        given = {name: getattr(self, name) for name in type(self).model_fields if name not in {"files", "params", "start", "end"}}
        params = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in self.params.items()}
        return BacktestRequest(**given, files=tuple(self.files), params=params, start_ns=start_ns, end_ns=end_ns)

    @classmethod
    def of(cls, request: BacktestRequest) -> Self:
        """The body that asks for the same."""
        fields = msgspec.structs.asdict(request)
        start_ns, end_ns = fields.pop("start_ns"), fields.pop("end_ns")
        return cls(
            **fields | {"files": list(request.files), "params": dict(request.params)},
            start=None if start_ns is None else iso_time(start_ns),
            end=None if end_ns is None else iso_time(end_ns - _NS_PER_US),  # the last microsecond that is included
        )


class BacktestOut(Answer):
    """A backtest. `error` says why it failed; what is null is not known yet."""

    id: str
    state: State
    progress: float
    submitted_by: str
    submitted_at: Time = Field(validation_alias="ts_submitted")
    started_at: OptionalTime = Field(validation_alias="ts_started")
    ended_at: OptionalTime = Field(validation_alias="ts_ended")
    pid: int | None
    options: BacktestIn
    error: str | None
    result: "OutcomeOut | None"

    @classmethod
    def of(cls, job: BacktestJob) -> Self:
        outcome = None if job.outcome is None else OutcomeOut.of(job.outcome)
        return cls.model_validate(msgspec.structs.asdict(job) | {"options": BacktestIn.of(job.request), "result": outcome})


class OutcomeOut(Answer):
    """What a run came to. `stats` by name, money as strings, null where not defined; two runs with one `digest` did the same."""

    stats: dict[str, Any]
    digest: str
    bars: int
    orders: int
    fills: int
    trades: int
    denials: int
    late: int
    out_of_session: int
    left_out: int
    open_quantity: Number

    @classmethod
    def of(cls, outcome: BacktestOutcome) -> Self:
        return cls.model_validate(msgspec.structs.asdict(outcome) | {"stats": figures(outcome.stats)})


class BacktestPage(BaseModel):
    """One page of backtests, newest first."""

    items: list[BacktestOut]
    page: int
    page_size: int
    total: int
    pages: int


class BacktestTradePage(BaseModel):
    """One page of the trades of a backtest, in the order of their exits."""

    items: list[TradeOut]
    page: int
    page_size: int
    total: int
    pages: int


class EquityPoint(BaseModel):
    """What the account was worth at the close of a bar."""

    time: Time
    value: float


class EquityOut(BaseModel):
    """The equity, thinned to at most 5,000 points that keep its highs and lows."""

    points: list[EquityPoint]


class ComparisonOut(BaseModel):
    """Backtests side by side: each row has as many values as there are backtests. `differs` holds the options in which they do."""

    ids: list[str]
    differs: dict[str, list[Any]]
    stats: dict[str, list[Any]]

    @classmethod
    def of(cls, jobs: Sequence[BacktestJob]) -> Self:
        options = [_flat(BacktestIn.of(job.request).model_dump(mode="json")) for job in jobs]
        stats = [figures(job.outcome.stats) for job in jobs if job.outcome is not None]
        rows = _rows(options)
        return cls(
            ids=[job.id for job in jobs],
            differs={name: values for name, values in rows.items() if any(value != values[0] for value in values)},
            stats=_rows(stats),
        )


def figures(stats: Mapping[str, Figure]) -> dict[str, Any]:
    """Statistics as clients see them."""
    return {name: decimal_text(value) if isinstance(value, Decimal) else value for name, value in stats.items()}


def _flat(options: Mapping[str, Any]) -> dict[str, Any]:
    """With every parameter as an option of its own."""
    return {name: value for name, value in options.items() if name != "params"} | {
        f"params.{name}": value for name, value in options["params"].items()
    }


def _rows(columns: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for column in columns for name in column)
    return {name: [column.get(name) for column in columns] for name in names}
