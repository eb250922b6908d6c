"""How the simulated DXLink behaves where servers differ or fail: switches for tests.

What goes wrong with single frames and messages is for ``faults``: ``stream FEED_DATA``, ``command AUTH``.
"""

import msgspec


class Manners(msgspec.Struct):
    """Changes count from the next frame on.

    ``withheld``: types that are never delivered, as without entitlement. ``omitted``: fields that are left out, by type; ``reversed``:
    fields come in the opposite order. ``untold``: data comes without its configuration. ``full``: objects in place of flat rows.
    ``aggregation_s``: what the server makes of any period that is asked for. ``depth``: rows of a history that the server keeps.
    ``resent``: so many prints before a subscription are sent with it. ``silent``: no keep-alive is sent.
    """

    withheld: set[str] = set()
    omitted: dict[str, set[str]] = {}
    reversed: bool = False
    untold: bool = False
    full: bool = False
    aggregation_s: float | None = None
    depth: int | None = None
    resent: int = 0
    rows_per_frame: int = 1_000
    keepalive_s: float = 60.0
    silent: bool = False
