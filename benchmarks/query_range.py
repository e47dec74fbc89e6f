"""100 series of 11,000 points from a real Prometheus to a frame, beside prometheus_api_client and a plain loop."""

from __future__ import annotations

import http.client
import json
import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pandas as pd
from prometheus_api_client import MetricRangeDataFrame

from benchmarks._interleaved import interleaved
from data_sources.config import HttpEndpoint
from data_sources.prometheus.client import PrometheusClient
from data_sources.range_frame import read_result
from data_sources.scope import Window
from tests.blocks import prometheus_with, series

START = datetime(2026, 1, 5, tzinfo=UTC)
STEP = timedelta(seconds=15)
WINDOW = Window(START + 40 * STEP, START + 11_039 * STEP, STEP)
TEXT = "rate(celery_task_succeeded_total[5m])"
SERIES = 100


def run() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder, prometheus_with(samples(), Path(folder)) as server:
        client = PrometheusClient(HttpEndpoint(server.url))
        body = read(server.port)
        assert len(read_result(body).frame) == SERIES * WINDOW.points

        def ours() -> None:
            read_result(body)

        def request() -> None:
            client.query_range(TEXT, WINDOW, deadline_seconds=60)

        decoded, library, loop = interleaved(
            ours, lambda: MetricRangeDataFrame(result_of(body)), lambda: frame_by_loop(body), runs=5
        )
        requested, merely_read = interleaved(request, lambda: read(server.port), runs=15)
        client.close()
    size = f"{SERIES} series of {WINDOW.points:,} points"
    return [
        row(f"{size} to a frame, against prometheus_api_client", decoded, library, 30.0, 5),
        row(f"{size} to a frame, against json and a loop", decoded, loop, 10.0, 5),
        # at most 1.5 times as long as merely reading the body
        row(f"{size}, the whole request, against reading its body", requested, merely_read, 0.67, 15),
    ]


def row(name: str, ours: float, peer: float, goal: float, runs: int) -> dict[str, object]:
    return {"name": name, "ours": ours, "peer": peer, "ratio": peer / ours, "goal": goal, "runs": runs, "unit": "s"}


def samples() -> str:
    """Counters scraped each minute, of eight workers' tasks."""
    steps = random.Random(1)
    text = []
    for number in range(SERIES):
        labels = {"name": f"app.tasks.task_{number:03}", "hostname": f"worker-{number % 8}", "queue_name": "celery"}
        counts = [float(1_000 * minute + steps.randrange(1_000)) for minute in range(2_770)]
        text.append(series("celery_task_succeeded_total", labels, counts, START, timedelta(minutes=1)))
    return "".join(text)


def read(port: int) -> bytes:
    """The body and nothing made of it."""
    form = urlencode(
        {
            "query": TEXT,
            "start": WINDOW.start.timestamp(),
            "end": WINDOW.end.timestamp(),
            "step": WINDOW.step.total_seconds(),
        }
    )
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/api/v1/query_range", form, headers)
    body = connection.getresponse().read()
    connection.close()
    return body


def result_of(body: bytes) -> list[dict[str, object]]:
    return list(json.loads(body)["data"]["result"])


def frame_by_loop(body: bytes) -> pd.DataFrame:
    names, times, values = [], [], []
    for one in json.loads(body)["data"]["result"]:
        for seconds, text in one["values"]:
            names.append(one["metric"]["name"])
            times.append(seconds)
            values.append(float(text))
    return pd.DataFrame({"time": pd.to_datetime(times, unit="s", utc=True), "name": names, "value": values})


if __name__ == "__main__":
    for row_ in run():
        print(json.dumps(row_))
