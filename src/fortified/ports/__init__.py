"""What the orchestration needs from the outside, as protocols and base classes.

Owns the seams: data sources, brokers, the market bus, the ledger, the stores, the clock. Adapters and storage implement them; nothing here
does I/O.
"""

from fortified.ports.broker import BaseBroker, VenueBroker
from fortified.ports.bus import ORIGIN, BusEvent, BusReader, Checkpoint, EntryId, HistoryStore, MarketBus, StreamRef
from fortified.ports.clock import Clock
from fortified.ports.ledger import Ledger, LedgerUnit, RunnerKey, RunnerRecord, TradeQuery
from fortified.ports.market_data import BaseDataSource
from fortified.ports.stores import AccountStore, ConfigStore, DesiredRun, Lease, Store, TokenStore, User, UserStore, VenueTokens

__all__ = [
    "ORIGIN",
    "AccountStore",
    "BaseBroker",
    "BaseDataSource",
    "BusEvent",
    "BusReader",
    "Checkpoint",
    "Clock",
    "ConfigStore",
    "DesiredRun",
    "EntryId",
    "HistoryStore",
    "Lease",
    "Ledger",
    "LedgerUnit",
    "MarketBus",
    "RunnerKey",
    "RunnerRecord",
    "Store",
    "StreamRef",
    "TokenStore",
    "TradeQuery",
    "User",
    "UserStore",
    "VenueBroker",
    "VenueTokens",
]
