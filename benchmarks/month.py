"""Whether a month at 500 events a second fits the size a history is given.

Rows of tasks go when it is full; roll-ups and samples stay for their time, the finest for less where all would take
more than half.

Measured: what an hour takes, level by level, by the pages of its tables. Its roll-ups, of 600 combinations of task,
queue, worker and state, are made by the recorder's own code; so are its samples, every 10 s, of 20 tasks, 5 queues and
10 workers, and the coarser ones, which are thinned from hours that are 2 and 20 days old.

Reckoned: a month of each, as that hour times how long the recorder's own rule keeps the level; and the tasks that the
rest has room for.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing

import numpy as np

from benchmarks._past import HOUR, MINUTE, NAMES, QUEUES, WORKERS, put_hour, put_names
from data_sources import schema
from data_sources.config import Cluster, Secret, Settings
from data_sources.history.place import SqlitePlace, place
from recorder.batch import Batch, Sample
from recorder.rollups import Rollups
from recorder.sampler import gauges
from recorder.store import Store
from recorder.thinning import LAYERS, SHARE, Layer, Thinning, fitting

EVENTS_A_SECOND, EVENTS_A_TASK = 500, 3
DAYS = 30
TABLES = {"rollups": ("rollups", "counts", "sketches"), "samples": ("samples",)}  # of each kind of layer
EACH, THINNED = schema.SAMPLE_LEVELS[0], (2 * 86_400, 20 * 86_400)  # seconds of age at which minutes, ten minutes are
KEY = ("level", "at", "cell", "measure", "label")
ROW_BYTES = 16  # of a key and a row's head, to share a table's pages among its levels


def run() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder:
        where = place(Secret(f"sqlite:///{folder}"), Cluster())
        assert isinstance(where, SqlitePlace)
        tasks = EVENTS_A_SECOND * HOUR // EVENTS_A_TASK
        begin_hour(where, tasks)
        return rows(*sizes(where), tasks)


def begin_hour(where: SqlitePlace, tasks: int) -> None:
    """An hour that is over, all of it rolled up; and samples of it, and of those from which the coarser are made."""
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
        for start in (hour, *(hour - age for age in THINNED)):
            store.write(Batch(samples=[one for at in range(start, start + HOUR, EACH) for one in sampled(at, tasks)]))
        thinning = Thinning(store, Settings.history_size_bytes)
        while thinning.step(time.time_ns() // 1_000):
            pass


def sampled(at: int, tasks: int) -> list[Sample]:
    """What the recorder samples in one moment, of all there are."""
    chance = np.random.default_rng(at)
    names = [f"shop.task_{number:02}" for number in range(NAMES)]
    queues = [f"queue{number}" for number in range(QUEUES)]
    workers = [f"worker{number}@shop" for number in range(WORKERS)]

    def split(texts: Sequence[str], most: int) -> dict[str, float | None]:
        return dict(zip(texts, chance.integers(0, most, len(texts)).tolist(), strict=True))

    accepted = tasks * EACH // HOUR
    return [
        *gauges(at, "depth", "queue", split(queues, 5_000), 5_000),
        *gauges(at, "unacked", "queue", split(queues, 50), 50),
        *gauges(at, "busy_slots", "worker", split(workers, 8), 40),
        *gauges(at, "slots", "worker", dict.fromkeys(workers, 8.0), 80),
        *gauges(at, "accepted", "name", split(names, 2 * accepted // NAMES), accepted),
        *gauges(at, "accepted", "worker", split(workers, 2 * accepted // WORKERS), None),
    ]


def sizes(where: SqlitePlace) -> tuple[dict[Layer, float], float]:
    """Bytes of an hour of each layer, and of a task's row with its texts and indexes."""
    with closing(sqlite3.connect(where.path)) as connection:
        of_table = dict(
            connection.execute(
                "SELECT tbl_name, sum(pgsize) FROM dbstat JOIN sqlite_schema USING (name) GROUP BY tbl_name"
            )
        )
        by_layer: dict[Layer, float] = dict.fromkeys(LAYERS, 0.0)
        for kind, tables in TABLES.items():
            for table in tables:
                blobs = [column.name for column in schema.metadata.tables[table].columns if column.name not in KEY]
                length = " + ".join(f'coalesce(length("{name}"), 0)' for name in blobs)
                shares = connection.execute(
                    f"SELECT level, sum({length} + {ROW_BYTES}) FROM {table} GROUP BY level"
                ).fetchall()
                whole = sum(share for _, share in shares)
                for level, share in shares:
                    by_layer[kind, level] += of_table[table] * share / whole
        count = connection.execute("SELECT count(*) FROM tasks").fetchone()[0]
    return by_layer, (of_table["tasks"] + of_table["texts"]) / count


def rows(by_layer: dict[Layer, float], row_bytes: float, tasks: int) -> list[dict[str, object]]:
    bound = Settings.history_size_bytes
    longest = {(kind, level): float(min(DAYS * 86_400, schema.KEPT_SECONDS[level])) for kind, level in LAYERS}
    kept = fitting({layer: size / HOUR for layer, size in by_layer.items()}, longest, SHARE * bound)
    taken = {layer: by_layer[layer] * kept[layer] / HOUR for layer in LAYERS}
    beside = sum(taken.values())
    what = "roll-ups and samples, a month at 500 events a second"
    return [
        row(what, beside / 1e9, bound / 1e9, 1.0, "GB"),
        row("single tasks kept beside them", (bound - beside) / (tasks * row_bytes), 1.0, None, "h"),
        *(
            row(
                f"{'roll-ups' if kind == 'rollups' else kind} of {level} s, {kept[kind, level] / HOUR:,.0f} h of them",
                taken[kind, level] / 1e6,
                bound / 1e6,
                None,
                "MB",
            )
            for kind, level in LAYERS
        ),
        row("a task with its texts and indexes", row_bytes, row_bytes, None, "B"),
    ]


def row(what: str, ours: float, peer: float, goal: float | None, unit: str) -> dict[str, object]:
    ratio = ours / peer if unit == "h" else peer / ours
    return {"name": what, "ours": ours, "peer": peer, "ratio": ratio, "goal": goal, "runs": 1, "unit": unit}


if __name__ == "__main__":
    for measured in run():
        print(json.dumps(measured))
