"""Frames laid out as tables: which columns people read, in which form, and what an empty one teaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from charts.series import split
from data_sources.answer import Answer

MOST_ROWS = 2_000
SPARK_POINTS = 60


@dataclass(frozen=True)
class Column:
    """`kind`: text, number, bytes, seconds, names, verdict, moment, gauge (used, all) or spark."""

    name: str
    label: str
    kind: str = "text"
    help: str = ""
    unknown: str = "not known"


@dataclass(frozen=True)
class Table:
    """`apart` holds rows that few look for, a click away under the label `apart_label`."""

    columns: tuple[Column, ...]
    rows: list[list[Any]]
    empty: tuple[str, ...]
    apart: list[list[Any]] = field(default_factory=list)
    apart_label: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


View = Callable[[pd.DataFrame, Mapping[str, Answer]], Table]

WORKERS = (
    Column("worker", "worker"),
    Column("verdict", "verdict", "verdict", "From its last reply: working, idle, or silent"),
    Column("slots", "busy slots", "gauge"),
    Column("throughput", "accepted / s", "spark"),
    Column("queues", "consumes", "names"),
    Column("processed", "processed", "number", "Accepted since it started"),
    Column("pool", "pool"),
    Column("prefetch", "prefetch", "number", "How many messages it may hold at once"),
    Column("uptime", "up", "seconds", unknown="silent"),
    Column("last_seen", "last answer", "moment"),
)


def workers(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """`beside["throughput"]`: accepted per second by worker, for the sparkline."""
    sparks = sparklines(beside.get("throughput"))
    rows = [
        [
            row["worker"],
            row["verdict"],
            None if row["active"] is None else [row["active"], row["concurrency"]],
            sparks.get(row["worker"]),
            row["queues"],
            row["processed"],
            row["pool"],
            row["prefetch"],
            row["uptime"],
            row["last_seen"].timestamp() * 1000,
        ]
        for row in records(frame)
    ]
    teach = (
        "No worker has answered yet. Is one running on this broker?",
        "$ celery -A yourapp worker",
        "If workers do run, a setting of theirs may differ from ours: the sentence at the top names them.",
    )
    return Table(WORKERS, rows, teach)


QUEUES = (
    Column("queue", "queue"),
    Column("ready", "ready", "number", "Waiting in the queue, over all priorities"),
    Column(
        "unacked",
        "unacked",
        "number",
        "Delivered to a worker and not acknowledged: running, prefetched or held for an ETA",
    ),
    Column("trend", "waiting", "spark"),
    Column("consumers", "consumers", "number", "Workers that consume it"),
    Column("oldest", "oldest", "seconds", unknown="the broker keeps no time of publishing"),
)


def queues(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """Work queues, and apart from them Celery's own; `beside["depth"]` fills the sparkline."""
    sparks = sparklines(beside.get("depth"))
    rows: dict[bool, list[list[Any]]] = {False: [], True: []}
    for row in records(frame):
        spark = sparks.get(row["queue"])
        rows[row["internal"]].append(
            [row["queue"], row["ready"], row["unacked"], spark, row["consumers"], row["oldest"]]
        )
    teach = (
        "No queue found. A queue is seen when a worker consumes it or a producer has declared it.",
        "Check that broker URL, database or vhost, and global_keyprefix are the ones your app uses.",
    )
    return Table(QUEUES, rows[False], teach, rows[True], "Celery's own queues")


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values; what is missing is None."""
    plain = frame.head(MOST_ROWS).astype(object)
    return [
        {
            str(name): None if value is None or value is pd.NaT or value is pd.NA or value != value else value
            for name, value in row.items()
        }
        for row in plain.to_dict("records")
    ]


def sparklines(answer: Answer | None) -> dict[str, list[float | None]]:
    """Each series of a range answer in few points; None where nothing is known."""
    if answer is None or answer.window is None or answer.frame.empty:
        return {}
    return {one.name: thinned(one.y) for one in split(answer.frame, answer.window)}


def thinned(y: np.ndarray[Any, np.dtype[np.float32]]) -> list[float | None]:
    """The mean of each of SPARK_POINTS stretches."""
    parts = np.array_split(y.astype(np.float64), min(SPARK_POINTS, len(y)))
    return [None if np.isnan(part).all() else round(float(np.nanmean(part)), 4) for part in parts]
