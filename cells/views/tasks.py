"""Recorded tasks as tables: by name, by how they failed, and one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pandas as pd

from cells.table import Column, Table, linked, records, sparklines
from data_sources.answer import Answer
from data_sources.fields import Params
from data_sources.history.failures import SPANS
from data_sources.microseconds import ms
from data_sources.scope import iso
from data_sources.task_query import OfTasks, TaskFilter, Tasks

NAMES = (
    Column("name", "task", "code"),
    Column("count", "tasks", "number", "That did something in this time"),
    Column("rate", "per second", "rate", "Ended, per second of the time that was recorded"),
    Column("trend", "ended / s", "spark"),
    Column("failures", "failed", "number"),
    Column(
        "failure_ratio",
        "of ended",
        "percent",
        "Failed, of those that succeeded or failed",
        "not known of tasks that are chosen by how they ended",
    ),
    Column("retries", "retries", "number", "How often they were tried again; one task may count several times"),
    *(
        Column(f"wait_p{p}", f"wait p{p}", "seconds", "From sent, or its ETA, to started; within 1 %")
        for p in (50, 95, 99)
    ),
    *(Column(f"runtime_p{p}", f"run p{p}", "seconds", "From started to ended; within 1 %") for p in (50, 95, 99)),
    Column("runtime_total", "time spent", "seconds", "The sum of all runtimes: what it really costs"),
)

FAILURES = (
    Column("exception", "failure", "code", "Numbers, addresses and what is quoted are masked", "no exception recorded"),
    Column("names", "tasks", "names"),
    *(Column(f"last_{span}", f"last {span}", "number", unknown="more failures than are counted") for span in SPANS),
    Column("first", "first", "moment", "In the last 7 days, as far as was counted"),
    Column("last", "last", "moment"),
)

TASKS = (
    Column("name", "task", "code", "Leads to all that is known of it"),
    Column("state", "state", "state"),
    Column("last", "last", "moment", "When it did last what is known of it", sort="last"),
    Column(
        "wait", "wait", "seconds", "From sent, or its ETA, to started", "not started, or not known when sent", "wait"
    ),
    Column("runtime", "run", "seconds", "From started to ended", "not ended", "runtime"),
    Column("retries", "retries", "number"),
    Column("queue", "queue", unknown="only told by clients with task_send_sent_event"),
    Column("worker", "worker"),
    Column("exception", "exception", unknown="none"),
    Column("args", "args", "code", unknown="none recorded"),
    Column("received", "received", "moment", sort="received"),
    Column("started", "started", "moment", sort="started"),
    Column("id", "id", "code", "How it begins; the whole id can be searched for"),
)
CUT = 120  # characters of a long text in a list

NOTHING_RECORDED = (
    "No task did anything in this time, as far as is recorded. Choose a longer range, or start workers with events:",
    "$ celery -A yourapp worker -E",
    "If they are, their event_exchange may differ from ours (CELERY_EVENT_EXCHANGE).",
)
NOTHING_FOUND = (
    "No task matches in this time. Take a filter away, or choose a longer range.",
    'A search looks for words anywhere; field:value, "phrases", AND, OR, NOT and parentheses make it exact.',
)
OF_NO_QUEUE = (
    "No task from this queue is recorded in this time. Choose a longer range.",
    "Only clients with task_send_sent_event tell the queue of a task.",
)
OF_NO_WORKER = ("No task of this worker is recorded in this time. Choose a longer range.",)
NOTHING_FAILED = ("No task failed in the last 7 days, as far as is recorded.",)


def names(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """`beside["throughput"]`: ended per second by name, for the sparkline, if any. Each number leads to its tasks."""
    filter, sparks = filter_of(beside["rows"]), sparklines(beside.get("throughput"))
    columns = tuple(column for column in NAMES if "throughput" in beside or column.name != "trend")
    rows = [name_row(columns, {**row, "trend": sparks.get(row["name"] or "")}, filter) for row in records(frame)]
    return Table(columns, rows, nothing(filter), left_out=len(frame) - len(rows))


def name_row(columns: Sequence[Column], row: Mapping[str, Any], filter: TaskFilter) -> list[Any]:
    values = {column.name: row.get(column.name) for column in columns}
    if row["name"] is None:
        return [*values.values()]
    own = replace(filter, names=(row["name"],))
    slowest = {measure: leading(own, sort=f"-{measure}") for measure in ("wait", "runtime")}
    links = {
        "name": leading(own),
        "count": leading(own),
        "failures": leading(replace(own, states=("FAILURE",))),
        **{
            column.name: slowest[measure]
            for column in columns
            for measure in slowest
            if column.name.startswith(measure)
        },
    }
    return [with_link(value, links.get(column)) for column, value in values.items()]


def failures(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """Each number leads to the tasks it counts."""
    filter = filter_of(beside["rows"])
    rows = [failure_row(row, replace(filter, failure=row["failure"])) for row in records(frame)]
    return Table(FAILURES, rows, NOTHING_FAILED, left_out=len(frame) - len(rows))


def failure_row(row: Mapping[str, Any], own: TaskFilter) -> list[Any]:
    until = row["until"].to_pydatetime()
    times = {span: [("from", iso(until - timedelta(hours=hours))), ("to", iso(until))] for span, hours in SPANS.items()}
    counts = [with_link(row[f"last_{span}"], leading(own, time=time)) for span, time in times.items()]
    whole = leading(own, time=times["7d"])
    first, last = (ms(row[column]) for column in ("first", "last"))
    return [with_link(row["exception"] or None, whole), row["names"], *counts, first, last]


def tasks(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """A page of the list; each task leads to its own page, its queue and worker to theirs."""
    rows = [task_row(row) for row in records(frame)]
    return Table(TASKS, rows, nothing(filter_of(beside["rows"])))


def task_row(row: Mapping[str, Any]) -> list[Any]:
    moments = ("last", "received", "started")
    shown = {column.name: row[column.name] for column in TASKS}
    shown |= {column: ms(row[column]) for column in moments}
    shown |= {column: cut(row[column]) for column in ("exception", "args")}
    shown |= {
        "name": linked(row["name"] or "not known", "/task", id=row["id"]),
        "queue": row["queue"] and linked(row["queue"], "/queue", name=row["queue"]),
        "worker": row["worker"] and linked(row["worker"], "/worker", name=row["worker"]),
        "id": linked(row["id"][:8], "/task", id=row["id"]),
    }
    return [*shown.values()]


def filter_of(answer: Answer) -> TaskFilter:
    assert isinstance(answer.query, Tasks | OfTasks)
    return answer.query.filter


def nothing(filter: TaskFilter) -> tuple[str, ...]:
    """Why a list is empty; of all tasks of one queue or worker there is no filter to take away."""
    if filter == TaskFilter():
        return NOTHING_RECORDED
    if filter == TaskFilter(queues=filter.queues):
        return OF_NO_QUEUE
    return OF_NO_WORKER if filter == TaskFilter(workers=filter.workers) else NOTHING_FOUND


def leading(filter: TaskFilter, time: Params | None = None, sort: str = "") -> str:
    """The address of the list of these tasks, in another stretch of time or order."""
    params = [*filter.to_params(), *(time or ()), *([("sort", sort)] if sort else [])]
    return f"/tasks?{urlencode(params)}"


def with_link(value: Any, href: str | None) -> Any:
    """Nothing, and none, leads nowhere."""
    return {"value": value, "href": href} if href and value else value


def cut(text: str | None) -> str | None:
    return f"{text[:CUT]}…" if text and len(text) > CUT else text
