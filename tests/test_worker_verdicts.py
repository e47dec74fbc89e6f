"""Real workers, each with something else wrong, told apart within 30 s, on Redis and on RabbitMQ."""

from __future__ import annotations

import json
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from data_sources.ask import Desk
from data_sources.query import Workers
from demo.servers import PATIENCE_SECONDS, Process, RabbitMQ, Redis, celery_worker, wait_until
from tests.deadline import MACHINE_SECONDS
from tests.fault_proxy import FaultProxy
from tests.freezer import Freezer
from tests.watching import LIVE, ROOT, watching

TOLD_APART_SECONDS = 30.0 + MACHINE_SECONDS
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


@dataclass(frozen=True)
class Cluster:
    """What the workers are when all is well, and when they are not; `seconds`: how long it took to tell."""

    seconds: float
    before: dict[str, list[str]]
    rows: list[dict[str, Any]]

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


def rows_of(desk: Desk) -> list[dict[str, Any]]:
    frame = desk.ask(Workers(), LIVE).frame
    return [dict(row) for row in frame.astype(object).where(frame.notna(), None).to_dict("records")]


def verdicts(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for row in rows:
        told.setdefault(row["worker"].removesuffix("@test"), []).append(row["verdict"])
    return told


def own_vhost(rabbitmq: RabbitMQ) -> str:
    name = f"verdicts-{secrets.token_hex(3)}"
    rabbitmq.ctl("add_vhost", name)
    rabbitmq.ctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
    return f"{rabbitmq.url.removesuffix('//')}/{name}"


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """All is well at first; then each gets what its name says, and is waited for."""
    folder = tmp_path_factory.mktemp("verdicts")
    with ExitStack() as stack:
        if request.param == "redis":
            redis = stack.enter_context(Redis(folder / "redis"))
            port, url, mark = redis.port, redis.url, b"BRPOP"
        else:
            rabbitmq: RabbitMQ = request.getfixturevalue("rabbitmq")
            port, url, mark = rabbitmq.port, own_vhost(rabbitmq), b"frost"
        freezer = Freezer(port, mark)
        proxy = stack.enter_context(FaultProxy(freezer))
        stack.callback(freezer.thaw)
        proxied = url.replace(f":{port}", f":{proxy.port}")
        workers = {name: start(name, proxied if name == "frozen" else url, folder, stack) for name in POOLS}
        if request.param == "redis":
            start("idle", url, folder, stack, twin="twin")
        desk = stack.enter_context(watching({"CELERY_BROKER_URL": url, "CELERY_WORKERS_EXPECTED": "*@test,absent@*"}))
        well = {name: ["idle"] for name in POOLS} | {"absent@*": ["unknown"]}
        if request.param == "redis":
            well["idle"] = ["idle", "idle"]
        wait_until(lambda: verdicts(rows_of(desk)) == well, "all workers")
        before = verdicts(rows_of(desk))

        # First alone: Redis tells how many listen, and of two that fall silent together not which of them has left.
        workers["killed"].signal(signal.SIGKILL)
        killed = wait_for(desk, {**well, "killed": ["gone"]})
        freezer.freeze()
        workers["stopped"].signal(signal.SIGSTOP)
        with Celery(broker=url, set_as_current=False) as app:
            app.control.cancel_consumer("cancelled", destination=["cancelled@test"], reply=True, timeout=30, limit=1)
            app.send_task("shop.sleep", [3600], queue="busy")
            for _ in range(20):
                app.send_task("shop.sleep", [0.1], queue="frost")
                app.send_task("shop.sleep", [0.1], queue="cancelled")
        others = wait_for(desk, {**well, **ILL})
        yield Cluster(max(killed, others), before, rows_of(desk))


def wait_for(desk: Desk, expected: dict[str, list[str]]) -> float:
    """The seconds it took; never fails: the tests say what was not told apart."""
    began = time.monotonic()
    while verdicts(rows_of(desk)) != expected and time.monotonic() - began < PATIENCE_SECONDS:
        time.sleep(0.2)
    return time.monotonic() - began


def test_each_is_told_from_all_others_within_half_a_minute(cluster: Cluster) -> None:
    told = verdicts(cluster.rows)
    assert {name: told[name] for name in ILL} == ILL
    assert set(told["idle"]) == {"idle"}
    assert cluster.seconds < TOLD_APART_SECONDS


def test_two_of_one_name_are_two(cluster: Cluster) -> None:
    """RabbitMQ refuses the second itself: its mailbox is locked."""
    pids = [row["pid"] for row in cluster.rows if row["worker"] == "idle@test"]
    assert len(set(pids)) == len(pids) == len(cluster.before["idle"])


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
