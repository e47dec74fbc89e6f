"""The demo, started as `make demo` starts it: once whole, else without the dashboard, which has tests of its own."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import psutil
import pytest
from celery import Celery
from celery.events.state import State
from prometheus_client import CollectorRegistry

from demo.celery_metrics import TaskMetrics
from demo.container_metrics import ContainerMetrics
from demo.install import ROOT
from demo.servers import Process, has_ended, program, wait_until
from demo.workers import MB, WORKERS, Worker

COMMAND = (sys.executable, "-m", "demo")
ALONE = (*COMMAND, "--no-dashboard")
# What whoever looks at a cluster of their own has exported. None of it is the demo's.
OWN = {
    "CELERY_BROKER_URL": "amqps://me:secret@rabbit.invalid/shop",
    "CELERY_BROKER_READ_URL": "amqps://me:secret@rabbit.invalid/shop",
    "CELERY_BROKER_USE_SSL": "true",
    "CELERY_BROKER_TRANSPORT_OPTIONS": '{"global_keyprefix": "shop:"}',
    "CELERY_CONTROL_EXCHANGE": "shop",
    "CELERY_NOTEBOOK_CONFIG": "/nowhere/celery-notebook.toml",
    "PROMETHEUS_BEARER_TOKEN": "t0ken",
    "ACCESS_USERS": '{"ann": "no hash"}',
    "BEAT_DATABASE_URL": "postgresql://me:secret@db.invalid/shop",
    "HISTORY_URL": "postgresql://me:secret@db.invalid/history",
    "PUBLIC_URL": "https://celery.invalid",
}


class Demo(Process):
    """A demo that makes its folder in `folder`/tmp."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None, command: Sequence[str] = ALONE) -> None:
        self.tmp = folder / "tmp"
        self.tmp.mkdir(parents=True)
        super().__init__("demo", command, folder, {"TMPDIR": str(self.tmp), **(env or {})}, ROOT)
        self.wait_until(lambda: "Ctrl-C stops" in self.tail())

    def setting(self, name: str) -> str:
        """What it says to set for `name`."""
        found = re.search(rf"{name} +(\S+)", self.log.read_text())
        assert found, self.tail()
        return found[1]

    def descendants(self) -> list[psutil.Process]:
        return list(psutil.Process(self.pid).children(recursive=True))

    def csv(self, **params: str) -> str:
        """What its dashboard exports; empty where it cannot."""
        found = re.search(r"Celery Notebook is ready: (http://\S+)/\?range=15m", self.log.read_text())
        assert found, self.tail()
        try:
            with urllib.request.urlopen(f"{found[1]}/export.csv?{urllib.parse.urlencode(params)}", timeout=60) as reply:
                return str(reply.read().decode())
        except urllib.error.HTTPError as error:
            if error.code != 502:
                raise
            return ""

    def series(self, promql: str) -> list[dict[str, str]]:
        """The labels of the series that match now."""
        url = f"{self.setting('PROMETHEUS_URL')}/api/v1/query?{urllib.parse.urlencode({'query': promql})}"
        with urllib.request.urlopen(url, timeout=60) as response:
            result: list[dict[str, dict[str, str]]] = json.load(response)["data"]["result"]
            return [series["metric"] for series in result]


def column(text: str, name: str) -> set[str]:
    return {row[name] for row in csv.DictReader(io.StringIO(text))}


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if not has_ended(process)]


def test_the_demo_is_a_working_cluster_and_its_dashboard_that_ctrl_c_removes(tmp_path: Path) -> None:
    with Demo(tmp_path, OWN, COMMAND) as demo:
        app = Celery("test", broker=demo.setting("CELERY_BROKER_URL"))
        hostnames = {worker.hostname for worker in WORKERS}
        ping = partial(app.control.ping, sorted(hostnames), timeout=5)
        wait_until(lambda: hostnames == {name for answer in ping() for name in answer}, "their answers")

        containers = {worker.container for worker in WORKERS}
        wait_until(
            lambda: containers == {labels["name"] for labels in demo.series("container_memory_usage_bytes > 0")},
            "memory",
        )
        # Three workers, each of which has finished something, within a minute of the start.
        finished = "count by (hostname) (celery_task_succeeded_total > 0)"
        wait_until(lambda: containers == {labels["hostname"] for labels in demo.series(finished)}, finished)

        consumed = {queue for worker in WORKERS for queue in worker.queues}
        wait_until(lambda: consumed <= column(demo.csv(source="queues"), "queue"), "the queues")
        wait_until(lambda: hostnames == column(demo.csv(source="workers"), "worker"), "the workers")
        memory = {"source": "signal", "q": "memory", "by": "container", "range": "15m"}
        wait_until(lambda: containers == column(demo.csv(**memory), "container"), "memory on the page")

        by_beat = 'celery_task_succeeded_total{name="imports.exchange_rates"} > 0'
        wait_until(lambda: bool(demo.series(by_beat)), by_beat)

        descendants = demo.descendants()
        assert len(descendants) >= 9
        demo.signal(signal.SIGINT)
        wait_until(lambda: not demo.alive, "the end")
        assert demo.tail().endswith("Stopped.")
        wait_until(lambda: running(descendants) == [], "the end of its children")
        assert list(demo.tmp.iterdir()) == []


