"""A worker of each pool, and one that scales itself, which can be given orders; and what they say of themselves."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery import Celery

from data_sources.config import Broker
from data_sources.errors import SourceUnreachable
from data_sources.workers.celery_control import Reply, give
from data_sources.workers.celery_inspect import CeleryInspector
from data_sources.workers.orders import WorkerOrder
from demo.servers import Process, celery_worker, wait_until

ROOT = Path(__file__).parent.parent
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")  # sends no events, and cannot be made to
POOLS: Mapping[str, tuple[str, ...]] = {  # each consumes the queue of its name
    "prefork": ("-P", "prefork", "-c", "2"),
    "scaled": ("-P", "prefork", "--autoscale", "2,1"),
    "threads": ("-P", "threads", "-c", "4"),
    "solo": ("-P", "solo", *QUIET),
    "gevent": ("-P", "gevent", "-c", "4"),
}
RESTARTS = {"prefork", "threads"}  # those with worker_pool_restarts
SECONDS = 30.0  # for all to reply


def host(pool: str) -> str:
    return f"{pool}@crew"


EVERYONE = tuple(map(host, POOLS))


@dataclass(frozen=True)
class Crew:
    url: str
    folder: Path
    processes: Mapping[str, Process]
    app: Celery

    def give(self, order: WorkerOrder, *pools: str, seconds: float = SECONDS) -> dict[str, Reply]:
        """Pool -> its reply; of all when none is named."""
        replies = give(Broker.from_url(self.url), order, [host(pool) for pool in pools or POOLS], seconds)
        return {reply.worker.partition("@")[0]: reply for reply in replies}

    def says(self, method: str, pool: str, seconds: float = SECONDS) -> Any:
        """What one worker says of itself; None: not now. By a new inspector: an old one leaves the silent alone."""
        with suppress(SourceUnreachable), closing(CeleryInspector(Broker.from_url(self.url))) as inspector:
            snapshot = inspector.snapshot([method], workers=[host(pool)], deadline_seconds=seconds)
            return next((reply.value for reply in snapshot.replies), None)
        return None

    def send(self, name: str, pool: str, *args: Any) -> str:
        return str(self.app.send_task(name, args, queue=pool).id)

    def runs(self, pool: str) -> set[str]:
        """The ids of the tasks it runs now."""
        return {task["id"] for task in self.says("active", pool) or ()}


@contextmanager
def crew_on(url: str, folder: Path) -> Iterator[Crew]:
    with ExitStack() as stack:
        processes = {}
        for pool, options in POOLS.items():
            processes[pool] = stack.enter_context(worker(url, pool, folder, *options, restarts=pool in RESTARTS))
            stack.callback(processes[pool].signal, signal.SIGKILL)  # it would wait for its long tasks
        app = stack.enter_context(Celery(broker=url, set_as_current=False))
        inspector = stack.enter_context(closing(CeleryInspector(Broker.from_url(url))))
        wait_until(lambda: answering(inspector) == {*EVERYONE}, "workers")
        yield Crew(url, folder, processes, app)


def answering(inspector: CeleryInspector) -> frozenset[str]:
    """Who answers now; nobody while not even the broker does in time."""
    try:
        return inspector.snapshot(["ping"], deadline_seconds=2).answered
    except SourceUnreachable:
        return frozenset()


def worker(url: str, name: str, folder: Path, *options: str, restarts: bool = False) -> Process:
    env = {"CELERY_BROKER_URL": url, "PYTHONPATH": str(ROOT), "POOL_RESTARTS": "1" if restarts else ""}
    return celery_worker("tests.event_app", host(name), folder, ["-Q", name, *options], env, ROOT)
