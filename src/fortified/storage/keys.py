"""Every key, with its reason and how much of it is kept. Nothing else in the project spells a key.

Must not know how values are encoded. Everything is bounded: by a length, by a time to live, or by what a person configures.
"""

import msgspec

from fortified.domain.account import AccountId, Mode
from fortified.ports import RunnerKey, StreamRef

BARS_MAXLEN = 1_000
"""Entries of a stream of closed bars: what a consumer may miss and still read. The history keeps more."""
TICKS_MAXLEN = 5_000
"""Entries of a stream of partial updates."""


class Limits(msgspec.Struct, frozen=True):
    """How many rows are kept, the newest. Lengths are checked once in ``every`` writes, so they may be greater by that."""

    history: int = 20_000
    """Closed bars of a symbol and timeframe: warm-up, charts, backtests on what was seen."""
    orders: int = 20_000
    """Terminal orders of a strategy; working ones are always kept."""
    fills: int = 50_000
    """Fills of a strategy."""
    trades: int = 100_000
    """Round trips of a strategy and mode."""
    denials: int = 5_000
    """Refused orders of a strategy."""
    every: int = 256


class Keys:
    """The keys of one deployment, or of one replay below its own ``prefix`` (``replay:abc:``).

    With ``cluster`` the symbol is the hash tag, so that all market data of a symbol lives on one node.
    """

    def __init__(self, prefix: str = "", *, cluster: bool = False) -> None:
        self.prefix = prefix
        self._cluster = cluster
        self.runners = f"{prefix}runners"
        """SET of all runners that ever committed, as JSON: the root from which the ledger's keys are found."""
        self.tickers = f"{prefix}tickers"
        """SET of [strategy, symbol] as JSON: which ticker configurations exist."""
        self.desired = f"{prefix}desired"
        """HASH strategy → JSON: what should be running after a restart."""
        self.runs = "runs"
        """ZSET prefix → when its run began, s; of the whole deployment, so that runs which nobody resumes are found and erased."""
        self.users = f"{prefix}users"
        """HASH e-mail → JSON."""
        self.venue_tokens = f"{prefix}venue_tokens"
        """HASH venue → its tokens, encrypted."""

    # --- market data: bounded by length ---

    def bars_stream(self, ref: StreamRef) -> str:
        """STREAM of closed bars, read by consumer groups."""
        return f"{self.prefix}bars_stream:{self._tag(ref.symbol)}:{ref.timeframe}"

    def ticks_stream(self, ref: StreamRef) -> str:
        """STREAM of the open bar after each tick; its newest entry is the publisher's checkpoint."""
        return f"{self.prefix}ticks_stream:{self._tag(ref.symbol)}:{ref.timeframe}"

    def bars(self, ref: StreamRef) -> str:
        """ZSET of closed bars by ``ts_open`` in ms."""
        return f"{self.prefix}bars:{self._tag(ref.symbol)}:{ref.timeframe}"

    # --- the ledger of a runner: lives until it is cleared ---

    def runner_state(self, runner: RunnerKey) -> str:
        """STRING: the runner's snapshot after its last commit."""
        return f"{self.prefix}runner_state:{runner}"

    def working(self, runner: RunnerKey) -> str:
        """SET of ids of the runner's orders that are not terminal: the outbox."""
        return f"{self.prefix}working:{runner}"

    def positions(self, runner: RunnerKey) -> str:
        """SET of the runner's position keys."""
        return f"{self.prefix}positions:{runner}"

    def trade_state(self, strategy: str, symbol: str, account: AccountId) -> str:
        """HASH: the position of a strategy in a symbol on an account."""
        return f"{self.prefix}trade_state:{strategy}:{self._tag(symbol)}:{account}"

    def external(self, account: AccountId) -> str:
        """HASH what → signed units that are at the broker of a live account and none of ours, as a person declared."""
        return f"{self.prefix}external:{account}"

    # --- the ledger of a strategy: bounded by length ---

    def orders(self, strategy: str) -> str:
        """HASH order id → JSON."""
        return f"{self.prefix}orders:{strategy}"

    def orders_index(self, strategy: str) -> str:
        """ZSET of order ids by creation in ms."""
        return f"{self.prefix}orders_index:{strategy}"

    def fills(self, strategy: str) -> str:
        """ZSET of fills as JSON by time in ms."""
        return f"{self.prefix}fills:{strategy}"

    def trades(self, strategy: str, mode: str) -> str:
        """ZSET of round trips as JSON, with the bar behind the entry, by exit in ms."""
        return f"{self.prefix}{'paper' if mode == Mode.PAPER else 'real'}_trades:{strategy}"

    def denials(self, strategy: str) -> str:
        """ZSET of refused orders as JSON by time in ms."""
        return f"{self.prefix}denials:{strategy}"

    # --- configuration, people, processes ---

    def ticker(self, strategy: str, symbol: str) -> str:
        """STRING: JSON of a ticker configuration."""
        return f"{self.prefix}ticker:{strategy}:{self._tag(symbol)}"

    def refresh(self, token_id: str) -> str:
        """STRING with a time to live: the e-mail of an unused refresh token."""
        return f"{self.prefix}refresh:{token_id}"

    def lease(self, name: str) -> str:
        """STRING with a time to live of some seconds: who publishes a symbol or owns a run."""
        return f"{self.prefix}lease:{name}"

    def _tag(self, symbol: str) -> str:
        return f"{{{symbol}}}" if self._cluster else symbol
