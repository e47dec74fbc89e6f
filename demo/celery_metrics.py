"""What celery-exporter would say of the demo's cluster: the same metric and label names, from the event stream.

Written after celery-exporter's src/exporter.py: `hostname` is what follows the @ in a worker's name, `queue_name`
comes from task-sent, and a task's first event makes all its counters appear at 0. Two things are more exact here:
the length of a queue counts all of its priorities, and a worker is down as soon as its heartbeats stop.
"""

from __future__ import annotations

import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from celery import Celery
from celery.events.state import State
from kombu.exceptions import ChannelError
from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

LABELS = ("name", "hostname", "queue_name")
RUNTIME_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
TOPOLOGY_SECONDS = 30  # who consumes what changes seldom

Event = dict[str, Any]


def quiet_app(priority_steps: Iterable[int]) -> Celery:
    """An app that watches the broker at CELERY_BROKER_URL and never takes part.

    With the default visibility timeout a mere inspect puts tasks that other workers hold back into their queue
    (kombu/transport/redis.py, QoS.restore_visible).
    """
    app = Celery("exporter")
    app.conf.broker_transport_options = {
        "visibility_timeout": 10**9,
        "ack_emulation": False,
        "priority_steps": list(priority_steps),
    }
    return app


class TaskMetrics:
    """Counts what the events tell, task by task.

    A worker may be quicker to receive a task than its sender to tell where it went: then `route` (task name to
    queue) says it.
    """

    def __init__(self, state: State, registry: CollectorRegistry, route: Callable[[str], str]) -> None:
        self._state = state
        self._route = route
        self._sent = Counter("celery_task_sent", "Events task-sent seen.", LABELS, registry=registry)
        self._counters = {
            f"task-{event}": Counter(
                f"celery_task_{event}",
                f"Events task-{event} seen.",
                [*LABELS, "exception"] if event == "failed" else LABELS,
                registry=registry,
            )
            for event in ("received", "started", "succeeded", "failed", "rejected", "revoked", "retried")
        }
        self._runtime = Histogram(
            "celery_task_runtime", "Seconds a task ran.", LABELS, buckets=RUNTIME_BUCKETS, registry=registry
        )
        self._wait = Histogram(
            "celery_task_queue_wait_time",
            "Seconds from sent to started, of tasks without an ETA.",
            LABELS,
            buckets=RUNTIME_BUCKETS,
            registry=registry,
        )

    def count(self, event: Event) -> None:
        self._state.event(event)
        task = self._state.tasks.get(event.get("uuid"))
        if task is None or task.name is None:
            return  # a worker's event, or a task that was sent before we listened
        kind = event["type"]
        queue = getattr(task, "queue", None) or self._route(task.name)
        where = {"name": task.name, "hostname": host(event["hostname"]), "queue_name": queue}
        if kind == "task-sent":
            self._sent.labels(**where).inc()
            return  # its host is the sender's, which has no other counters
        for name, counter in self._counters.items():
            failure = {"exception": exception_name(event)} if name == "task-failed" else {}
            counter.labels(**where, **failure).inc(name == kind)
        if kind == "task-succeeded":
            self._runtime.labels(**where).observe(task.runtime)
        elif kind == "task-started" and task.sent and not task.eta:
            self._wait.labels(**where).observe(max(0.0, task.started - task.sent))


class ClusterMetrics(Collector):
    """Asked at each scrape: workers by their heartbeats, queues by their length and by who consumes them."""

    def __init__(self, app: Celery, state: State) -> None:
        self._app = app
        self._state = state
        self._workers: frozenset[str] = frozenset()
        self._asked_at = 0.0
        self._consumers: Tally[str] = Tally()
        self._processes: Tally[str] = Tally()

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("celery_worker_up", "1 while its heartbeats come.", labels=["hostname"])
        active = GaugeMetricFamily("celery_worker_tasks_active", "Tasks it executes.", labels=["hostname"])
        length = GaugeMetricFamily("celery_queue_length", "Messages ready, all priorities.", labels=["queue_name"])
        consumers = GaugeMetricFamily("celery_active_worker_count", "Workers that consume.", labels=["queue_name"])
        processes = GaugeMetricFamily("celery_active_process_count", "Their slots.", labels=["queue_name"])

        for name, worker in list(self._state.workers.items()):
            up.add_metric([host(name)], worker.alive)
            if worker.alive and worker.active is not None:
                active.add_metric([host(name)], worker.active)
        self._refresh_topology()
        with self._app.connection_for_read() as connection:
            for queue in self._consumers:
                length.add_metric([queue], ready(connection.default_channel, queue))
                consumers.add_metric([queue], self._consumers[queue])
                processes.add_metric([queue], self._processes[queue])
        return [up, active, length, consumers, processes]

    def describe(self) -> Iterator[Metric]:
        """Nothing: else registering would ask the broker."""
        return iter(())

    def _refresh_topology(self) -> None:
        """Asks the living workers what they consume, when one came or went or the last answer is old."""
        workers = frozenset(name for name, worker in list(self._state.workers.items()) if worker.alive)
        if workers == self._workers and time.monotonic() - self._asked_at < TOPOLOGY_SECONDS:
            return
        inspect = self._app.control.inspect(destination=sorted(workers)) if workers else None
        stats = (inspect and inspect.stats()) or {}
        queues = (inspect and inspect.active_queues()) or {}
        known = dict.fromkeys(self._consumers, 0)  # a queue that lost its last worker stays, with none
        self._consumers, self._processes = Tally(known), Tally(known)
        for worker, consumed in queues.items():
            for queue in consumed:
                self._consumers[queue["name"]] += 1
                self._processes[queue["name"]] += stats.get(worker, {}).get("pool", {}).get("max-concurrency", 0)
        self._workers, self._asked_at = workers, time.monotonic()


def follow(app: Celery, registry: CollectorRegistry, route: Callable[[str], str]) -> threading.Thread:
    """Registers both kinds of metrics and feeds them from the event stream, on a thread of its own, for ever."""
    state = State()
    tasks = TaskMetrics(state, registry, route)
    registry.register(ClusterMetrics(app, state))

    def listen() -> None:
        with app.connection_for_read() as connection:
            app.events.Receiver(connection, handlers={"*": tasks.count}).capture(limit=None, timeout=None)

    thread = threading.Thread(target=listen, name="events", daemon=True)
    thread.start()
    return thread


def host(worker: str) -> str:
    return worker.rpartition("@")[2]


def exception_name(event: Event) -> str:
    """`KeyError` of `KeyError('sku')`; empty for an event that is no failure."""
    return str(event.get("exception", "")).partition("(")[0] if event["type"] == "task-failed" else ""


def ready(channel: Any, queue: str) -> int:
    """Messages waiting in all priorities of `queue`."""
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)
    except ChannelError:
        return 0  # Redis keeps no empty list, so a queue known by its consumers is empty
