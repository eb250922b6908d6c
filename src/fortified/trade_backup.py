"""File backups of paper trades, for owners who set PAPER_TRADES_BACKUP=true.

Owns one file per UTC day of JSON lines. The ledger stays the truth; a backup that cannot be written is logged and stops nothing.
"""

import datetime
from pathlib import Path

import msgspec
import structlog

from fortified.domain.account import Mode, mode_of
from fortified.domain.trade import Trade
from fortified.orchestration.events import SystemEvent


class TradeBackup:
    """Appends each closed paper trade to ``<directory>/<day>.jsonl``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def on_event(self, event: SystemEvent) -> None:
        """Listener of the trading manager."""
        if not isinstance(event, Trade) or mode_of(event.account) is not Mode.PAPER:
            return
        day = datetime.datetime.fromtimestamp(event.ts_exit / 1e9, datetime.UTC).date()
        path = self._directory / f"{day}.jsonl"
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(msgspec.json.encode(event) + b"\n")
        except OSError as error:
            structlog.get_logger("backup").warning("a paper trade was not backed up", path=str(path), reason=error.strerror)
