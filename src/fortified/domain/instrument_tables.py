"""The futures that are known by name.

Owns one row per root: tick size, money per 1.0 of price, calendar, exchange (ISO 10383), name. Prices are in the unit
the exchange quotes: points, dollars, and US cents for grains and livestock. Knows no behaviour.
"""

from collections.abc import Mapping
from typing import Final

type Row = tuple[str, str, str, str, str]

_CME, _CBOT, _NYMEX, _COMEX = "XCME", "XCBT", "XNYM", "XCEC"
_INDEX, _ENERGY, _METALS, _RATES = "CME_INDEX", "CME_ENERGY", "CME_METALS", "CME_RATES"
_FX, _GRAINS, _LIVESTOCK, _CRYPTO = "CME_FX", "CME_GRAINS", "CME_LIVESTOCK", "CME_CRYPTO"

FUTURES: Final[Mapping[str, Row]] = {
    "ES": ("0.25", "50", _INDEX, _CME, "E-mini S&P 500"),
    "MES": ("0.25", "5", _INDEX, _CME, "Micro E-mini S&P 500"),
    "NQ": ("0.25", "20", _INDEX, _CME, "E-mini Nasdaq-100"),
    "MNQ": ("0.25", "2", _INDEX, _CME, "Micro E-mini Nasdaq-100"),
    "RTY": ("0.10", "50", _INDEX, _CME, "E-mini Russell 2000"),
    "M2K": ("0.10", "5", _INDEX, _CME, "Micro E-mini Russell 2000"),
    "YM": ("1", "5", _INDEX, _CBOT, "E-mini Dow"),
    "MYM": ("1", "0.5", _INDEX, _CBOT, "Micro E-mini Dow"),
    "EMD": ("0.10", "100", _INDEX, _CME, "E-mini S&P MidCap 400"),
    "NKD": ("5", "5", _INDEX, _CME, "Nikkei 225 (dollar)"),
    "CL": ("0.01", "1000", _ENERGY, _NYMEX, "Crude Oil WTI"),
    "MCL": ("0.01", "100", _ENERGY, _NYMEX, "Micro Crude Oil WTI"),
    "QM": ("0.025", "500", _ENERGY, _NYMEX, "E-mini Crude Oil"),
    "NG": ("0.001", "10000", _ENERGY, _NYMEX, "Natural Gas"),
    "QG": ("0.005", "2500", _ENERGY, _NYMEX, "E-mini Natural Gas"),
    "RB": ("0.0001", "42000", _ENERGY, _NYMEX, "RBOB Gasoline"),
    "HO": ("0.0001", "42000", _ENERGY, _NYMEX, "NY Harbor ULSD"),
    "BZ": ("0.01", "1000", _ENERGY, _NYMEX, "Brent Last Day Financial"),
    "GC": ("0.10", "100", _METALS, _COMEX, "Gold"),
    "MGC": ("0.10", "10", _METALS, _COMEX, "Micro Gold"),
    "SI": ("0.005", "5000", _METALS, _COMEX, "Silver"),
    "SIL": ("0.005", "1000", _METALS, _COMEX, "Micro Silver"),
    "HG": ("0.0005", "25000", _METALS, _COMEX, "Copper"),
    "MHG": ("0.0005", "2500", _METALS, _COMEX, "Micro Copper"),
    "PL": ("0.10", "50", _METALS, _NYMEX, "Platinum"),
    "PA": ("0.50", "100", _METALS, _NYMEX, "Palladium"),
    "ZB": ("0.03125", "1000", _RATES, _CBOT, "U.S. Treasury Bond"),
    "UB": ("0.03125", "1000", _RATES, _CBOT, "Ultra U.S. Treasury Bond"),
    "ZN": ("0.015625", "1000", _RATES, _CBOT, "10-Year T-Note"),
    "TN": ("0.015625", "1000", _RATES, _CBOT, "Ultra 10-Year T-Note"),
    "ZF": ("0.0078125", "1000", _RATES, _CBOT, "5-Year T-Note"),
    "ZT": ("0.00390625", "2000", _RATES, _CBOT, "2-Year T-Note"),
    "6A": ("0.00005", "100000", _FX, _CME, "Australian Dollar"),
    "6B": ("0.0001", "62500", _FX, _CME, "British Pound"),
    "6C": ("0.00005", "100000", _FX, _CME, "Canadian Dollar"),
    "6E": ("0.00005", "125000", _FX, _CME, "Euro FX"),
    "6J": ("0.0000005", "12500000", _FX, _CME, "Japanese Yen"),
    "6S": ("0.00005", "125000", _FX, _CME, "Swiss Franc"),
    "6N": ("0.00005", "100000", _FX, _CME, "New Zealand Dollar"),
    "6M": ("0.00001", "500000", _FX, _CME, "Mexican Peso"),
    "M6A": ("0.0001", "10000", _FX, _CME, "Micro AUD/USD"),
    "M6B": ("0.0001", "6250", _FX, _CME, "Micro GBP/USD"),
    "M6E": ("0.0001", "12500", _FX, _CME, "Micro EUR/USD"),
    "ZC": ("0.25", "50", _GRAINS, _CBOT, "Corn"),
    "ZS": ("0.25", "50", _GRAINS, _CBOT, "Soybeans"),
    "ZW": ("0.25", "50", _GRAINS, _CBOT, "Chicago SRW Wheat"),
    "KE": ("0.25", "50", _GRAINS, _CBOT, "KC HRW Wheat"),
    "ZL": ("0.01", "600", _GRAINS, _CBOT, "Soybean Oil"),
    "ZM": ("0.10", "100", _GRAINS, _CBOT, "Soybean Meal"),
    "XC": ("0.125", "10", _GRAINS, _CBOT, "Mini Corn"),
    "XK": ("0.125", "10", _GRAINS, _CBOT, "Mini Soybeans"),
    "XW": ("0.125", "10", _GRAINS, _CBOT, "Mini Wheat"),
    "LE": ("0.025", "400", _LIVESTOCK, _CME, "Live Cattle"),
    "HE": ("0.025", "400", _LIVESTOCK, _CME, "Lean Hogs"),
    "GF": ("0.025", "500", _LIVESTOCK, _CME, "Feeder Cattle"),
    "BTC": ("5", "5", _CRYPTO, _CME, "Bitcoin"),
    "MBT": ("5", "0.1", _CRYPTO, _CME, "Micro Bitcoin"),
    "ETH": ("0.50", "50", _CRYPTO, _CME, "Ether"),
    "MET": ("0.50", "0.1", _CRYPTO, _CME, "Micro Ether"),
}
