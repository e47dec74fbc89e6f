"""What the recorder knows, in Prometheus's words.

Names and labels are celery-exporter's where the meaning is (danihodovic/celery-exporter, src/exporter.py), so that its
dashboards and alert rules work on ours; what it lacks begins with `celery_notebook_`. Each series has the label
`recorder`, and `cluster` when there are several. Unknown is absent, never 0, and so is what is too old to be said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from prometheus_client import Metric

from data_sources.brokers.queue_depths import DepthReading
from data_sources.latest import RecorderState
from data_sources.microseconds import moment
from data_sources.workers.worker_rows import WorkersReading
from recorder.counters import BUCKETS, KINDS, MOST_QUEUES, OTHER, Cell, Histogram, Labels

FRESH = timedelta(seconds=30)  # answers come every 5 s
DOWN_AFTER = timedelta(minutes=5)  # of silence, as in celery-exporter
# celery-exporter forgets after 10 minutes, before its own alert rule, which waits for 15, can tell of the worker. That
# is as it should be for one that said it goes (a deploy), and too soon for one that fell silent.
LEFT_FORGOTTEN_AFTER = timedelta(minutes=10)
FORGOTTEN_AFTER = timedelta(hours=1)

COUNTS = {
    "sent": "published (needs task_send_sent_event); of senders, so without a worker",
    "received": "received by a worker",
    "started": "started by a worker",
    "succeeded": "that succeeded",
    "failed": "that failed for good, by the exception's class",
    "rejected": "rejected by a worker",
    "revoked": "revoked",
    "retried": "that failed and are tried again",
}

# Families in their order: type and help.
FAMILIES: dict[str, tuple[str, str]] = {
    **{f"celery_task_{kind}": ("counter", f"Tasks {what}, since the recorder began.") for kind, what in COUNTS.items()},
    "celery_task_runtime": ("histogram", "Seconds that tasks ran which succeeded."),
    "celery_task_queue_wait_time": ("histogram", "Seconds from sent to started, of tasks without an ETA."),
    "celery_worker_up": ("gauge", "1 while the worker answers or beats, 0 once it left or after 5 minutes of neither."),
    "celery_worker_tasks_active": ("gauge", "Tasks the worker executes."),
    "celery_queue_length": ("gauge", "Messages ready in the queue, all priorities."),
    "celery_active_consumer_count": ("gauge", "Consumers of the queue, where the broker tells."),
    "celery_active_worker_count": ("gauge", "Workers that consume the queue."),
    "celery_active_process_count": ("gauge", "Slots of the workers that consume the queue."),
    "celery_notebook_worker_slots": ("gauge", "Tasks the worker can execute at once."),
    "celery_notebook_worker_accepted": ("counter", "Tasks the worker accepted since it started; needs no events."),
    "celery_notebook_worker_uptime_seconds": ("gauge", "Since the worker started."),
    "celery_notebook_queue_unacked": ("gauge", "Messages of the queue that workers hold unacknowledged."),
    "celery_notebook_queue_oldest_age_seconds": ("gauge", "Age of the oldest message ready in the queue."),
    "celery_notebook_unacked": ("gauge", "Messages that workers hold unacknowledged, all queues."),
    "celery_notebook_oldest_unacked_age_seconds": ("gauge", "Since the oldest of them was delivered."),
    "celery_notebook_source_up": ("gauge", "1 if the last round of asking the source was answered."),
    "celery_notebook_build": ("info", "The recorder's version."),
    "celery_notebook_recorder_up": ("gauge", "1 while the recorder writes the history."),
    "celery_notebook_recorder_start_time_seconds": ("gauge", "When the recorder began, UNIX time."),
    "celery_notebook_recorder_lag_seconds": ("gauge", "How long the oldest of what is not written has waited."),
    "celery_notebook_recorder_last_event_time_seconds": ("gauge", "When the last event was heard, UNIX time."),
    "celery_notebook_recorder_events": ("counter", "Events of tasks written."),
    "celery_notebook_recorder_events_dropped": ("counter", "Events lost for want of room."),
    "celery_notebook_recorder_events_refused": ("counter", "Events of tasks older than what is kept."),
    "celery_notebook_recorder_messages_poisoned": ("counter", "Messages that could not be read."),
    "celery_notebook_recorder_gaps": ("counter", "Times of which something is not known, begun."),
}
BOUNDS = (*map(str, BUCKETS), "+Inf")
SAMPLE_SUFFIX = {"counter": "_total", "info": "_info"}

Pairs = tuple[tuple[str, str], ...]  # labels

# A family, what the name ends in, labels, and the value, None when that is not known.
MetricSample = tuple[str, str, dict[str, str], float | None]


@dataclass(frozen=True)
class Known:
    """What a cluster's recorder says now. None, or no cells: nothing that is fresh."""

    cells: Mapping[Labels, Cell] = field(default_factory=dict)
    workers: WorkersReading | None = None
    queues: DepthReading | None = None
    state: RecorderState | None = None
    up: Mapping[str, bool] = field(default_factory=dict)  # by source: whether its last round was answered


