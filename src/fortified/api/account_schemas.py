"""The shapes of answers about brokers and live accounts.

Owns what clients see of log-ins, and of the two sides of an account: the ledger's and the broker's.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fortified.api.schemas import PositionOut
from fortified.api.wire import Answer, Number, OptionalTime, Time
from fortified.domain.account import venue_of
from fortified.domain.timeframe import NS_PER_SECOND
from fortified.orchestration.account_keeper import AccountReport
from fortified.ports.venue_access import AccessState


class BrokerStatus(StrEnum):
    """``ready``: compared, and nothing speaks against live orders. ``blocked``: compared, and ``refusals`` say what does."""

    READY = "ready"
    BLOCKED = "blocked"
    CONNECTING = "connecting"
    LOGIN_NEEDED = "login_needed"
    NOT_CONFIGURED = "not_configured"


class BrokerOut(BaseModel):
    """A broker. ``live`` says whether it can take real orders now; ``account`` is masked but for its last four."""

    name: str
    title: str
    status: BrokerStatus
    live: bool
    detail: str
    connected: bool = False
    account: str | None = None
    login_expires_at: OptionalTime = None
    login_expires_in_s: int | None = None
    warnings: list[str] = []
    refusals: list[str] = []

    @classmethod
    def of(cls, title: str, state: AccessState, report: AccountReport | None, now_ns: int) -> Self:
        status = _status(state, report)
        left = None if state.ts_login_expires is None else max(0, state.ts_login_expires - now_ns) // NS_PER_SECOND
        standing = None if report is None else report.standing
        return cls(
            name=state.venue,
            title=title,
            status=status,
            live=status is BrokerStatus.READY,
            detail=_detail(state, report, status),
            connected=report is not None and report.connected,
            account=None if standing is None else standing.account_number,
            login_expires_at=state.ts_login_expires,
            login_expires_in_s=left,
            warnings=list(dict.fromkeys((*state.warnings, *(() if standing is None else standing.warnings)))),
            refusals=[] if report is None else list(report.refusals),
        )


def _status(state: AccessState, report: AccountReport | None) -> BrokerStatus:
    if not state.configured or report is None:
        return BrokerStatus.NOT_CONFIGURED
    if not state.logged_in:
        return BrokerStatus.LOGIN_NEEDED
    if not report.ready:
        return BrokerStatus.CONNECTING
    return BrokerStatus.BLOCKED if report.refusals else BrokerStatus.READY


def _detail(state: AccessState, report: AccountReport | None, status: BrokerStatus) -> str:
    if report is None or status in (BrokerStatus.NOT_CONFIGURED, BrokerStatus.LOGIN_NEEDED):
        return state.text
    return " ".join((state.text, *report.refusals))


class LoginPageOut(BaseModel):
    """The page to open in a browser, and until when the log-in has to be finished."""

    url: str
    expires_at: Time


class AccessOut(BaseModel):
    """How a log-in stands after what was asked for. ``accounts`` are masked."""

    name: str
    logged_in: bool
    detail: str
    login_expires_at: OptionalTime = None
    warnings: list[str] = []
    accounts: list[str] = []

    @classmethod
    def of(cls, state: AccessState) -> Self:
        return cls(
            name=state.venue,
            logged_in=state.logged_in,
            detail=state.text,
            login_expires_at=state.ts_login_expires,
            warnings=list(state.warnings),
            accounts=list(state.accounts),
        )


class DifferenceOut(Answer):
    """Signed units of ``what``; ``external`` are those at the broker that were declared to be none of ours."""

    what: str
    ledger: Number
    broker: Number = Field(validation_alias="venue")
    external: Number
    text: str


class BrokerPositionOut(Answer):
    """A position as the broker holds it, in signed units."""

    symbol: str
    quantity: Number
    average_price: Number | None


class BalancesOut(Answer):
    """The money of an account, null where the broker does not say."""

    net_liquidation: Number | None
    cash: Number | None
    buying_power: Number | None
    currency: str


class AccountOut(Answer):
    """A live account, both sides of it. ``refusals`` are why no live trading may begin; ``frozen`` says why there are no entries, by what
    they would be in; ``foreign`` is at the broker, in nothing we trade. ``number`` is masked.
    """

    account: str
    broker: str
    number: str | None
    connected: bool
    ready: bool
    agrees: bool
    refusals: list[str]
    warnings: list[str]
    notes: list[str]
    frozen: dict[str, str]
    differences: list[DifferenceOut]
    foreign: list[DifferenceOut]
    ledger_positions: list[PositionOut]
    broker_positions: list[BrokerPositionOut]
    balances: BalancesOut | None
    orders_read_at: OptionalTime
    positions_read_at: OptionalTime

    @classmethod
    def of(cls, report: AccountReport, ledger: Sequence[PositionOut]) -> Self:
        standing = report.standing
        fields: Mapping[str, Any] = {
            "account": report.account,
            "broker": venue_of(report.account),
            "number": None if standing is None else standing.account_number,
            "connected": report.connected,
            "ready": report.ready,
            "agrees": report.ready and not report.differences,
            "refusals": report.refusals,
            "warnings": () if standing is None else standing.warnings,
            "notes": report.notes,
            "frozen": report.frozen,
            "differences": report.differences,
            "foreign": report.foreign,
            "ledger_positions": ledger,
            "broker_positions": report.positions,
            "balances": report.balances,
            "orders_read_at": report.ts_orders,
            "positions_read_at": report.ts_positions,
        }
        return cls.model_validate(fields)


class AdoptIn(BaseModel):
    """Which side is right in ``what``: the broker's excess is ``external``, or it becomes the ledger's, as a position of ``strategy``."""

    model_config = ConfigDict(
        extra="forbid", populate_by_name=True, json_schema_extra={"example": {"what": "/NQ", "as": "ledger", "strategy": "ema"}}
    )

    what: Annotated[str, Field(min_length=1, max_length=32)]
    side: Literal["external", "ledger"] = Field(alias="as")
    strategy: Annotated[str | None, Field(max_length=64)] = None

    @model_validator(mode="after")
    def _whose(self) -> Self:
        if (self.side == "ledger") is (self.strategy is None):
            raise ValueError('"as": "ledger" needs the strategy that takes the position; "external" has none')
        return self
