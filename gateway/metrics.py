"""What Prometheus reads at /metrics. No label holds a user, an id or a text that a caller sent."""

from functools import lru_cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = CONTENT_TYPE_LATEST

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
#: A method is whatever the client wrote; these are the ones that some route takes.
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"})


class Metrics:
    """The metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        duration = Histogram(
            "holdfast_http_request_duration_seconds",
            "Requests by route, method and status, and how long they took until their last byte",
            ("route", "method", "status"),
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._in_flight = Gauge(
            "holdfast_http_requests_in_flight", "Requests being served, streams apart", registry=registry
        )
        self._streams = Gauge("holdfast_http_streams_open", "Open streams of events", registry=registry)
        limited = Counter(
            "holdfast_http_rate_limited", "Requests refused with 429, by limit", ("by",), registry=registry
        )
        self._uncounted = Counter(
            "holdfast_http_rates_uncounted", "Requests that Redis could not count", registry=registry
        )
        upstream = Counter(
            "holdfast_upstream_errors",
            "gRPC calls that failed, by code and reason",
            ("code", "reason"),
            registry=registry,
        )
        # Finding a child by its labels costs more than counting does.
        self._duration = lru_cache(maxsize=1_024)(duration.labels)
        self._limited = lru_cache(maxsize=64)(limited.labels)
        self._upstream = lru_cache(maxsize=256)(upstream.labels)

    def request_served(self, route: str, method: str, status: int, duration_s: float) -> None:
        """Count a request; `route` is the template and never the path."""
        named = method if method in _METHODS else "other"
        self._duration(route, named, str(status)).observe(duration_s)

    def request_began(self) -> None:
        """Count a request in."""
        self._in_flight.inc()

    def request_ended(self) -> None:
        """Count a request out."""
        self._in_flight.dec()

    def stream_began(self) -> None:
        """Count a stream in."""
        self._streams.inc()

    def stream_ended(self) -> None:
        """Count a stream out."""
        self._streams.dec()

    def rate_limited(self, by: str) -> None:
        """Count a request that came too soon; `by` names the limit."""
        self._limited(by).inc()

    def rates_uncounted(self) -> None:
        """Count a request that could not be counted for its rate."""
        self._uncounted.inc()

    def upstream_failed(self, code: str, reason: str) -> None:
        """Count a failed call to a service."""
        self._upstream(code, reason).inc()

    def text(self) -> bytes:
        """Answer all of it in Prometheus' text format."""
        return generate_latest(self._registry)
