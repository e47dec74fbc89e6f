"""Whether a month at 500 events a second fits the size a history is given.

Rows of tasks go when it is full; roll-ups stay for their time, the finest for less where they would take more than
half. So an hour at that rate is put into a history, 600 combinations of task, queue, worker and state, and rolled up by
the recorder's own code; what it takes is counted, table by table, and multiplied by how long the recorder's own rule
keeps each level after a month.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from contextlib import closing

from benchmarks._past import HOUR, MINUTE, put_hour, put_names
from data_sources import schema
from data_sources.config import Cluster, Secret, Settings
from data_sources.history.place import SqlitePlace, place
from recorder.rollups import Rollups
from recorder.store import Store
from recorder.thinning import SHARE, fitting

EVENTS_A_SECOND, EVENTS_A_TASK = 500, 3
DAYS = 30
ROLLED_UP = ("rollups", "counts", "sketches")


def run() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder:
        where = place(Secret(f"sqlite:///{folder}"), Cluster())
        assert isinstance(where, SqlitePlace)
        tasks = EVENTS_A_SECOND * 3_600 // EVENTS_A_TASK
        begin_hour(where, tasks)
        return rows(*sizes(where), tasks)


def begin_hour(where: SqlitePlace, tasks: int) -> None:
    """An hour that is over, all of it rolled up."""
    hour = (int(time.time()) // HOUR - 2) * HOUR
    with closing(Store.open(where)) as store:
        with closing(sqlite3.connect(where.path, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            put_names(connection)
            put_hour(connection, hour, tasks, last_day=False)
            connection.execute("COMMIT")
        with store.database.transaction():
            store.database.upsert(schema.dirty, [(MINUTE, at) for at in range(hour, hour + HOUR, MINUTE)])
        while Rollups(store).step(time.time_ns() // 1_000):
            pass


def sizes(where: SqlitePlace) -> tuple[dict[int, float], float]:
    """Bytes of an hour's roll-ups by level, and of a task's row with its texts and indexes."""
    with closing(sqlite3.connect(where.path)) as connection:
        of_table = dict(
            connection.execute(
                "SELECT tbl_name, sum(pgsize) FROM dbstat JOIN sqlite_schema USING (name) GROUP BY tbl_name"
            )
        )
        by_level: dict[int, float] = dict.fromkeys(schema.LEVELS, 0.0)
        for table in ROLLED_UP:
            blobs = [column.name for column in schema.metadata.tables[table].columns if column.name not in KEY]
            length = " + ".join(f"coalesce(length({name}), 0)" for name in blobs)
            shares = connection.execute(
                f"SELECT level, sum({length} + {ROW_BYTES}) FROM {table} GROUP BY level"
            ).fetchall()
            whole = sum(share for _, share in shares)
            for level, share in shares:
                by_level[level] += of_table[table] * share / whole
        count = connection.execute("SELECT count(*) FROM tasks").fetchone()[0]
    return by_level, (of_table["tasks"] + of_table["texts"]) / count


KEY = ("level", "at", "cell")
ROW_BYTES = 16  # of a key and a row's head, to share a table's pages among its levels


def rows(by_level: dict[int, float], row_bytes: float, tasks: int) -> list[dict[str, object]]:
    bound = Settings.history_size_bytes
    longest = {("rollups", level): float(min(DAYS * 86_400, schema.KEPT_SECONDS[level])) for level in schema.LEVELS}
    layers = fitting({("rollups", level): size / HOUR for level, size in by_level.items()}, longest, SHARE * bound)
    kept = {level: seconds for (_, level), seconds in layers.items()}
    rolled_up = sum(by_level[level] * kept[level] / HOUR for level in schema.LEVELS)
    hours = (bound - rolled_up) / (tasks * row_bytes)
    return [
        row("roll-ups of a month at 500 events a second, of the size given", rolled_up / 1e9, bound / 1e9, 1.0, "GB"),
        row("single tasks kept beside them", hours, 1.0, None, "h"),
        *(
            row(
                f"roll-ups of {level} s, {kept[level] / HOUR:,.0f} h of them",
                by_level[level] * kept[level] / HOUR / 1e6,
                bound / 1e6,
                None,
                "MB",
            )
            for level in schema.LEVELS
        ),
        row("a task with its texts and indexes", row_bytes, row_bytes, None, "B"),
    ]


def row(what: str, ours: float, peer: float, goal: float | None, unit: str) -> dict[str, object]:
    ratio = ours / peer if unit == "h" else peer / ours
    return {"name": what, "ours": ours, "peer": peer, "ratio": ratio, "goal": goal, "runs": 1, "unit": unit}


if __name__ == "__main__":
    for measured in run():
        print(json.dumps(measured))
