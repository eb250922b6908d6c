"""What `fortified doctor` finds."""

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One check: ``state`` is ok, note or bad."""

    check: str
    state: str
    text: str
