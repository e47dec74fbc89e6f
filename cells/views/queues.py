"""Queues as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from cells.table import Column, Table, records, sparklines
from data_sources.answer import Answer

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
