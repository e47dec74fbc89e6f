"""Ten million recorded tasks of thirty days: a page of 50 with its facets, and a chart of all of it.

Each beside its limit, and the page beside Flower's own list of the 10,000 tasks it is asked to keep, in its memory.
"""

from __future__ import annotations

import json
import tempfile
import urllib.parse
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks._flower import Flower
from benchmarks._interleaved import interleaved
from benchmarks._past import month
from data_sources.history.answers import of_tasks_answer, series_answer, tasks_answer
from data_sources.history.place import SqlitePlace
from data_sources.history.reader import HistoryReader
from data_sources.query import History
from data_sources.scope import Range, Scope
from data_sources.task_query import Facets, TaskFilter, Tasks
from demo.servers import Redis, wait_until
from tests.event_load import Publisher

TASKS, DAYS = 10_000_000, 30
PAGE_SECONDS, CHART_SECONDS = 0.150, 0.300
FLOWERS_TASKS = 10_000
RUNS = 11

PAGES = {
    "failures, newest first": Tasks(TaskFilter(states=("FAILURE",))),
    "a task's slowest runs": Tasks(TaskFilter(names=("shop.task_03",)), sort="-runtime"),
    "a worker's failures by wait": Tasks(TaskFilter(workers=("worker4@shop",), states=("FAILURE",)), sort="-wait"),
    "a queue's failures, oldest first": Tasks(TaskFilter(queues=("queue2",), states=("FAILURE",)), sort="finished"),
}
CHARTS = {
    "throughput by task": History("throughput", "name"),
    "throughput by worker": History("throughput", "worker"),
    "failures": History("failures"),
}


def run() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder:
        return measure(month(Path(folder), TASKS, DAYS))


def measure(where: SqlitePlace) -> list[dict[str, object]]:
    scope = Scope(range=Range.live(f"{DAYS}d"))
    window = scope.range.resolve(datetime.now(UTC))
    with closing(HistoryReader(where)) as reader:
        pages = {what: page(reader, query, scope) for what, query in PAGES.items()}
        charts = {what: lambda query=query: series_answer(reader, query, window) for what, query in CHARTS.items()}
        page_times = dict(zip(pages, interleaved(*pages.values(), runs=RUNS), strict=True))
        chart_times = dict(zip(charts, interleaved(*charts.values(), runs=RUNS), strict=True))
    of_all = f"of {TASKS // 10**6} million tasks"
    rows = [row(f"page and facets {of_all}: {what}", took, PAGE_SECONDS) for what, took in page_times.items()]
    rows += [row(f"{DAYS} days {of_all}: {what}", took, CHART_SECONDS) for what, took in chart_times.items()]
    usual = median(page_times.values())
    for what, took in flowers_lists().items():
        rows.append(row(f"page and facets {of_all}, beside {what}", usual, took, goal=None))
    return rows


def page(reader: HistoryReader, query: Tasks, scope: Scope) -> Callable[[], None]:
    def ask() -> None:
        assert len(tasks_answer(reader, query, scope).frame) == query.limit
        assert of_tasks_answer(reader, Facets(query.filter), scope).totals["tasks"]

    return ask


def flowers_lists() -> dict[str, float]:
    """Seconds of Flower's answers, with as many tasks as its State keeps by default in Celery."""
    columns = {"draw": 1, "start": 0, "length": 50, "order[0][column]": 0, "order[0][dir]": "desc"}
    table = urllib.parse.urlencode({**columns, "columns[0][data]": "received", "search[value]": "state:FAILURE"})
    with (
        tempfile.TemporaryDirectory() as name,
        Redis(Path(name) / "redis") as redis,
        Flower(Path(name), redis.url) as flower,
    ):
        with Publisher(Path(name), redis.url, "--tasks", str(FLOWERS_TASKS)) as publisher:
            published = publisher.counts(120)
        wait_until(lambda: flower.events() >= published.events, "every event in Flower", 60)
        page, everything = interleaved(
            lambda: flower.get(f"/tasks/datatable?{table}"),
            lambda: flower.get(f"/api/tasks?limit={FLOWERS_TASKS}"),
            runs=RUNS,
        )
    return {
        f"Flower's page of 50 of {FLOWERS_TASKS:,}": page,
        f"Flower's list of its {FLOWERS_TASKS:,}": everything,
    }


def row(what: str, ours: float, peer: float, goal: float | None = 1.0) -> dict[str, object]:
    return {"name": what, "ours": ours, "peer": peer, "ratio": peer / ours, "goal": goal, "runs": RUNS, "unit": "s"}


if __name__ == "__main__":
    for measured in run():
        print(json.dumps(measured))
