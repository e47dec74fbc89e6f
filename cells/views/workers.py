"""Workers as tables."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from cells.table import Column, Table, records, sparklines
from data_sources.answer import Answer

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
