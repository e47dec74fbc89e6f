"""One cluster, sampled on a clock: its workers, its queues and what its Prometheus has."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

import pandas as pd

from data_sources.answer import Note
from data_sources.brokers import open_broker
from data_sources.celery_inspect import CeleryInspector
from data_sources.celery_snapshot import Snapshot
from data_sources.config import Cluster
from data_sources.poller import Poller
from data_sources.presence import Presence
from data_sources.prometheus import PrometheusClient, PrometheusFacts
from data_sources.queue_frame import DepthReading, listed
from data_sources.samples import Track
from data_sources.worker_facts import WorkerFacts, workers_facts

EVERY_SECONDS = 5.0
DEADLINE_SECONDS = 3.0
PROMETHEUS_EVERY_SECONDS = 20.0
# Small and always needed; the rest is asked when a page or an export wants it.
SAMPLED = ("ping", "stats", "active", "active_queues")


@dataclass(frozen=True)
class WorkersReading:
    """`frame` as `Presence.frame` promises it; `answered`: how many workers answered this round, beats not counted."""

    frame: pd.DataFrame
    answered: int
    notes: tuple[Note, ...]


class Watch:
    """Starts and ends the pollers of a cluster and keeps what they said over time."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._sampler = CeleryInspector(cluster.broker)
        self.inspector = CeleryInspector(cluster.broker)  # for what viewers ask: sampling does not wait for it
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
        """Waits for what is under way, but no longer than for a round."""
        ends = time.monotonic() + DEADLINE_SECONDS
        for poller in self.pollers:
            poller.end()
        self.inspector.close()
        if self.prometheus:
            self.prometheus.close()
        for poller in self.pollers:
            poller.stop(max(0.0, ends - time.monotonic()))
        self._sampler.close()
        self.reader.close()

    @property
    def has_prometheus(self) -> bool:
        """False when none is configured, and while none answered in the usual place, where nobody said there is one."""
        if self.facts is None or self.cluster.prometheus is None:
            return False
        reading = self.facts.read()
        return not (self.cluster.prometheus.assumed and reading.failure and reading.value is None)

    @property
    def scrape_interval(self) -> timedelta | None:
        facts = self.facts.read().value if self.facts else None
        return facts.scrape_interval if facts else None

    def _ask_workers(self) -> WorkersReading:
        snapshot = self._sampler.snapshot(
            SAMPLED,
            expected=self.presence.expected,
            deadline_seconds=DEADLINE_SECONDS,
            arguments={"active": {"safe": True}},
        )
        at = datetime.now(UTC)
        facts = workers_facts(snapshot)
        taken = self.presence.update(facts, snapshot.late, at)
        in_all = sum(taken.by_task.values()) if taken.by_worker else None
        self._keep(
            "throughput", at, {"name": taken.by_task, "worker": taken.by_worker, "": {"": in_all}}, taken.span_seconds
        )
        by_name = {name: tuple(twins) for name, twins in groupby(facts, lambda one: one.worker)}
        busy = {name: total(one.active for one in twins) for name, twins in by_name.items()}
        slots = {name: total(one.concurrency for one in twins) for name, twins in by_name.items()}
        self._keep("busy_slots", at, {"worker": busy, "": {"": total(busy.values())}})
        self._keep("slots", at, {"worker": slots, "": {"": total(slots.values())}})
        notes = notes_of(snapshot) + twin_notes(facts)
        return WorkersReading(self.presence.frame(at), len(facts), notes)

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


def total(values: Iterable[int | None]) -> int | None:
    """The sum; None when there is nothing to sum, or a part of it is not known."""
    parts = list(values)
    known = [part for part in parts if part is not None]
    return sum(known) if known and len(known) == len(parts) else None


def notes_of(snapshot: Snapshot) -> tuple[Note, ...]:
    """What workers sent and we could not use."""
    failed = [f"{worker} to {method}: {text[:200]}" for worker, method, text in snapshot.errors]
    notes = []
    if failed:
        notes.append(Note(f"Answered with an error: {listed(failed)}", "warning"))
    if snapshot.unreadable:
        notes.append(Note(f"Answers left out: {listed(snapshot.unreadable)}", "warning"))
    return tuple(notes)


def twin_notes(facts: Sequence[WorkerFacts]) -> tuple[Note, ...]:
    twins = [name for name, count in Counter(one.worker for one in facts).items() if count > 1]
    return (Note(f"Several workers have one name, {listed(twins)}; give each its own (-n)", "warning"),) * bool(twins)