def families(clusters: Mapping[str, Known], now: datetime) -> list[Metric]:
    """All families that have a sample. What comes to the same labels is added up: a part that is unknown spoils it."""
    values: dict[str, dict[tuple[str, str, tuple[tuple[str, str], ...]], float | None]] = {
        name: {} for name in FAMILIES
    }
    fixed = {
        cluster: {"recorder": "celery-notebook", **({"cluster": cluster} if len(clusters) > 1 else {})}
        for cluster in clusters
    }
    for cluster, one in clusters.items():
        for family, suffix, labels, value in told(one, now):
            said, key = values[family], (cluster, suffix, tuple(labels.items()))
            before = said.get(key, 0.0)
            said[key] = None if value is None or before is None else before + value
    metrics = []
    for name, (kind, text) in FAMILIES.items():
        metric = Metric(name, text, kind)
        for (cluster, suffix, pairs), value in values[name].items():
            if value is not None:
                metric.add_sample(f"{name}{suffix}", {**dict(pairs), **fixed[cluster]}, value)
        if metric.samples:
            metrics.append(metric)
    return metrics


def told(one: Known, now: datetime) -> Iterator[MetricSample]:
    for labels, cell in one.cells.items():
        yield from cell_told(labels, cell)
    yield from workers_told(one, now)
    if one.queues is not None:
        yield from queues_told(one.queues)
        yield from consumers_told(one.queues, one.workers)
    for source, up in one.up.items():
        yield simple("celery_notebook_source_up", {"source": source}, up)
    yield simple("celery_notebook_recorder_up", {}, one.state is not None)
    if one.state is not None:
        yield from recorder_told(one.state)


def simple(family: str, labels: dict[str, str], value: Any) -> MetricSample:
    """A family of one sample for each labels; None is unknown."""
    return family, SAMPLE_SUFFIX.get(FAMILIES[family][0], ""), labels, None if value is None else float(value)


def cell_told(labels: Labels, cell: Cell) -> Iterator[MetricSample]:
    """A task that was ever heard of has all its counters, so that rates and ratios begin at 0."""
    name, worker, queue = map(clean, labels)
    who = worker_labels(worker) if worker else {"hostname": "generic"}  # as celery-exporter can call all senders
    where = {label: text for label, text in {"name": name, **who, "queue_name": queue}.items() if text}
    counts = dict(zip(KINDS, cell.counts, strict=True))
    sent = counts.pop("sent")
    if sent:
        yield simple("celery_task_sent", where, sent)
    if any(counts.values()):
        counts["failed"] = cell.failures.get("", 0)
        for kind, count in counts.items():
            yield simple(f"celery_task_{kind}", where, count)
        for exception, count in cell.failures.items():
            if exception:
                yield simple("celery_task_failed", {**where, "exception": exception}, count)
    if cell.runtime:
        yield from histogram_told("celery_task_runtime", where, cell.runtime)
    if cell.wait:
        yield from histogram_told("celery_task_queue_wait_time", where, cell.wait)


def histogram_told(family: str, where: dict[str, str], histogram: Histogram) -> Iterator[MetricSample]:
    cumulative = histogram.cumulative
    for bound, count in zip(BOUNDS, cumulative, strict=True):
        yield family, "_bucket", {**where, "le": bound}, count
    yield family, "_count", where, cumulative[-1]
    yield family, "_sum", where, histogram.total


