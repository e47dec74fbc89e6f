"""Real workers, each with something else wrong, told apart within half a minute, on Redis and on RabbitMQ."""

from __future__ import annotations

import json
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from data_sources.ask import Desk
from data_sources.query import Workers
from demo.servers import PATIENCE_SECONDS, Process, RabbitMQ, Redis, celery_worker, wait_until
from recorder.sampler import EVERY_SECONDS
from tests.fault_proxy import FaultProxy
from tests.freezer import Freezer
from tests.watching import LIVE, ROOT, watching

ROUNDS = 30 / EVERY_SECONDS  # half a minute of them: on a slow machine each takes longer
POOLS = {
    "idle": ("threads", "-c", "2"),
    "stopped": ("prefork", "-c", "1"),
    "busy": ("solo",),
    "killed": ("threads", "-c", "1"),
    "frozen": ("threads", "-c", "2"),
    "cancelled": ("threads", "-c", "2"),
}


ILL = {
    "stopped": ["silent"],
    "busy": ["busy_not_answering"],
    "killed": ["gone"],
    "frozen": ["wedged"],
    "cancelled": ["wedged"],
}


Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Cluster:
    """What the workers are when all is well, and in each round after it no longer is."""

    before: dict[str, list[str]]
    rounds: list[tuple[datetime, Rows]]
    twin: Process

    @property
    def rows(self) -> Rows:
        return self.rounds[-1][1]

    def rounds_until(self, name: str, verdict: list[str]) -> int:
        """How many it took, from when the worker was last known to be well, until that was told."""
        since = self.one(name)["since"]
        after = [verdicts(rows)[name] for at, rows in self.rounds if at > since]
        return 1 + sum(told != verdict for told in after)

    def one(self, name: str) -> dict[str, Any]:
        (row,) = [row for row in self.rows if row["worker"] == f"{name}@test"]
        return row

    def said(self, name: str) -> dict[str, list[str]]:
        """By witness, what it says."""
        told: dict[str, list[str]] = {}
        for witness, text, _ in json.loads(self.one(name)["evidence"]):
            told.setdefault(witness, []).append(text)
        return told


def start(name: str, url: str, folder: Path, stack: ExitStack, twin: str = "") -> Process:
    pool, *options = POOLS[name]
    arguments = ["-P", pool, *options, "-Q", name if name != "frozen" else "frost", "--without-mingle"]
    arguments.append("--without-gossip")
    process = celery_worker(
        "tests.celery_app", f"{name}@test", folder / twin, arguments, {"CELERY_BROKER_URL": url}, ROOT
    )
    stack.enter_context(process)
    stack.callback(process.signal, signal.SIGKILL)  # a warm shutdown takes seconds, one of who is wedged longer
    return process


def round_of(desk: Desk) -> tuple[datetime | None, Rows]:
    answer = desk.ask(Workers(), LIVE)
    told = answer.frame.astype(object).where(answer.frame.notna(), None)
    return answer.measured_at, [dict(row) for row in told.to_dict("records")]


def verdicts(rows: Rows) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for row in rows:
        told.setdefault(row["worker"].removesuffix("@test"), []).append(row["verdict"])
    return told


def own_vhost(rabbitmq: RabbitMQ) -> str:
    name = f"verdicts-{secrets.token_hex(3)}"
    rabbitmq.ctl("add_vhost", name)
    rabbitmq.ctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
    return f"{rabbitmq.url.removesuffix('//')}/{name}"


@pytest.fixture(scope="module")
def clusters(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Cluster]]]:
    """Both at once: most of it is waiting. The threads live on, as what they started ends with them."""
    rabbitmq: RabbitMQ = request.getfixturevalue("rabbitmq")
    folder = tmp_path_factory.mktemp("verdicts")
    with ThreadPoolExecutor(2) as threads, ExitStack() as stack:
        redis = stack.enter_context(Redis(folder))
        places = {
            "redis": (redis.url, redis.port, b"BRPOP"),
            "rabbitmq": (own_vhost(rabbitmq), rabbitmq.port, b"frost"),
        }
        futures = {
            broker: threads.submit(ill, *place, folder / broker, stack.enter_context(ExitStack()))
            for broker, place in places.items()
        }
        yield futures
        wait(futures.values())


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def cluster(request: pytest.FixtureRequest, clusters: Mapping[str, Future[Cluster]]) -> Cluster:
    return clusters[request.param].result()


