"""Seven methods from eight workers: one exchange of ours beside celery's own ways and beside a bare exchange."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from uuid import uuid4

import kombu
from celery import Celery

from benchmarks._interleaved import interleaved
from data_sources.config import Broker
from data_sources.workers.celery_inspect import CeleryInspector
from demo.servers import RabbitMQ, Redis, celery_worker, wait_until

ROOT = Path(__file__).parent.parent
METHODS = ("stats", "active", "scheduled", "reserved", "active_queues", "registered", "revoked")
WORKERS = 8
RUNS = 15
INSPECT_RUNS = 2  # each takes seven seconds
COMMAND_RUNS = 1  # and each of these twenty

Row = dict[str, object]


def run() -> list[Row]:
    rows: list[Row] = []
    for server in (Redis, RabbitMQ):
        with (
            tempfile.TemporaryDirectory() as folder,
            server(Path(folder) / "broker") as broker,
            eight_workers(broker.url, Path(folder)),
        ):
            rows += measure(server.__name__, broker.url)
    return rows


@contextmanager
def eight_workers(url: str, folder: Path) -> Iterator[None]:
    quiet = ["-P", "solo", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    with ExitStack() as stack:
        for number in range(WORKERS):
            environment = {"CELERY_BROKER_URL": url}
            stack.enter_context(celery_worker("tests.celery_app", f"w{number}@bench", folder, quiet, environment, ROOT))
        inspector = CeleryInspector(Broker.from_url(url))
        stack.callback(inspector.close)
        wait_until(lambda: len(inspector.snapshot(["ping"]).answered) == WORKERS, "eight workers", 120)
        yield


def measure(name: str, url: str) -> list[Row]:
    inspector, app, bare = CeleryInspector(Broker.from_url(url)), Celery(broker=url), BareExchange(url)

    def ours() -> None:
        assert len(inspector.snapshot(METHODS).replies) == WORKERS * len(METHODS)

    def in_sequence() -> None:
        inspect = app.control.inspect(timeout=1)
        assert all(len(getattr(inspect, method)()) == WORKERS for method in METHODS)

    def commands() -> None:
        for method in METHODS:
            command = [sys.executable, "-m", "celery", "-b", url, "inspect", method, "--json"]
            subprocess.run(command, check=True, capture_output=True, cwd=ROOT)

    ours_seconds, bare_seconds = interleaved(ours, bare.run, runs=RUNS)
    rows = [row(f"against a bare exchange on {name}", ours_seconds, bare_seconds, 0.5, RUNS)]
    for peer, task, goal, runs in (
        ("inspect(timeout=1)", in_sequence, 40, INSPECT_RUNS),
        ("celery inspect", commands, 100, COMMAND_RUNS),
    ):
        # Ours runs on both sides of the slow one, so that both see the same machine.
        before, slow, after = seconds(ours, RUNS), seconds(task, runs), seconds(ours, RUNS)
        rows.append(row(f"against 7 x {peer} on {name}", median(before + after), median(slow), goal, runs))
    bare.close()
    app.close()
    inspector.close()
    return rows


def seconds(task: Callable[[], None], runs: int) -> list[float]:
    measured = []
    for _ in range(runs):
        began = time.perf_counter()
        task()
        measured.append(time.perf_counter() - began)
    return measured


def row(name: str, ours: float, peer: float, goal: float, runs: int) -> Row:
    return {
        "name": f"snapshot of 7 methods, 8 workers, {name}",
        "ours": ours,
        "peer": peer,
        "ratio": peer / ours,
        "goal": goal,
        "runs": runs,
        "unit": "s",
    }


class BareExchange:
    """The same seven requests published on a warm connection, and the replies counted without a look inside."""

    def __init__(self, url: str) -> None:
        options = {"visibility_timeout": 10**9, "ack_emulation": False} if url.startswith("redis") else {}
        self._connection = kombu.Connection(url, transport_options=options)
        self._channel = self._connection.channel()
        self._name = str(uuid4())
        self._count = 0
        self._requests = kombu.Exchange("celery.pidbox", "fanout", durable=False, delivery_mode=1)
        replies = kombu.Exchange("reply.celery.pidbox", "direct", durable=False, delivery_mode=1)
        self._producer = kombu.Producer(self._channel, self._requests, serializer="json")
        self._queue = kombu.Queue(
            f"{self._name}.{replies.name}", replies, self._name, durable=False, exclusive=True, auto_delete=True
        )(self._channel)
        kombu.Consumer(self._channel, [self._queue], no_ack=True, on_message=self._on_message).consume()

    def _on_message(self, message: object) -> None:
        self._count += 1

    def run(self) -> None:
        self._count = 0
        for method in METHODS:
            body = {
                "method": method,
                "arguments": {"safe": True} if method == "active" else {},
                "destination": None,
                "ticket": str(uuid4()),
                "reply_to": {"exchange": "reply.celery.pidbox", "routing_key": self._name},
            }
            self._producer.publish(body, retry=False)
        while self._count < WORKERS * len(METHODS):
            self._connection.drain_events(timeout=5)

    def close(self) -> None:
        self._queue.delete()
        self._connection.release()


if __name__ == "__main__":
    for measured in run():
        print(json.dumps(measured))
