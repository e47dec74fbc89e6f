"""One cluster's workers and queues, asked on a clock: the answers of the moment, and samples over time."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, groupby
from typing import TypeVar

from data_sources import latest
from data_sources.brokers.broker_errors import SOURCE
from data_sources.brokers.open import open_broker
from data_sources.brokers.queue_depths import DepthReading
from data_sources.brokers.queue_flow import QueueFlow
from data_sources.brokers.visibility import Visibility
from data_sources.config import Cluster
from data_sources.microseconds import MICROSECOND, microseconds
from data_sources.note import Note, listed
from data_sources.poller import Poller, Reading
from data_sources.schema import SAMPLE_LEVELS
from data_sources.workers.accepted import Taken
from data_sources.workers.celery_inspect import CeleryInspector
from data_sources.workers.delivery import deliveries
from data_sources.workers.presence import Presence
from data_sources.workers.seen import Beside, Key
from data_sources.workers.snapshot import Snapshot, notes_of
from data_sources.workers.verdict import is_counted
from data_sources.workers.worker_facts import WorkerFacts, slowest, workers_facts
from data_sources.workers.worker_rows import Row, WorkersReading
from recorder.batch import Latest, Sample
from recorder.follow import Follower
from recorder.gaps import Gaps
from recorder.inbox import Inbox
from recorder.senders import Totals, present

T = TypeVar("T")

EVERY_SECONDS = 5.0
DEADLINE_SECONDS = 3.0
LIMITS_SECONDS = 1.0
# Small and always needed; the rest is asked when a page or an export wants it.
SAMPLED = ("ping", "stats", "active", "active_queues")

Split = Mapping[str, float | None]  # a value by name, queue or worker; None: unknown


class Sampler:
    """Starts and ends the pollers of a cluster and hands on what they say.

    `follower` hears the workers' heartbeats; `earlier`: the workers that a recorder before this one knew.
    """

    def __init__(
        self, cluster: Cluster, inbox: Inbox, gaps: Gaps, follower: Follower, earlier: Sequence[Row] = ()
    ) -> None:
        self._follower = follower
        self._inbox = inbox
        self._gaps = gaps
        self._inspector = CeleryInspector(cluster.broker)
        self._reader = open_broker(cluster)
        self._named = frozenset(cluster.queues)
        self._presence = Presence(cluster.workers_expected, earlier)
        self._accepted = BucketSums()
        self._visibility = Visibility(cluster.broker)
        self._flow = QueueFlow()
        self._read_at = 0.0  # queues
        self._unheard = set[str]()  # queues of which some end unheard
        self.workers = Poller(SOURCE, self._ask_workers, EVERY_SECONDS, self._keep_workers)
        self.queues = Poller(SOURCE, self._read_queues, EVERY_SECONDS, self._keep_queues)
        self.ended: Callable[[], Mapping[str, int]] = dict  # messages each queue was rid of, see QueueFlow.judged
        self._samples: list[Sample] = []  # of the workers' round under way

    def start(self) -> None:
        self.workers.start()
        self.queues.start()

    def end(self) -> None:
        """Begins no further round."""
        self.workers.end()
        self.queues.end()

    def stop(self) -> None:
        """Waits for what is under way, but no longer than for a round."""
        ends = time.monotonic() + DEADLINE_SECONDS
        self.end()
        self.workers.stop(max(0.0, ends - time.monotonic()))
        self.queues.stop(max(0.0, ends - time.monotonic()))
        self._inspector.close()
        self._reader.close()

    def _ask_workers(self) -> WorkersReading:
        beats, now = self._follower.heartbeats.processes, datetime.now(UTC)
        began = time.monotonic()
        snapshot = self._inspector.snapshot(
            (*SAMPLED, "conf") if self._visibility.is_due else SAMPLED,
            expected=self._presence.expected,
            awake={name for (name, _), beat in beats.items() if beat.is_current(now)},
            deadline_seconds=DEADLINE_SECONDS,
            arguments={"active": {"safe": True}},
        )
        at, steady = datetime.now(UTC), time.monotonic()
        self._visibility.heard(conf for _, conf in snapshot.values("conf"))
        self._inbox.put_deliveries(deliveries(snapshot.values("active")))
        facts = workers_facts(snapshot)
        taken = self._presence.update(facts, at, steady, self._beside(snapshot))
        self._ask_for_limits()
        rows, notes = self._presence.rows(at), notes_of(snapshot) + twin_notes(facts)
        self._samples = worker_samples(bucket(at), rows) + self._accepted.samples(bucket(at), taken)
        self._follower.totals = Totals(accepted_by(facts), present(rows), began)
        return WorkersReading(rows, len(facts), notes)

    def _ask_for_limits(self) -> None:
        """Of those who leave messages alone: a rate limit is a reason to."""
        if suspects := self._presence.suspects:
            limits = self._inspector.snapshot(
                ("registered",),
                workers=suspects,
                deadline_seconds=LIMITS_SECONDS,
                arguments={"registered": {"taskinfoitems": ["rate_limit"]}},
            )
            self._presence.limited({worker: slowest(tasks) for worker, tasks in limits.values("registered")})

    def _beside(self, snapshot: Snapshot) -> Beside:
        queues = self.queues.read()
        known = queues.value if queues.failure is None else None
        ready = known.per_queue("ready") if known else {}
        return Beside(
            late=snapshot.late,
            present=snapshot.present,
            absent=snapshot.absent,
            all_heard=snapshot.all_heard,
            beats=self._follower.heartbeats.processes,
            hears=self._follower.hears,
            depths={queue: int(count) for queue, count in ready.items() if count is not None},
            depths_at=known.measured_at if known else None,
        )

    def _read_queues(self) -> DepthReading:
        reading = self._reader.depths(self._presence.queues | self._named, deadline_seconds=DEADLINE_SECONDS)
        return self._flow.judged(self._visibility.judged(reading), self._heard_to_end())

    def _heard_to_end(self) -> Mapping[str, int] | None:
        """What each queue was rid of, without those that a worker which sends no events consumes. None: since the last
        reading some may have ended unheard.
        """
        last_read_at, self._read_at = self._read_at, time.monotonic()
        before, self._unheard = self._unheard, self._queues_of(self._follower.unheard)
        if not self._follower.hears or self._gaps.whole_since("events") > last_read_at or before - self._unheard:
            return None
        return {queue: count for queue, count in self.ended().items() if queue not in self._unheard}

    def _queues_of(self, workers: Collection[str]) -> set[str]:
        reading = self.workers.read().value
        rows = reading.rows if reading else ()
        there = present(rows).intersection(workers)
        consumed = ((*(row["queues"] or ()), *(row["may_consume"] or ())) for row in rows if row["worker"] in there)
        return set(chain.from_iterable(consumed))

    def _keep_workers(self, reading: Reading[WorkersReading]) -> None:
        samples = [] if reading.failure else self._samples
        self._keep("workers", reading, latest.workers_to_json, samples)

    def _keep_queues(self, reading: Reading[DepthReading]) -> None:
        samples = [] if reading.failure or reading.value is None else queue_samples(reading.value)
        self._keep("queues", reading, latest.depths_to_json, samples)

    def _keep(self, kind: str, reading: Reading[T], to_json: Callable[[T], str], samples: Sequence[Sample]) -> None:
        if reading.failure:
            self._gaps.begin(kind, kind, reading.failure.what)
        else:
            self._gaps.end(kind)
        self._inbox.put_answer(
            Latest(
                kind,
                measured_us=microseconds(reading.measured_at) if reading.measured_at else None,
                took_us=reading.took // MICROSECOND,
                failure=latest.failure_to_json(reading.failure) if reading.failure else None,
                body=to_json(reading.value) if reading.value is not None and not reading.failure else None,
            ),
            samples,
        )


class BucketSums:
    """Sums what workers accepted within one bucket of time, so that each of its rounds writes all of it so far.

    Each sum is of the time of which it is known: a worker's of the rounds that it answered, one of all workers of the
    rounds of which all can be told.
    """

    def __init__(self) -> None:
        self._at = 0
        self._counts: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._spans: defaultdict[tuple[str, str], float] = defaultdict(float)

    def samples(self, at: int, taken: Taken) -> list[Sample]:
        if at != self._at:
            self._at = at
            self._counts.clear()
            self._spans.clear()
        for worker, count in taken.by_worker.items():
            self._counts["worker", worker] += count
            self._spans["worker", worker] += taken.span_seconds
        if taken.by_task is not None:
            for task, count in taken.by_task.items():
                self._counts["name", task] += count
            self._counts["", ""] += sum(taken.by_task.values())
            self._spans["", ""] += taken.span_seconds
        whole = self._spans["", ""]
        return [
            Sample(at, "accepted", label, text, count, self._spans[label, text] if label == "worker" else whole)
            for (label, text), count in self._counts.items()
        ]


def bucket(at: datetime) -> int:
    """The finest bucket of time that `at` is in."""
    return int(at.timestamp()) // SAMPLE_LEVELS[0] * SAMPLE_LEVELS[0]


def accepted_by(facts: Sequence[WorkerFacts]) -> dict[Key, Mapping[str, int]]:
    """Tasks since they began by process and name, of those that told and are told apart."""
    count = Counter((one.worker, one.pid) for one in facts)
    told = (one for one in facts if one.processed is not None)
    return {(one.worker, one.pid): one.totals for one in told if count[one.worker, one.pid] == 1}


def worker_samples(at: int, rows: Sequence[Row]) -> list[Sample]:
    """Of who is there. A total is not known while one that is counted has not said."""
    now = datetime.fromtimestamp(at, UTC)
    there = [row for row in rows if row["last_seen"] and is_there(row, now)]
    by_name = {name: tuple(twins) for name, twins in groupby(there, lambda row: row["worker"])}
    busy = {name: total(row["active"] for row in twins) for name, twins in by_name.items()}
    slots = {name: total(row["concurrency"] for row in twins) for name, twins in by_name.items()}
    return gauges(at, "busy_slots", "worker", busy, total(busy.values())) + gauges(
        at, "slots", "worker", slots, total(slots.values())
    )


def is_there(row: Row, now: datetime) -> bool:
    return is_counted(row["verdict"], row["active"], row["silent_since"], now)


def queue_samples(reading: DepthReading) -> list[Sample]:
    at, totals = bucket(reading.measured_at), reading.totals
    ready, unacked = reading.per_queue("ready"), reading.per_queue("unacked")
    return gauges(at, "depth", "queue", ready, totals.get("ready")) + gauges(
        at, "unacked", "queue", unacked, totals.get("unacked")
    )


def gauges(at: int, measure: str, label: str, split: Split, in_all: float | None) -> list[Sample]:
    """What is known of one measure: by `label`, and the total."""
    known = [Sample(at, measure, label, text, float(value)) for text, value in split.items() if value is not None]
    return known if in_all is None else [*known, Sample(at, measure, "", "", float(in_all))]


def total(values: Iterable[int | None]) -> int | None:
    """The sum; None when there is nothing to sum, or a part of it is not known."""
    parts = list(values)
    known = [part for part in parts if part is not None]
    return sum(known) if known and len(known) == len(parts) else None


def twin_notes(facts: Sequence[WorkerFacts]) -> tuple[Note, ...]:
    twins = [name for name, count in Counter(one.worker for one in facts).items() if count > 1]
    return (Note(f"Several workers have one name, {listed(twins)}; give each its own (-n)", "warning"),) * bool(twins)
