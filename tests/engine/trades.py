"""Round trips with a given result, for tests of statistics."""

from decimal import Decimal
from typing import Any

from tests.builders import MINUTE, NQ, OPEN, PAPER

from fortified.domain.trade import Trade


def trade(number: int, net: int | str, fees: int | str = 0, **fields: Any) -> Trade:
    """Round trip ``number`` of the session, one a minute, that left ``net`` after ``fees``."""
    money, ts = Decimal(net), OPEN + number * MINUTE
    values: dict[str, Any] = {
        **{"trade_id": f"t{number}", "account": PAPER, "strategy": "ema", "symbol": "/NQ", "timeframe": "1", "side": "LONG"},
        **{"quantity": Decimal(1), "ts_entry": ts, "entry_price": Decimal(20_000), "entry_reason": "up", "ts_exit": ts + MINUTE},
        **{"exit_price": Decimal(20_000), "exit_reason": "down", "multiplier": NQ.multiplier, "gross_pnl": money + Decimal(fees)},
        **{"fees": Decimal(fees), "net_pnl": money, "mae": Decimal(0), "mfe": Decimal(0), "bars_held": 1},
    }
    return Trade(**(values | fields))


def trades(*results: int | str) -> list[Trade]:
    """One trade after the other with these results."""
    return [trade(number, net) for number, net in enumerate(results)]
