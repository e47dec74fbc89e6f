"""The demo's stack: Redis, the sample app's workers and traffic, the exporter and Prometheus, on free ports."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.install import ROOT
from demo.servers import Process, Prometheus, Redis, free_port
from demo.workers import WORKERS, Worker, start_beat

SCRAPE_CONFIG = """\
global:
  scrape_interval: 5s
scrape_configs:
  - job_name: celery-notebook-demo
    static_configs:
      - targets: ["127.0.0.1:{port}"]
"""


class Exporter(Process):
    """`demo.exporter` for workers with these main pids; ready when it has heard a heartbeat of each."""

    def __init__(self, folder: Path, env: Mapping[str, str], pids: Mapping[Worker, int]) -> None:
        self.port = free_port()
        workers = [f"{worker.service}={pid}" for worker, pid in pids.items()]
        command = [sys.executable, "-m", "demo.exporter", "--port", str(self.port), *workers]
        super().__init__("exporter", command, folder, env, ROOT)
        self.wait_until(lambda: all(f'celery_worker_up{{hostname="{w.container}"}} 1' in self.page() for w in pids))

    def page(self) -> str:
        """What Prometheus scrapes; empty while it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return ""
        finally:
            connection.close()


@dataclass(frozen=True)
class Stack:
    """What runs, with its data and logs in `folder`. `prometheus` is None where it is not installed."""

    folder: Path
    redis: Redis
    workers: Mapping[Worker, Process]
    exporter: Exporter
    beat: Process
    traffic: Process
    prometheus: Prometheus | None

    @property
    def processes(self) -> list[Process]:
        always = [self.redis, *self.workers.values(), self.exporter, self.beat, self.traffic]
        return [*always, self.prometheus] if self.prometheus else always

    @property
    def env(self) -> dict[str, str]:
        """The dashboard's settings for this stack; empty: there is none of it."""
        return {
            **celery_env(self.redis),
            "PROMETHEUS_URL": self.prometheus.url if self.prometheus else "",
            "ALERTMANAGER_URL": "",
            "RABBITMQ_MANAGEMENT_URL": "",
        }


def celery_env(redis: Redis) -> dict[str, str]:
    return {
        "CELERY_BROKER_URL": redis.url,
        "CELERY_RESULT_BACKEND": redis.url.removesuffix("/0") + "/1",
    }


def terminate_all(processes: Iterable[Process]) -> None:
    for process in processes:
        process.terminate()


@contextmanager
def running_stack(folder: Path, say: Callable[[str], None]) -> Iterator[Stack]:
    """Starts everything with its data and logs in `folder`, tells the progress, and stops it in reverse order."""
    with ExitStack() as running:
        say("Redis")
        redis = running.enter_context(Redis(folder))
        env = celery_env(redis)

        say("Celery workers " + ", ".join(worker.hostname for worker in WORKERS))
        workers: dict[Worker, Process] = {}
        for worker in WORKERS:
            workers[worker] = worker.start(folder, env)
            running.callback(workers[worker].stop, timeout_seconds=3)  # a report in the making is not waited for
        running.callback(terminate_all, workers.values())
        exporter = running.enter_context(Exporter(folder, env, {w: process.pid for w, process in workers.items()}))

        say("beat and traffic")
        beat = running.enter_context(start_beat(folder, env))
        traffic = running.enter_context(Process("traffic", [sys.executable, "-m", "demo.traffic"], folder, env, ROOT))

        try:
            prometheus = Prometheus(folder, SCRAPE_CONFIG.format(port=exporter.port))
            running.enter_context(prometheus)
            say("Prometheus")
        except FileNotFoundError:
            prometheus = None
            say("no Prometheus: it is not installed, so charts begin with the dashboard")

        yield Stack(folder, redis, workers, exporter, beat, traffic, prometheus)
