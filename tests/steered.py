"""A cluster made of what a test says of it, to plan orders for; what is given to its workers is written down."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from control import carrying_out, facts
from control.desk import Desk
from control.plan import Outcome, Plan
from data_sources.answer import Answer
from data_sources.ask import Desk as Watched
from data_sources.brokers import purge, rabbitmq_xray
from data_sources.brokers.looks import Look
from data_sources.brokers.queue_depths import COLUMNS as QUEUE_COLUMNS
from data_sources.brokers.xray import Sample, Sampled
from data_sources.config import Access, Broker, Cluster, Settings
from data_sources.errors import QueryRejected
from data_sources.failure import Failure
from data_sources.history.rows import ONE_TASK_COLUMNS, task_frame
from data_sources.now_frames import depth_frame, worker_frame
from data_sources.query import Depths, Inspect, Query, Workers
from data_sources.scope import Scope
from data_sources.task_query import Tasks
from data_sources.workers import celery_control
from data_sources.workers.celery_control import Reply
from data_sources.workers.inspect_frames import inspect_frame
from data_sources.workers.look_inside import LookInside
from data_sources.workers.orders import Order
from data_sources.workers.snapshot import Reply as Said
from data_sources.workers.snapshot import Snapshot
from data_sources.workers.worker_rows import COLUMNS as WORKER_COLUMNS
from identity import Person
from tests.task_frames import row
from workspace.store import SqliteHome, Workspace

ANN = Person("ann", "password", reads=True, controls=True, address="10.0.0.7")
BEN = Person("ben", "password", reads=True, controls=True, address="10.0.0.8")
VIEWER = Person("eve", "password", reads=True, controls=False, address="10.0.0.9")
A, B, C, D = (f"celery@{name}" for name in "abcd")
NOW = datetime.now(UTC)


@dataclass
class Stage:
    """Stands for `data_sources.ask.Desk`, and for what would go over the wire.

    `says`: worker -> method -> what it answers now, in celery's shape. `given`: (order, workers) in their order.
    """

    settings: Settings = field(default_factory=lambda: Settings(access=Access(local_operator=True)))
    workers: list[dict[str, Any]] = field(default_factory=list)
    queues: list[dict[str, Any]] = field(default_factory=list)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    says: dict[str, dict[str, Any]] = field(default_factory=dict)
    replies: Mapping[str, Reply] = field(default_factory=dict)
    given: list[tuple[Order, tuple[str, ...]]] = field(default_factory=list)
    sent: list[Order] = field(default_factory=list)
    audit: object = None
    failure: Exception | None = None
    silence: Failure | None = None  # of the recorder
    lists_queues: bool = True  # the broker, all of them, and not only those that workers consume
    uptimes: dict[str, tuple[int, float]] = field(default_factory=dict)  # as told first, and when
    broker: Broker = field(default_factory=lambda: Cluster().broker)
    looks: list[tuple[str, str, int]] = field(default_factory=list)  # cluster, queue and how many messages were seen

    def add(self, name: str, pool: str = "prefork", *queues: str, **stats: Any) -> None:
        """A worker that answers: two processes, started an hour ago, and taking from `queues`."""
        nothing = dict.fromkeys(WORKER_COLUMNS)
        known = {"worker": name, "verdict": "idle", "pool": pool, "queues": list(queues), "active": 0}
        self.workers.append(nothing | known | {"last_seen": NOW})
        module = "thread" if pool == "threads" else pool
        details = {"implementation": f"celery.concurrency.{module}:TaskPool", "max-concurrency": 2}
        if pool == "prefork":
            details["processes"] = [1, 2]
        self.says[name] = {
            "stats": {"pid": 7, "uptime": 3600, "pool": details, **stats},
            "active_queues": [{"name": queue} for queue in queues],
            "registered": ["shop.mail"],
            "ping": {"ok": "pong"},
            "active": [],
            "revoked": [],
            "query_task": {},
            "conf": {},
        }

    def add_queue(self, name: str, ready: int | None = 0, **known: Any) -> None:
        self.queues.append(dict.fromkeys(QUEUE_COLUMNS) | {"queue": name, "ready": ready, "internal": False, **known})

    def add_task(self, id: str, state: str, **known: Any) -> None:
        given = {"name": "shop.mail", "queue": "mail", "args": "()", "kwargs": "{}", **known}
        self.tasks[id] = row(id, state, **given)

    def ask(self, query: Query, scope: Scope, wait_seconds: float = 0.0) -> Answer:
        answer = Answer(worker_frame(()), query, measured_at=datetime.now(UTC), origin="Celery")
        match query:
            case Workers():
                return replace(answer, frame=worker_frame(self.workers), failure=self.silence)
            case Depths():
                totals = {"ready": 120 if self.lists_queues else None}
                return replace(answer, frame=depth_frame(self.queues), totals=totals, failure=self.silence)
            case Inspect(method=method, workers=workers):
                said = [
                    Said(name, method, self._says(name, method))
                    for name in workers or self.says
                    if method in self.says.get(name, {})
                ]
                return replace(answer, frame=inspect_frame(method, snapshot(said)))
            case Tasks(filter=filter, limit=limit):
                found = [one for one in self.tasks.values() if state_of(one) in filter.states]
                more = replace(query, limit=limit + 1) if len(found) > limit else None
                return replace(answer, frame=task_frame(found[:limit]), next=more)
        raise AssertionError(f"nobody should ask {query}")

    def _says(self, name: str, method: str) -> Any:
        """Its uptime grows from what it told first: however slow a test is, it is the same run of the worker."""
        said = self.says[name][method]
        if "uptime" not in said:
            return said
        now = time.monotonic()
        uptime, since = self.uptimes.get(name, (-1, now))
        if uptime != said["uptime"]:
            self.uptimes[name] = said["uptime"], now
            return said
        return {**said, "uptime": uptime + int(now - since)}

    def cluster(self, name: str) -> Cluster:
        return Cluster(name, self.broker)

    def histories(self) -> dict[str, Any]:
        return {"default": None, "shop": None}

    def recorded(self, reader: None, ids: Sequence[str]) -> Any:
        return task_frame([self.tasks[id] for id in ids if id in self.tasks], ONE_TASK_COLUMNS)

    def give(self, broker: object, order: Order, workers: Sequence[str], seconds: float) -> tuple[Reply, ...]:
        self.given.append((order, tuple(workers)))
        if self.failure:
            raise self.failure
        return tuple(self.replies.get(name, Reply(name, "done", "ok")) for name in workers)

    def purge(self, cluster: Cluster, queue: str, seconds: float) -> int:
        if self.failure:
            raise self.failure
        return 120

    def check(self, cluster: Cluster, queue: str, seconds: float) -> None:
        if queue == "quorum":
            raise QueryRejected("Broker", "“quorum” is not looked into")

    def look(self, cluster: Cluster, order: LookInside, seconds: float) -> Sample:
        if self.failure:
            raise self.failure
        return Sample((Sampled("next", 0, {}, None, None, None),) * order.n, 120, ())

    def keep_look(self, cluster: str, queue: str, look: Look) -> None:
        self.looks.append((cluster, queue, len(look.sample.messages)))

    def publish(self, order: Order, seconds: float) -> str:
        self.sent.append(order)
        if self.failure:
            raise self.failure
        return f"new-{len(self.sent)}"

    def close(self) -> None:
        """As a publisher."""


def snapshot(replies: Sequence[Said]) -> Snapshot:
    empty: frozenset[str] = frozenset()
    return Snapshot(tuple(replies), (), empty, empty, empty, (), None, NOW, timedelta(0))


def state_of(task: Mapping[str, Any]) -> str:
    return str(task_frame([dict(task)])["state"][0])


@contextmanager
def steering(stage: Stage, folder: Path) -> Iterator[Desk]:
    """The desk that steers `stage`, its audit in `folder`."""
    kept = Workspace(SqliteHome(folder / "workspace.db"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(celery_control, "give", stage.give)
        patch.setattr(purge, "purge", stage.purge)
        patch.setattr(rabbitmq_xray, "check", stage.check)
        patch.setattr(rabbitmq_xray, "look", stage.look)
        patch.setattr(carrying_out, "Publisher", lambda cluster: stage)
        patch.setattr(facts, "recorded_tasks", stage.recorded)
        try:
            yield Desk(cast(Watched, stage), kept)
        finally:
            kept.close()


def plan(desk: Desk, order: Order, *workers: str) -> Plan:
    return desk.plan(ANN, order, "default", workers)


def act(desk: Desk, order: Order, *workers: str) -> Outcome:
    made = plan(desk, order, *workers)
    return desk.act(ANN, made.nonce, made.phrase)


@contextmanager
def at(seconds_ago: float) -> Iterator[None]:
    """What is written into the audit meanwhile was done then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workspace.audit.now_us", lambda: int((time.time() - seconds_ago) * 1e6))
        yield
