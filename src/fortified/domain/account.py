"""Accounts. The mode is part of an account's identity, so a paper fill cannot land on a live position."""

import enum
from typing import NewType

from fortified.domain.errors import ConfigError

AccountId = NewType("AccountId", str)
"""``paper:schwab``, ``live:tastytrade``."""


class Mode(enum.StrEnum):
    PAPER = "paper"
    LIVE = "live"


def account_id(mode: Mode, venue: str) -> AccountId:
    """The account of ``venue`` in ``mode``."""
    return AccountId(f"{mode.value}:{venue}")


def venue_of(account: AccountId) -> str:
    """``schwab`` of ``paper:schwab``."""
    return _split(account)[1]


def mode_of(account: AccountId) -> Mode:
    """``Mode.PAPER`` of ``paper:schwab``."""
    return _split(account)[0]


def _split(account: AccountId) -> tuple[Mode, str]:
    mode, separator, venue = account.partition(":")
    if not separator or not venue or mode not in Mode:
        raise ConfigError(f"account {account!r} is not of the form paper:<venue> or live:<venue>")
    return Mode(mode), venue
