"""Prometheus metrics of one application, in a registry of its own.

Owns names and labels. Reads the system when it is scraped; nothing is counted twice.
"""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from fortified.api.facade import TradingFacade
from fortified.orchestration.events import RunnerStatus

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_RUNNER_LABELS = ("strategy", "symbol", "timeframe", "mode")
_RUNNER_GAUGES: dict[str, tuple[str, Callable[[RunnerStatus], float | None]]] = {
    "bars_seen": ("Bars the runner has seen.", lambda status: status.bars_seen),
    "working_orders": ("Orders at work.", lambda status: status.working_orders),
    "lag_seconds": ("Age of the last event when it was processed.", lambda status: _seconds(status.lag_ms)),
    "running": ("1 while the runner trades.", lambda status: status.state == "running"),
}


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1_000


class Metrics:
    """Counters of HTTP requests, and gauges read from the trading system and the hub on each scrape."""

    def __init__(self, manager: TradingFacade, clients: Callable[[], int], dropped: Callable[[], int]) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        labels = ("method", "route", "status")
        self._requests = Counter("fortified_http_requests", "HTTP requests.", labels, registry=self.registry)
        self._seconds = Histogram(
            "fortified_http_request_seconds",
            "Time to answer.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.registry.register(_SystemCollector(manager, clients, dropped))

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request; ``route`` is the template, so that labels stay few."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)


class _SystemCollector(Collector):
    def __init__(self, manager: TradingFacade, clients: Callable[[], int], dropped: Callable[[], int]) -> None:
        self._manager = manager
        self._clients = clients
        self._dropped = dropped

    def collect(self) -> Iterator[Metric]:
        health = self._manager.health()
        yield GaugeMetricFamily("fortified_runners", "Runners.", health.runners)
        yield GaugeMetricFamily("fortified_runners_halted", "Runners that halted.", health.halted)
        yield GaugeMetricFamily("fortified_websocket_clients", "Connected WebSocket clients.", self._clients())
        yield GaugeMetricFamily("fortified_websocket_clients_dropped", "Closed for being slow.", self._dropped())
        for name in ("ticks", "late", "out_of_session", "age_s"):
            unit = "fortified_feed_age_seconds" if name == "age_s" else f"fortified_feed_{name}"
            family = GaugeMetricFamily(unit, f"Per feed: {name}.", labels=("symbol", "source"))
            for feed in health.feeds:
                if (value := getattr(feed, name)) is not None:
                    family.add_metric((feed.symbol, feed.source), value)
            yield family
        runners = self._manager.status()
        for name, (text, read) in _RUNNER_GAUGES.items():
            family = GaugeMetricFamily(f"fortified_runner_{name}", text, labels=_RUNNER_LABELS)
            for status in runners:
                if (value := read(status)) is not None:
                    family.add_metric((status.strategy, status.symbol, status.timeframe, status.mode), float(value))
            yield family
