"""What a server counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from searchidx import __version__

_BOUNDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds, from a warm search of a small index to a slow one of a large."""


class Metrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "searchidx_requests", "Requests answered.", ["route", "method", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "searchidx_request_seconds", "Time to answer.", ["route"], buckets=_BOUNDS, registry=self.registry
        )
        self.busy = Gauge("searchidx_requests_busy", "Requests being worked on or waiting.", registry=self.registry)
        built = Gauge("searchidx_build", "Version of searchidx, as a label.", ["version"], registry=self.registry)
        built.labels(__version__).set(1)

    def note(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answer; ``route`` is a template such as ``/api/search``, so that there are few."""
        known = method if method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS") else "other"
        self._requests.labels(route, known, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def page(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self.registry)
