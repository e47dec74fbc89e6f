"""A dashboard on a small cluster whose past is known, and a page that only says hello, for benchmarks in a browser."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from demo.install import ROOT
from demo.servers import Dashboard, Process, Redis, celery_worker, free_port, http_ok
from tests.blocks import prometheus_with, series

EVERY = timedelta(seconds=15)
POINTS = 260  # an hour and a little
TASKS = ("mail.send", "images.resize", "reports.build", "imports.fetch", "orders.pay", "orders.ship")
CONTAINERS = ("web-1", "mail-1", "images-1", "reports-1")


@dataclass(frozen=True)
class Site:
    """Addresses: the Overview as installed, the same with all of plotly.js, and the hello page.

    Half an hour at a point each 5 s is 360 points a line, what an hour has where Prometheus scrapes every 10 s.
    """

    dashboard: str
    full: str
    hello: str


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    with ExitStack() as running:
        redis = running.enter_context(Redis(folder / "redis"))
        prometheus = running.enter_context(prometheus_with(samples(), folder / "prometheus"))
        env = {"CELERY_BROKER_URL": redis.url, "PROMETHEUS_URL": prometheus.url, "ALERTMANAGER_URL": ""}
        running.enter_context(celery_worker("tests.celery_app", "w1@shop", folder, ["--pool", "solo"], env, ROOT))
        dashboard = running.enter_context(Dashboard(folder, env))
        full = running.enter_context(Dashboard(folder / "full", env, without_bundle(folder / "copy")))
        hello = running.enter_context(hello_page(folder / "hello"))
        yield Site(f"{dashboard.url}/?range=30m", f"{full.url}/?range=30m", hello)


def without_bundle(copy: Path) -> Path:
    """The repository where npm was not there at install time: plotly.js is the full file of the package."""
    return Path(
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*cache", ".git", ".venv", "vendor", "tests"))
    )


@contextmanager
def hello_page(folder: Path) -> Iterator[str]:
    """The least a Streamlit page can be, under the same settings as ours."""
    shutil.copytree(ROOT / ".streamlit", folder / ".streamlit")
    (folder / "hello.py").write_text('import streamlit as st\n\nst.write("hello")\n')
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", "hello.py", "--server.port", str(port)]
    with Process("hello", command, folder, cwd=folder) as process:
        process.wait_until(lambda: http_ok(port, "/_stcore/health"), 60)
        yield f"http://localhost:{port}/"


def samples() -> str:
    """Six tasks, a queue each, four containers with their limits: what a small team has."""
    start = datetime.now(UTC) - EVERY * POINTS
    shop = {"hostname": "shop", "job": "celery", "instance": "a:1"}
    lines = []
    for end, share in (("received", 1.0), ("succeeded", 0.97), ("failed", 0.03)):
        lines.append(f"# TYPE celery_task_{end} counter\n")
        for place, task in enumerate(TASKS):
            labels = {**shop, "name": task, "queue_name": task.split(".")[0]}
            counted = [share * (place + 1) * 15 * k for k in range(POINTS)]
            lines.append(series(f"celery_task_{end}_total", labels, counted, start, EVERY))
    lines.append("# TYPE celery_queue_length gauge\n")
    for place, task in enumerate(TASKS):
        waiting = [float((place * 7 + k * k) % 40) for k in range(POINTS)]
        lines.append(series("celery_queue_length", {"queue_name": task, **shop}, waiting, start, EVERY))
    for metric, base in (("container_memory_usage_bytes", 2e8), ("container_spec_memory_limit_bytes", 5e8)):
        lines.append(f"# TYPE {metric} gauge\n")
        for place, name in enumerate(CONTAINERS):
            used = [base * (1 + place / 4) + (1e5 * (k % 90) if base < 5e8 else 0) for k in range(POINTS)]
            lines.append(series(metric, {"name": name, "image": "shop"}, used, start, EVERY))
    return "".join(lines)
