"""One cluster, watched: what its recorder wrote last, and what its Prometheus has."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeVar

from data_sources.brokers.looks import Looks
from data_sources.brokers.queue_depths import DepthReading
from data_sources.config import Cluster, Secret
from data_sources.errors import SourceUnreachable
from data_sources.failure import Failure
from data_sources.history.place import place
from data_sources.history.reader import HistoryReader
from data_sources.latest import RecorderState, depths_from_json, reading, workers_from_json
from data_sources.microseconds import moment
from data_sources.poller import Poller, Reading
from data_sources.prometheus.client import PrometheusClient, PrometheusFacts
from data_sources.prometheus.whose import ANYBODY, Whose
from data_sources.workers.celery_inspect import CeleryInspector
from data_sources.workers.worker_rows import WorkersReading

T = TypeVar("T")

KINDS = ("recorder", "workers", "queues")
LOOK_SECONDS = 0.5  # between two looks at what the recorder wrote last; all viewers share them
LOOK = timedelta(seconds=LOOK_SECONDS)
ALIVE_SECONDS = 10.0  # without a heartbeat of the recorder: it is gone. It has one each second
ALIVE = timedelta(seconds=ALIVE_SECONDS)
PROMETHEUS_EVERY_SECONDS = 20.0
STOP_SECONDS = 3.0


@dataclass(frozen=True)
class Now:
    """What the recorder wrote last. `recorder`: its own state, measured at its last heartbeat. `began`: when the
    recording did.
    """

    began: datetime | None = None
    workers: Reading[WorkersReading] = field(default_factory=Reading)
    queues: Reading[DepthReading] = field(default_factory=Reading)
    recorder: Reading[RecorderState] = field(default_factory=Reading)


class Watch:
    """Looks at one cluster's history and its Prometheus on a clock, and holds the clients that ask the rest."""

    def __init__(self, cluster: Cluster, history_url: Secret | None = None, whose: Whose = ANYBODY) -> None:
        self.cluster = cluster
        self.whose = whose
        self.history = HistoryReader(place(history_url, cluster))
        self.inspector = CeleryInspector(cluster.broker)
        self.prometheus = PrometheusClient(cluster.prometheus, whose) if cluster.prometheus else None
        self.looks = Looks()
        self.facts = Poller("Prometheus", self.prometheus.facts, PROMETHEUS_EVERY_SECONDS) if self.prometheus else None
        self._now = Poller("Recorder", self._look, LOOK_SECONDS)
        # The same text is the same value: what is made of it for one viewer does for all until there is a newer one.
        self._workers_of, self._depths_of = lru_cache(1)(workers_from_json), lru_cache(1)(depths_from_json)
        self._began = time.monotonic()
        self._beat: datetime | None = None  # the recorder's last heartbeat, and when it was new to us
        self._beat_seen = float("-inf")

    @property
    def pollers(self) -> list[Poller[Now] | Poller[PrometheusFacts]]:
        return [self._now, *([self.facts] if self.facts else [])]

    def start(self) -> None:
        for poller in self.pollers:
            poller.start()

    def stop(self) -> None:
        """Waits for what is under way, but not long."""
        ends = time.monotonic() + STOP_SECONDS
        for poller in self.pollers:
            poller.end()
        self.inspector.close()
        if self.prometheus:
            self.prometheus.close()
        for poller in self.pollers:
            poller.stop(max(0.0, ends - time.monotonic()))
        self.history.close()

    def workers(self, wait_seconds: float = 0.0) -> Reading[WorkersReading]:
        return self._read(lambda now: now.workers, wait_seconds)

    def queues(self, wait_seconds: float = 0.0) -> Reading[DepthReading]:
        return self._read(lambda now: now.queues, wait_seconds)

    def recorder(self, wait_seconds: float = 0.0) -> Reading[RecorderState]:
        return self._read(lambda now: now.recorder, wait_seconds)

    def recorded_since(self, start: datetime) -> bool:
        """Whether the recording began by then, as far as is known."""
        look = self._now.read().value
        return look is not None and look.began is not None and look.began <= start

    def _read(self, part: Callable[[Now], Reading[T]], wait_seconds: float) -> Reading[T]:
        """One kind of answer; while the history or its recorder is away, that is why there is no newer one."""

        def of(look: Reading[Now]) -> Reading[T]:
            known: Reading[T] = part(look.value) if look.value else Reading()
            return replace(known, failure=look.failure) if look.failure else known

        return of(self._now.read(wait_seconds, lambda look: not of(look).pending))

    def _look(self) -> Now:
        """Raises SourceUnreachable when there is no history, unless its recorder may be starting."""
        try:
            rows, began = self.history.look(KINDS)
        except SourceUnreachable:
            if self._may_be_starting:
                return Now()
            raise
        recorder = reading(rows["recorder"], RecorderState.from_json)
        now = Now(
            began,
            self._of_this_recorder(reading(rows["workers"], self._workers_of), recorder),
            self._of_this_recorder(reading(rows["queues"], self._depths_of), recorder),
            recorder,
        )
        if self._is_alive(recorder):
            return now
        if self._may_be_starting:
            return Now()
        failure = silence(recorder)
        return Now(
            began,
            replace(now.workers, failure=failure),
            replace(now.queues, failure=failure),
            replace(now.recorder, failure=failure),
        )

    @property
    def _may_be_starting(self) -> bool:
        return time.monotonic() - self._began < ALIVE_SECONDS

    def _of_this_recorder(self, known: Reading[T], recorder: Reading[RecorderState]) -> Reading[T]:
        """What an earlier recorder left is no answer while this one has not asked yet, unless it is as good as new."""
        if known.failure or known.measured_at is None or recorder.value is None:
            return known
        old = datetime.now(UTC) - known.measured_at > ALIVE
        return Reading() if old and known.measured_at < moment(recorder.value.since_us) else known

    def _is_alive(self, recorder: Reading[RecorderState]) -> bool:
        """Its clock may not be ours: what counts is that its heartbeat changes."""
        now, beat = time.monotonic(), recorder.measured_at
        if beat is None:
            return False
        if beat != self._beat and (self._beat is not None or abs(datetime.now(UTC) - beat) < ALIVE):
            self._beat_seen = now
        self._beat = beat
        return now - self._beat_seen < ALIVE_SECONDS

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


def silence(recorder: Reading[RecorderState]) -> Failure:
    """Why nothing newer is known: the recorder is gone, or never began."""
    now, beat = datetime.now(UTC), recorder.measured_at
    hint = "The dashboard starts one when none runs; its log says why it does not write"
    if beat is None or recorder.value is None:
        return Failure("unreachable", "Recorder", "has written nothing yet", hint, now, now + LOOK)
    who = f"process {recorder.value.pid} on {recorder.value.host}"
    what = f"{who} has written nothing since {beat:%Y-%m-%d %H:%M:%S} UTC"
    return Failure("unreachable", "Recorder", what, hint, beat, now + LOOK)