def test_two_demos_at_once_do_not_meet_and_leave_nothing_however_they_end(tmp_path: Path) -> None:
    with Demo(tmp_path / "first") as first, Demo(tmp_path / "second") as second:
        assert first.setting("CELERY_BROKER_URL") != second.setting("CELERY_BROKER_URL")
        assert first.setting("PROMETHEUS_URL") != second.setting("PROMETHEUS_URL")

        descendants = first.descendants()
        first.signal(signal.SIGHUP)  # its terminal was closed
        wait_until(lambda: not first.alive, "the end of the first")
        wait_until(lambda: running(descendants) == [], "the end of its children")
        assert list(first.tmp.iterdir()) == []

        descendants = second.descendants()
        assert len(running(descendants)) >= 6
        second.signal(signal.SIGKILL)
        if sys.platform == "linux":
            wait_until(lambda: running(descendants) == [], "the end of the second's children")


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH on which there is only what a test puts there, and what ends children with their parent."""
    folder = tmp_path / "bin"
    folder.mkdir()
    if setpriv := shutil.which("setpriv"):
        (folder / "setpriv").symlink_to(setpriv)
    return folder


def test_without_prometheus_the_demo_runs_and_says_so(tmp_path: Path, bare_path: Path) -> None:
    (bare_path / "redis-server").symlink_to(program("redis-server"))
    with Demo(tmp_path, {"PATH": str(bare_path)}) as demo:
        assert demo.setting("PROMETHEUS_URL") == "not"
        assert "Prometheus: it is not installed" in demo.log.read_text()


def test_a_server_that_fails_at_start_is_shown_with_its_own_words_and_leaves_nothing(
    tmp_path: Path, bare_path: Path
) -> None:
    redis = bare_path / "redis-server"
    redis.write_text("#!/bin/sh\necho no memory left today\nexit 1\n")
    redis.chmod(0o755)
    (tmp_path / "tmp").mkdir()
    env = {"PATH": str(bare_path), "TMPDIR": str(tmp_path / "tmp")}
    demo = subprocess.run(ALONE, cwd=ROOT, env=env, capture_output=True, text=True, timeout=180, check=False)
    assert demo.returncode == 1
    assert "redis ended at start:\nno memory left today" in demo.stdout
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_container_is_a_process_and_all_below_it_until_it_ends(tmp_path: Path) -> None:
    worker = Worker("hungry", ("food",), "solo", 1, 512 * MB)
    child = f"held = b'x' * {100 * MB}; print('held', flush=True); input()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        registry = CollectorRegistry()
        registry.register(ContainerMetrics({worker: process.pid}))
        labels = {
            "id": "/demo/shop-hungry-1",
            "name": "shop-hungry-1",
            "image": "celery-notebook-demo",
            "container_label_com_docker_compose_service": "hungry",
        }
        memory_bytes = registry.get_sample_value("container_memory_usage_bytes", labels)
        assert memory_bytes is not None
        assert 100 * MB < memory_bytes < 160 * MB
        assert registry.get_sample_value("container_spec_memory_limit_bytes", labels) == 512 * MB
        cpu_seconds = registry.get_sample_value("container_cpu_usage_seconds_total", {**labels, "cpu": "total"})
        assert cpu_seconds is not None
        assert 0 < cpu_seconds < 10
        process.communicate(b"\n")
    assert registry.get_sample_value("container_memory_usage_bytes", labels) is None


def test_a_task_received_before_it_is_told_sent_is_counted_in_the_queue_it_went_to() -> None:
    registry = CollectorRegistry()
    metrics = TaskMetrics(State(), registry, route=lambda name: {"mail.send": "mail"}[name])
    event = {"uuid": "1", "hostname": "mail@shop-mail-1", "timestamp": 1.0, "local_received": 1.0, "clock": 1}
    metrics.count({**event, "type": "task-received", "name": "mail.send"})
    metrics.count({**event, "type": "task-started"})
    metrics.count({**event, "type": "task-failed", "exception": "KeyError('sku')"})

    where = {"name": "mail.send", "hostname": "shop-mail-1", "queue_name": "mail"}
    assert registry.get_sample_value("celery_task_received_total", where) == 1
    assert registry.get_sample_value("celery_task_succeeded_total", where) == 0
    assert registry.get_sample_value("celery_task_failed_total", {**where, "exception": "KeyError"}) == 1