def ill(url: str, port: int, mark: bytes, folder: Path, stack: ExitStack) -> Cluster:
    """All is well at first; then each gets what its name says, and is waited for."""
    freezer = Freezer(port, mark)
    proxy = stack.enter_context(FaultProxy(freezer))
    stack.callback(freezer.thaw)
    proxied = url.replace(f":{port}", f":{proxy.port}")
    workers = {name: start(name, proxied if name == "frozen" else url, folder, stack) for name in POOLS}
    desk = stack.enter_context(watching({"CELERY_BROKER_URL": url, "CELERY_WORKERS_EXPECTED": "*@test,absent@*"}))
    well = {name: ["idle"] for name in POOLS} | {"absent@*": ["unknown"]}
    wait_until(lambda: verdicts(round_of(desk)[1]) == well, "all workers")
    twin = start("idle", url, folder, stack, twin="twin")
    if url.startswith("redis"):
        well["idle"] = ["idle", "idle"]
    else:  # the mailbox is the first one's alone
        wait_until(lambda: not twin.alive, "the end of the second of one name")
    wait_until(lambda: verdicts(round_of(desk)[1]) == well, "all workers")

    # First alone: Redis tells how many listen, and of two that fall silent together not which of them has left.
    workers["killed"].signal(signal.SIGKILL)
    rounds = rounds_until(desk, lambda rows: verdicts(rows)["killed"] == ["gone"])
    freezer.freeze()
    workers["stopped"].suspend()
    with Celery(broker=url, set_as_current=False) as app:
        app.control.cancel_consumer("cancelled", destination=["cancelled@test"], reply=True, timeout=30, limit=1)
        app.send_task("shop.sleep", [3600], queue="busy")
        for _ in range(20):
            app.send_task("shop.sleep", [0.1], queue="frost")
            app.send_task("shop.sleep", [0.1], queue="cancelled")
    # A worker's mailbox is looked for a round after it fell silent.
    rounds += rounds_until(desk, lambda rows: verdicts(rows) == {**well, **ILL} and "still has it" in str(rows))
    return Cluster(well, rounds, twin)


def rounds_until(desk: Desk, told: Callable[[Rows], bool]) -> list[tuple[datetime, Rows]]:
    """What each round told; never fails: the tests say what was not told apart."""
    began, rounds = time.monotonic(), list[tuple[datetime, Rows]]()
    while not rounds or (not told(rounds[-1][1]) and time.monotonic() - began < PATIENCE_SECONDS):
        at, rows = round_of(desk)
        if at and (not rounds or at > rounds[-1][0]):
            rounds.append((at, rows))
        time.sleep(0.2)
    return rounds


def test_each_is_told_from_all_others_within_half_a_minute(cluster: Cluster) -> None:
    told = verdicts(cluster.rows)
    assert {name: told[name] for name in ILL} == ILL
    assert set(told["idle"]) == {"idle"}
    assert {name: rounds for name in ILL if (rounds := cluster.rounds_until(name, ILL[name])) > ROUNDS} == {}


def test_two_of_one_name_are_two_and_rabbitmq_refuses_the_second(cluster: Cluster) -> None:
    pids = [row["pid"] for row in cluster.rows if row["worker"] == "idle@test"]
    assert len(set(pids)) == len(pids) == len(cluster.before["idle"])
    assert cluster.twin.alive is (len(pids) == 2)
    assert ("RESOURCE_LOCKED" in cluster.twin.tail()) is (len(pids) == 1)


def test_each_verdict_has_its_evidence(cluster: Cluster) -> None:
    assert cluster.said("stopped")["heartbeat"] == ["comes no more; the last"]
    assert cluster.said("stopped")["mailbox"] == ["the broker still has it"]
    assert cluster.said("killed")["mailbox"] == ["the broker has it no more"]
    assert "a solo worker answers between tasks only" in cluster.said("busy")["work"]
    for name, queue in (("frozen", "frost"), ("cancelled", "cancelled")):
        assert cluster.said(name)["heartbeat"] == ["comes every 2 s; the last"]
        assert cluster.one(name)["neglected"] == [queue]
    assert "consumes it no more" in " ".join(cluster.said("cancelled")["work"])


def test_who_is_expected_and_never_came_has_a_row(cluster: Cluster) -> None:
    (row,) = [row for row in cluster.rows if row["worker"] == "absent@*"]
    assert (row["verdict"], row["expected"], row["last_seen"]) == ("unknown", True, None)
    assert cluster.one("busy")["expected"] is True
