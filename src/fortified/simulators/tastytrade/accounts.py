"""An account and its standing in TastyTrade's words.

Owns the keys of those answers, with the values of an account that may trade everything.
"""

from typing import Any


def account_shape(number: str) -> dict[str, Any]:
    """An account as its owner sees it."""
    return {
        "account-number": number,
        "account-type-name": "Individual",
        "created-at": "2020-01-01T00:00:00.000+00:00",
        "day-trader-status": False,
        "investment-objective": "SPECULATION",
        "is-closed": False,
        "is-firm-error": False,
        "is-firm-proprietary": False,
        "is-foreign": False,
        "is-futures-approved": True,
        "margin-or-cash": "Margin",
        "nickname": "Simulated",
        "opened-at": "2020-01-01T00:00:00.000+00:00",
        "suitable-options-level": "No Restrictions",
    }


_NO = (
    *("has-intraday-equities-margin", "is-aggregated-at-clearing", "is-closed", "is-closing-only", "is-cryptocurrency-closing-only"),
    *("is-frozen", "is-full-equity-margin-required", "is-futures-closing-only", "is-futures-intra-day-enabled"),
    *("is-in-day-trade-equity-maintenance-call", "is-in-margin-call", "is-pattern-day-trader", "is-risk-reducing-only"),
    *("is-small-notional-futures-intra-day-enabled", "is-equity-offering-enabled", "is-equity-offering-closing-only"),
)
_YES = (
    *("is-cryptocurrency-enabled", "is-futures-enabled", "is-roll-the-day-forward-enabled"),
    *("are-far-otm-net-options-restricted", "short-calls-enabled"),
)


def status_shape(account: str, updated: str) -> dict[str, Any]:
    """What the account may do."""
    return {
        "account-number": account,
        "day-trade-count": 0,
        "equities-margin-calculation-type": "Reg T",
        "fee-schedule-name": "default",
        "futures-margin-rate-multiplier": "0.0",
        "id": 15,
        **dict.fromkeys(_NO, False),
        **dict.fromkeys(_YES, True),
        "options-level": "No Restrictions",
        "small-notional-futures-margin-rate-multiplier": "0.0",
        "enhanced-fraud-safeguards-enabled-at": "2016-12-29T22:51:13.729+00:00",
        "updated-at": updated,
    }
