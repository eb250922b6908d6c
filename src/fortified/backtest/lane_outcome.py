"""From the lane's notes to ids of orders, fills, trades and the digest.

Owns that they are those of the ledger, digit for digit, once they are asked for; columns are made of the notes by themselves.
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
from fortified.domain.signal import OrderSide
from fortified.domain.trade import Trade
from fortified.engine.config import EngineConfig
from fortified.engine.digest import Digest
from fortified.engine.fees import FeeModel
from fortified.engine.fills import FillModel
from fortified.engine.inputs import Denial, DenialCode
from fortified.engine.stop_reversal import order_ids
from fortified.engine.tick_level import NO_RANGE

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
        return len(self._log) + self._log.unfilled

    @property
    def open_quantity(self) -> Decimal:
        return self._quantity * int(self._log.column(2)[-1]) if len(self._log) % 2 else ZERO

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
        return np.array([float(fee) for fee in self._fees_of], np.float64)

    @cached_property
    def columns(self) -> TradeColumns:
        """The trades by column."""
        count = len(self._log) // 2 * 2
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
            entry_reason=self._log.reasons(opened),
            exit_reason=self._log.reasons(closed),
        )

    def _column(self, index: int) -> Ints:
        return self._log.column(index)

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
        ends = self._tape.ends
        if len(ends) and ends[-1] == len(self._tape) - 1:  # the data ended with a bar, which is the last event
            stamps[decision == BY_COMMAND] = self._tape.bars.ts_close[-1]
        return stamps

    @cached_property
    def _extremes(self) -> tuple[Floats, Floats]:
        """Highest and lowest price that each closed position has seen; NaN where it saw none."""
        count = len(self._log) // 2 * 2
        place, kind = self._column(0)[:count], self._column(1)[:count]
        first = place[0::2] + (kind[0::2] >= CLOSE)
        stop = place[1::2] + (kind[1::2] != MARKET)
        return extremes(self._tape, first, stop)

    # --- objects ---

    @cached_property
    def fills(self) -> Sequence[Fill]:
        """The fills, as the ledger has them."""
        config, leg = self._config, self._config.legs[0]
        made: list[Fill] = []
        stamps, seqs = self._stamps.tolist(), self.flows.seq.tolist()
        told = zip(self._log.fills, self._order_ids, self._exact, self._fees_of, stamps, seqs, strict=True)
        for index, ((_, _, side, _, reason, _), order, price, fee, stamp, seq) in enumerate(told):
            made.append(
                Fill(
                    fill_id=f"{order}.1",
                    order_id=order,
                    account=leg.account,
                    strategy=config.strategy,
                    symbol=leg.symbol,
                    side=OrderSide.BUY if side > 0 else OrderSide.SELL,
                    quantity=self._quantity,
                    price=price,
                    fee=fee,
                    ts_event=stamp,
                    seq=seq,
                    reason=reason,
                    purpose=Purpose.EXIT if index % 2 else Purpose.ENTRY,
                )
            )
        return made

    @cached_property
    def trades(self) -> Sequence[Trade]:
        """The trades: the arithmetic of ``domain.position`` for one entry and one exit of the same size, digit for digit."""
        config, leg, quantity = self._config, self._config.legs[0], self._quantity
        price_of, multiplier, bars = config.instrument.price, config.instrument.multiplier, self._bars
        highs, lows = (column.tolist() for column in self._extremes)
        stamps, log, prices, fees, ids = self._stamps.tolist(), self._log.fills, self._exact, self._fees_of, self._order_ids
        made: list[Trade] = []
        nothing = ZERO
        for number, (high, low) in enumerate(zip(highs, lows, strict=True)):
            opened, closed = 2 * number, 2 * number + 1
            _, _, side, bars_before, entry_reason, _ = log[opened]
            _, _, _, bars_after, exit_reason, _ = log[closed]
            entry, out = prices[opened], prices[closed]
            signed = quantity * side
            cost = nothing + signed * entry
            nothing = cost - cost  # keeps its digits, as the cost of a position that was closed does
            gross = ZERO + (signed * out - cost) * multiplier  # added up as there: no −0 at a price of zero
            paid = fees[opened] + fees[closed]
            top, bottom = max(entry, out), min(entry, out)
            if high == high:  # noqa: PLR0124  # NaN: it saw nothing
                top, bottom = max(entry, out, price_of(high)), min(entry, out, price_of(low))
            made.append(
                Trade(
                    trade_id=f"{ids[opened]}.1",
                    account=leg.account,
                    strategy=config.strategy,
                    symbol=leg.symbol,
                    timeframe=config.timeframe,
                    side="LONG" if side > 0 else "SHORT",
                    quantity=quantity,
                    ts_entry=stamps[opened],
                    entry_price=entry,
                    entry_reason=entry_reason,
                    ts_exit=stamps[closed],
                    exit_price=out,
                    exit_reason=exit_reason,
                    multiplier=multiplier,
                    gross_pnl=gross,
                    fees=paid,
                    net_pnl=gross - paid,
                    mae=max(ZERO, entry - bottom if side > 0 else top - entry),
                    mfe=max(ZERO, top - entry if side > 0 else entry - bottom),
                    bars_held=bars_after - bars_before,
                    bar=bars[bars_before - 1] if bars_before else None,
                )
            )
        return made

    @cached_property
    def _exact(self) -> list[Decimal]:
        """The price of each fill."""
        model, instrument, tape = self._model, self._config.instrument, self._tape
        price_of, places = instrument.price, self._column(0)
        if tape.bid is None and tape.ask is None:
            slip = model.slippage_ticks * instrument.tick_size
            both = {1: 1 * slip, -1: -1 * slip}  # as FillModel.worse: a slippage of nothing sets the digits too
            return [price_of(last) + both[fill[2]] for fill, last in zip(self._log.fills, tape.price[places].tolist(), strict=True)]
        return [self._price(place, kind, OrderSide.BUY if side > 0 else OrderSide.SELL) for place, kind, side, *_ in self._log.fills]

    @cached_property
    def _fees_of(self) -> list[Decimal]:
        """The fee of each fill."""
        instrument = self._config.instrument
        if self._fees.per == "unit":
            return [self._fees.fee(self._quantity, ZERO, instrument)] * len(self._log)
        return [self._fees.fee(self._quantity, price, instrument) for price in self._exact]

    @cached_property
    def _order_ids(self) -> list[str]:
        """The id of the order of each fill."""
        config = self._config
        made = order_ids((config.strategy, config.instrument.symbol, config.timeframe, config.legs[0].account))
        ids: list[str] = []
        decided = None
        for index, (place, _, _, _, _, decision) in enumerate(self._log.fills):
            again = index % 2 == 0 and decision == decided and decision not in (BY_LEVEL, BY_COMMAND)
            purpose = Purpose.EXIT if index % 2 else Purpose.ENTRY
            ids.append(made(self._decision(place, decision), purpose, 1 if again else 0))
            decided = decision
        return ids

    @cached_property
    def denials(self) -> Sequence[Denial]:
        """What the risk gate refused."""
        leg, config = self._config.legs[0], self._config
        texts = {
            DenialCode.SESSION_CLOSED: f"{config.instrument.symbol} does not trade now by calendar {config.instrument.calendar}",
            DenialCode.WARMING_UP: "{} bars seen, " + f"{config.warmup} are needed before the first entry",
            DenialCode.NO_EXIT_LEVEL: NO_RANGE,
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
