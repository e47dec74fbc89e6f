"""HISTORY_HIDE_ARGUMENTS: what tasks are called with and give back leaves neither by a file nor into the history."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from celery import Celery

import recorder.sampler
from data_sources.ask import Desk
from data_sources.query import Inspect, Query
from data_sources.queue_query import Xray
from data_sources.task_query import Task, Tasks
from demo.servers import Process, Redis, wait_until
from tests.exports import Exports, Row, exports_of
from tests.watching import watching, worker

CANARY = "c4n4ry"
NOTE = "info: HISTORY_HIDE_ARGUMENTS hides the arguments of tasks here too"


class Stage:
    """A worker with one slot and three tasks: it runs one, holds one, and one for its ETA. Nobody fetches a fourth."""

    def __init__(self, redis: Redis, process: Process, desk: Desk, exports: Exports, folder: Path) -> None:
        self.process, self.desk, self.exports, self.folder = process, desk, exports, folder
        self.gate = folder / f"{CANARY}-gate"
        with closing(Celery(broker=redis.url, set_as_current=False)) as app:
            self.running = self.send(app)
            self.until(Inspect("active"), self.running)
            self.reserved, self.later = self.send(app), self.send(app, countdown=3600)
            self.forgotten = self.send(app, queue="forgotten")

    def send(self, app: Celery, queue: str = "mail", **options: object) -> str:
        sent = app.send_task("shop.wait_for", (str(self.gate),), {"note": CANARY}, queue=queue, **options)
        return str(sent.id)

    def until(self, query: Query, task_id: str) -> Row:
        """The row of that task, once there is one."""
        found: list[Row] = []

        def look() -> bool:
            found[:] = [row for row in self.exports.rows(query) if row["id"] == task_id]
            return bool(found)

        wait_until(look, f"{task_id} in {query}")
        return found[0]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    with ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(recorder.sampler, "EVERY_SECONDS", 0.5)
        redis = stack.enter_context(Redis(folder / "redis"))
        process = stack.enter_context(worker(redis, "w1@shop", folder, "-E", "--concurrency", "1", "-Q", "mail"))
        history = folder / "history"
        env = {
            "CELERY_BROKER_URL": redis.url,
            "HISTORY_URL": f"sqlite://{history}",
            "HISTORY_HIDE_ARGUMENTS": "true",
        }
        desk = stack.enter_context(watching(env))
        yield Stage(redis, process, desk, stack.enter_context(exports_of(desk)), folder)


def test_what_workers_tell_now_has_no_arguments_and_says_why(stage: Stage) -> None:
    told = {
        Inspect("active"): stage.running,
        Inspect("reserved"): stage.reserved,
        Inspect("scheduled"): stage.later,
        Inspect("query_task", ids=(stage.running,)): stage.running,
    }
    for query, task_id in told.items():
        row = stage.until(query, task_id)
        assert (row["name"], row["args"], row["kwargs"]) == ("shop.wait_for", "", "")
        answer = stage.exports.json(query)
        assert CANARY not in str(answer)
        assert [note["text"] for note in answer["meta"]["notes"]] == [NOTE.removeprefix("info: ")]


def test_a_csv_of_them_says_why_in_its_header_and_so_when_nobody_answers(stage: Stage) -> None:
    path = "/export.csv?source=inspect&q=active&worker=w1@shop"
    wait_until(lambda: stage.exports.headers(path)["X-Notes"] == NOTE, "the note")
    silent = "warning: w1@shop did not answer; warning: No worker answered"
    stage.process.suspend()
    try:
        wait_until(lambda: stage.exports.headers(path)["X-Notes"] == silent, "the silence")
        assert len(stage.exports.get(path).splitlines()) == 1
    finally:
        stage.process.signal(signal.SIGCONT)


def test_what_is_inside_a_queue_has_none(stage: Stage) -> None:
    assert stage.until(Xray("forgotten"), stage.forgotten)["task"] == "shop.wait_for"
    assert CANARY not in str(stage.exports.json(Xray("forgotten")))


def test_the_history_has_none(stage: Stage) -> None:
    stage.gate.touch()
    wait_until(
        lambda: any(row["state"] == "SUCCESS" for row in stage.exports.rows(Task(stage.running))), "the task's end"
    )
    for query in (Tasks(), Task(stage.running), Task(stage.later)):
        assert CANARY not in str(stage.exports.json(query))
    for file in (stage.folder / "history").iterdir():
        assert CANARY.encode() not in file.read_bytes()
