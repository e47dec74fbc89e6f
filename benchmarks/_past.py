"""A history of many tasks, put straight into the tables: what a recorder would have written in a month.

Rows first, then the indexes; roll-ups are counted with numpy, and a sample of them is made anew by the recorder's own
code and compared. Sketches stand in the hours alone.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy.dialects import sqlite as dialect
from sqlalchemy.schema import CreateIndex

from data_sources import schema
from data_sources.config import Cluster, Secret
from data_sources.history import bucket_counts
from data_sources.history.place import SqlitePlace, place
from data_sources.history.sketch import packed
from data_sources.latest import RecorderState
from recorder.database import Row
from recorder.rollups import Rollups
from recorder.store import Store

SECOND = 1_000_000
TEN_SECONDS, MINUTE, HOUR = schema.LEVELS
NAMES, QUEUES, WORKERS = 20, 5, 10
MOST_CELLS = 10**6
STATES = tuple(map(schema.STATES.index, ("SUCCESS", "FAILURE", "REVOKED")))
SHARES = (0.94, 0.05, 0.01)
FAILURES = ("KeyError('sku')", "TimeoutError()", "ValueError('no such order')", "ConnectionError('refused')")
CHECKED = 5  # minutes and hours
NOBODYS = Cluster()

Whole = npt.NDArray[np.int64]


def month(folder: Path, tasks: int, days: int, cluster: Cluster = NOBODYS, workers: int = WORKERS) -> SqlitePlace:
    """`tasks` over `days` that end now, evenly but for their day and night."""
    where = place(Secret(f"sqlite:///{folder}"), cluster)
    assert isinstance(where, SqlitePlace)
    Store.open(where).close()
    end = int(time.time()) // HOUR * HOUR
    start = end - days * 86_400
    with closing(sqlite3.connect(where.path, isolation_level=None)) as connection:
        for setting in ("synchronous = OFF", "journal_mode = MEMORY", "cache_size = -500000", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {setting}")
        indexes = [index for table in schema.metadata.sorted_tables for index in table.indexes]
        for index in indexes:
            connection.execute(f"DROP INDEX {index.name}")
        put_names(connection, workers)
        for hour, count in zip(range(start, end, HOUR), hourly(tasks, days), strict=True):
            connection.execute("BEGIN")
            put_hour(connection, hour, count, last_day=hour >= end - 86_400, workers=workers)
            connection.execute("COMMIT")
        for index in indexes:
            connection.execute(str(CreateIndex(index).compile(dialect=dialect.dialect())))
        state = RecorderState(0, "bench", "", start * SECOND, str(where.path)).to_json()
        put(connection, "latest", [("recorder", time.time_ns() // 1_000, 0, None, state)])
        connection.execute("UPDATE meta SET value = ? WHERE key IN ('began_us', 'kept_from_us')", [str(start * SECOND)])
        connection.execute("PRAGMA journal_mode = WAL")
    check(where, start, end)
    return where


def hourly(tasks: int, days: int) -> Iterator[int]:
    """How many of all end in each hour."""
    weights = 1 + 0.5 * np.sin(np.arange(days * 24) * 2 * np.pi / 24)
    bounds = np.round(np.append(0, np.cumsum(weights)) / weights.sum() * tasks).astype(int)
    yield from np.diff(bounds).tolist()


def put(connection: sqlite3.Connection, table: str, rows: object) -> None:
    values = ", ".join("?" * len(schema.metadata.tables[table].columns))
    connection.executemany(f"INSERT INTO {table} VALUES ({values})", rows)  # type: ignore[arg-type]


def put_names(connection: sqlite3.Connection, workers: int = WORKERS) -> None:
    texts = [(0, f"shop.task_{number:02}") for number in range(NAMES)]
    texts += [(1, f"queue{number}") for number in range(QUEUES)]
    texts += [(2, f"worker{number}@shop") for number in range(workers)]
    put(connection, "names", [(place + 1, *text) for place, text in enumerate(texts)])
    put(connection, "cells", cell_rows(workers))


def cell_rows(workers: int) -> list[tuple[int, int, int, int, int]]:
    """Number, name, queue, worker and state of each; a task of one name is always in one queue."""
    each = product(range(NAMES), range(workers), STATES)
    return [
        (number + 1, name + 1, NAMES + name % QUEUES + 1, NAMES + QUEUES + worker + 1, state)
        for number, (name, worker, state) in enumerate(each)
    ]


def put_hour(connection: sqlite3.Connection, hour: int, count: int, last_day: bool, workers: int = WORKERS) -> None:
    chance = np.random.default_rng(hour)
    finished = np.sort(chance.integers(hour * SECOND, (hour + HOUR) * SECOND, count))
    wait = chance.lognormal(-2, 1.5, count) * SECOND
    name, state = chance.zipf(1.5, count) % NAMES, chance.choice(len(STATES), count, p=SHARES)
    runtime = chance.lognormal(-1, 1.2, count) * SECOND * (1 + name)
    wait_us, runtime_us = wait.astype(np.int64), runtime.astype(np.int64)
    cell = (name * workers + chance.integers(0, workers, count)) * len(STATES) + state
    retries = (chance.random(count) < 0.02).astype(np.int64)
    put_rows(connection, finished, wait_us, runtime_us, cell_rows(workers), cell, retries, chance)
    for level in schema.LEVELS if last_day else schema.LEVELS[1:]:
        put_rollups(connection, level, finished, wait_us, runtime_us, cell + 1, retries)
    order = np.argsort(cell, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(cell[order])) + 1):
        blobs = packed(wait_us[places].tolist()), packed(runtime_us[places].tolist())
        put(connection, "sketches", [(HOUR, hour, int(cell[places[0]]) + 1, *blobs)])


def put_rows(
    connection: sqlite3.Connection,
    finished: Whole,
    wait_us: Whole,
    runtime_us: Whole,
    cells: list[tuple[int, int, int, int, int]],
    cell: Whole,
    retries: Whole,
    chance: np.random.Generator,
) -> None:
    first = (connection.execute("SELECT max(seq) FROM tasks").fetchone()[0] or 0) + 1
    ids = chance.bytes(16 * len(finished)).hex()
    tasks, texts = [], []
    columns = (finished.tolist(), wait_us.tolist(), runtime_us.tolist(), cell.tolist(), retries.tolist())
    for offset, (end, wait, ran, number, tries) in enumerate(zip(*columns, strict=True)):
        _, name, queue, worker, state = cells[number]
        seq, id, began = first + offset, ids[32 * offset : 32 * offset + 32], end - ran
        id = f"{id[:8]}-{id[8:12]}-{id[12:16]}-{id[16:20]}-{id[20:]}"
        sent = began - wait
        row = (seq, id, end, state, name, queue, worker, sent, sent + 900, began, end, wait, ran, tries, None, None)
        tasks.append((*row, "", "shop", None, None, None, end, end))
        failed = state == STATES[1]
        texts.append(
            (
                seq,
                f"({seq}, 'customer-{seq % 1000}@example.com')",
                "{'retry': True, 'template': 'invoice'}",
                None if failed else "{'sent': 1}",
                FAILURES[seq % len(FAILURES)] if failed else None,
                None,
                None,
            )
        )
    put(connection, "tasks", tasks)
    put(connection, "texts", texts)


def put_rollups(
    connection: sqlite3.Connection,
    level: int,
    finished: Whole,
    wait_us: Whole,
    runtime_us: Whole,
    cell: Whole,
    retries: Whole,
) -> None:
    at = finished // (level * SECOND) * level
    keys, place = np.unique(at * MOST_CELLS + cell, return_inverse=True)
    count, tries, waits, runtimes = (
        np.bincount(place, weights, len(keys)).astype(np.int64).tolist()
        for weights in (None, retries, wait_us, runtime_us)
    )
    begins, cells = (keys // MOST_CELLS).tolist(), (keys % MOST_CELLS).tolist()
    rows: list[Row] = [
        (level, *row) for row in zip(begins, cells, count, tries, count, waits, count, runtimes, strict=True)
    ]
    put(connection, "rollups", rows)
    put(connection, "counts", bucket_counts.packed(row[:4] for row in rows))


def check(where: SqlitePlace, start: int, end: int) -> None:
    """A few minutes and their hours, made anew by the recorder, are what was put there."""
    chance = np.random.default_rng(1)
    minutes = [int(at) // MINUTE * MINUTE for at in chance.integers(start, end, CHECKED)]
    with closing(Store.open(where)) as store:
        for minute in minutes:
            for level in (MINUTE, HOUR):
                at = minute // level * level
                read = f"SELECT * FROM rollups WHERE level = {level} AND at = {at} ORDER BY cell"
                before = store.database.query(read)
                with store.database.transaction():
                    store.database.upsert(schema.dirty, [(level, at)])
                while Rollups(store).step(time.time_ns() // 1_000 + 2 * HOUR * SECOND):
                    pass
                assert before, f"nothing in {at}"
                assert store.database.query(read) == before, f"level {level}, {at}"
