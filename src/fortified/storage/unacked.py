"""Which entries a consumer has read and not yet acknowledged, as this process knows it.

Shared by the readers, which add, and the ledger, whose commits acknowledge. Must not know connections.
"""

from fortified.ports import EntryId, LedgerUnit, StreamRef


class Unacked:
    """Sets of entry ids by stream pair and group; the server has the same, but asking it would cost a round trip."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str, str], set[EntryId]] = {}

    def of(self, ref: StreamRef, group: str) -> set[EntryId]:
        """The set of a group; the caller adds to it."""
        return self._entries.setdefault((ref.symbol, ref.timeframe, group), set())

    def acknowledge(self, unit: LedgerUnit) -> None:
        """Forget what ``unit`` acknowledged durably."""
        runner = unit.runner
        entries = self._entries.get((runner.symbol, runner.timeframe, runner.group))
        if entries:
            entries.difference_update(unit.bars_acked)
            entries.difference_update(unit.updates_acked)
