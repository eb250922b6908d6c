"""The JSON of WebSocket messages.

Owns the words of both sockets. Knows no connection.
"""

import functools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from fortified.api.schemas import BarOut, FillOut, OrderOut, PositionOut, RunnerOut, TradeOut, denial_out
from fortified.api.wire import Answer, iso_time
from fortified.domain.market import Bar, BarUpdate
from fortified.domain.order import Fill, Order
from fortified.domain.position import Position
from fortified.domain.timeframe import Timeframe
from fortified.domain.trade import Trade
from fortified.orchestration.events import DenialSeen, RunnerStatus, SystemEvent
from fortified.ports import StreamRef

_json = msgspec.json.Encoder()


def encode(message: dict[str, Any]) -> str:
    """``message`` as JSON text."""
    return _json.encode(message).decode()


def error(code: str, detail: str) -> str:
    """What a client did wrong, and how to mend it."""
    return encode({"type": "error", "code": code, "detail": detail})


@functools.lru_cache(maxsize=1024)
def _ticks_per_bar(timeframe: str) -> int | None:
    parsed = Timeframe.parse(timeframe)
    return parsed.length if parsed.is_tick else None


def partial_body(update: BarUpdate) -> dict[str, Any]:
    """The open bar: ``ticks`` of ``of`` trades for a tick bar (``of`` is null for one of time)."""
    return {
        "time": iso_time(update.ts_open),
        "updated_at": iso_time(update.ts_event),
        "price": update.price,
        "size": update.size,
        "bid": update.bid,
        "ask": update.ask,
        "open": update.open,
        "high": update.high,
        "low": update.low,
        "close": update.close,
        "volume": update.volume,
        "ticks": update.ticks,
        "of": _ticks_per_bar(update.timeframe),
        "fill": update.fill,
        "fill_percent": round(update.fill * 100, 4),
    }


def bar_body(bar: Bar) -> dict[str, Any]:
    """A closed bar, as in the HTTP answers."""
    return BarOut.model_validate(bar).model_dump(mode="json")


def chart_delta(event: SystemEvent, seq: int) -> str:
    """A ``bar`` or ``partial`` message."""
    assert isinstance(event, Bar | BarUpdate)
    kind, body = ("bar", bar_body(event)) if isinstance(event, Bar) else ("partial", partial_body(event))
    return encode({"type": kind, "symbol": event.symbol, "timeframe": event.timeframe, "seq": seq, **body})


def stream_fields(ref: StreamRef) -> dict[str, str]:
    return {"symbol": ref.symbol, "timeframe": ref.timeframe}


def _activity(event: SystemEvent, mark: Callable[[str], Decimal | None]) -> tuple[str, Answer]:
    match event:
        case RunnerStatus():
            return "runner", RunnerOut.model_validate(event)
        case Order():
            return "order", OrderOut.of(event)
        case Fill():
            return "fill", FillOut.of(event)
        case Trade():
            return "trade", TradeOut.of(event)
        case DenialSeen():
            return "denial", denial_out(event.denial)
        case _:
            assert isinstance(event, Position)
            return "position", PositionOut.of(event, mark(event.symbol))


def activity_delta(event: SystemEvent, seq: int, mark: Callable[[str], Decimal | None]) -> str:
    """A ``runner``, ``order``, ``fill``, ``trade``, ``position`` or ``denial`` message; the body is under that name."""
    kind, answer = _activity(event, mark)
    message: dict[str, Any] = {"type": kind, "seq": seq, kind: answer.model_dump(mode="json")}
    if isinstance(event, DenialSeen):
        message["runner"] = msgspec.to_builtins(event.runner)
    return encode(message)
