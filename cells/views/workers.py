"""Workers as tables: who is there, and what differs from one to another."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from cells.table import Column, Table, linked, records, sparklines
from charts.series import split
from data_sources.answer import Answer
from data_sources.microseconds import ms
from data_sources.workers.differences import differences as found

HIDE_AFTER = timedelta(hours=1)  # who is gone that long stands apart, unless it is expected
SIDES = 3  # of a difference that are told
NAMED = 4  # workers of each

VERDICT = Column(
    "verdict", "verdict", "verdict", "From its heartbeat, its answers and what it takes on; open it to see"
)
SLOTS = Column("slots", "busy slots", "gauge", unknown="it has not said what it runs")
THROUGHPUT = Column("throughput", "accepted / s", "spark", unknown="nothing recorded of it alone")
QUEUES = Column("queues", "consumes", "names")
PROCESSED = Column("processed", "processed", "number", "Accepted since it started")
POOL = Column("pool", "pool")
PREFETCH = Column("prefetch", "prefetch", "number", "How many messages it may hold at once")
UPTIME = Column("uptime", "up", "seconds", unknown="silent, or it did not say")
CLOCK = Column("clock", "clock", "seconds", "How far its clock is ahead of ours", unknown="no heartbeat told")
LAST = Column("last_seen", "last answer", "moment", unknown="it was never heard")

WORKERS = (
    Column("worker", "worker"),
    *(VERDICT, SLOTS, THROUGHPUT, QUEUES, PROCESSED, POOL, PREFETCH, UPTIME, LAST),
)
ALL = (
    Column("worker", "worker"),
    *(VERDICT, SLOTS, THROUGHPUT, QUEUES, PROCESSED, PREFETCH),
    Column(
        "memory", "memory", "bytes", "Of the container that is called as its host", unknown="none known to be its own"
    ),
    Column("load", "load", "number", "Of its machine, over a minute", unknown="no heartbeat told"),
    UPTIME,
    CLOCK,
    Column("software", "Celery", unknown="no heartbeat told"),
    POOL,
    LAST,
)
DIFFERENCES = (
    Column("name", "what", "code"),
    Column("kind", "is a"),
    *(Column(f"side{place}", label, "side") for place, label in enumerate(("most", "others", "and others"))),
)
TEACH = (
    "No worker has answered yet. Is one running on this broker?",
    "$ celery -A yourapp worker",
    "If workers do run, a setting of theirs may differ from ours: the sentence at the top names them.",
)


def workers(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """The few columns of the Overview. `beside["throughput"]`: accepted per second by worker, for the sparkline."""
    return table(WORKERS, frame, beside)


def all_workers(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """All columns; `beside["memory"]`: by container, `beside["hostnames"]`: by its host name."""
    return table(ALL, frame, beside)


def table(columns: Sequence[Column], frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """Who is there, and apart who has been gone for long."""
    sparks, memory = sparklines(beside.get("throughput")), memory_now(beside)
    now = beside["rows"].measured_at if "rows" in beside else None
    rows: dict[bool, list[list[Any]]] = {False: [], True: []}
    told = records(frame)
    processes = Counter(row["worker"] for row in told)
    placed = [(row, place) for _, alike in groupby(told, itemgetter("worker")) for place, row in enumerate(alike)]
    for row, place in sorted(placed, key=lambda one: not is_ill(one[0])):  # who is ill stands first; else by name
        alone = processes[row["worker"]] == 1  # else what is known by name is of all of them together
        given = values(row, place, sparks if alone else {}, memory if alone else {})
        gone = row["verdict"] == "gone" and not row["expected"] and row["last_seen"]
        hidden = bool(gone and now and now - row["last_seen"] > HIDE_AFTER)
        rows[hidden].append([given[column.name] for column in columns])
    return Table(tuple(columns), rows[False], TEACH, rows[True], "Gone for more than an hour", len(frame) - len(told))


def values(
    row: Mapping[str, Any], place: int, sparks: Mapping[str, Any], memory: Mapping[str, float]
) -> dict[str, Any]:
    """By column. `place`: which of those it is that have the same name."""
    name = row["worker"]
    return {
        "worker": linked(name, "/worker", name=name) if row["last_seen"] else name,
        "verdict": {
            "name": row["verdict"] if row["last_seen"] else "missing",
            "key": f"{name} {place}",
            "evidence": said(row),
        },
        "slots": None if row["active"] is None else [row["active"], row["concurrency"]],
        "throughput": sparks.get(name),
        "queues": row["queues"] and [linked(queue, "/queue", name=queue) for queue in row["queues"]],
        "processed": row["processed"],
        "prefetch": row["prefetch"],
        "memory": memory_of(name, memory),
        "load": row["load"],
        "uptime": row["uptime"],
        "clock": row["clock_offset"],
        "software": row["software"] and row["software"].removeprefix("py-celery "),
        "pool": row["pool"],
        "last_seen": ms(row["last_seen"]),
    }


def is_ill(row: Mapping[str, Any]) -> bool:
    return row["verdict"] in ("wedged", "silent", "gone") or row["last_seen"] is None


def said(row: Mapping[str, Any]) -> list[list[Any]]:
    """The evidence: [witness, text, milliseconds since 1970 or None]."""
    return json.loads(row["evidence"]) if row["evidence"] else []


def newest(answer: Answer | None) -> dict[str, float]:
    """The last value of each series, where it is of now."""
    if answer is None or answer.window is None or not answer.tells_now:
        return {}
    ends = {one.name: one.y[-3:] for one in split(answer.frame, answer.window)}
    return {name: float(known[-1]) for name, end in ends.items() if len(known := end[np.isfinite(end)])}


def memory_now(beside: Mapping[str, Answer]) -> dict[str, float]:
    """By whatever a worker's host may be called: its container, or that container's own host name."""
    return newest(beside.get("hostnames")) | newest(beside.get("memory"))


def memory_of(worker: str, containers: Mapping[str, float]) -> float | None:
    """Of the container that is called as the worker's host, or of the only one in the pod that is. Nothing is guessed
    from a part of a name: `shop` is in `shop-redis-1` too.
    """
    host = worker.partition("@")[2]
    called = [name for name in containers if host and host in (name, pod_of(name))]
    return containers[called[0]] if len(called) == 1 else None


def pod_of(container: str) -> str | None:
    """Of Kubernetes' namespace/pod/container."""
    parts = container.split("/")
    return parts[1] if len(parts) == 3 else None


def differences(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """`frame`: the answers to `conf`; `beside["registered"]`: those to `registered`."""
    registered = beside["registered"].frame
    rows = [
        [
            one.name,
            one.kind,
            *[side(*one.sides[place]) if place < len(one.sides) else ["", []] for place in range(SIDES)],
        ]
        for one in found(frame, registered)
    ]
    count = frame["worker"].nunique()
    if count < 2:
        teach = f"{count or 'No'} worker has told its configuration: there is nothing to compare."
    else:
        teach = f"All {count} workers agree: the same settings, the same tasks."
    return Table(DIFFERENCES, rows, (teach,))


def side(value: str, workers: Sequence[str]) -> list[Any]:
    """What is said, and by whom."""
    named = [linked(name, "/worker", name=name) for name in workers[:NAMED]]
    return [value[:200], [*named, *([f"and {len(workers) - NAMED} more"] if len(workers) > NAMED else [])]]
