"""Rows of tasks, with their names and texts, and the frames they make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import pandas as pd
from sqlalchemy import Connection, select

from data_sources.schema import KINDS, STATES, names, tasks, texts

CHUNK = 5_000  # rows asked for at once: databases take some 30,000 parameters

Row = dict[str, Any]  # a row of `tasks` with its `texts`; name, queue and worker as text

# The list's columns. Unknown is NA. `wait` and `runtime` are seconds; texts are masked, and cut to a limit.
TASK_COLUMNS = {
    "id": "str",
    "name": "str",
    "state": "str",
    "worker": "str",
    "queue": "str",
    "sent": "datetime64[us, UTC]",
    "received": "datetime64[us, UTC]",
    "started": "datetime64[us, UTC]",
    "finished": "datetime64[us, UTC]",
    "wait": "float64",
    "runtime": "float64",
    "retries": "Int64",
    "exception": "str",
    "args": "str",
    "kwargs": "str",
    "result": "str",
    "last": "datetime64[us, UTC]",
    "eta": "datetime64[us, UTC]",
    "priority": "Int64",
    "exchange": "str",
    "routing_key": "str",
    "root": "str",
    "parent": "str",
    "group": "str",
}
# Of one task also: `since`, when it came into its state, and `cut`, a mapping of the texts that were cut to their true
# lengths, by column.
ONE_TASK_COLUMNS = {**TASK_COLUMNS, "since": "datetime64[us, UTC]", "traceback": "str", "cut": "object"}
UNITS = {"wait": "s", "runtime": "s"}


def read_rows(connection: Connection, places: Sequence[int]) -> list[Row]:
    """The tasks whose `seq` are `places`, in that order."""
    long = [column for column in texts.c if column.name != "seq"]
    whole = select(*tasks.c, *long).join(texts, texts.c.seq == tasks.c.seq, isouter=True)
    found: dict[int, Row] = {}
    for start in range(0, len(places), CHUNK):
        query = whole.where(tasks.c.seq.in_(places[start : start + CHUNK]))
        found |= {row["seq"]: dict(row) for row in connection.execute(query).mappings()}
    named = name_texts(connection, (row[kind] for row in found.values() for kind in KINDS))
    for row in found.values():
        row |= {kind: named.get(row[kind]) for kind in KINDS}
    return [found[place] for place in places if place in found]


def name_texts(connection: Connection, ids: Iterable[int | None]) -> dict[int | None, str]:
    """The texts of names, by id."""
    wanted = sorted({id for id in ids if id})
    query = (
        select(names.c.id, names.c.text).where(names.c.id.in_(wanted[start : start + CHUNK]))
        for start in range(0, len(wanted), CHUNK)
    )
    return {id: text for some in query for id, text in connection.execute(some)}


def read_task(connection: Connection, id: str) -> list[Row]:
    """The task of that id, if it is recorded."""
    return read_tasks(connection, (id,))


def read_tasks(connection: Connection, ids: Sequence[str]) -> list[Row]:
    """Those of the tasks that are recorded; at most CHUNK."""
    return read_rows(connection, connection.execute(select(tasks.c.seq).where(tasks.c.id.in_(ids))).scalars().all())


def task_frame(rows: Sequence[Row], columns: dict[str, str] = TASK_COLUMNS) -> pd.DataFrame:
    """One row a task; `columns` with their dtypes, also when there is none."""
    return pd.DataFrame({name: column(rows, name, kind) for name, kind in columns.items()})


def column(rows: Sequence[Row], name: str, kind: str) -> Any:
    match name, kind:
        case _, "datetime64[us, UTC]":
            source = "state_us" if name == "since" else f"{name}_us"
            return pd.array([row[source] for row in rows], dtype="Int64").astype("datetime64[us, UTC]")
        case (("wait" | "runtime"), _):
            return pd.Series([row[f"{name}_us"] for row in rows], dtype="float64") / 1e6
        case "state", _:
            return pd.array([STATES[row["state"]] for row in rows], dtype="str")
        case "parent", _:  # what retries itself is its own parent in Celery's messages
            return pd.array([row["parent"] if row["parent"] != row["id"] else None for row in rows], dtype="str")
        case "cut", _:
            return pd.Series([orjson.loads(row["cut"]) if row["cut"] else None for row in rows], dtype="object")
    return pd.array([row[name] for row in rows], dtype=kind)
