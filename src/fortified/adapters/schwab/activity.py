"""Account activity: messages that say that something happened to an order.

Owns their reading. They repeat, come out of turn, change their types and are read as hints alone: whoever gets one asks for the order.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

SERVICE: Final = "ACCT_ACTIVITY"
KEY: Final = "Account Activity"
FIELDS: Final = (0, 1, 2, 3)
QUIET: Final = frozenset({"SUBSCRIBED", ""})
"""Types that are about the subscription. The empty one comes each night with "Feature not supported"."""
_REMEMBERED: Final = 4096


class AccountActivity(msgspec.Struct, frozen=True):
    """``kind`` is the venue's word. ``execution_id`` and what is behind it are known for executions alone.

    ``transaction`` tells a fill ("Fill") from the end of a cancel ("UROut"); ``reason`` is why the venue's system refused.
    """

    kind: str
    account: str = ""
    order_id: str | None = None
    execution_id: str | None = None
    transaction: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    reason: str = ""

    @property
    def is_quiet(self) -> bool:
        """Whether it is about no order."""
        return self.kind in QUIET


def read_activity(row: Mapping[str, Any]) -> AccountActivity:
    """What a row says; whatever cannot be read is left out."""
    account, kind, text = (str(row.get(field) or "") for field in ("1", "2", "3"))
    try:
        message: Any = msgspec.json.decode(text) if kind not in QUIET else None
    except msgspec.MsgspecError:
        message = None
    if not isinstance(message, dict):
        return AccountActivity(kind, account, reason="" if kind not in QUIET else text)
    event = _event(message.get("BaseEvent"))
    execution = _mapping(event.get("ExecutionInfo"))
    return AccountActivity(
        kind,
        account,
        _text(message.get("SchwabOrderID")),
        _text(execution.get("ExecutionId") or event.get("ExecutionId")),
        _text(execution.get("ExecutionTransType")),
        decimal_of(execution.get("ExecutionQuantity")),
        decimal_of(execution.get("ExecutionPrice")),
        _reasons(event),
    )


def decimal_of(value: object) -> Decimal | None:
    """The number ``{"lo": "213409100", "signScale": 12}`` stands for, here 213.4091; None for what is no such thing.

    The scale is ``signScale`` without its last bit, which is the sign; without ``lo`` it is zero, and what exceeds 64 bits is in ``hi``.
    """
    if not isinstance(value, Mapping) or not value or not value.keys() <= {"lo", "hi", "signScale"}:
        return None
    try:
        low, high, sign_scale = (int(value.get(name, 0)) for name in ("lo", "hi", "signScale"))
    except (TypeError, ValueError):
        return None
    return Decimal(low + (high << 64)).scaleb(-(sign_scale >> 1)) * (-1 if sign_scale & 1 else 1)


class Repeats:
    """Executions that were told before, by their id; it remembers the last some thousands."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], None] = {}

    def has(self, activity: AccountActivity) -> bool:
        """Whether ``activity`` was told before; from now on it was."""
        if activity.execution_id is None:
            return False
        key = activity.kind, activity.execution_id
        if key in self._seen:
            return True
        self._seen[key] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return False


def _event(base: object) -> Mapping[str, Any]:
    """What the event holds: its one member that is an object."""
    return next((value for value in _mapping(base).values() if isinstance(value, Mapping)), {})


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and value != "" else None


def _reasons(event: Mapping[str, Any]) -> str:
    details = event.get("ValidationDetail")
    texts = [_mapping(detail).get("NgOMSRuleDescription") for detail in details] if isinstance(details, list) else []
    return "; ".join(text for text in texts if isinstance(text, str))
