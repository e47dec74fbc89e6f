"""A minute of ten workers that have nothing to do: the processor's time and the memory of watching them.

Dashboard and recorder together beside Flower, all with their own settings; nobody looks at a page of either.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from benchmarks._flower import Flower
from demo.install import ROOT
from demo.servers import Dashboard, Redis, celery_worker, wait_until
from tests.recording import cpu_seconds

WORKERS = 10
SETTLE_SECONDS, SECONDS = 15, 60
NAME = re.compile(rb"w\d@idle")


def run() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        redis = running.enter_context(Redis(folder / "redis"))
        env = {"CELERY_BROKER_URL": redis.url, "PROMETHEUS_URL": "", "ALERTMANAGER_URL": ""}
        for number in range(WORKERS):
            options = ["--pool", "solo", "-E"]
            running.enter_context(celery_worker("tests.celery_app", f"w{number}@idle", folder, options, env, ROOT))
        flower = running.enter_context(Flower(folder, redis.url))
        history = {"HISTORY_URL": f"sqlite:///{folder / 'history'}"}
        dashboard = running.enter_context(Dashboard(folder, {**env, **history}))
        names = [f"w{number}@idle".encode() for number in range(WORKERS)]
        wait_until(lambda: set(names) <= set(NAME.findall(flower.get("/metrics"))), "ten workers", 120)
        time.sleep(SETTLE_SECONDS)
        before = cpu_seconds(dashboard.pid), cpu_seconds(flower.pid)
        time.sleep(SECONDS)
        ours, theirs = cpu_seconds(dashboard.pid) - before[0], cpu_seconds(flower.pid) - before[1]
        memory = memory_mb(dashboard.pid), memory_mb(flower.pid)
    return [
        row("processor", ours / SECONDS * 100, theirs / SECONDS * 100, "% of a core"),
        row("memory", *memory, "MB"),
    ]


def memory_mb(pid: int) -> float:
    """Resident, of the process and its children; what they share is counted once."""
    process = psutil.Process(pid)
    shares: list[int] = [each.memory_full_info().pss for each in (process, *process.children(recursive=True))]
    return sum(shares) / 1e6


def row(what: str, ours: float, flower: float, unit: str) -> dict[str, object]:
    return {
        "name": f"{what} of watching 10 idle workers, dashboard and recorder beside Flower",
        "ours": ours,
        "peer": flower,
        "ratio": flower / ours,
        "goal": None,
        "runs": SECONDS,
        "unit": unit,
    }


if __name__ == "__main__":
    for measured in run():
        print(json.dumps(measured))
