"""What a strategy is.

Owns the interface that users implement, and the translation of the forms in which a strategy may answer. A strategy knows its bars and its
own indicators; it knows no orders, no broker, no clock.
"""

import functools
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from traceback import walk_tb
from typing import Any, ClassVar, Protocol

import msgspec

from fortified.domain.errors import ConfigError, FortifiedError, StrategyError
from fortified.domain.market import Bar, BarUpdate
from fortified.domain.signal import OrderSide, Signal, Target
from fortified.domain.timeframe import Timeframe
from fortified.indicators.base import Indicator

Answer = Signal | Mapping[str, Any] | None
Answers = Answer | Iterable[Signal | Mapping[str, Any]]
PLAIN = (int, float, str, bool, type(None))
CALLERS = 4
"""Lines that led to the one that raised, as far as they are told."""


class Logger(Protocol):
    """The part of a logger that strategies use."""

    def info(self, message: str, *args: Any) -> None: ...
    def warning(self, message: str, *args: Any) -> None: ...


class StrategyConfig(msgspec.Struct, frozen=True):
    """What a strategy is told about its place: symbol, timeframe and the raw parameters of its configuration."""

    symbol: str
    timeframe: str
    parameters: Mapping[str, Any] = msgspec.field(default_factory=dict)


class StrategyPosition(msgspec.Struct, frozen=True):
    """Where the strategy stands. A flat strategy is given None instead."""

    target: Target
    quantity: float
    average_price: float

    @property
    def side(self) -> str:
        return self.target.name


