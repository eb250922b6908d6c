"""What TastyTrade says of an account: positions, money, what it allows.

Owns the translation into our words. Knows no endpoint.
"""

from collections.abc import Sequence
from typing import Final

from fortified.adapters.tastytrade.orders import Canonical
from fortified.adapters.tastytrade.wire import Raw, child, decimal, flag, integer, stamp, text
from fortified.domain.errors import RemoteProtocolError
from fortified.domain.venue import AccountStanding, Balances, VenuePosition

_DIRECTIONS: Final = {"Long": 1, "Short": -1}
_OBSTACLES: Final = {
    "is-closed": "TastyTrade has closed the account.",
    "is-frozen": "TastyTrade has frozen the account.",
}
_CLOSING_ONLY: Final = {
    "is-closing-only": "TastyTrade takes only closing orders of the account.",
    "is-risk-reducing-only": "TastyTrade takes only orders that reduce the risk of the account.",
    "is-futures-closing-only": "TastyTrade takes only closing orders in futures.",
}
_WARNINGS: Final = {
    "is-in-margin-call": "The account is in a margin call.",
    "is-in-day-trade-equity-maintenance-call": "The account is in a day trade equity call.",
    "is-pattern-day-trader": "The account is flagged as that of a pattern day trader.",
}


def venue_positions(items: Sequence[Raw], canonical: Canonical) -> tuple[VenuePosition, ...]:
    """The positions that are open. ``RemoteProtocolError`` for one whose size or direction cannot be told: it must not count as none."""
    positions = (_position(item, canonical) for item in items)
    return tuple(position for position in positions if position is not None)


def _position(raw: Raw, canonical: Canonical) -> VenuePosition | None:
    symbol, quantity, direction = text(raw, "symbol"), decimal(raw, "quantity"), text(raw, "quantity-direction")
    if direction == "Zero" or (quantity is not None and not quantity):
        return None
    sign = _DIRECTIONS.get(direction or "")
    if symbol is None or quantity is None or sign is None:
        raise RemoteProtocolError(
            f"TastyTrade shows a position that cannot be read (symbol {symbol}, quantity {quantity}, direction {direction}). "
            "Compare with its own screens; report the words."
        )
    updated = stamp(raw, "updated-at") or stamp(raw, "created-at") or 0
    traded = stamp(raw, "expires-at") or updated
    return VenuePosition(canonical(symbol, traded or None), abs(quantity) * sign, decimal(raw, "average-open-price"), updated)


def balances(raw: Raw) -> Balances:
    """The money of an account. Derivatives have the lesser buying power, and futures are what is traded here."""
    return Balances(
        net_liquidation=decimal(raw, "net-liquidating-value"),
        cash=decimal(raw, "cash-balance"),
        buying_power=decimal(raw, "derivative-buying-power"),
        currency=text(raw, "currency") or "USD",
    )


def standing(number: str, accounts: Sequence[Raw], status: Raw) -> AccountStanding:
    """What is allowed on account ``number``, from the list of accounts and the trading status."""
    entry = next((entry for entry in accounts if text(child(entry, "account"), "account-number") == number), None)
    obstacles = [words for key, words in _OBSTACLES.items() if flag(status, key)]
    if entry is None:
        obstacles.append(f"TastyTrade shows no account {masked(number)} to these credentials. Correct TASTY_ACCOUNT_ID.")
    elif text(entry, "authority-level") == "read-only":
        obstacles.append("These credentials may only read the account. Make a grant with the right to trade.")
    closing = [words for key, words in _CLOSING_ONLY.items() if flag(status, key)]
    warnings = closing + [words for key, words in _WARNINGS.items() if flag(status, key)]
    if flag(status, "is-futures-enabled") is False:
        warnings.append("Futures are not enabled for the account: only shares can be traded.")
    if trades := integer(status, "day-trade-count"):
        warnings.append(f"{trades} day trades in the last five days.")
    return AccountStanding(masked(number), tuple(dict.fromkeys(obstacles)), tuple(warnings), closing_only=bool(closing))


def masked(number: str) -> str:
    """``****6827``."""
    return f"****{number[-4:]}" if len(number) > 4 else "****"
