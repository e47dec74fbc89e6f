"""A real worker's events, on every broker that has them: what is heard is what happened."""

from __future__ import annotations

import signal
import time
import uuid
from pathlib import Path

import pytest
from celery import Celery

from data_sources.config import Broker
from data_sources.errors import QueryRejected
from data_sources.events.event_streams import open_events
from data_sources.history.task_record import TaskRecord
from data_sources.schema import STATES
from demo.install import ROOT
from demo.servers import celery_worker, wait_until
from tests.listening import hear_until, listening, records

SECOND = 1_000_000


def one_of_each(url: str, folder: Path, prefix: str = "") -> dict[str, TaskRecord]:
    """What is heard of a task that succeeds, one that fails, one that is retried and one that is revoked."""
    options = {"global_keyprefix": prefix}
    ids = {name: str(uuid.uuid4()) for name in ("add", "fail", "retry", "revoked")}
    arguments = ["-E", "-c", "1", "--without-gossip", "--without-mingle"]
    environment = {"CELERY_BROKER_URL": url, "KEY_PREFIX": prefix}
    with (
        listening(url, transport_options=options) as stream,
        celery_worker("tests.event_app", "events@test", folder, arguments, environment, ROOT) as worker,
        Celery(broker=url, set_as_current=False, broker_transport_options=options, task_send_sent_event=True) as app,
    ):
        beats = hear_until(stream, lambda heard: any(beat.kind == "online" for beat in heard.workers)).workers
        assert {(beat.worker, beat.sw_ident) for beat in beats} == {("events@test", "py-celery")}
        # "online" comes before the worker has a mailbox.
        wait_until(lambda: app.control.revoke(ids["revoked"], reply=True, timeout=1, limit=1), "an answer")
        app.send_task("shop.add", (1, 2), task_id=ids["add"])
        app.send_task("shop.fail", kwargs={"password": "hunter2"}, task_id=ids["fail"])
        app.send_task("shop.retry", task_id=ids["retry"])
        app.send_task("shop.sleep", (0,), task_id=ids["revoked"])
        heard = hear_until(stream, lambda heard: sum(map(is_whole, records(heard).values())) == len(ids))
        worker.signal(signal.SIGKILL)  # a warm shutdown takes seconds
    assert (heard.poisoned, heard.other) == (0, 0)
    return {name: records(heard)[task_id] for name, task_id in ids.items()}


def is_whole(task: TaskRecord) -> bool:
    """Its sending is heard on another way than its end, and may come later."""
    return task.finished_us is not None and task.sent_us is not None


@pytest.fixture(params=["redis", "redis with a prefix", "rabbitmq"])
def tasks(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, TaskRecord]:
    server = request.getfixturevalue("rabbitmq" if request.param == "rabbitmq" else "redis_server")
    prefix = "shop:" if request.param == "redis with a prefix" else ""
    return one_of_each(server.url, tmp_path, prefix)


def test_what_is_heard_of_tasks_is_what_happened(tasks: dict[str, TaskRecord]) -> None:
    assert {name: STATES[task.state] for name, task in tasks.items()} == {
        "add": "SUCCESS",
        "fail": "FAILURE",
        "retry": "SUCCESS",
        "revoked": "REVOKED",
    }
    assert {(task.worker, task.queue, task.root) for task in tasks.values()} == {("events@test", "celery", None)}
    now_us = time.time_ns() // 1000
    for task in tasks.values():
        assert task.sent_us is not None
        assert now_us - 900 * SECOND < task.sent_us < now_us

    add, fail, retry = tasks["add"], tasks["fail"], tasks["retry"]
    assert (add.name, add.args, add.kwargs, add.result, add.retries) == ("shop.add", "(1, 2)", "{}", "3", 0)
    for task in (add, fail, retry):
        assert task.wait_us is not None
        assert task.runtime_us is not None
        assert 0 <= task.wait_us < 900 * SECOND
        assert 0 <= task.runtime_us < 900 * SECOND
    assert (fail.exception, fail.kwargs) == ("KeyError('sku')", "{'password': '********'}")
    assert "Traceback" in (fail.traceback or "")
    assert (retry.retries, retry.exception) == (1, None)
    assert retry.eta_us is not None
    assert tasks["revoked"].started_us is None


def test_a_transport_without_events_says_so_when_it_is_asked() -> None:
    stream = open_events(Broker.from_url("sqs://user:correct-horse@"))
    with pytest.raises(QueryRejected, match="cannot be followed on the transport sqs") as raised:
        stream.connect(1)
    assert "correct-horse" not in f"{raised.value} {raised.value.hint}"
