"""Frames laid out as tables: which columns people read, in which form, and what an empty one teaches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from charts.series import Values, split
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
    """`apart` holds rows that few look for, a click away under the label `apart_label`; `left_out` counts those
    that stand in the CSV alone.
    """

    columns: tuple[Column, ...]
    rows: list[list[Any]]
    empty: tuple[str, ...]
    apart: list[list[Any]] = field(default_factory=list)
    apart_label: str = ""
    left_out: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


View = Callable[[pd.DataFrame, Mapping[str, Answer]], Table]

WORKERS = (
    Column("worker", "worker"),
    Column("verdict", "verdict", "verdict", "From its last reply: working, idle, silent or gone"),
    Column("slots", "busy slots", "gauge"),
    Column("throughput", "accepted / s", "spark"),
    Column("queues", "consumes", "names"),
    Column("processed", "processed", "number", "Accepted since it started"),
    Column("pool", "pool"),
    Column("prefetch", "prefetch", "number", "How many messages it may hold at once"),
    Column("uptime", "up", "seconds", unknown="silent, or it did not say"),
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
            row["last_seen"] and row["last_seen"].timestamp() * 1000,
        ]
        for row in records(frame)
    ]
    teach = (
        "No worker has answered yet. Is one running on this broker?",
        "$ celery -A yourapp worker",
        "If workers do run, a setting of theirs may differ from ours: the sentence at the top names them.",
    )
    return Table(WORKERS, rows, teach, left_out=len(frame) - len(rows))


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
    left_out = len(frame) - len(rows[False]) - len(rows[True])
    return Table(QUEUES, rows[False], teach, rows[True], "Celery's own queues", left_out)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The first MOST_ROWS rows as plain values; what is missing, or a number that JSON cannot write, is None."""
    plain = frame.head(MOST_ROWS).astype(object)
    return [
        {str(name): None if is_missing(value) else value for name, value in row.items()}
        for row in plain.to_dict("records")
    ]


def is_missing(value: object) -> bool:
    return value is pd.NaT or (isinstance(value, float) and not math.isfinite(value))


@lru_cache(maxsize=64)  # one answer is shown to many viewers
def sparklines(answer: Answer | None) -> dict[str, list[float | None]]:
    """Each series of a range answer in few points; None where nothing is known."""
    if answer is None or answer.window is None:
        return {}
    return {one.name: thinned(one.y) for one in split(answer.frame, answer.window)}


def thinned(y: Values) -> list[float | None]:
    """The mean of what is known in each of SPARK_POINTS stretches, to six digits."""
    parts = np.array_split(y.astype(np.float64), min(SPARK_POINTS, len(y)))
    means = [part[known].mean() if (known := np.isfinite(part)).any() else None for part in parts]
    return [None if mean is None else float(f"{mean:.6g}") for mean in means]
