"""The tree of our exceptions.

Owns which failures exist. A venue's "no" is an order event, never an exception; an ``InvariantError`` halts the runner
that raised it, nothing else. Every message names the input that is wrong and says how to mend it.

    FortifiedError
    ├── ConfigError          what the owner or user asked for cannot be: options, environment, symbols, parameters
    │   └── NotFound
    ├── Refused              well formed, but not now: the reasons are listed
    ├── DataError            a file or feed holds what cannot be used
    ├── StoreUnavailable     Redis does not answer; the work waits and goes on where it stopped
    ├── VenueError
    │   ├── VenueUnavailable
    │   ├── AuthExpired
    │   ├── RateLimited
    │   └── AmbiguousOrder   several orders of the venue could be one of ours
    ├── ProtocolError
    │   ├── LocalProtocolError    our bug
    │   └── RemoteProtocolError   theirs
    ├── StrategyError        the user's strategy raised; its runner halts
    └── InvariantError       the ledger or the engine contradicts itself
"""


class FortifiedError(Exception):
    """Base of all errors that are raised on purpose. ``str(error)`` is fit to be shown to a user."""


class ConfigError(FortifiedError):
    """An option, setting, symbol or parameter is not valid. Nothing was changed."""


class DataError(FortifiedError):
    """A file or a feed holds something that cannot be used."""


class StoreUnavailable(FortifiedError):
    """The store does not answer now; the caller may try the same operation again."""


class VenueError(FortifiedError):
    """A broker or a market data venue could not serve us."""


class VenueUnavailable(VenueError):
    """The venue does not answer or answers with a server error; try again later."""


class AuthExpired(VenueError):
    """The venue refuses our credentials; authorize again."""


class RateLimited(VenueError):
    """The venue asks us to slow down."""


class AmbiguousOrder(VenueError):
    """Several orders at the venue could be one of ours; a person has to say which."""


class ProtocolError(FortifiedError):
    """A conversation broke its rules."""


class LocalProtocolError(ProtocolError):
    """We broke the rules: a bug of ours."""


class RemoteProtocolError(ProtocolError):
    """The other side broke the rules."""


class StrategyError(FortifiedError):
    """A strategy raised. The text names it, the line of its own code, and what it said."""


class InvariantError(FortifiedError):
    """State contradicts itself. The runner that sees it halts; positions stay untouched."""


class NotFound(ConfigError):
    """What was named does not exist."""


class Refused(FortifiedError):
    """A wish that is well formed but cannot be granted now; ``reasons`` says why, one sentence each."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons
