"""One cluster, sampled on a clock: its workers, its queues and what its Prometheus has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from data_sources.answer import Note
from data_sources.brokers import open_broker
from data_sources.celery_inspect import CeleryInspector
from data_sources.celery_snapshot import Snapshot
from data_sources.config import Cluster
from data_sources.poller import Poller
from data_sources.presence import Presence
from data_sources.prometheus import PrometheusClient, PrometheusFacts
from data_sources.queue_frame import DepthReading
from data_sources.samples import Track
from data_sources.worker_facts import workers_facts

EVERY_SECONDS = 5.0
DEADLINE_SECONDS = 3.0
PROMETHEUS_EVERY_SECONDS = 20.0
# Small and always needed; the rest is asked when a page or an export wants it.
SAMPLED = ("ping", "stats", "active", "active_queues")


@dataclass(frozen=True)
class WorkersReading:
    """`frame` as `Presence.frame` promises it; `answered`: how many workers answered this round."""

    frame: pd.DataFrame
    answered: int
    notes: tuple[Note, ...]


class Watch:
    """Starts and ends the pollers of a cluster and keeps what they said over time."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.inspector = CeleryInspector(cluster.broker)
        self.reader = open_broker(cluster)
        self.prometheus = PrometheusClient(cluster.prometheus) if cluster.prometheus else None
        self.presence = Presence()
        self.tracks = {
            ("throughput", "name"): Track("name", increments=True),
            ("throughput", "worker"): Track("worker", increments=True),
            ("throughput", ""): Track("", increments=True),
            ("busy_slots", "worker"): Track("worker"),
            ("busy_slots", ""): Track(""),
            ("slots", "worker"): Track("worker"),
            ("slots", ""): Track(""),
            ("depth", "queue"): Track("queue"),
            ("depth", ""): Track(""),
            ("unacked", "queue"): Track("queue"),
            ("unacked", ""): Track(""),
        }
        self.workers = Poller("Celery", self._ask_workers, EVERY_SECONDS, on_failure=self._workers_unknown)
        self.queues = Poller("Broker", self._read_queues, EVERY_SECONDS, self._keep_depths, self._depths_unknown)
        self.facts = Poller("Prometheus", self.prometheus.facts, PROMETHEUS_EVERY_SECONDS) if self.prometheus else None

    @property
    def pollers(self) -> list[Poller[WorkersReading] | Poller[DepthReading] | Poller[PrometheusFacts]]:
        return [self.workers, self.queues, *([self.facts] if self.facts else [])]

    def start(self) -> None:
        for poller in self.pollers:
            poller.start()

    def stop(self) -> None:
        for poller in self.pollers:
            poller.stop()
        self.inspector.close()
        self.reader.close()
        if self.prometheus:
            self.prometheus.close()

    @property
    def scrape_interval(self) -> timedelta | None:
        facts = self.facts.read().value if self.facts else None
        return facts.scrape_interval if facts else None

    def _ask_workers(self) -> WorkersReading:
        snapshot = self.inspector.snapshot(
            SAMPLED,
            expected=self.presence.expected,
            deadline_seconds=DEADLINE_SECONDS,
            arguments={"active": {"safe": True}},
        )
        at = datetime.now(UTC)
        facts = workers_facts(snapshot)
        taken = self.presence.update(facts, snapshot.late, at)
        total = sum(taken.by_task.values()) if taken.by_worker else None
        self._keep(
            "throughput", at, {"name": taken.by_task, "worker": taken.by_worker, "": {"": total}}, taken.span_seconds
        )
        busy = {one.worker: one.active for one in facts}
        slots = {one.worker: one.concurrency for one in facts}
        self._keep("busy_slots", at, {"worker": busy, "": {"": known_sum(busy)}})
        self._keep("slots", at, {"worker": slots, "": {"": known_sum(slots)}})
        return WorkersReading(self.presence.frame(at), len(snapshot.answered), notes_of(snapshot))

    def _workers_unknown(self, at: datetime) -> None:
        for measurement in ("throughput", "busy_slots", "slots"):
            self._keep(measurement, at, {"name": {}, "worker": {}, "": {}})

    def _read_queues(self) -> DepthReading:
        return self.reader.depths(self.presence.queues, deadline_seconds=DEADLINE_SECONDS)

    def _keep_depths(self, reading: DepthReading, at: datetime) -> None:
        ready, unacked = reading.per_queue("ready"), reading.per_queue("unacked")
        self._keep("depth", at, {"queue": ready, "": {"": reading.totals.get("ready")}})
        self._keep("unacked", at, {"queue": unacked, "": {"": reading.totals.get("unacked")}})

    def _depths_unknown(self, at: datetime) -> None:
        for measurement in ("depth", "unacked"):
            self._keep(measurement, at, {"queue": {}, "": {}})

    def _keep(
        self,
        measurement: str,
        at: datetime,
        values: Mapping[str, Mapping[str, float | None]],
        span_seconds: float = 0.0,
    ) -> None:
        for by, split in values.items():
            if track := self.tracks.get((measurement, by)):
                track.append(at, split, span_seconds)


def known_sum(values: Mapping[str, float | None]) -> float | None:
    """The sum of what is known; None when nothing is."""
    known = [value for value in values.values() if value is not None]
    return sum(known) if known else None


def notes_of(snapshot: Snapshot) -> tuple[Note, ...]:
    names = [facts.worker for facts in workers_facts(snapshot)]
    twins = sorted({name for name in names if names.count(name) > 1})
    return tuple(Note(f"Two workers are called {name}; give each its own name (-n)", "warning") for name in twins)
