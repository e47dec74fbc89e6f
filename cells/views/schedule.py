"""Beat's schedule as a table, and what it will bring as bars."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from cells.load import Load, QueueLoad
from cells.table import Column, Table, is_missing, linked, records
from charts.theme import PALETTE
from data_sources.answer import Answer
from data_sources.microseconds import ms
from data_sources.schedule.load import HOURS

ENTRIES = (
    Column("name", "entry"),
    Column("words", "runs", help="Times of a day are in the schedule's own zone"),
    Column("verdict", "kept", "verdict", "The worst within the range; overdue: it should have come by now"),
    Column(
        "runs", "last runs", "dues", "Each due time: on time, late, missed, doubled or failed; a run leads to its task"
    ),
    Column("next_run", "next", "moment", unknown="not due again, or not known"),
    Column("late", "late", "number", "More than 30 s, or half of a shorter interval, after it was due", "not compared"),
    Column("missed", "missed", "number", "Due, and nothing came before the next time", "not compared"),
    Column("doubled", "doubled", "number", "More runs than were due: a second beat, or a call by hand", "not compared"),
    Column("failed", "failed", "number", "Runs that ended in FAILURE", "no run was recorded"),
    Column("runtime", "median run", "seconds", unknown="no run was recorded"),
    Column("queue", "queue", unknown="no run told it"),
    Column("task", "task", "code", unknown="hidden"),
    Column("args", "arguments", "code", "Secrets are masked", "none"),
    Column("source", "from"),
)

ALL_BLOCKS, FEWEST_BLOCKS = 12_000, 10  # of all strips together, and of each: a megabyte at most goes to the browser

TEACH = (
    "No entry of a schedule is known. They come from three places, each read and never written:",
    "beat_schedule in the configuration that workers report; RedBeat's keys on the broker's Redis, or where "
    "REDBEAT_REDIS_URL says; django-celery-beat's tables, at BEAT_DATABASE_URL.",
    "Where none of them tells, tasks that come at regular intervals are found in the history after some runs.",
)


def entries(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """Those that are enabled, and apart from them the others."""
    rows: dict[bool, list[list[Any]]] = {True: [], False: []}
    most = max(FEWEST_BLOCKS, ALL_BLOCKS // max(len(frame), 1))
    for row in records(frame):
        rows[row["verdict"] != "disabled"].append([value(row, column, most) for column in ENTRIES])
    left_out = len(frame) - len(rows[True]) - len(rows[False])
    return Table(ENTRIES, rows[True], TEACH, rows[False], "Disabled entries", left_out)


def value(row: Mapping[str, Any], column: Column, most: int) -> Any:
    of = row[column.name]
    if of is None and column.name != "args":
        return None
    match column.name:
        case "runs":
            return [[one["kind"], iso_ms(one["due"]), iso_ms(one["at"]), one["id"], one["state"]] for one in of[-most:]]
        case "next_run":
            return ms(of)
        case "args":
            return " ".join(filter(None, (of, row["kwargs"]))) or None
        case "name":
            return linked(of, "/schedule", name=of)
        case "task":
            return linked(of, "/tasks", name=of)
        case "queue":
            return linked(of, "/queue", name=of)
    return of


def iso_ms(moment: str | None) -> float | None:
    return None if moment is None else round(ms(datetime.fromisoformat(moment)))


def load(frame: pd.DataFrame, answers: Mapping[str, Answer]) -> Load:
    """The next HOURS hours from the one that runs; a queue's parts in the order of its name."""
    measured_at = answers["rows"].measured_at
    if frame.empty or measured_at is None:
        return Load(empty=("Nothing is due in the next 24 hours, as far as it is known.",))
    first = pd.Timestamp(measured_at).floor("h")
    hours = [first + pd.Timedelta(hours=hour) for hour in range(HOURS)]
    queues = []
    for queue, rows in frame.groupby("queue", dropna=False, sort=True):
        name = None if is_missing(queue) else str(queue)
        by_hour = rows.set_index("time")
        busy = by_hour["value"].reindex(hours).astype(object)
        runs = by_hour["runs"].astype("float64").reindex(hours, fill_value=0.0)
        colour, _ = PALETTE.style("queue", name or "")
        known = tuple(None if is_missing(one) else float(one) for one in busy)
        queues.append(QueueLoad(name, colour, tuple(int(one) for one in runs), known))
    return Load(tuple(ms(hour) for hour in hours), tuple(queues))
