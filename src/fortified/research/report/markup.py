"""HTML that cannot be broken by what is put into it, and numbers as people read them.

Owns escaping: a text becomes markup only through ``element``. Knows nothing of results.
"""

from collections.abc import Iterable
from decimal import Decimal
from html import escape

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def element(name: str, *children: object, **attributes: object) -> Html:
    """``<name attributes>children</name>``; children that are no ``Html`` are escaped, None is left out.

    ``class_`` is the attribute ``class``, ``data_x`` is ``data-x``; True gives an attribute without a value, None and False give none.
    """
    head = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{head}>{join(children)}</{name}>")


def join(children: Iterable[object]) -> Html:
    """``children`` one after the other, escaped where they are no markup."""
    return Html("".join(child if isinstance(child, Html) else escape(str(child)) for child in children if child is not None))


def number(value: Decimal | float | None, digits: int = 2, *, sign: bool = False) -> str:
    """``1,234.50``, with a true minus; a dash for None."""
    if value is None:
        return NONE
    text = f"{abs(value):,.{digits}f}"
    negative = value < 0 and any(digit in "123456789" for digit in text)
    return (MINUS if negative else "+" if sign and value > 0 else "") + text


def percent(value: Decimal | float | None, digits: int = 1, *, sign: bool = False) -> str:
    """``value`` in percent; a dash for None."""
    return NONE if value is None else f"{number(value, digits, sign=sign)} %"


def money(value: Decimal | float | None, currency: str, digits: int = 2, *, sign: bool = False) -> str:
    """An amount of ``currency``; dollars get their sign."""
    if value is None:
        return NONE
    text = f"{abs(value):,.{digits}f}"
    negative = value < 0 and any(digit in "123456789" for digit in text)
    lead = MINUS if negative else "+" if sign and value > 0 else ""
    return f"{lead}${text}" if currency == "USD" else f"{lead}{text} {currency}"


def tone(value: Decimal | float | None) -> str | None:
    """The class that colours a gain or a loss."""
    return None if not value else "up" if value > 0 else "down"


def plural(count: int, one: str, many: str | None = None) -> str:
    """``1 trade``, ``2,500 trades``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def price_decimals(tick_size: Decimal) -> int:
    """Decimals of a price that moves by ``tick_size``."""
    exponent = tick_size.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 2