def workers_told(one: Known, now: datetime) -> Iterator[MetricSample]:
    """Of two processes of one name what can be added up is, and what cannot is unknown."""
    heartbeats = one.state.workers if one.state else {}
    last_sign = {name: moment(beat.at_us) for name, beat in heartbeats.items()}
    answering = set()
    rows = [row for row in one.workers.rows if row["last_seen"]] if one.workers else []  # not those who never came
    processes = Counter(row["worker"] for row in rows)
    left = {name for name, beat in heartbeats.items() if beat.left and processes[name] <= 1}
    for row in rows:
        name = row["worker"]
        if name in left and row["last_seen"] <= last_sign[name]:  # it answered, and then it went
            continue
        left.discard(name)
        last_sign[name] = max(row["last_seen"], last_sign.get(name, row["last_seen"]))
        if row["silent_since"] is None:
            answering.add(name)
            labels = worker_labels(name)
            yield simple("celery_worker_tasks_active", labels, row["active"])
            yield simple("celery_notebook_worker_slots", labels, row["concurrency"])
            alone = processes[name] == 1
            yield simple("celery_notebook_worker_accepted", labels, row["processed"] if alone else None)
            yield simple("celery_notebook_worker_uptime_seconds", labels, row["uptime"] if alone else None)
    for name, at in last_sign.items():
        if name in answering or now - at < (LEFT_FORGOTTEN_AFTER if name in left else FORGOTTEN_AFTER):
            up = name in answering or (name not in left and now - at < DOWN_AFTER)
            yield simple("celery_worker_up", worker_labels(name), up)
    for name, beat in heartbeats.items():  # those that do not answer, and whose hearts beat
        if name not in answering and name not in left and now - last_sign[name] <= FRESH:
            yield simple("celery_worker_tasks_active", worker_labels(name), beat.active)


def queues_told(reading: DepthReading) -> Iterator[MetricSample]:
    for place, row in enumerate(reading.work()):
        labels = {"queue_name": clean(row["queue"]) if place < MOST_QUEUES else OTHER}
        yield simple("celery_queue_length", labels, row["ready"])
        yield simple("celery_active_consumer_count", labels, row["consumers"])
        yield simple("celery_notebook_queue_unacked", labels, row["unacked"])
        if place < MOST_QUEUES:  # ages do not add up
            yield simple("celery_notebook_queue_oldest_age_seconds", labels, row["oldest"])
    yield simple("celery_notebook_unacked", {}, reading.totals.get("unacked"))
    yield simple("celery_notebook_oldest_unacked_age_seconds", {}, reading.totals.get("oldest_unacked"))


def consumers_told(reading: DepthReading, workers: WorkersReading | None) -> Iterator[MetricSample]:
    """Who consumes each queue, where that is known."""
    consumers = workers.consumers() if workers else None
    if workers is None or consumers is None:
        return
    slots: dict[str, int | None] = {queue: None if count is None else 0 for queue, count in consumers.items()}
    for row in workers.taking():
        for queue in row["queues"] or ():
            before, more = slots[queue], row["concurrency"]
            slots[queue] = None if before is None or more is None else before + more
    for queue in (row["queue"] for row in reading.work()[:MOST_QUEUES]):
        yield simple("celery_active_worker_count", {"queue_name": clean(queue)}, consumers.get(queue, 0))
        yield simple("celery_active_process_count", {"queue_name": clean(queue)}, slots.get(queue, 0))


def recorder_told(state: RecorderState) -> Iterator[MetricSample]:
    values = {
        "start_time_seconds": state.since_us / 1e6,
        "lag_seconds": state.lag_seconds,
        "last_event_time_seconds": None if state.last_event_us is None else state.last_event_us / 1e6,
        "events": state.events,
        "events_dropped": state.dropped,
        "events_refused": state.refused,
        "messages_poisoned": state.poisoned,
        "gaps": state.gaps,
    }
    for name, value in values.items():
        yield simple(f"celery_notebook_recorder_{name}", {}, value)
    yield simple("celery_notebook_build", {"version": state.version}, 1)


def worker_labels(name: str) -> dict[str, str]:
    """celery-exporter's `hostname` is what follows the @. Workers of one host share it; `worker` tells them apart."""
    name = clean(name)
    return {"hostname": name.rpartition("@")[2], "worker": name}


@lru_cache(20_000)
def clean(text: str) -> str:
    """`text` without what is no UTF-8, or ends a text elsewhere."""
    return text if text.isascii() and "\0" not in text else text.encode(errors="replace").decode().replace("\0", "?")
