"""Orders that are planned, given and read back on a real cluster, and what goes wrong in between."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

import recorder.sampler
from control import carrying_out, facts
from control.desk import Desk
from control.errors import Stale
from control.facts import Facts
from control.plan import Line, Outcome, Plan
from control.sending import Retry
from data_sources import ask, fetches
from data_sources.errors import SourceUnreachable
from data_sources.scope import Scope
from data_sources.task_query import TaskFilter
from data_sources.workers import celery_control, celery_inspect
from data_sources.workers.orders import (
    AddConsumer,
    CancelConsumer,
    Order,
    PoolGrow,
    PoolShrink,
    Purge,
    RateLimit,
    Revoke,
    Shutdown,
    TimeLimit,
)
from demo.servers import Process, Redis, celery_worker, wait_until
from tests.fault_proxy import FaultProxy
from tests.impostor import Behaviour
from tests.steered import ANN
from tests.watching import ROOT, watching
from tests.wiretap import answer
from workspace.audit import entries
from workspace.store import SqliteHome, Workspace

MAIL = "mail@steer"
LONG_SECONDS = 600.0


@dataclass(frozen=True)
class Site:
    redis: Redis
    folder: Path
    app: Celery
    desk: Desk
    mail: Process

    def plan(self, order: Order, *workers: str) -> Plan:
        return self.desk.plan(ANN, order, "default", workers)

    def act(self, order: Order, *workers: str) -> Outcome:
        plan = self.plan(order, *workers)
        outcome = self.desk.act(ANN, plan.nonce, plan.phrase)
        assert (outcome.failure, outcome.warnings) == (None, ())
        return outcome

    def knows(self, name: str, process: Process) -> bool:
        """Whether it is known to answer, and not one of its name before it."""
        with suppress(SourceUnreachable):
            rows = Facts(self.desk.watched, "default").processes
            return any((row["worker"], row["pid"], row["silent_since"]) == (name, process.pid, None) for row in rows)
        return False

    def states(self, *ids: str) -> list[str]:
        """As recorded."""
        recorded = Facts(self.desk.watched, "default").recorded(ids)
        return [recorded[id].state if id in recorded else "" for id in ids]

    @contextmanager
    def worker(self, name: str, *options: str) -> Iterator[Process]:
        """It answers, and is known to."""
        folder = self.folder / str(len(list(self.folder.iterdir())))
        with running(self.redis, folder, name, *options) as process:
            process.wait_until(lambda: f"{name} ready" in process.log.read_text())
            wait_until(lambda: self.knows(name, process), name)
            yield process


@contextmanager
def running(redis: Redis, folder: Path, name: str, *options: str) -> Iterator[Process]:
    env = {"CELERY_BROKER_URL": redis.url, "PYTHONPATH": str(ROOT)}
    queue = name.partition("@")[0]
    with celery_worker("tests.event_app", name, folder, ["-Q", queue, "-E", *options], env, ROOT) as process:
        try:
            yield process
        finally:
            process.signal(signal.SIGKILL)  # it would wait for its long tasks


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("steer")
    with (
        Redis(folder / "redis") as redis,
        running(redis, folder, MAIL, "-P", "prefork", "-c", "2") as mail,
        Celery(broker=redis.url, set_as_current=False) as app,
    ):
        app.conf.task_send_sent_event = True
        for n in range(3):
            app.send_task("shop.add", (n, n), queue="forgotten")
        with steering(redis.url, folder) as desk:
            site = Site(redis, folder, app, desk, mail)
            wait_until(lambda: site.knows(MAIL, mail), MAIL)
            yield site


@contextmanager
def steering(url: str, folder: Path) -> Iterator[Desk]:
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(recorder.sampler, "EVERY_SECONDS", 1.0)
        patch.setattr(carrying_out, "GIVE_SECONDS", 30.0)
        patch.setattr(carrying_out, "READ_BACK_SECONDS", 60.0)
        patch.setattr(facts, "WAIT_SECONDS", 60.0)
        patch.setattr(fetches, "INSPECT_SECONDS", 9.0)
        patch.setattr(celery_inspect, "SPARE_SECONDS", 2.0)
        env = {"CELERY_BROKER_URL": url, "CELERY_NOTEBOOK_LOCAL_OPERATOR": "1"}
        watched = stack.enter_context(watching(env))
        kept = stack.enter_context(closing(Workspace(SqliteHome(folder / "workspace.db"))))
        yield Desk(watched, kept)


def test_limits_are_read_back_and_undone(site: Site) -> None:
    rate = site.act(RateLimit("shop.add", "10/m"), MAIL)
    time = site.act(TimeLimit("shop.add", 20.0, 30.0), MAIL)

    assert rate.plan.lines == (Line(MAIL, "no limit", "10/m"),)
    assert rate.read_back == (Line(MAIL, "10/m", "10/m"),)
    assert time.read_back == (Line(MAIL, "soft 20 s, hard 30 s", "soft 20 s, hard 30 s"),)
    for outcome in (rate, time):
        assert outcome.undo is not None
        back = site.act(outcome.undo, *outcome.undo_workers)
        assert back.read_back == (Line(MAIL, "no limit", "no limit"),)
    assert site.desk.changes("default") == ()


def test_processes_and_consumers_are_read_back_and_undone(site: Site) -> None:
    grown = site.act(PoolGrow(1), MAIL)
    assert grown.read_back == (Line(MAIL, "3 processes", "3 processes"),)
    assert grown.undo == PoolShrink(1)
    assert site.act(PoolShrink(1), MAIL).read_back == (Line(MAIL, "2 processes", "2 processes"),)

    added = site.act(AddConsumer("slow"), MAIL)
    assert added.read_back == (Line(MAIL, "takes from it", "takes from it"),)
    assert added.undo == CancelConsumer("slow")
    left = site.act(CancelConsumer("slow"), MAIL)
    assert left.read_back == (Line(MAIL, "does not take from it", "does not take from it"),)


def test_a_task_that_waits_is_revoked_and_one_that_runs_is_terminated(site: Site) -> None:
    runs = site.app.send_task("shop.sleep", (LONG_SECONDS,), queue="mail").id
    waits = site.app.send_task("shop.add", (1, 2), queue="mail", countdown=LONG_SECONDS).id
    wait_until(lambda: site.states(runs, waits) == ["STARTED", "RECEIVED"], "both tasks")

    plan = site.plan(Revoke((runs, waits), terminate=True))
    outcome = site.desk.act(ANN, plan.nonce, "terminate 2 tasks")

    assert plan.lines[0].now.startswith(f"shop.sleep runs on {MAIL}, process ")
    assert plan.lines[0].then == "its process gets SIGTERM; another takes its place"
    assert plan.lines[1].now == f"shop.add is held by {MAIL} (scheduled)"
    assert outcome.read_back == (Line(MAIL, "knows 2 of 2 as revoked", "knows 2 of 2 as revoked"),)
    wait_until(lambda: site.states(runs) == ["REVOKED"], "the end of the task")


def test_what_failed_is_found_and_sent_once_more_as_it_was(site: Site) -> None:
    word = 'it\'s ä\n…\t"quoted"'  # no number, so that it cannot be added
    ids = [site.app.send_task("shop.add", (n, word), queue="mail").id for n in range(2)]
    wait_until(lambda: site.states(*ids) == ["FAILURE", "FAILURE"], "the failures")

    plan = site.desk.plan_found(ANN, "retry", Scope(), TaskFilter(names=("shop.add",)))
    outcome = site.desk.act(ANN, plan.nonce, "retry 2 tasks")

    assert isinstance(plan.order, Retry)
    assert {send.retry_of for send in plan.sends} == {*ids}
    assert sorted(json.loads(send.args) for send in plan.sends) == [[0, word], [1, word]]
    assert [reply.outcome for reply in outcome.replies] == ["done", "done"]
    again = [reply.text for reply in outcome.replies]
    wait_until(lambda: site.states(*again) == ["FAILURE", "FAILURE"], "the same once more")
    retried = [site.desk.retry_of(ANN, "default", id) for id in again]
    assert sorted(json.loads(send.args) for send in retried) == [[0, word], [1, word]]


def test_a_queue_is_purged_as_many_as_was_said(site: Site) -> None:
    plan = site.plan(Purge("forgotten"))
    outcome = site.desk.act(ANN, plan.nonce, "forgotten")

    assert plan.tasks == 3
    assert outcome.replies[0].text == "3 messages deleted"


def test_a_worker_that_restarts_loses_what_was_changed_and_is_given_it_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, limit = "short@steer", RateLimit("shop.add", "7/m")
    with site.worker(name, "-P", "threads"):
        site.act(limit, name)
        plan = site.plan(RateLimit("shop.add", "8/m"), name)
        (kept,) = site.desk.changes("default")
    with site.worker(name, "-P", "threads"):
        with pytest.raises(Stale, match=f"{name} was started anew"):
            site.desk.act(ANN, plan.nonce)
        (lost,) = site.desk.changes("default")
        again = site.desk.plan_again(ANN, "default", name)
        outcome = site.desk.act(ANN, again.nonce)
        site.act(RateLimit("shop.add", "9/m"), name)  # it is read back that the other one held until now
        (now,) = site.desk.changes("default")

        assert (kept.worker, kept.order, kept.who, kept.lost) == (name, limit, "ann", False)
        assert (lost.order, lost.lost) == (limit, True)
        assert [reply.outcome for reply in outcome.replies] == ["done"]
        assert (now.order, now.lost) == (RateLimit("shop.add", "9/m"), False)
        plan = site.plan(limit, name)
        assert plan.lines == (Line(name, "9/m", "7/m"),)
    monkeypatch.setattr(fetches, "INSPECT_SECONDS", 5.0)  # that are waited for it in vain
    with pytest.raises(Stale, match=f"{name} does not answer any more"):
        site.desk.act(ANN, plan.nonce)


def test_a_worker_that_is_shut_down_is_read_back_as_gone(site: Site) -> None:
    with site.worker("last@steer", "-P", "threads") as process:
        outcome = site.act(Shutdown(), "last@steer")
        wait_until(lambda: not process.alive, "its end")

    assert outcome.plan.warnings[0].startswith("Nobody will take from last")
    assert [reply.outcome for reply in outcome.replies] == ["no reply"]
    assert [line.now for line in outcome.read_back] == ["answers no more"]


def losing_answers(port: int, loses: threading.Event) -> Behaviour:
    """Passes everything on; where `loses` is set when a client comes, nothing back once that has published."""

    def behaviour(client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            deaf = threading.Event()
            threading.Thread(target=answer, args=(server, client, deaf), daemon=True).start()
            while data := client.recv(65536):
                if loses.is_set() and b"PUBLISH" in data:
                    deaf.set()
                server.sendall(data)

    return behaviour


def test_a_reply_that_is_lost_after_the_effect_is_not_confirmed_and_the_audit_has_both(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, loses, give = RateLimit("shop.retry", "5/h"), threading.Event(), celery_control.give

    def give_and_hear_nothing(*given: Any) -> Any:
        loses.set()
        return give(*given)

    monkeypatch.setattr(celery_control, "give", give_and_hear_nothing)
    with (
        FaultProxy(losing_answers(site.redis.port, loses)) as proxy,
        steering(f"redis://127.0.0.1:{proxy.port}/0", tmp_path) as desk,
    ):
        wait_until(lambda: replace(site, desk=desk).knows(MAIL, site.mail), MAIL)
        monkeypatch.setattr(carrying_out, "GIVE_SECONDS", 5.0)
        monkeypatch.setattr(carrying_out, "READ_BACK_SECONDS", 0.0)
        outcome = desk.act(ANN, desk.plan(ANN, limit, "default", (MAIL,)).nonce)
        written = entries(desk.workspace)[::-1]

    assert [reply.outcome for reply in outcome.replies] == ["no reply"]
    assert [entry.outcome for entry in written] == ["asked", "unconfirmed"]
    assert written[1].arguments["no reply"] == [MAIL]
    wait_until(lambda: site.plan(limit, MAIL).lines == (Line(MAIL, "5/h", "5/h"),), "the effect")


def test_while_the_broker_is_gone_nothing_is_planned_or_done(
    tmp_path: Path, redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        running(redis_server, tmp_path, MAIL, "-P", "threads") as mail,
        steering(redis_server.url, tmp_path) as desk,
        Celery(broker=redis_server.url, set_as_current=False) as app,
    ):
        site = Site(redis_server, tmp_path, app, desk, mail)
        wait_until(lambda: site.knows(MAIL, mail), MAIL)
        limit = site.plan(RateLimit("shop.add", "1"), MAIL)
        redis_server.suspend()
        monkeypatch.setattr(fetches, "INSPECT_SECONDS", 3.0)  # nobody answers, however long they are waited for
        try:
            with pytest.raises((SourceUnreachable, Stale)):
                desk.act(ANN, limit.nonce)
            with pytest.raises(SourceUnreachable):
                site.plan(RateLimit("shop.add", "1"), MAIL)
        finally:
            redis_server.signal(signal.SIGCONT)
        assert entries(desk.workspace) == []


def test_the_desk_of_this_process_is_that_of_ask(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    monkeypatch.setattr(ask, "_desk", site.desk.watched)
    from control import desk

    monkeypatch.setattr(desk, "_desk", None)
    desk.start(site.desk.watched.settings)
    assert desk.desk().watched is site.desk.watched
    desk.stop()
    with pytest.raises(RuntimeError):
        desk.desk()
