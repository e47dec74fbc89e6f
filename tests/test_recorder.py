"""The recorder as a process: one writes, others stand by; killed, told to end, without its broker, with its parent."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest
from celery import Celery

import recorder.run
import recorder.writer
from data_sources import settings
from data_sources.config import Secret
from data_sources.history.place import place
from demo.servers import Dashboard, Process, RabbitMQ, Redis, accepts, celery_worker, free_port, has_ended, wait_until
from recorder.run import Recorder
from tests.brokers import new_vhost
from tests.recording import ROOT, UNHURRIED, Look, RecorderProcess, program
from tests.watching import NOTHING

KILLS = 3
PATIENT = "import recorder.heartbeats\nrecorder.heartbeats.ESTIMATE_SECONDS = 120"  # with heartbeats that come late


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "recorded"


def worker_with_events(broker_url: str, folder: Path) -> Process:
    env = {"CELERY_BROKER_URL": broker_url, "PYTHONPATH": str(ROOT)}
    worker = celery_worker("tests.celery_app", "w1@shop", folder, ["--pool", "threads", "-c", "2", "-E"], env, ROOT)
    worker.wait_until(lambda: "w1@shop ready" in worker.log.read_text())
    return worker


def send(broker_url: str, count: int) -> list[str]:
    """The ids of quick tasks."""
    with Celery(broker=broker_url, set_as_current=False) as app:
        return [app.send_task("shop.refresh_token").id for _ in range(count)]


def succeeded(history: Look) -> list[str]:
    return [name for (name,) in history.rows("SELECT id FROM tasks WHERE state = 4")]


def gaps(history: Look, source: str) -> list[tuple[int, int | None, str, int | None]]:
    return history.rows("SELECT start_us, end_us, reason, missed FROM gaps WHERE source = ? ORDER BY start_us", source)


@dataclass(frozen=True)
class Working:
    """A broker, and the log of the one worker on it."""

    url: str
    log: Path

    @property
    def done(self) -> int:
        """Tasks that ended, since the worker began."""
        return self.log.read_text().count("succeeded in")


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Working]:
    folder = tmp_path_factory.mktemp("working")
    with Redis(folder / "redis") as server, worker_with_events(server.url, folder / "worker") as worker:
        yield Working(server.url, worker.log)


def test_killed_at_any_moment_it_comes_back_and_has_each_task_it_heard_once_and_a_gap(
    working: Working, folder: Path
) -> None:
    """A task that ended while a recorder was running and had time to write it is there."""
    certain: set[str] = set()
    with ExitStack() as running:
        recorder = running.enter_context(RecorderProcess(folder, working.url, beforehand=PATIENT))
        wait_until(lambda: "w1@shop" in processed(recorder.history), "a heartbeat, which estimates begin from")
        for _ in range(KILLS):
            before = working.done
            heard = send(working.url, 30)
            wait_until(lambda: set(heard) <= set(succeeded(recorder.history)), "the tasks")  # noqa: B023
            certain.update(heard)
            send(working.url, 30)
            time.sleep(random.uniform(0.0, 0.4))  # the moment of the kill
            recorder.signal(signal.SIGKILL)
            send(working.url, 5)  # that nobody hears
            wait_until(lambda: working.done >= before + 65, "the work")  # noqa: B023
            recorder = running.enter_context(RecorderProcess(folder, working.url, beforehand=PATIENT))
        wait_until(lambda: gaps(recorder.history, "recorder")[-1][3] is not None, "an estimate")

        names = succeeded(recorder.history)
        assert certain <= set(names)
        assert len(names) == len(set(names))
        assert recorder.history.rows("PRAGMA quick_check") == [("ok",)]
        down = gaps(recorder.history, "recorder")
        assert len(down) == KILLS
        assert {reason for _, _, reason, _ in down} == {"the recorder was not running"}
        assert all(end is not None and end >= start for start, end, _, _ in down)
        assert (down[-1][3] or 0) >= 15  # five tasks, three events each


def test_of_two_one_records_and_the_other_names_it_and_takes_over_when_it_is_killed(
    redis_server: Redis, history_url: Secret, tmp_path: Path
) -> None:
    begin = partial(RecorderProcess, broker_url=redis_server.url, history_url=history_url)
    with begin(tmp_path / "first") as first, begin(tmp_path / "second", stands_by=True) as second:
        assert f"standing by: process {first.pid} " in second.log.read_text()
        first.signal(signal.SIGKILL)
        second.wait_until(second.records)
        assert "lease taken" in second.log.read_text()


def test_told_to_end_it_ends_and_what_it_heard_is_there(working: Working, history_url: Secret, tmp_path: Path) -> None:
    with RecorderProcess(tmp_path, working.url, beforehand=UNHURRIED, history_url=history_url) as recorder:
        sent = send(working.url, 50)
        wait_until(lambda: heard(recorder.history) >= 3 * len(sent), "their events")
        recorder.terminate()
        wait_until(lambda: not recorder.alive, "the end")
        assert recorder._child.returncode == 0
        assert set(succeeded(recorder.history)) == set(sent)


def heard(history: Look) -> int:
    """Events of tasks."""
    state = history.state()
    return state.events if state else 0


def test_what_it_has_not_written_by_then_it_writes_at_its_end(
    working: Working, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder.writer, "TASKS_SECONDS", float("inf"))
    monkeypatch.setattr(recorder.writer, "FLUSH_SECONDS", 60.0)
    monkeypatch.setattr(recorder.run, "END_SECONDS", 120.0)
    given = settings.load(
        {**NOTHING, "CELERY_BROKER_URL": working.url, "HISTORY_URL": f"sqlite:///{folder / 'history'}"}
    )
    history, running = Look(place(given.history_url, given.clusters[0])), Recorder(given)
    running.start()
    try:
        wait_until(lambda: (state := history.state()) is not None and state.hears, "the recorder")
        sent = send(working.url, 50)
        wait_until(lambda: heard(history) >= 3 * len(sent), "their events")
        assert succeeded(history) == []
    finally:
        running.stop()
    assert set(succeeded(history)) == set(sent)


@dataclass(frozen=True)
class Mortal:
    """A broker that goes away and comes back at its port."""

    url: str
    port: int
    go: Callable[[], object]
    come_back: Callable[[], object]


@pytest.fixture(params=["redis", "rabbitmq"])
def mortal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mortal]:
    with ExitStack() as running:
        if request.param == "redis":
            port = free_port()
            redis = running.enter_context(Redis(tmp_path / "one", port=port))
            again = partial(Redis, tmp_path / "two", port=port)
            yield Mortal(redis.url, port, redis.stop, lambda: running.enter_context(again()))
        else:
            rabbitmq: RabbitMQ = request.getfixturevalue("rabbitmq")
            begin, end = partial(rabbitmq.ctl, "start_app"), partial(rabbitmq.ctl, "stop_app")
            running.callback(lambda: accepts(rabbitmq.port) or begin())  # others need it
            yield Mortal(new_vhost(rabbitmq), rabbitmq.port, end, begin)


def test_a_broker_that_goes_away_is_a_gap_with_a_reason_and_heard_again_when_it_is_back(
    mortal: Mortal, tmp_path: Path, folder: Path
) -> None:
    with worker_with_events(mortal.url, tmp_path / "worker"), RecorderProcess(folder, mortal.url, NOTHING) as recorder:
        first = send(mortal.url, 3)
        wait_until(lambda: set(first) <= set(succeeded(recorder.history)), "the first tasks")
        assert gaps(recorder.history, "events") == []
        mortal.go()
        for source in ("events", "workers", "queues"):
            wait_until(lambda: bool(gaps(recorder.history, source)), "the gap")  # noqa: B023
        mortal.come_back()
        for source in ("events", "workers", "queues"):
            wait_until(lambda: gaps(recorder.history, source)[0][1] is not None, "the gap's end")  # noqa: B023
            (start, end, reason, _), *_ = gaps(recorder.history, source)
            assert start < (end or 0)
            assert str(mortal.port) in reason
        sent = send(mortal.url, 1)
        wait_until(lambda: set(sent) <= set(succeeded(recorder.history)), "a task after it")


def test_workers_are_asked_for_events_only_when_an_operator_says_so(redis_server: Redis, tmp_path: Path) -> None:
    env = {"CELERY_BROKER_URL": redis_server.url, "PYTHONPATH": str(ROOT)}
    with celery_worker("tests.celery_app", "w1@shop", tmp_path, ["--pool", "threads"], env, ROOT) as worker:
        worker.wait_until(lambda: "w1@shop ready" in worker.log.read_text())
        with RecorderProcess(tmp_path / "silent", redis_server.url) as recorder:
            wait_until(lambda: "w1@shop" in (((s := recorder.history.state()) and s.workers) or {}), "a heartbeat")
            send(redis_server.url, 3)
            beats = {"w1@shop": 3}
            wait_until(lambda: processed(recorder.history) == beats, "the tasks")
            assert succeeded(recorder.history) == []
        with RecorderProcess(tmp_path / "asked", redis_server.url, {"CELERY_ENABLE_EVENTS": "true"}) as recorder:
            recorder.wait_until(lambda: "asked 1 workers" in recorder.log.read_text())
            wait_until(lambda: bool(send(redis_server.url, 1)) and bool(succeeded(recorder.history)), "a task")


def processed(history: Look) -> dict[str, int | None]:
    state = history.state()
    return {name: beat.processed for name, beat in state.workers.items()} if state else {}


def test_it_ends_when_its_parent_is_killed(redis_server: Redis, folder: Path) -> None:
    """The dashboard holds the other end of its standard input."""
    env = {**NOTHING, "CELERY_BROKER_URL": redis_server.url, "HISTORY_URL": f"sqlite:///{folder / 'history'}"}
    holder = "import subprocess, sys; subprocess.Popen([sys.executable, *sys.argv[1:]], stdin=subprocess.PIPE).wait()"
    command = [sys.executable, "-c", holder, *program(UNHURRIED), "--with-parent"]
    with Process("parent", command, folder, env, ROOT) as parent:
        parent.wait_until(lambda: "lease taken" in parent.log.read_text())
        [child] = psutil.Process(parent.pid).children()
        os.kill(parent.pid, signal.SIGKILL)
        wait_until(lambda: has_ended(child), "its end")
        assert "default: stopped" in parent.log.read_text()


def test_a_dashboard_brings_its_recorder_and_leaves_one_alone_that_is_there(redis_server: Redis, folder: Path) -> None:
    env = {**NOTHING, "CELERY_BROKER_URL": redis_server.url, "HISTORY_URL": f"sqlite:///{folder / 'history'}"}
    with Dashboard(folder / "own", env) as dashboard:
        dashboard.wait_until(lambda: len(recorders(dashboard)) == 1)
        [child] = recorders(dashboard)
        dashboard.wait_until(lambda: "lease taken" in dashboard.log.read_text())
        child.kill()
        dashboard.wait_until(lambda: [one.pid for one in recorders(dashboard)] not in ([], [child.pid]))
        [child] = recorders(dashboard)
        os.kill(dashboard.pid, signal.SIGKILL)
        wait_until(lambda: has_ended(child), "its end")
    with RecorderProcess(folder, redis_server.url) as alone:
        with Dashboard(folder / "other", env) as dashboard:
            time.sleep(2.5)  # two looks at the lease
            assert recorders(dashboard) == []
        before = alone.history.rows("SELECT measured_us FROM latest WHERE kind = 'recorder'")
        alone.wait_until(lambda: alone.history.rows("SELECT measured_us FROM latest WHERE kind = 'recorder'") > before)


def recorders(dashboard: Dashboard) -> list[psutil.Process]:
    children = psutil.Process(dashboard.pid).children()
    return [child for child in children if "recorder" in command_of(child)]


def command_of(process: psutil.Process) -> list[str]:
    """Empty once it has ended, which it may at any moment."""
    try:
        return list(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def test_a_folder_that_cannot_be_written_ends_it_with_3_and_the_path(redis_server: Redis, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    env = {**os.environ, **NOTHING, "CELERY_BROKER_URL": redis_server.url}
    env["HISTORY_URL"] = f"sqlite:///{tmp_path / 'file' / 'history'}"
    ended = subprocess.run(
        [sys.executable, "-m", "recorder"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=180, check=False
    )
    assert ended.returncode == 3
    assert str(tmp_path / "file" / "history") in ended.stderr
    assert "Traceback" not in ended.stderr
