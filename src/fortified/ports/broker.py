"""The seam to venues that trade. Plugin authors subclass ``BaseBroker``, or ``VenueBroker`` for a real venue."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import ClassVar

from fortified.domain.account import AccountId
from fortified.domain.market import Bar, BarUpdate
from fortified.domain.order import Order, OrderEvent
from fortified.domain.venue import AccountStanding, Balances, VenueOrder, VenuePosition, WakeUp


class BaseBroker(ABC):
    """A venue that trades. It books nothing: it emits order events, and the ledger follows them.

    ``place_order`` returns the first events of the order; later ones come from ``on_market`` (simulated venues, driven by the market)
    or ``order_events`` (real ones).
    """

    name: ClassVar[str]

    @property
    @abstractmethod
    def account(self) -> AccountId:
        """The account all orders of this broker belong to."""

    @abstractmethod
    async def place_order(self, order: Order) -> Sequence[OrderEvent]:
        """Send ``order``, whose intent is durable. A venue's no is an event, not an exception."""

    @abstractmethod
    async def cancel_order(self, order: Order, ts_event: int) -> Sequence[OrderEvent]:
        """Ask for a cancel at ``ts_event`` (ns)."""

    @abstractmethod
    async def restore(self, working: Sequence[Order]) -> None:
        """Take over the orders that were working when the process ended. A simulated venue is shown the last market event before."""

    def on_market(self, event: BarUpdate | Bar) -> Sequence[OrderEvent]:
        """Events the market causes at a simulated venue; a real one has none."""
        return ()

    def order_events(self) -> AsyncIterator[OrderEvent] | None:
        """Events a real venue sends by itself; None for a simulated one."""
        return None


class VenueBroker(BaseBroker):
    """A real venue. Its answers are words of the venue, and the ledger follows what is confirmed.

    ``place_order`` sends once and never again by itself: it answers ACCEPTED with the venue's id, REJECTED with the venue's reason, or
    SUBMIT_UNKNOWN when no answer tells whether the order arrived. ``cancel_order`` answers PENDING_CANCEL; what became of it is read later.
    Reads raise ``VenueUnavailable``, ``RateLimited`` or ``AuthExpired`` and are never taken for "there is none".
    """

    @abstractmethod
    async def connect(self) -> None:
        """Authorize, and begin to listen. Raises AuthExpired, VenueUnavailable."""

    @abstractmethod
    async def close(self) -> None:
        """End all connections; orders stay as they are."""

    @abstractmethod
    async def replace_order(self, order: Order, limit_price: Decimal | None, stop_price: Decimal | None) -> Sequence[OrderEvent]:
        """Ask for other prices of a working order. The venue may give it a new id, which later answers carry."""

    @abstractmethod
    async def find(self, order: Order) -> VenueOrder | None:
        """The venue's word on ``order``, by whatever identifies it there; None after a clean read that lacks it.

        Raises:
            AmbiguousOrder: several orders of the venue could be this one.
        """

    @abstractmethod
    async def orders(self, since_ns: int) -> Sequence[VenueOrder]:
        """Working orders, and all that ended since."""

    @abstractmethod
    async def positions(self) -> Sequence[VenuePosition]: ...

    @abstractmethod
    async def balances(self) -> Balances: ...

    @abstractmethod
    async def standing(self) -> AccountStanding: ...

    @abstractmethod
    def wake_ups(self) -> AsyncIterator[WakeUp]:
        """Hints of the venue's stream, over all its reconnections, until ``close``."""
