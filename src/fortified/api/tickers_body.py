"""The two documented bodies of a ticker configuration, and the one canonical answer.

Owns the translation between them and ``TickerConfig``. Whether symbol, timeframe, strategy and values are valid is the
manager's to say.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from fortified.domain.errors import ConfigError
from fortified.domain.exits import DURATIONS, EXIT_NAMES
from fortified.domain.instrument import normalise_symbol
from fortified.domain.ticker import TickerConfig

_VENUE_KEY = re.compile(r"([a-z][a-z0-9]*)_(quantity|symbol)")
_FIXED = (
    *("symbol", "ticker", "strategy", "timeframe", "trade_enabled", "enabled", "quantity", "demo", "parameters"),
    *(*EXIT_NAMES, "leg_failure", "sizing", "cash"),
)
_ALIASES = {"ticker": "symbol", "enabled": "trade_enabled"}
_MAX_QUANTITY = Decimal(1_000_000_000)
_MAX_CASH = Decimal(10**12)


def parse_ticker(body: Mapping[str, Any], parameters: Mapping[str, frozenset[str]]) -> TickerConfig:
    """The configuration that ``body`` asks for, in either shape.

    ``parameters`` are the names of each strategy's own; one with the name of a key of ours is given inside of ``parameters`` only. Raises
    ConfigError naming the key that is wrong and the ones that are allowed.
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
                quantities[venue] = _number(key, value, _MAX_QUANTITY)
            elif value is not None:
                symbols[venue] = normalise_symbol(_text(flat, key))
        elif key in chosen and chosen[key] != value:
            raise ConfigError(f"{key!r} is {value!r} here and {chosen[key]!r} in 'parameters'. Give it once.")
        else:
            chosen[key] = value
    _check_parameters(strategy, chosen, own)
    symbol = normalise_symbol(_text(flat, "symbol"))
    if flat.get("quantity") is not None:
        _add_plain_quantity(symbol, _number("quantity", flat["quantity"], _MAX_QUANTITY), quantities)
    config = TickerConfig(
        strategy=strategy,
        symbol=symbol,
        timeframe=_text(flat, "timeframe"),
        trade_enabled=_flag(flat, "trade_enabled", default=True),
        quantities=quantities,
        symbols=symbols,
        parameters=chosen,
        demo=_flag(flat, "demo", default=False),
    )
    return msgspec.structs.replace(config, **_rules(flat))


def ticker_answer(config: TickerConfig) -> dict[str, Any]:
    """``config`` in its canonical shape; posting it back gives the same configuration."""
    answer: dict[str, Any] = {
        "symbol": config.symbol,
        "strategy": config.strategy,
        "timeframe": config.timeframe,
        "trade_enabled": config.trade_enabled,
        "demo": config.demo,
    }
    answer |= {name: getattr(config, name) for name in (*EXIT_NAMES, "leg_failure", "sizing")} | {"cash": format(config.cash, "f")}
    answer |= {f"{venue}_quantity": _shown(quantity) for venue, quantity in sorted(config.quantities.items())}
    answer |= {f"{venue}_symbol": symbol for venue, symbol in sorted(config.symbols.items())}
    own = {name: value for name, value in config.parameters.items() if name not in _FIXED}
    return answer | own | {"parameters": dict(config.parameters)}


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
    if unknown and unknown[0] in _FIXED:
        raise ConfigError(f"{unknown[0]!r} is no parameter of strategy {strategy!r}. Give it beside 'parameters', not inside.")
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


def _rules(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Protective exits, sizing and cash, those that are given."""
    rules: dict[str, Any] = {
        name: _words(name, flat[name], "20bars, 30min or 2h" if name in DURATIONS else "20ticks, 10pts, 0.5% or 1.5atr")
        for name in EXIT_NAMES
        if flat.get(name) is not None
    }
    if flat.get("leg_failure") is not None:
        rules["leg_failure"] = _words("leg_failure", flat["leg_failure"], "hold, alert or unwind")
    if flat.get("sizing") is not None:
        rules["sizing"] = _words("sizing", flat["sizing"], "fixed, all_in or 25%")
    if flat.get("cash") is not None:
        rules["cash"] = _number("cash", flat["cash"], _MAX_CASH)
    return rules


def _words(key: str, value: object, such_as: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{key!r} must be a text such as {such_as}, not {value!r}.")
    return value.strip()


def _number(key: str, value: object, most: Decimal) -> Decimal:
    try:
        number = Decimal(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or not 0 <= number <= most:
        raise ConfigError(f"{key!r} must be a number from 0 to {most}, not {value!r}.")
    return number


def _shown(quantity: Decimal) -> int | str:
    return int(quantity) if quantity == quantity.to_integral_value() else format(quantity, "f")
