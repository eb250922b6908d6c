"""Accounts, positions and balances in Schwab's words.

Owns the keys of those answers. Knows no order and no HTTP.
"""

from collections.abc import Mapping
from typing import Any

from fortified.simulators.account import Account, Position
from fortified.simulators.market import Market
from fortified.simulators.schwab.shapes import cusip


def position_shape(position: Position, market: Market) -> dict[str, Any]:
    """An equity that is held, long or short."""
    last = market.last(position.listed.symbol)
    value = float((last.price if last else position.average) * position.quantity)
    average, held = float(round(position.average, 4)), float(abs(position.quantity))
    side, other = ("Long", "Short") if position.quantity > 0 else ("Short", "Long")
    return {
        f"{other.lower()}Quantity": 0.0,
        "averagePrice": average,
        "currentDayProfitLoss": float(position.realized),
        "currentDayProfitLossPercentage": 0.0,
        f"{side.lower()}Quantity": held,
        "settledLongQuantity": 0.0,
        "settledShortQuantity": 0.0,
        "instrument": {
            "assetType": "EQUITY",
            "cusip": cusip(position.listed.symbol),
            "symbol": position.listed.symbol,
            "netChange": 0.0,
        },
        "marketValue": value,
        "maintenanceRequirement": abs(value) * 0.3,
        f"average{side}Price": average,
        f"taxLotAverage{side}Price": average,
        f"{side.lower()}OpenProfitLoss": value - float(position.average * position.quantity),
        f"previousSession{side}Quantity": 0.0,
        "currentDayCost": -float(position.average * position.quantity),
    }


_NOTHING = (
    *("accruedInterest", "cashReceipts", "moneyMarketFund", "pendingDeposits", "mutualFundValue", "bondValue", "longOptionMarketValue"),
    *("shortOptionMarketValue", "maintenanceCall", "regTCall", "marginBalance", "shortBalance"),
)


def account_shape(account: Account, market: Market, *, positions: bool, flags: Mapping[str, Any]) -> dict[str, Any]:
    """An account with its balances, and its positions where they were asked for."""
    ledger = account.seen
    value, cash = float(ledger.value(market)), float(ledger.cash)
    long, short = float(ledger.stock(market, long=True)), float(ledger.stock(market, long=False))
    free = 2 * value - long - short
    nothing = dict.fromkeys(_NOTHING, 0.0)
    power = {"availableFunds": free / 2, "availableFundsNonMarginableTrade": free / 2, "buyingPower": free, "dayTradingBuyingPower": free}
    inner: dict[str, Any] = {
        "type": "MARGIN",
        "accountNumber": account.number,
        "roundTrips": 0,
        "isDayTrader": False,
        "isClosingOnlyRestricted": False,
        "pfcbFlag": False,
        **flags,
    }
    if positions:
        inner["positions"] = [position_shape(held, market) for held in ledger.positions.values() if held.quantity]
    inner["initialBalances"] = _initial(nothing, value, cash, long, short, free)
    inner["currentBalances"] = {
        **nothing,
        **power,
        "cashBalance": cash,
        "liquidationValue": value,
        "longMarketValue": long,
        "savings": 0.0,
        "shortMarketValue": -short,
        "buyingPowerNonMarginableTrade": free / 2,
        "equity": value,
        "equityPercentage": 100.0,
        "longMarginValue": long,
        "maintenanceRequirement": (long + short) * 0.3,
        "shortMarginValue": -short,
        "sma": free / 2,
    }
    inner["projectedBalances"] = {
        **power,
        "dayTradingBuyingPowerCall": 0.0,
        "maintenanceCall": 0.0,
        "regTCall": 0.0,
        "isInCall": False,
        "stockBuyingPower": free,
    }
    return {"securitiesAccount": inner, "aggregatedBalance": {"currentLiquidationValue": value, "liquidationValue": value}}


def _initial(nothing: Mapping[str, float], value: float, cash: float, long: float, short: float, free: float) -> dict[str, Any]:
    return {
        **nothing,
        "availableFundsNonMarginableTrade": free / 2,
        "buyingPower": free,
        "cashBalance": cash,
        "cashAvailableForTrading": 0.0,
        "dayTradingBuyingPower": free,
        "dayTradingBuyingPowerCall": 0.0,
        "dayTradingEquityCall": 0.0,
        "equity": value,
        "equityPercentage": 100.0,
        "liquidationValue": value,
        "longMarginValue": long,
        "longStockValue": long,
        "maintenanceRequirement": (long + short) * 0.3,
        "margin": cash,
        "marginEquity": value,
        "shortMarginValue": -short,
        "shortStockValue": -short,
        "totalCash": 0.0,
        "isInCall": False,
        "accountValue": value,
    }
