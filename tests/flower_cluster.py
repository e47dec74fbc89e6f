"""A cluster of which everything that Flower shows is known: a worker of each pool, on Redis or on RabbitMQ."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from celery import Celery, uuid

import recorder.sampler
from data_sources import fetches
from data_sources.ask import Desk
from data_sources.brokers import redis_unacked
from data_sources.query import Depths, Inspect, Query, Workers
from data_sources.schema import FINAL
from data_sources.task_query import TaskFilter, Tasks
from data_sources.workers import celery_inspect
from demo.servers import Process, celery_worker, wait_until
from tests.exports import Exports, exports_of
from tests.watching import LIVE, ROOT, watching

POOLS: Mapping[str, tuple[str, ...]] = {  # each consumes the queue of its name
    "prefork": ("--autoscale", "2,2"),
    "threads": ("--concurrency", "2", "--prefetch-multiplier", "1"),
    "solo": (),
    "gevent": ("--concurrency", "10"),
}
LONG_SECONDS = 600.0  # what runs until the end of the tests
SOFT_SECONDS, HARD_SECONDS = 20, 30  # within which `shop.add` is to end
FORGOTTEN = 3  # messages in the queue `forgotten`, which nobody consumes


@dataclass(frozen=True)
class Done:
    """Tasks that ended, of one worker: their ids."""

    added: str  # 2 + 3
    failed: str
    retried: str  # succeeded the second time


@dataclass(frozen=True)
class Cluster:
    """`done` and `active` by pool. `reserved`, of threads, `scheduled`, of prefork, and `revoked` are ids too."""

    transport: str
    processes: Mapping[str, Process]
    done: Mapping[str, Done]
    active: Mapping[str, set[str]]
    reserved: set[str]
    scheduled: str
    revoked: str
    child: str  # of prefork's `added`
    desk: Desk
    exports: Exports

    def everywhere(self, what: str) -> set[str]:
        """The ids of what was done so by each worker."""
        return {getattr(done, what) for done in self.done.values()}


def host(pool: str) -> str:
    return f"{pool}@shop"


@contextmanager
def cluster_on(url: str, folder: Path, **env: str) -> Iterator[Cluster]:
    """With its recorder and its desk; ready when all that was sent is where it belongs."""
    with ExitStack() as stack:
        workers = {pool: stack.enter_context(worker(url, pool, folder, *options)) for pool, options in POOLS.items()}
        stack.callback(kill, workers)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(recorder.sampler, "EVERY_SECONDS", 1.0)
        patch.setattr(redis_unacked, "EVERY_SECONDS", 1.0)
        patch.setattr(fetches, "INSPECT_SECONDS", 9.0)  # less than an export waits
        patch.setattr(celery_inspect, "SPARE_SECONDS", 2.0)
        app = stack.enter_context(Celery(broker=url, set_as_current=False))
        app.conf.task_send_sent_event = True
        for _ in range(FORGOTTEN):
            sleep(app, "forgotten")
        desk = stack.enter_context(watching({"CELERY_BROKER_URL": url, **env}))
        exports = stack.enter_context(exports_of(desk))
        held = partial(answer_of, desk, "id")
        # gevent's takes orders from a greenlet of its own, which may start after it has said that it is ready
        wait_until(lambda: len(answer_of(desk, "worker", Inspect("ping"))) == len(POOLS), "all workers")
        revoked = uuid()
        app.control.revoke(revoked)
        app.control.time_limit("shop.add", soft=SOFT_SECONDS, hard=HARD_SECONDS)
        wait_until(lambda: len(held(Inspect("revoked"))) == len(POOLS), "what is revoked")
        app.send_task("shop.add", (1, 3), task_id=revoked, queue="prefork")
        done = {pool: Done(*(send(app, pool, name) for name in ("add", "fail", "retry"))) for pool in POOLS}
        family = dict.fromkeys(("root_id", "parent_id"), done["prefork"].added)
        child = str(app.send_task("shop.add", (1, 1), queue="prefork", **family).id)
        ended = {child, revoked}.union(*(vars(one).values() for one in done.values()))
        over = Tasks(TaskFilter(states=FINAL), limit=100)
        wait_until(lambda: set(held(over)) == ended, "the tasks that end")
        active = {"threads": {sleep(app, "threads"), sleep(app, "threads")}, "gevent": {sleep(app, "gevent")}}
        running = set().union(*active.values())
        wait_until(lambda: set(held(Inspect("active"))) == running, "the tasks that run")
        reserved = {sleep(app, "threads"), sleep(app, "threads")}
        scheduled = str(app.send_task("shop.add", (1, 2), queue="prefork", countdown=3600).id)
        wait_until(lambda: set(held(Inspect("reserved"))) == reserved, "what is taken and waits")
        wait_until(lambda: held(Inspect("scheduled")) == [scheduled], "what is held for its ETA")
        wait_until(lambda: Counter(map(str, answer_of(desk, "active", Workers()))) == Counter("0012"), "the slots")
        wait_until(lambda: unacked(desk) == len({*reserved, scheduled}), "the depths")
        recorded = Tasks(TaskFilter(search=f"id:{scheduled}"))
        wait_until(lambda: held(recorded) == [scheduled], "the record of what is held")
        transport = app.connection().transport.driver_type
        yield Cluster(transport, workers, done, active, reserved, scheduled, revoked, child, desk, exports)


def unacked(desk: Desk) -> int | None:
    """Of all queues; None until each is known."""
    counts = answer_of(desk, "unacked", Depths())
    return sum(counts) if all(map(pd.notna, counts)) else None


def worker(url: str, pool: str, folder: Path, *options: str) -> Process:
    env = {"CELERY_BROKER_URL": url, "PYTHONPATH": str(ROOT)}
    arguments = ["--pool", pool, "-Q", pool, "-E", *options]
    return celery_worker("tests.event_app", host(pool), folder, arguments, env, ROOT)


def kill(workers: Mapping[str, Process]) -> None:
    """They would wait for their long tasks."""
    for process in workers.values():
        process.signal(signal.SIGKILL)


def send(app: Celery, queue: str, name: str) -> str:
    given: dict[str, dict[str, Any]] = {
        "add": {"args": (2, 3)},
        "fail": {"kwargs": {"password": "hunter2"}},
        "retry": {},
    }
    return str(app.send_task(f"shop.{name}", queue=queue, **given[name]).id)


def sleep(app: Celery, queue: str) -> str:
    return str(app.send_task("shop.sleep", (LONG_SECONDS,), queue=queue).id)


def answer_of(desk: Desk, column: str, query: Query) -> list[Any]:
    """A column of what is answered now."""
    soon = replace(LIVE, max_age=timedelta(seconds=0.1))
    return list(desk.ask(query, soon, wait_seconds=60).frame[column])
