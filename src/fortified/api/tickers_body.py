"""The two documented bodies of a ticker configuration, and the one canonical answer.

Owns the translation between them and ``TickerConfig``. Whether symbol, timeframe, strategy and values are valid is the
manager's to say.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from fortified.domain.errors import ConfigError
from fortified.domain.instrument import normalise_symbol
from fortified.domain.ticker import TickerConfig

_VENUE_KEY = re.compile(r"([a-z][a-z0-9]*)_(quantity|symbol)")
_FIXED = ("symbol", "ticker", "strategy", "timeframe", "trade_enabled", "enabled", "quantity", "demo", "parameters")
_ALIASES = {"ticker": "symbol", "enabled": "trade_enabled"}
_MAX_QUANTITY = Decimal(1_000_000_000)


def parse_ticker(body: Mapping[str, Any], parameters: Mapping[str, frozenset[str]]) -> TickerConfig:
    """The configuration that ``body`` asks for, in either shape.

    ``parameters`` are the names of each strategy's own. Raises ConfigError naming the key that is wrong and the ones that are allowed.
    """
    flat = _flatten(body)
    strategy = _text(flat, "strategy")
    own = parameters.get(strategy)
    chosen: dict[str, Any] = dict(_mapping(flat.get("parameters"), "parameters"))
    quantities: dict[str, Decimal] = {}
    symbols: dict[str, str] = {}
    for key, value in flat.items():
        match = _VENUE_KEY.fullmatch(key)
        if key in _FIXED:
            continue
        if match and not (own and key in own):
            venue, what = match.groups()
            if value is not None and what == "quantity":
                quantities[venue] = _quantity(key, value)
            elif value is not None:
                symbols[venue] = normalise_symbol(_text(flat, key))
        elif key in chosen and chosen[key] != value:
            raise ConfigError(f"{key!r} is {value!r} here and {chosen[key]!r} in 'parameters'. Give it once.")
        else:
            chosen[key] = value
    _check_parameters(strategy, chosen, own)
    symbol = normalise_symbol(_text(flat, "symbol"))
    if flat.get("quantity") is not None:
        _add_plain_quantity(symbol, _quantity("quantity", flat["quantity"]), quantities)
    return TickerConfig(
        strategy=strategy,
        symbol=symbol,
        timeframe=_text(flat, "timeframe"),
        trade_enabled=_flag(flat, "trade_enabled", default=True),
        quantities=quantities,
        symbols=symbols,
        parameters=chosen,
        demo=_flag(flat, "demo", default=False),
    )


def ticker_answer(config: TickerConfig) -> dict[str, Any]:
    """``config`` in its canonical shape; posting it back gives the same configuration."""
    answer: dict[str, Any] = {
        "symbol": config.symbol,
        "strategy": config.strategy,
        "timeframe": config.timeframe,
        "trade_enabled": config.trade_enabled,
        "demo": config.demo,
    }
    answer |= {f"{venue}_quantity": _number(quantity) for venue, quantity in sorted(config.quantities.items())}
    answer |= {f"{venue}_symbol": symbol for venue, symbol in sorted(config.symbols.items())}
    return answer | {**config.parameters, "parameters": dict(config.parameters)}


def _flatten(body: Mapping[str, Any]) -> dict[str, Any]:
    outer = {key: value for key, value in body.items() if key != "config"}
    flat: dict[str, Any] = {}
    for part in (outer, _mapping(body.get("config"), "config")):
        for key, value in part.items():
            name = _ALIASES.get(key, key)
            if name in flat and flat[name] != value:
                raise ConfigError(f"{name!r} is given twice, as {flat[name]!r} and {value!r}. Give it once.")
            flat[name] = value
    return flat


def _check_parameters(strategy: str, chosen: Mapping[str, Any], own: frozenset[str] | None) -> None:
    unknown = sorted(set(chosen) - own) if own is not None else []
    if unknown:
        allowed = [*_FIXED, "{broker}_quantity", "{broker}_symbol", *sorted(own or ())]
        raise ConfigError(f"Unknown key {unknown[0]!r} for strategy {strategy!r}. Allowed: {', '.join(allowed)}.")


def _add_plain_quantity(symbol: str, quantity: Decimal, quantities: dict[str, Decimal]) -> None:
    venue = "tastytrade" if symbol.startswith("/") else "schwab"
    if quantities.get(venue, quantity) != quantity:
        raise ConfigError(f"'quantity' means {venue}_quantity for {symbol}, and both are given. Give one.")
    quantities[venue] = quantity


def _mapping(value: object, key: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{key!r} must be an object, not {value!r}.")
    return value


def _text(flat: Mapping[str, Any], key: str) -> str:
    value = flat.get(key)
    if isinstance(value, int) and not isinstance(value, bool) and key == "timeframe":
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{key!r} is missing or no text: give it as a string.")
    return value.strip()


def _flag(flat: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = flat.get(key, default)
    if not isinstance(value, bool):
        raise ConfigError(f"{key!r} must be true or false, not {value!r}.")
    return value


def _quantity(key: str, value: object) -> Decimal:
    try:
        quantity = Decimal(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except InvalidOperation:
        quantity = None
    if quantity is None or not quantity.is_finite() or not 0 <= quantity <= _MAX_QUANTITY:
        raise ConfigError(f"{key!r} must be a number from 0 to {_MAX_QUANTITY}, not {value!r}.")
    return quantity


def _number(quantity: Decimal) -> int | str:
    return int(quantity) if quantity == quantity.to_integral_value() else format(quantity, "f")
