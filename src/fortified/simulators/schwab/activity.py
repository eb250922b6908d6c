"""The messages of ACCT_ACTIVITY that an event at the matching engine causes.

Owns their types and the nesting of their JSON: decimals as ``lo`` and ``signScale``, local times without a zone. Knows no subscriber.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from fortified.simulators.orders import Event, Fill, Order, State, What
from fortified.simulators.schwab.shapes import cusip, instrument_id

_EASTERN: Final = ZoneInfo("America/New_York")
_SCALE: Final = 6
_ORDER_TYPES: Final = {"MARKET": "Market", "LIMIT": "Limit", "STOP": "Stop", "STOP_LIMIT": "StopLimit"}

type Message = tuple[str, str]
"""A type and its JSON."""


def messages(event: Event) -> list[Message]:
    """What subscribers are told, in this order."""
    order, ts_ns = event.order, event.ts_ns
    match event.what:
        case What.ACCEPTED if order.replaces is not None:
            return [_message(order, "ChangeCreated", {**_created(order, ts_ns), "ParentSchwabOrderID": str(order.replaces)})]
        case What.ACCEPTED:
            inner = {"EventType": "OrderCreated", "Order": {**_ids(order), "Order": _created(order, ts_ns)}}
            accepted = {"CreatedTimeStamp": _time(ts_ns), "Status": "Open", "TradingSessionCodeOnOrderEntry": "REG"}
            return [
                _wrapped(order, "OrderCreated", "OrderCreatedEventEquityOrder", inner),
                _message(order, "OrderAccepted", accepted),
            ]
        case What.WORKING:
            return _routed(order, "New", ts_ns)
        case What.FILLED if event.fill is not None:
            return [_filled(order, event.fill)]
        case What.CANCEL_REQUESTED:
            return [_message(order, "CancelAccepted", _cancel(order, ts_ns)), *_routed(order, "Cancel", ts_ns)]
        case What.CANCELLED | What.REPLACED:
            return [_execution_out(order, ts_ns), _out(order, "ClientCancel", ts_ns)]
        case What.REJECTED:
            return [_out(order, "SystemReject", ts_ns)]
        case What.EXPIRED:
            return [_message(order, "OrderExpired", {"LegId": _leg_id(order), "ExpiredTimeStamp": _time(ts_ns)})]
    return []


def decimal(value: Decimal) -> dict[str, Any]:
    """``value`` as lo / 10^(signScale >> 1), negative when signScale is odd; without ``lo`` it is 0."""
    lo = int(abs(value) * 10**_SCALE)
    sign = {"signScale": 2 * _SCALE + (value < 0)}
    return {"lo": str(lo), **sign} if lo else sign


def _message(order: Order, kind: str, words: dict[str, Any]) -> Message:
    return _wrapped(order, kind, f"{kind}Event", {"EventType": kind, **words})


def _wrapped(order: Order, kind: str, name: str, inner: dict[str, Any]) -> Message:
    payload = {**_ids(order), "BaseEvent": {"EventType": kind, name: inner}}
    return kind, orjson.dumps(payload).decode()


def _ids(order: Order) -> dict[str, str]:
    return {"SchwabOrderID": str(order.id), "AccountNumber": order.ticket.account}


def _leg_id(order: Order) -> str:
    return str(order.id)


def _client_id(order: Order) -> str:
    return f"{order.id}.1"


def _time(ts_ns: int) -> dict[str, str]:
    moment = datetime.fromtimestamp(ts_ns // 1_000_000 / 1_000, _EASTERN)
    return {"DateTimeString": moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]}


def _created(order: Order, ts_ns: int) -> dict[str, Any]:
    ticket = order.ticket
    kind = _ORDER_TYPES[ticket.details["orderType"]]
    strategy: dict[str, Any] = {"Type": f"ES_{kind}"}
    if ticket.limit is not None:
        strategy["LimitExecutionStrategy"] = {"Type": f"ES_{kind}", "LimitPrice": decimal(ticket.limit), "LimitPriceUnitCode": "Units"}
    leg = {
        "LegID": _leg_id(order),
        "LegParentSchwabOrderID": str(order.id),
        "Quantity": decimal(ticket.quantity),
        "QuantityUnitCodeType": "SharesOrUnits",
        "LeavesQuantity": decimal(order.remaining),
        "BuySellCode": "Buy" if ticket.buy else "Sell",
        "Security": {
            "SchwabSecurityID": str(instrument_id(ticket.symbol)),
            "Symbol": ticket.symbol,
            "UnderlyingSymbol": ticket.symbol,
            "PrimaryExchangeCode": "Q",
            "MajorAssetType": "MajorAssetType_Equity",
            "CUSIP": cusip(ticket.symbol),
        },
    }
    return {
        "AccountInfo": {
            "AccountNumber": ticket.account,
            "CustomerOrFirmCode": "CustomerOrFirmCode_Customer",
            "AccountTypeCode": "Customer",
        },
        "LifecycleCreatedTimestamp": _time(ts_ns),
        "LifecycleSchwabOrderID": str(order.id),
        "EntryTimestamp": _time(ts_ns),
        "AutoConfirm": True,
        "SourceOMS": "ngOMS",
        "FirmID": "CHAS",
        "AssetOrderEquityOrderLeg": {
            "OrderInstruction": {"ExecutionStrategy": strategy, "PreferredRoute": {}, "EquityOrderInstruction": {}},
            "AssetType": "MajorAssetType_Equity",
            "TimeInForce": "Day" if ticket.details["duration"] == "DAY" else "GoodTillCancel",
            "OrderTypeCode": kind,
            "OrderLegs": [leg],
            "OrderCapacityCode": "OC_Agency",
            "SettlementType": "SettlementType_Regular",
            "SolicitedCode": "Unsolicited",
        },
    }


def _routed(order: Order, kind: str, ts_ns: int) -> list[Message]:
    """An order on its way to an exchange: its price is no fill."""
    route = {
        "RouteName": "SIM_NMS_EQ",
        "RouteSequenceNumber": 1,
        "RoutedExecutionTimestamp": _time(ts_ns),
        "RouteRequestedType": kind,
        "RoutedQuantity": decimal(order.remaining),
        "RoutedPrice": decimal(order.ticket.limit or Decimal(0)),
        "RouteStatus": "RouteCreated",
        "ClientOrderID": _client_id(order),
        "RoutedTime": _time(ts_ns),
        "RouteTimeInForce": "Day",
        "RouteAcknowledgmentTimeStamp": {},
    }
    requested = {"EventType": "ExecutionRequested", "RouteSequenceNumber": 1, "RouteInfo": route, "RouteRequestedBy": "RR_Broker"}
    done: dict[str, Any] = {
        "LegId": _leg_id(order),
        "ExecutionTime": _time(ts_ns),
        "RouteSequenceNumber": 1,
        "ClientOrderID": _client_id(order),
    }
    numeric = kind == "Cancel"  # then real messages have numbers where there were words
    done |= {"ResponseType": 7 if numeric else "Accepted", "RouteStatus": 8 if numeric else "RouteVenueAccepted"}
    asked = {"LegId": _leg_id(order), "RouteRequestType": kind, "RouteStatus": "RouteFixAcknowledged", "ClientOrderID": _client_id(order)}
    return [
        _wrapped(order, "ExecutionRequested", "ExecutionRequestedEventRoutedInfo", {**requested, "LegId": _leg_id(order)}),
        _message(order, "ExecutionRequestCreated", asked),
        _message(order, "ExecutionRequestCompleted", done),
    ]


def execution_id(fill: Fill) -> str:
    """The number by which a fill is known, for ever."""
    return f"20260101-EST-ngOMS-{fill.order_id}-{fill.number}"


def _filled(order: Order, fill: Fill) -> Message:
    ticket = order.ticket
    until = order.fills[: order.fills.index(fill) + 1]
    total = sum((part.quantity for part in until), Decimal(0))
    average = sum((part.quantity * part.price for part in until), Decimal(0)) / total
    closed = total == ticket.quantity
    info = {
        "ExecutionSequenceNumber": len(until),
        "ExecutionId": execution_id(fill),
        "VenueExecutionID": str(fill.number),
        "ExecutionQuantity": decimal(fill.quantity),
        "ExecutionPrice": decimal(fill.price),
        "ExecutionTimeStamp": _time(fill.ts_ns),
        "ExecutionTransType": "Fill",
        "ExecutionBroker": "SIMU",
        "ExecutionCapacityCode": "Agency",
        "RouteName": "SIM_NMS_EQ",
        "RouteSequenceNumber": 1,
        "VenuExecutionTimeStamp": _time(fill.ts_ns),
        "PrincipalAmmount": decimal(fill.price * fill.quantity),
        "ActualChargedCommissionAmount": decimal(fill.fee),
        "ClientOrderID": _client_id(order),
    }
    inner = {
        "EventType": "OrderFillCompleted",
        "LegId": _leg_id(order),
        "LegStatus": "LegClosed" if closed else "LegOpen",
        "QuantityInfo": {
            "ExecutionID": execution_id(fill),
            "CumulativeQuantity": decimal(total),
            "LeavesQuantity": decimal(ticket.quantity - total),
            "AveragePrice": decimal(average),
        },
        "LegSubStatus": "LegSubStatusFilled" if closed else "LegSubStatusPartiallyFilled",
        "ExecutionInfo": info,
        "OrderInfoForTransactionPosting": {
            "LimitPrice": decimal(ticket.limit) if ticket.limit is not None else {},
            "OrderTypeCode": _ORDER_TYPES[ticket.details["orderType"]],
            "BuySellCode": "Buy" if ticket.buy else "Sell",
            "Quantity": decimal(ticket.quantity),
            "StopPrice": decimal(ticket.stop) if ticket.stop is not None else {},
            "Symbol": ticket.symbol,
        },
    }
    return _wrapped(order, "OrderFillCompleted", "OrderFillCompletedEventOrderLegQuantityInfo", inner)


def _cancel(order: Order, ts_ns: int) -> dict[str, Any]:
    leg = {
        "LegID": _leg_id(order),
        "IntendedOrderQuantity": decimal(order.ticket.quantity),
        "RequestedAmount": decimal(order.remaining),
        "LegStatus": "LegOpen",
        "LegSubStatus": "LegSubStatusCancelled",
        "CancelAcceptedTime": _time(ts_ns),
    }
    return {
        "LifecycleSchwabOrderID": str(order.id),
        "AutoConfirm": True,
        "CancelTimeStamp": _time(ts_ns),
        "LegCancelRequestInfoList": [leg],
        "CancelRequestType": "ClientCancel",
    }


def _execution_out(order: Order, ts_ns: int) -> Message:
    info = {
        "ExecutionSequenceNumber": 1,
        "ExecutionId": f"20260101-EST-ngOMS-{order.id}-out",
        "ExecutionQuantity": decimal(order.remaining),
        "ExecutionTimeStamp": _time(ts_ns),
        "ExecutionTransType": "UROut",
        "CancelType": "ClientCancel",
        "ClientOrderID": _client_id(order),
    }
    inner = {"EventType": "ExecutionCreated", "LegId": _leg_id(order), "ExecutionInfo": info, "RouteSequenceNumber": 1}
    return _wrapped(order, "ExecutionCreated", "ExecutionCreatedEventExecutionInfo", inner)


def _out(order: Order, kind: str, ts_ns: int) -> Message:
    """The end of an order without a trade: cancelled, replaced and rejected look alike but for one word."""
    words: dict[str, Any] = {
        "LegId": _leg_id(order),
        "ExecutionId": f"20260101-EST-ngOMS-{order.id}-out",
        "LeavesQuantity": decimal(Decimal(0)),
        "CancelQuantity": decimal(order.remaining),
        "LegStatus": "LegClosed",
        "LegSubStatus": "LegSubStatusCancelled",
        "OutCancelType": kind,
        "VenueExecutionTimeStamp": _time(ts_ns),
        "ExecutionTimeStamp": _time(ts_ns),
        "RouteName": "SIM_NMS_EQ",
    }
    if order.state is State.REJECTED:
        words["ValidationDetail"] = [{"NgOMSRuleName": "SimulatedRule", "NgOMSRuleDescription": order.reason}]
    return _message(order, "OrderUROutCompleted", words)
