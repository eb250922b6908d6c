"""From the lane's notes to ids of orders, fills, trades and the digest.

Owns that the very functions of the ledger make them, once they are asked for; columns are made of the notes by themselves.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fortified.backtest.lane import BY_COMMAND, BY_LEVEL, BY_TICK, CLOSE, END, MARKET, TOUCH, Log
from fortified.backtest.outcome import Flows, TradeColumns
from fortified.backtest.scan import extremes
from fortified.backtest.tape import Tape
from fortified.domain.market import Bar
from fortified.domain.order import ZERO, Fill, Purpose
from fortified.domain.position import FillContext, Position, apply_fill
from fortified.domain.signal import OrderSide
from fortified.domain.trade import Trade
from fortified.engine.config import EngineConfig
from fortified.engine.digest import Digest
from fortified.engine.fees import FeeModel
from fortified.engine.fills import FillModel
from fortified.engine.inputs import Denial, DenialCode
from fortified.engine.stop_reversal import order_id_of

type Ints = NDArray[np.int64]
type Floats = NDArray[np.float64]


class LaneOutcome:
    """An outcome out of the notes of the fast lane."""

    def __init__(
        self, log: Log, tape: Tape, bars: Callable[[], Sequence[Bar]], config: EngineConfig, fills: FillModel, fees: FeeModel
    ) -> None:
        self._log, self._tape, self._make_bars = log, tape, bars
        self._config, self._model, self._fees = config, fills, fees
        self._quantity = config.legs[0].quantity

    @cached_property
    def _bars(self) -> Sequence[Bar]:
        return self._make_bars()

    @property
    def orders(self) -> int:
        return len(self._log.fills) + self._log.unfilled

    @property
    def open_quantity(self) -> Decimal:
        return self._quantity * self._log.fills[-1][2] if len(self._log.fills) % 2 else ZERO

    # --- columns ---

    @cached_property
    def flows(self) -> Flows:
        """The fills by column."""
        place, side = self._column(0), self._column(2)
        return Flows(self._tape.rows(place), side.astype(np.float64) * float(self._quantity), self._prices, self._charges(len(place)))

    def _charges(self, count: int) -> Floats:
        """The fee of each fill, as near as a float can be."""
        if self._fees.per == "unit":
            return np.full(count, float(self._fees.fee(self._quantity, ZERO, self._config.instrument)))
        return np.array([float(fill.fee) for fill in self.fills], np.float64)

    @cached_property
    def columns(self) -> TradeColumns:
        """The trades by column."""
        count = len(self._log.fills) // 2 * 2
        opened, closed = slice(0, count, 2), slice(1, count, 2)
        flows, stamps, bars = self.flows, self._stamps, self._column(3)
        side, entry, exit_price = np.sign(flows.quantity[opened]), flows.price[opened], flows.price[closed]
        gross = (exit_price - entry) * flows.quantity[opened] * float(self._config.instrument.multiplier)
        fees = flows.fee[opened] + flows.fee[closed]
        high, low = self._extremes
        high = np.fmax(np.fmax(high, entry), exit_price)
        low = np.fmin(np.fmin(low, entry), exit_price)
        return TradeColumns(
            ts_entry=stamps[opened],
            ts_exit=stamps[closed],
            side=side.astype(np.int64),
            quantity=np.abs(flows.quantity[opened]),
            entry_price=entry,
            exit_price=exit_price,
            gross_pnl=gross,
            fees=fees,
            net_pnl=gross - fees,
            mae=np.where(side > 0, entry - low, high - entry),
            mfe=np.where(side > 0, high - entry, entry - low),
            bars_held=bars[closed] - bars[opened],
            entry_reason=[fill[4] for fill in self._log.fills[opened]],
            exit_reason=[fill[4] for fill in self._log.fills[closed]],
        )

    def _column(self, index: int) -> Ints:
        return np.array([fill[index] for fill in self._log.fills], np.int64)

    @cached_property
    def _prices(self) -> Floats:
        place, kind, side = self._column(0), self._column(1), self._column(2)
        price = self._slipped(self._tape.price[place], side)
        bid, ask = self._tape.bid, self._tape.ask
        if bid is None and ask is None:
            return price
        nothing = np.full(len(place), np.nan)
        quoted = np.where(side > 0, nothing if ask is None else ask[place], nothing if bid is None else bid[place])
        return np.where((kind <= TOUCH) & ~np.isnan(quoted), quoted, price)

    def _slipped(self, price: Floats, side: Ints) -> Floats:
        """Prices made worse by the slippage: the nearest floats to the exact ones."""
        if not self._model.slippage_ticks:
            return price
        instrument = self._config.instrument
        numerator, denominator = instrument.tick_size.as_integer_ratio()
        near = np.rint(price / float(instrument.tick_size))
        slipped = (near + side * self._model.slippage_ticks) * numerator / denominator
        for index in np.flatnonzero(near * numerator / denominator != price).tolist():  # off the tick
            way = OrderSide.BUY if side[index] > 0 else OrderSide.SELL
            slipped[index] = float(self._model.worse(way, instrument.price(float(price[index])), instrument))
        return slipped

    @cached_property
    def _stamps(self) -> Ints:
        place, kind, decision = self._column(0), self._column(1), self._column(5)
        stamps = self._tape.ts[place]
        at_close = kind == CLOSE
        stamps[at_close] = self._tape.bars.ts_close[decision[at_close]]
        return stamps

    @cached_property
    def _extremes(self) -> tuple[Floats, Floats]:
        """Highest and lowest price that each closed position has seen; NaN where it saw none."""
        count = len(self._log.fills) // 2 * 2
        place, kind = self._column(0)[:count], self._column(1)[:count]
        first = place[0::2] + (kind[0::2] >= CLOSE)
        stop = place[1::2] + (kind[1::2] != MARKET)
        return extremes(self._tape, first, stop)

    # --- objects ---

    @cached_property
    def fills(self) -> Sequence[Fill]:
        """The fills, as the ledger has them."""
        made: list[Fill] = []
        decided = None
        for index, (place, kind, side, _, reason, decision) in enumerate(self._log.fills):
            attempt = 1 if index % 2 == 0 and decision == decided and decision not in (BY_LEVEL, BY_COMMAND) else 0
            made.append(self._fill(index, place, kind, side, reason, decision, attempt))
            decided = decision
        return made

    @cached_property
    def trades(self) -> Sequence[Trade]:
        """The trades, as the ledger makes them of the fills."""
        made: list[Trade] = []
        position: Position | None = None
        for index, fill in enumerate(self.fills):
            position, trade = apply_fill(position or self._flat(fill), fill, self._context(index))
            if trade is not None:
                made.append(trade)
        return made

    @cached_property
    def denials(self) -> Sequence[Denial]:
        """What the risk gate refused."""
        leg, config = self._config.legs[0], self._config
        texts = {
            DenialCode.SESSION_CLOSED: f"{config.instrument.symbol} does not trade now by calendar {config.instrument.calendar}",
            DenialCode.WARMING_UP: "{} bars seen, " + f"{config.warmup} are needed before the first entry",
            DenialCode.ONE_TRADE_PER_BAR: "bar {} has had its entry; the next one may follow after the bar closes",
        }
        return [Denial(code, texts[code].format(bars), leg.account, ts_event, reason) for ts_event, code, bars, reason in self._log.refused]

    def digest(self) -> str:
        """The fingerprint of all that happened."""
        digest, told = Digest(), 0
        trades = iter(self.trades)
        for index, (fill, noted) in enumerate(zip(self.fills, self._log.fills, strict=True)):
            for bar in self._bars[told : noted[3]]:
                digest.add(bar)
            told = noted[3]
            digest.add(fill)
            if index % 2:
                digest.add(next(trades))
        for bar in self._bars[told:]:
            digest.add(bar)
        return digest.hex()

    def _fill(self, index: int, place: int, kind: int, sign: int, reason: str, decision: int, attempt: int) -> Fill:
        config, leg, tape = self._config, self._config.legs[0], self._tape
        side, purpose = OrderSide.BUY if sign > 0 else OrderSide.SELL, Purpose.EXIT if index % 2 else Purpose.ENTRY
        price = self._price(place, kind, side)
        parts = (config.strategy, config.instrument.symbol, config.timeframe, leg.account, self._decision(place, decision))
        order = order_id_of((*parts, purpose.value, str(attempt)))
        return Fill(
            fill_id=f"{order}.1",
            order_id=order,
            account=leg.account,
            strategy=config.strategy,
            symbol=leg.symbol,
            side=side,
            quantity=self._quantity,
            price=price,
            fee=self._fees.fee(self._quantity, price, config.instrument),
            ts_event=int(self._stamps[index]),
            seq=tape.row(place),
            reason=reason,
            purpose=purpose,
        )

    def _price(self, place: int, kind: int, side: OrderSide) -> Decimal:
        instrument, last = self._config.instrument, float(self._tape.price[place])
        if kind <= TOUCH:
            return self._model.crossing(side, last, *self._tape.quote(place), instrument)
        return self._model.worse(side, instrument.price(last), instrument)

    def _decision(self, place: int, decision: int) -> str:
        if decision == BY_LEVEL:
            return f"x{self._tape.row(place)}"
        if decision == BY_COMMAND:
            return f"c{END}"
        if decision <= BY_TICK:
            return f"u{self._tape.row(BY_TICK - decision)}"
        bar = self._bars[decision]
        return f"b{bar.seq}.{bar.ts_open}"

    def _flat(self, fill: Fill) -> Position:
        return Position(fill.account, fill.strategy, fill.symbol, self._config.instrument.multiplier)

    def _context(self, index: int) -> FillContext:
        closed = self._log.fills[index][3]
        high = low = None
        if index % 2:
            price, (highs, lows) = self._config.instrument.price, self._extremes
            if highs[index // 2] == highs[index // 2]:  # NaN: it saw nothing
                high, low = price(highs[index // 2]), price(lows[index // 2])
        return FillContext(self._config.timeframe, closed, self._bars[closed - 1] if closed else None, high, low, "")
