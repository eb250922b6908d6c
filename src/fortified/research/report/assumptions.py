"""What a run assumed, in words.

Owns the sentences: every one follows from the options and the data of the run, or names what no run of this version models.
"""

import numpy as np

from fortified.domain.calendar import Calendar
from fortified.domain.instrument import AssetClass
from fortified.domain.market import BarFlag
from fortified.engine.fees import FeeModel
from fortified.engine.fills import FillModel
from fortified.research.report.markup import money, plural
from fortified.research.result import BacktestResult

type Said = tuple[str, str]
"""A subject, and what is assumed about it."""

ALWAYS_MISSING = (
    "Queue position: a limit order fills when the price trades through it, whoever was first in line.",
    "Partial fills: an order fills whole, at one price.",
    "Market impact: the run's own orders move nothing.",
    "Margin, and interest on cash.",
    "Exchange halts that the data does not show, rejected orders and lost connections.",
)
OF_CLASS = {
    AssetClass.FUTURE: ("The roll from one contract to the next, and gaps that a joined series has there.",),
    AssetClass.EQUITY: (
        "Borrow: every short sale is possible and costs nothing.",
        "Dividends and splits: prices are taken as they are in the data.",
    ),
}


def assumptions(result: BacktestResult, calendar: Calendar) -> list[Said]:
    """What the run assumed."""
    options = result.options
    return [
        ("Market orders", _market_orders(options.fills, from_bars(result))),
        ("Slippage", _slippage(options.fills, from_bars(result))),
        ("Latency", _latency(options.fills)),
        ("Limit and stop orders", _resting(options.fills)),
        ("Protective exits", _exits(result)),
        ("Size", _size(result)),
        ("Fees", _fees(result)),
        ("Sessions", _sessions(result, calendar)),
        ("Warm-up", _warmup(result)),
        ("End of data", _end(result)),
    ]


def not_modelled(result: BacktestResult) -> tuple[str, ...]:
    """What the run left out."""
    return ALWAYS_MISSING + OF_CLASS[result.instrument.asset_class]


def from_bars(result: BacktestResult) -> bool:
    """Whether the data were ready-made bars, whose ticks nobody saw."""
    return bool(len(result.bars)) and bool(np.any(result.bars.flags & BarFlag.FROM_BARS))


def _market_orders(fills: FillModel, bars: bool) -> str:
    if fills.market == "last":
        return "Fill at once at the price that caused them, on a closed bar its close. No real order gets that price for sure: expect less."
    if bars:
        return "Fill at the open of the next bar. The data are ready-made bars, so no quote is known."
    quote = "a buy at the ask and a sell at the bid of that tick, or at its price where no quote is known"
    return f"Fill on the first tick after the decision: {quote}."


def _slippage(fills: FillModel, bars: bool) -> str:
    if not fills.slippage_ticks:
        return "None."
    ticks = plural(fills.slippage_ticks, "tick")
    if fills.market == "last" or bars:
        return f"Every market order fills {ticks} worse."
    return f"A market order fills {ticks} worse where no quote is known; with a quote the spread is what it pays."


def _latency(fills: FillModel) -> str:
    if fills.market == "last":
        return "None: the fill is at the moment of the decision."
    if not fills.latency_ns:
        return "None: an order is at the venue at the moment of the decision, and never fills on the event that caused it."
    return f"{fills.latency_ns / 1e6:,.10g} ms from the decision to the venue; nothing fills before."


def _resting(fills: FillModel) -> str:
    limit = "at its price or through it" if fills.touch else "through its price"
    return f"A limit fills when the market trades {limit}. A stop fills at its level, after a gap at the first price beyond it."


_EXITS = {
    "stop_loss": "stop loss",
    "take_profit": "take profit",
    "trailing": "trailing stop",
    "break_even": "stop at the entry after",
    "time_stop": "out after",
    "flatten_before": "out before the session's end by",
}


def _exits(result: BacktestResult) -> str:
    rules = result.options.exits
    named = (("stop loss", rules.stop_loss), ("take profit", rules.take_profit), ("trailing stop", rules.trailing))
    found = [f"{name} {rule}" for name, rule in named if rule is not None]
    said = []
    if found:
        said.append(f"Of every position: {', '.join(found)}, from the first price behind its entry.")
    if found and from_bars(result):
        said.append("Where one bar reached stop and target, the stop is taken to have come first.")
    if rules.break_even is not None:
        said.append(f"The stop moves to the entry once the price has come {rules.break_even}.")
    if rules.time_stop is not None:
        said.append(f"A position lasts {rules.time_stop} at most.")
    if rules.flatten_before is not None:
        said.append(f"Out {rules.flatten_before} before a session ends, and no entry from then on.")
    return " ".join(said) or "None: only the strategy's signals close a position."


def _size(result: BacktestResult) -> str:
    options, unit = result.options, "contract" if result.instrument.asset_class is AssetClass.FUTURE else "share"
    start = money(options.cash, result.instrument.currency)
    if not options.sizing.by_cash:
        return f"{plural(int(options.quantity), unit)} per entry. The equity starts at {start} and limits nothing."
    return f"As many whole {unit}s as {options.sizing.percent.normalize():f} % of the equity buys, which starts at {start}."


def _fees(result: BacktestResult) -> str:
    fees = FeeModel.parse(result.options.fee)
    if not fees.amount:
        return "None. Add --fee for what your broker and the exchange take."
    if fees.per == "notional":
        return f"{(fees.amount * 100).normalize():f} % of the money moved, on each fill."
    unit = "contract" if result.instrument.asset_class is AssetClass.FUTURE else "share"
    return f"{money(fees.amount, result.instrument.currency, max(2, _decimals(fees)))} per {unit}, on each fill."


def _decimals(fees: FeeModel) -> int:
    exponent = fees.amount.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 2


def _sessions(result: BacktestResult, calendar: Calendar) -> str:
    said = f"Calendar {calendar.name}, clock of {calendar.timezone}."
    if result.out_of_session:
        said += f" {plural(result.out_of_session, 'tick')} outside of its sessions left out."
    if result.late:
        said += f" {plural(result.late, 'tick')} too late for their bar left out."
    return said


def _warmup(result: BacktestResult) -> str:
    warmup = result.options.warmup
    return (
        "As many bars as the strategy asks for, before the first entry."
        if warmup is None
        else f"{plural(warmup, 'bar')} before the first entry."
    )


def _end(result: BacktestResult) -> str:
    if result.options.flatten:
        return "What was open was closed at the last price."
    if not result.open_quantity:
        return "Nothing was open."
    side = "long" if result.open_quantity > 0 else "short"
    return f"{abs(result.open_quantity).normalize():f} {side} still open: in the equity at the last close, not among the trades."
