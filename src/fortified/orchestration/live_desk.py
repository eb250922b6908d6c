"""LiveDesk: between the keepers of live accounts and the runners whose orders work there.

Owns who is asked: which keeper freezes a leg, which runner owns an order. Holds no orders and no positions.
"""

from collections.abc import Iterable, Mapping, Sequence

from fortified.domain.account import AccountId
from fortified.domain.order import Order
from fortified.domain.venue import VenueOrder
from fortified.orchestration.account_keeper import AccountKeeper
from fortified.orchestration.order_tracking import OrderTrackingService
from fortified.orchestration.reconciliation import place
from fortified.orchestration.strategy_runner import StrategyRunner


class LiveDesk:
    """Implements ``LiveOrders``."""

    def __init__(self, tracker: OrderTrackingService) -> None:
        self.keepers: dict[AccountId, AccountKeeper] = {}
        self._tracker = tracker
        self._runners: list[StrategyRunner] = []
        self.wanted: Mapping[AccountId, frozenset[str]] = {}
        """Symbols that are configured for an account, besides those that run."""

    def join(self, runner: StrategyRunner) -> None:
        """``runner`` may have live orders from now on; what is left of one before it on the same legs has been taken over by it."""
        self._runners = [known for known in self._runners if not _legs(known) & _legs(runner)] + [runner]

    def leave(self, runner: StrategyRunner) -> None:
        """``runner`` has ended."""
        self._runners = [known for known in self._runners if known is not runner]

    def frozen(self, account: AccountId, symbol: str) -> str:
        """Why no entry may be made in ``symbol`` on ``account``; empty when one may, as always on paper."""
        keeper = self.keepers.get(account)
        return "" if keeper is None else keeper.frozen(symbol)

    def look(self, account: AccountId) -> None:
        """Something was sent to the broker of ``account``."""
        keeper = self.keepers.get(account)
        if keeper is not None:
            keeper.look()

    def claimed(self, account: AccountId) -> frozenset[str]:
        """The broker's ids of all orders of ours on ``account``."""
        return self._tracker.claimed(account)

    def claim(self, orders: Iterable[Order]) -> None:
        """Note orders of before."""
        self._tracker.claim(orders)

    def runner(self, account: AccountId, strategy: str, what: str) -> StrategyRunner | None:
        """The runner of ``strategy`` that trades ``what`` on ``account``."""
        for runner in self._runners:
            legs = [leg for leg in runner.engine.config.legs if leg.account == account and place(leg.symbol) == place(what)]
            if runner.key.strategy == strategy and legs:
                return runner
        return None

    # --- what keepers ask ---

    def watched(self, account: AccountId, ended_after: int) -> Sequence[Order]:
        return [order for order in self._tracker.watched(account, ended_after) if self._owner(order) is not None]

    def symbols(self, account: AccountId) -> Iterable[str]:
        running = {leg.symbol for runner in self._runners for leg in runner.engine.config.legs if leg.account == account}
        return running | self.wanted.get(account, frozenset())

    async def report(self, order: Order, seen: VenueOrder) -> str:
        owner = self._owner(order)
        return "" if owner is None else await owner.report(order.order_id, seen)

    async def absent(self, order: Order) -> None:
        owner = self._owner(order)
        if owner is not None:
            await owner.absent(order)

    async def refresh(self, account: AccountId) -> None:
        for runner in self._runners:
            if any(leg.account == account for leg in runner.engine.config.legs):
                await runner.refresh()

    def _owner(self, order: Order) -> StrategyRunner | None:
        leg = (order.strategy, order.account, order.symbol)
        return next((runner for runner in self._runners if leg in _legs(runner)), None)


def _legs(runner: StrategyRunner) -> set[tuple[str, AccountId, str]]:
    return {(runner.key.strategy, leg.account, leg.symbol) for leg in runner.engine.config.legs}
