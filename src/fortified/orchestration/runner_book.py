"""RunnerBook: what the engine is shown of the legs of its runner.

Owns the view: positions and working orders belong to their managers, and are read anew whenever one of them changed.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

from fortified.domain.account import AccountId
from fortified.domain.instrument import Instrument
from fortified.domain.order import ZERO, Order, OrderStatus
from fortified.domain.venue import VenueFill
from fortified.engine.config import EngineConfig
from fortified.engine.fees import NO_FEE, FeeModel
from fortified.engine.inputs import Leg, LegState
from fortified.orchestration.order_tracking import OrderTrackingService
from fortified.orchestration.trade_state_manager import TradeStateManager
from fortified.ports import RunnerRecord

Frozen = Callable[[AccountId, str], str]


def nothing_frozen(account: AccountId, symbol: str) -> str:
    """Paper: nobody freezes a leg."""
    return ""


class RunnerBook:
    """The legs of one engine."""

    def __init__(
        self,
        strategy: str,
        config: EngineConfig,
        tracker: OrderTrackingService,
        positions: TradeStateManager,
        frozen: Frozen = nothing_frozen,
        fees: Mapping[AccountId, FeeModel] | None = None,
    ) -> None:
        self.legs: Mapping[AccountId, Leg] = {leg.account: leg for leg in sorted(config.legs, key=lambda leg: leg.account)}
        self.states: dict[AccountId, LegState] = {}
        self._strategy, self._own = strategy, config.instrument
        self._tracker, self._positions, self._frozen, self._fees = tracker, positions, frozen, fees or {}

    def restore(self, record: RunnerRecord) -> None:
        """Take over what the ledger holds of these legs."""
        symbols = {leg.symbol for leg in self.legs.values()}
        # One that ended while another runner of these legs had taken it over is still on this one's list.
        self._tracker.restore(self._strategy, symbols, [order for order in record.orders if not order.is_terminal])
        self._positions.restore(self._strategy, symbols, record.positions)
        self.refresh()

    def refresh(self) -> None:
        """Read all legs anew."""
        self.states = {account: self._state(account, leg) for account, leg in self.legs.items()}

    def working(self, account: AccountId) -> tuple[Order, ...]:
        """The working orders of a leg, oldest first."""
        return self._tracker.working(account, self._strategy, self.legs[account].symbol)

    def all_working(self) -> list[Order]:
        """Those of all legs, by account."""
        return [order for account in self.legs for order in self.working(account)]

    def quantity(self) -> Decimal:
        """Net units of all legs, signed."""
        return sum((leg.quantity for leg in self.states.values()), ZERO)

    def is_elsewhere(self, account: AccountId) -> bool:
        """Whether the leg trades another symbol than that of the signal."""
        return self.legs[account].instrument is not None

    def instrument(self, account: AccountId) -> Instrument:
        """What the leg trades."""
        return self.legs[account].instrument or self._own

    def fee(self, order: Order, fill: VenueFill) -> Decimal:
        """What the venue says, else by the model of the account."""
        if fill.fee is not None:
            return fill.fee
        return self._fees.get(order.account, NO_FEE).fee(fill.quantity, fill.price, self.instrument(order.account))

    def _state(self, account: AccountId, leg: Leg) -> LegState:
        position, working = self._positions.position(account, self._strategy, leg.symbol), self.working(account)
        frozen = any(order.status is OrderStatus.SUBMIT_UNKNOWN for order in working) or bool(self._frozen(account, leg.symbol))
        if position is None:
            return LegState(working=working, frozen=frozen)
        net = position.realized_pnl - position.fees
        return LegState(position.quantity, position.average_price, working, position.day_pnl, position.trading_day, frozen, net)
