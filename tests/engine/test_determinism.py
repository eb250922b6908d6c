"""Same inputs, same decisions, byte for byte; and an engine restored at any step decides as one that lived on."""

from collections.abc import Callable

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import OPEN, OTHER, PAPER
from tests.engine.desk import Desk, Scripted, ScriptedTicks

from fortified.domain.market import BarFlag
from fortified.domain.order import OrderStatus
from fortified.domain.signal import Target
from fortified.engine.inputs import Decision, GapSeen
from fortified.engine.risk import RiskLimits
from fortified.strategies.base import BaseStrategy, StrategyConfig
from fortified.strategies.ema_crossover import EMACrossoverStrategy

Step = tuple[str, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["bar", "bar", "bar", "tick", "tick", "fill", "fill", "reject", "stale", "end", "gap", "command"]),
        st.integers(-1, 1),
    ),
    max_size=40,
)


def quick(config: StrategyConfig, logger: object) -> BaseStrategy:
    """Crosses within a few bars."""
    return EMACrossoverStrategy(msgspec.structs.replace(config, parameters={"period_1": 1, "period_2": 3}), logger)  # type: ignore[arg-type]  # never logs


def run(script: list[Step], strategy: Callable[..., BaseStrategy], *, restart: bool) -> bytes:
    desk = Desk(PAPER, OTHER, strategy=strategy, warmup=2, limits=RiskLimits(max_orders_per_minute=7))  # type: ignore[arg-type]  # made by call
    taken: list[tuple[Decision, object]] = []
    for number, (kind, value) in enumerate(script):
        if restart:
            desk.engine = desk.fresh(desk.engine.snapshot())
        taken.append((step(desk, kind, value, number), desk.engine.snapshot()))
    return msgspec.json.encode(taken, order="deterministic")


def step(desk: Desk, kind: str, value: int, number: int) -> Decision:
    working = [order for account in desk.accounts for order in desk.working[account].values()]
    if kind == "command":
        return desk.command(Target(value), f"c{number % 3}")
    if kind == "gap":
        return desk.process(GapSeen(OPEN, "cut"))
    if kind == "tick":
        return desk.tick(float(value), 100 * number)
    if kind in ("fill", "reject") and working:
        return desk.fill(working[0]) if kind == "fill" else desk.end(working[0], OrderStatus.REJECTED, "no")
    return desk.bar(float(value), fresh=kind != "stale", flags=BarFlag.SESSION_END if kind == "end" else 0)


strategies = st.sampled_from([Scripted, ScriptedTicks, quick])


@given(steps, strategies)
def test_the_same_inputs_give_the_same_decisions(script: list[Step], strategy: Callable[..., BaseStrategy]) -> None:
    assert run(script, strategy, restart=False) == run(script, strategy, restart=False)


@given(steps, strategies)
def test_a_restart_at_every_step_changes_nothing(script: list[Step], strategy: Callable[..., BaseStrategy]) -> None:
    assert run(script, strategy, restart=True) == run(script, strategy, restart=False)


@given(steps)
def test_no_leg_ever_holds_more_than_its_quantity_and_no_order_id_comes_twice(script: list[Step]) -> None:
    desk = Desk(PAPER, OTHER, strategy=ScriptedTicks)
    seen: set[str] = set()
    for number, (kind, value) in enumerate(script):
        for order in step(desk, kind, value, number).orders:
            assert order.order_id not in seen
            seen.add(order.order_id)
        assert all(abs(quantity) <= 2 for quantity in desk.quantity.values())
        assert all(len(orders) <= 1 for orders in desk.working.values())