class BaseStrategy(ABC):
    """A strategy for one symbol and timeframe.

    Subclass it in one file: give it a ``name``, a nested frozen ``Params`` (a ``msgspec.Struct`` with typed, bounded, defaulted fields),
    and ``on_new_bar``. Attributes that are indicators or plain data are made durable by themselves; a subclass that keeps anything else
    overrides ``snapshot`` and ``restore``.
    """

    name: ClassVar[str]
    title: ClassVar[str] = ""

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """No parameters."""

    def __init__(self, config: StrategyConfig, logger: Logger) -> None:
        self.config = config
        self.logger = logger
        self.params: Any = parse_params(type(self), config.parameters)

    @abstractmethod
    def warmup_periods(self) -> int:
        """How many closed bars must be seen before the first signal may be acted on."""

    @abstractmethod
    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Answers:
        """Called with each closed bar: a ``Signal``, several, the mission's dict form, or nothing."""

    def on_tick(self, tick: BarUpdate, current_position: StrategyPosition | None) -> Answers:
        """Called after each tick when a subclass overrides it."""
        return None

    def timeframes(self) -> Mapping[str, int]:
        """Other timeframes of the symbol, each with the closed bars of it that must be seen before an entry; none by default.

        Their bars are given to ``on_other_bar``, those that ended before or with a bar of the strategy's own before it.
        """
        return {}

    def on_other_bar(self, bar: Bar) -> None:
        """Called with each closed bar of ``timeframes()``. It may change what the strategy knows; signals come from its own bars."""
        return

    @classmethod
    def wants_ticks(cls) -> bool:
        """Whether ``on_tick`` is overridden."""
        return cls.on_tick is not BaseStrategy.on_tick

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        state: dict[str, Any] = {}
        for name, value in vars(self).items():
            if name in _NOT_STATE:
                continue
            state[name] = value.snapshot() if isinstance(value, Indicator) else _plain(type(self), name, value)
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state that ``snapshot`` gave."""
        for name, value in state.items():
            held = getattr(self, name, None)
            if isinstance(held, Indicator):
                held.restore(value)
            else:
                setattr(self, name, value)


def new_strategy(strategy: type[BaseStrategy], config: StrategyConfig, logger: Logger) -> BaseStrategy:
    """A fresh instance.

    Raises:
        ConfigError: a parameter is not possible. StrategyError: its ``__init__`` raised.
    """
    try:
        return strategy(config, logger)
    except FortifiedError:
        raise
    except Exception as error:
        raise failure(strategy, error, "its creation") from error


def own_warmup(strategy: BaseStrategy) -> int:
    """The closed bars that ``warmup_periods`` asks for.

    Raises:
        ConfigError: that is no number of bars. StrategyError: it raised.
    """
    try:
        bars = strategy.warmup_periods()
    except Exception as error:
        raise failure(strategy, error, "warmup_periods()") from error
    if type(bars) is not int or bars < 0:
        raise ConfigError(f"strategy {strategy.name!r}: warmup_periods() gave {bars!r}; return a whole number of bars, 0 or more")
    return bars


def own_timeframes(strategy: BaseStrategy) -> Mapping[str, int]:
    """The other timeframes that ``timeframes`` asks for, canonical name → closed bars.

    Raises:
        ConfigError: one is no timeframe, is the strategy's own, or its number of bars is none. StrategyError: it raised.
    """
    try:
        asked = dict(strategy.timeframes())
    except Exception as error:
        raise failure(strategy, error, "timeframes()") from error
    found: dict[str, int] = {}
    for text, bars in asked.items():
        name = Timeframe.parse(text).name
        if type(bars) is not int or bars < 0:
            raise ConfigError(f"strategy {strategy.name!r}: timeframes() asks for {bars!r} bars of {text}; give a whole number, 0 or more")
        if name == strategy.config.timeframe:
            raise ConfigError(f"strategy {strategy.name!r}: timeframes() names {name}, its own timeframe; name others only")
        found[name] = max(bars, found.get(name, 0))
    return found


def failure(strategy: BaseStrategy | type[BaseStrategy], error: Exception, moment: str) -> StrategyError:
    """``error``, which ``strategy`` raised at ``moment``, in words: the lines of its own module on the way there, and what."""
    module = strategy.__module__
    steps = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__) if frame.f_globals.get("__name__") == module]
    place = str(getattr(sys.modules[module], "__file__", module))
    if steps:
        place = f"{steps[-1][0]}, line {steps[-1][1]}"
        place += "".join(f", called from line {line}" for _, line in steps[-2 : -2 - CALLERS : -1])
    return StrategyError(f"strategy {strategy.name!r} failed on {moment}, at {place}: {type(error).__name__}: {error}")


def moment_of(bar: Bar) -> str:
    """Which bar that was, in words."""
    return f"the {bar.timeframe} bar of {bar.symbol} that opened at {bar.ts_open}"


_NOT_STATE = frozenset({"config", "logger", "params"})


def _plain(owner: type[BaseStrategy], name: str, value: Any) -> Any:
    if type(value) in PLAIN:  # a subclass, such as an enum, would come back as its base
        return value
    if type(value) is list:
        return [_plain(owner, name, item) for item in value]
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: _plain(owner, name, item) for key, item in value.items()}
    raise ConfigError(
        f"strategy {owner.__name__}: attribute {name!r} of type {type(value).__name__} cannot be made durable; keep indicators, numbers, "
        "texts, lists or dicts (by text) of these plain values, or override snapshot() and restore()"
    )


@functools.cache
def _names(params: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(params.__struct_fields__)


def parse_params(strategy: type[BaseStrategy], parameters: Mapping[str, Any]) -> Any:
    """``parameters`` as the strategy's ``Params``; numbers may come as text.

    Raises:
        ConfigError: an unknown parameter, or a value that is not of its type or out of its bounds.
    """
    known = _names(strategy.Params)
    declares = strategy.Params is not BaseStrategy.Params
    for name in parameters:
        if declares and name not in known:
            raise ConfigError(f"strategy {strategy.name!r} has no parameter {name!r}; it has: {', '.join(sorted(known)) or 'none'}")
    try:
        return msgspec.convert({name: parameters[name] for name in parameters if name in known}, strategy.Params, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"strategy {strategy.name!r}: {error}") from None


def signals_of(answers: Answers, position: Target, symbol: str) -> list[Signal]:
    """The answers of a strategy for ``symbol`` as signals; ``position`` is where it stands.

    Raises:
        ConfigError: an answer is neither a Signal nor the documented dict, or is for another symbol.
    """
    if answers is None:
        return []
    if isinstance(answers, Signal | Mapping):
        return [_signal(answers, position, symbol)]
    if isinstance(answers, Iterable):
        return [_signal(answer, position, symbol) for answer in answers]
    raise ConfigError(f"a strategy answered {answers!r}; expected a Signal, a dict with 'side' and 'reason', a list of them, or nothing")


def _signal(answer: object, position: Target, symbol: str) -> Signal:
    if isinstance(answer, Signal):
        return answer if isinstance(answer.target, Target) else msgspec.structs.replace(answer, target=Target(answer.target))
    if not isinstance(answer, Mapping) or "side" not in answer:
        raise ConfigError(f"a strategy answered {answer!r}; expected a Signal or a dict with 'side' and 'reason'")
    if answer.get("symbol", symbol) != symbol:
        raise ConfigError(f"a strategy for {symbol} answered an order for {answer['symbol']!r}; it can trade its own symbol only")
    try:
        side = OrderSide(str(answer["side"]).upper())
    except ValueError:
        raise ConfigError(f"a strategy answered side {answer['side']!r}; expected BUY or SELL") from None
    reason = str(answer.get("reason", ""))
    wished = Target(side.sign)
    closes = position is not Target.FLAT and position is not wished
    # An order form says "buy", which closes a short; only a reason that names an entry turns it around.
    if reason.startswith("exit") or (closes and not reason.startswith("entry")):
        wished = Target.FLAT if closes else position
    return Signal(wished, reason)
