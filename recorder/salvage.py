"""A damaged SQLite file: set aside whole, and what can be read of it taken over into a fresh one."""

from __future__ import annotations

import logging
import sqlite3
import struct
import time
from collections.abc import Iterable, Iterator, Set
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from glob import escape
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Table

from data_sources import schema
from data_sources.history import bucket_counts
from data_sources.history.place import SqlitePlace, what_is_left
from data_sources.history.sample_rows import packed, unpacked
from recorder.database import Row, StoreFailed, ValueRefused, quoted
from recorder.migrations import read_meta, write_meta
from recorder.sqlite_database import SqliteDatabase

log = logging.getLogger(__name__)

BESIDE = ("", "-wal", "-shm")
SECONDS = 10.0  # for all tables: events are missed meanwhile
ROWS = 5_000  # in one transaction

# What others name comes first; the long ones, of which there may not be time for all, come last.
ORDER = ("names", "cells", "series", "gaps", "rollups", "samples", "tasks", "texts", "sketches")
TIMES = ("began_us", "kept_from_us")


@dataclass(frozen=True)
class Salvaged:
    """`tasks` of them were taken over; the file said last at `until_us` that it was written."""

    aside: Path
    tasks: int
    until_us: int


def set_aside(place: SqlitePlace) -> Path:
    """Renames the file and what stands beside it to `<file>.corrupt-<UTC time>`; returns that. Raises StoreFailed."""
    target = place.path.with_name(f"{place.path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    with translated(place.path):
        move(place.path, target)
    return target


def put_back(aside: Path, place: SqlitePlace) -> None:
    """Takes `set_aside` back, in place of what was begun since. Raises StoreFailed."""
    with translated(place.path):
        if aside.exists():
            for end in BESIDE:
                Path(f"{place.path}{end}").unlink(missing_ok=True)
            move(aside, place.path)


def forget_others(aside: Path, place: SqlitePlace) -> None:
    """Deletes what was set aside before: each may be as big as a history. Raises StoreFailed."""
    with translated(place.path):
        for old in place.path.parent.glob(f"{escape(place.path.name)}.corrupt-*"):
            if not old.name.startswith(aside.name):
                old.unlink()
                log.warning("%s is deleted: of damaged files the last alone is kept, %s", old, aside.name)


def move(path: Path, target: Path) -> None:
    for end in BESIDE:
        part = Path(f"{path}{end}")
        if part.exists():
            part.rename(f"{target}{end}")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise StoreFailed(f"{path}: {exc.strerror}") from exc
    except (sqlite3.Error, UnicodeDecodeError) as exc:
        raise StoreFailed(f"{path}: {exc}") from exc


def salvage(aside: Path, database: SqliteDatabase) -> Salvaged:
    """Takes over what can be read in SECONDS, if it is of the same broker. Roll-ups of which there are rows are marked
    to be made anew. Raises StoreFailed.
    """
    deadline = time.monotonic() + SECONDS
    with (
        translated(aside),
        closing(sqlite3.connect(f"file:{quote(str(aside))}", uri=True, isolation_level=None)) as damaged,
    ):
        damaged.text_factory = what_is_left
        until_us = int(aside.stat().st_mtime * 1_000_000)
        mine = read_meta(database)
        theirs: dict[str, str] = dict(readable(damaged, schema.meta, deadline))
        if theirs.get("fingerprint", mine["fingerprint"]) != mine["fingerprint"]:
            return Salvaged(aside, 0, until_us)
        with database.transaction():
            write_meta(database, {key: theirs[key] for key in TIMES if str(theirs.get(key)).isdecimal()})
        for name in ORDER:
            table = schema.metadata.tables[name]
            rows = readable(damaged, table, deadline)
            if table is schema.samples:
                rows = of_known_series(rows, {id for (id,) in database.query("SELECT id FROM series")})
            while chunk := list(islice(rows, ROWS)):
                with suppress(ValueRefused), database.transaction():
                    database.take_over(table, chunk)
    with database.transaction():
        for statement in AFTERWARDS:
            database.execute(statement)
        left = database.query("SELECT level, at, cell, count FROM rollups")
        database.upsert(schema.counts, bucket_counts.packed(left))
    return Salvaged(aside, database.query("SELECT count(*) FROM tasks")[0][0], until_us)


def of_known_series(rows: Iterable[Row], known: Set[int]) -> Iterator[Row]:
    """Without the samples of series that are lost: their numbers will be given to others."""
    for *key, series, values, spans in rows:
        with suppress(struct.error, TypeError, ValueError):
            samples = unpacked(series, values, spans)
            if kept := {id: sample for id, sample in samples.items() if id in known}:
                yield *key, *packed(kept)


def readable(damaged: sqlite3.Connection, table: Table, deadline: float) -> Iterator[Row]:
    """Its rows from the newest on, until damage, and then from the oldest on, until damage."""
    columns = quoted(column.name for column in table.columns)
    keys = [f'"{column.name}"' for column in table.primary_key]
    for direction in ("DESC", "ASC"):
        order = ", ".join(f"{key} {direction}" for key in keys)
        try:
            for row in damaged.execute(f"SELECT {columns} FROM {table.name} ORDER BY {order}"):
                if time.monotonic() > deadline:
                    return
                yield row
        except (sqlite3.Error, OverflowError, UnicodeDecodeError):
            continue
        return


KEPT_FROM = '(SELECT CAST("value" AS INTEGER) / 1000000 FROM meta WHERE "key" = \'kept_from_us\')'
FINAL = ", ".join(str(schema.STATES.index(state)) for state in schema.FINAL)

AFTERWARDS = (
    *(f"UPDATE tasks SET {name} = NULL WHERE {name} NOT IN (SELECT id FROM names)" for name in schema.KINDS),
    f"DELETE FROM rollups WHERE at >= {KEPT_FROM} OR cell NOT IN (SELECT id FROM cells)",
    f"DELETE FROM sketches WHERE at >= {KEPT_FROM} OR cell NOT IN (SELECT id FROM cells)",
    "INSERT OR IGNORE INTO dirty SELECT 60, finished_us / 60000000 * 60 FROM tasks"
    f" WHERE state IN ({FINAL}) AND finished_us IS NOT NULL",
    "INSERT OR IGNORE INTO dirty SELECT 3600, at / 3600 * 3600 FROM dirty WHERE level = 60",
    f"INSERT OR IGNORE INTO dirty SELECT 3600, {KEPT_FROM} / 3600 * 3600 WHERE {KEPT_FROM} > 0",
)
