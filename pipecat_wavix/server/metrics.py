"""What a server counts, in Prometheus' text format.

It knows names and labels. It refuses to know why something happened; labels are words of ours,
never anything that came from outside.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = prometheus.CONTENT_TYPE_LATEST

_SETUP_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 3, 5, 10)


class Metrics:
    """The counters of one router.

    Args:
        active_calls: Asked for the number of calls in progress.
        rest_requests: The client's own count, by method, route and status.
    """

    def __init__(
        self,
        active_calls: Callable[[], int],
        rest_requests: Mapping[Any, int],
    ):
        self._registry = prometheus.CollectorRegistry()
        self._registry.register(_RestRequests(rest_requests))
        active = prometheus.Gauge(
            "wavix_active_calls",
            "Calls that are being answered or talked on",
            registry=self._registry,
        )
        active.set_function(active_calls)
        self._webhooks = prometheus.Counter(
            "wavix_webhooks",
            "Webhooks received: news, known, foreign, unreadable or too_many",
            ["result"],
            registry=self._registry,
        )
        self._calls = prometheus.Counter(
            "wavix_calls",
            "Calls, by what became of our taking or making them",
            ["direction", "outcome"],
            registry=self._registry,
        )
        self._refused = prometheus.Counter(
            "wavix_refused_sockets",
            "Media sockets that were not let in, or put out again: token, used, busy, start, call",
            ["reason"],
            registry=self._registry,
        )
        self._setup = prometheus.Histogram(
            "wavix_setup_seconds",
            "From a call's webhook to its stream",
            buckets=_SETUP_BUCKETS,
            registry=self._registry,
        )

    def webhook(self, result: str) -> None:
        """Count a webhook."""
        self._webhooks.labels(result).inc()

    def call(self, direction: str, outcome: str) -> None:
        """Count what became of a call."""
        self._calls.labels(direction, outcome).inc()

    def refused(self, reason: str) -> None:
        """Count a socket that is no call's."""
        self._refused.labels(reason).inc()

    def setup(self, secs: float) -> None:
        """Note how long it took from a webhook to the stream."""
        self._setup.observe(secs)

    def text(self) -> bytes:
        """All of it, for `GET /metrics`."""
        return prometheus.generate_latest(self._registry)


class _RestRequests(Collector):
    """Reads the client's count when it is asked for, so that nothing is counted twice."""

    def __init__(self, requests: Mapping[Any, int]):
        self._requests = requests

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "wavix_rest_requests",
            "Requests to Wavix's REST API",
            labels=["method", "route", "status"],
        )
        for (method, route, status), count in self._requests.items():
            family.add_metric([method, route, str(status)], count)
        yield family
