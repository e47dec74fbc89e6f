"""`/metrics`: what histories say now, read anew for each scrape, by the dashboard's route or by a server of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import HTTPServer
from typing import Protocol
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from data_sources.errors import ConfigError, SourceError, SourceUnreachable
from data_sources.latest import RecorderState, Row, depths_from_json, reading, workers_from_json
from recorder.counters import read_cells
from recorder.exposition import FRESH, Known, families

log = logging.getLogger(__name__)


class LatestReader(Protocol):
    def latest(self, kind: str) -> Row | None:
        """A row of `schema.latest`. Raises SourceError."""


def known(reader: LatestReader, now: datetime) -> Known:
    """A history's answers of the moment, those that are fresh. Raises SourceError."""
    try:
        counters = reading(reader.latest("counters"), read_cells)
        workers = reading(reader.latest("workers"), workers_from_json)
        queues = reading(reader.latest("queues"), depths_from_json)
        state = reading(reader.latest("recorder"), RecorderState.from_json)
    except (ValueError, TypeError, KeyError) as exc:
        hint = "The recorder is of another version than the dashboard"
        raise SourceUnreachable("History", "what the recorder wrote last cannot be read", hint) from exc

    def is_fresh(measured_at: datetime | None) -> bool:
        return measured_at is not None and now - measured_at <= FRESH

    alive = is_fresh(state.measured_at)
    sources = {"workers": workers.failure, "queues": queues.failure}
    asked = {"workers": not workers.pending, "queues": not queues.pending}
    return Known(
        cells=counters.value if counters.value and is_fresh(counters.measured_at) else {},
        workers=workers.value if is_fresh(workers.measured_at) else None,
        queues=queues.value if is_fresh(queues.measured_at) else None,
        state=state.value if alive else None,
        up={source: failure is None for source, failure in sources.items() if alive and asked[source]},
    )


class Recorders(Collector):
    """The recorders of several clusters, as prometheus_client collects them."""

    def __init__(self, readers: Mapping[str, LatestReader]) -> None:
        self._readers = readers

    def collect(self) -> list[Metric]:
        """Raises SourceError when no history at all can be read; one of several is only down."""
        now = datetime.now(UTC)
        clusters, failures = {}, []
        for cluster, reader in self._readers.items():
            try:
                clusters[cluster] = known(reader, now)
            except SourceError as error:
                clusters[cluster] = Known()
                failures.append(error)
        if failures and len(failures) == len(clusters):
            raise failures[0]
        return families(clusters, now)


def exposition(metrics: Sequence[Metric], accept: str) -> tuple[bytes, str]:
    """The text and its content type: OpenMetrics or Prometheus's own, as `accept` asks for."""
    encode, content_type = choose_encoder(accept)
    return encode(Collected(metrics)), content_type


@dataclass(frozen=True)
class Collected(Collector):
    metrics: Sequence[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.metrics


def serve(address: str, readers: Mapping[str, LatestReader]) -> HTTPServer:
    """Serves on `host:port`, in threads, until it is shut down. Raises ConfigError when it cannot."""
    host, port = host_and_port(address)
    # What is collected has no names until then: `?name[]=` is looked for among all of it.
    registry = CollectorRegistry(auto_describe=False, support_collectors_without_names=True)
    registry.register(Recorders(readers))
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as exc:
        raise ConfigError("--metrics", f"cannot listen there: {exc.strerror}") from exc
    log.info("metrics are on http://%s:%d/metrics", host, server.server_port)
    return server


def host_and_port(address: str) -> tuple[str, int]:
    """`127.0.0.1:9808`, `[::1]:9808`, or `:9808` for loopback. Raises ConfigError."""
    try:
        parts = urlsplit(f"//{address}")
        port = parts.port
    except ValueError:
        port = None
    if port is None or parts.path or parts.username is not None:
        raise ConfigError("--metrics", "must be host:port, or :port for this machine alone")
    return parts.hostname or "127.0.0.1", port
