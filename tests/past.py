"""A history for tests: rows put in directly, and rolled up as far as a test says."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, delete, event, insert, select, text

from data_sources import schema
from data_sources.config import Secret
from data_sources.history import bucket_counts, sample_rows
from data_sources.history.place import Place, PostgresPlace, SqlitePlace
from data_sources.history.reader import HistoryReader
from data_sources.history.sketch import packed
from data_sources.scope import EPOCH, Range, Scope, Window

START = 1_767_571_200  # a whole day, in seconds; where the pasts of these tests begin
SECOND = 1_000_000


@dataclass
class Past:
    place: Place
    engine: Engine
    ids: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def reader(self) -> HistoryReader:
        return HistoryReader(self.place)

    def empty(self) -> None:
        """Nothing but the promise that all since START was heard, for a day."""
        self.ids.clear()
        with self.engine.begin() as connection:
            for table in reversed(schema.metadata.sorted_tables):
                connection.execute(delete(table))
            about = {
                "schema_version": str(schema.VERSION),
                "cluster": self.place.cluster,
                "fingerprint": self.place.fingerprint,
                "began_us": str(START * SECOND),
                "kept_from_us": str(START * SECOND),
            }
            connection.execute(insert(schema.meta), [{"key": key, "value": value} for key, value in about.items()])
            alive = {"kind": "recorder", "measured_us": (START + 86_400) * SECOND, "took_us": 0}
            connection.execute(insert(schema.latest), alive)

    def put(self, table: str, *rows: dict[str, Any]) -> None:
        with self.engine.begin() as connection:
            connection.execute(insert(schema.metadata.tables[table]), list(rows))

    def sample(self, level: int, at: int, series: Mapping[int, float], span: float = 10.0) -> None:
        """Values of series that are there, all of one measure and label, at `at` seconds since START."""
        named = select(schema.series).where(schema.series.c.id == min(series))
        with self.engine.begin() as connection:
            one = connection.execute(named).one()
        arrays = sample_rows.packed({id: (value, span) for id, value in series.items()})
        row = (level, START + at, one.measure, one.label, *arrays)
        self.put("samples", dict(zip(schema.samples.c.keys(), row, strict=True)))

    def set_meta(self, key: str, seconds: float) -> None:
        with self.engine.begin() as connection:
            connection.execute(
                schema.meta.update().where(schema.meta.c.key == key), {"value": str(round(seconds * SECOND))}
            )

    def name(self, kind: str, text: str | None) -> int | None:
        if text is None:
            return None
        if (kind, text) not in self.ids:
            self.ids[kind, text] = len(self.ids) + 1
            self.put("names", {"id": self.ids[kind, text], "kind": schema.KINDS.index(kind), "text": text})
        return self.ids[kind, text]

    def add(self, tasks: Iterable[dict[str, Any]]) -> None:
        """Tasks: `last` in seconds since START (of one that ended also when it finished), `state`, names, durations in
        seconds, texts. Their minutes are dirty.
        """
        rows, long, minutes = [], [], set()
        for task in tasks:
            last = round((START + task["last"]) * SECOND)
            state = schema.STATES.index(task.get("state", "SUCCESS"))
            seq = task["seq"]
            row: dict[str, Any] = {column.name: None for column in schema.tasks.c}
            row |= {kind: self.name(kind, task.get(kind)) for kind in schema.KINDS}
            row |= {"seq": seq, "id": task.get("id", f"id-{seq}"), "last_us": last, "state": state, "state_us": last}
            row |= {f"{one}_us": round(task[one] * SECOND) for one in ("wait", "runtime") if one in task}
            given = ("root", "parent", "retries", "sent_us", "received_us", "started_us")
            row |= {key: task[key] for key in given if key in task}
            if state >= 4:
                row["finished_us"] = last
                minutes.add(last // SECOND // 60 * 60)
            rows.append(row)
            long.append({column.name: task.get(column.name) for column in schema.texts.c} | {"seq": seq})
        with self.engine.begin() as connection:
            connection.execute(insert(schema.tasks), rows)
            connection.execute(insert(schema.texts), long)
            known = set(connection.execute(select(schema.dirty.c.at).where(schema.dirty.c.level == 60)).scalars())
            if new := sorted(minutes - known):
                connection.execute(insert(schema.dirty), [{"level": 60, "at": at} for at in new])

    def roll_up(self, minutes: Iterable[int] | None = None, hours: Iterable[int] = ()) -> None:
        """Makes `minutes` (None: all), then those of `hours` whose minutes are clean, anew from the rows; seconds at
        which they begin.
        """
        minutes_left = select(schema.dirty.c.at).where(schema.dirty.c.level == 60)
        with self.engine.begin() as connection:
            dirty = set(connection.execute(minutes_left).scalars())
            for minute in sorted(dirty & set(minutes) if minutes is not None else dirty):
                for level in (10, 60):
                    self._make(connection, level, minute, minute + 60)
                self._mark(connection, minute, clean=60, dirty=3600)
            behind = {at - at % 3600 for at in connection.execute(minutes_left).scalars()}
            for hour in set(hours) - behind:
                self._make(connection, 3600, hour, hour + 3600)
                connection.execute(delete(schema.dirty).where(schema.dirty.c.level == 3600, schema.dirty.c.at == hour))

    def _mark(self, connection: Connection, minute: int, *, clean: int, dirty: int) -> None:
        marks, hour = schema.dirty, minute // dirty * dirty
        connection.execute(delete(marks).where(marks.c.level == clean, marks.c.at == minute))
        connection.execute(delete(marks).where(marks.c.level == dirty, marks.c.at == hour))
        connection.execute(insert(marks), {"level": dirty, "at": hour})

    def _make(self, connection: Connection, level: int, start: int, end: int) -> None:
        tasks = schema.tasks
        for table in (schema.rollups, schema.counts, schema.sketches):
            connection.execute(delete(table).where(table.c.level == level, table.c.at >= start, table.c.at < end))
        inside = (tasks.c.last_us >= start * SECOND, tasks.c.last_us < end * SECOND, tasks.c.state >= 4)
        apart: defaultdict[tuple[int, ...], list[Any]] = defaultdict(list)
        for row in connection.execute(select(tasks).where(*inside)):
            at = row.last_us // SECOND // level * level
            apart[at, row.name or 0, row.queue or 0, row.worker or 0, row.state].append(row)
        counted: list[tuple[int, ...]] = []
        for (at, *key), rows in apart.items():
            waits = [row.wait_us for row in rows if row.wait_us is not None]
            runtimes = [row.runtime_us for row in rows if row.runtime_us is not None]
            where = {"level": level, "at": at, "cell": self._cell(connection, key)}
            sums = {"count": len(rows), "retries": 0, "waits": len(waits), "wait_us": sum(waits)}
            sums |= {"runtimes": len(runtimes), "runtime_us": sum(runtimes)}
            counted.append((level, at, where["cell"], len(rows)))
            connection.execute(insert(schema.rollups), where | sums)
            connection.execute(insert(schema.sketches), where | {"wait": packed(waits), "runtime": packed(runtimes)})
        for bucket in bucket_counts.packed(counted):
            connection.execute(insert(schema.counts), dict(zip(schema.counts.c.keys(), bucket, strict=True)))

    def _cell(self, connection: Connection, key: list[int]) -> int:
        cell = dict(zip(("name", "queue", "worker", "state"), key, strict=True))
        found = select(schema.cells.c.id).where(*(schema.cells.c[column] == value for column, value in cell.items()))
        known = connection.execute(found).scalar()
        if known is not None:
            return int(known)
        made = connection.execute(insert(schema.cells).returning(schema.cells.c.id), cell).scalar_one()
        return int(made)


def sqlite_past(folder: Path) -> Past:
    path = folder / "shop-0123456789ab.db"
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
    with engine.begin() as connection:
        connection.execute(text("PRAGMA journal_mode=WAL"))
        schema.metadata.create_all(connection)
    path.chmod(0o600)
    past = Past(SqlitePlace("shop", "0123456789ab", path), engine)
    past.empty()
    return past


def postgres_past(url: str) -> Past:
    name = f"celery_notebook_past_{os.getpid()}"
    place = PostgresPlace("shop", "0123456789ab", Secret(url), name)
    engine = create_engine(place.sqlalchemy_url, connect_args={"options": f"-c search_path={name}"})
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
        schema.metadata.create_all(connection)
    past = Past(place, engine)
    past.empty()
    return past


def window(start: float, end: float, step: float) -> Window:
    """Seconds since START."""
    begin = EPOCH + timedelta(seconds=START)
    return Window(begin + timedelta(seconds=start), begin + timedelta(seconds=end), timedelta(seconds=step))


def scope(start: float = 0, end: float = 86_400) -> Scope:
    begin = EPOCH + timedelta(seconds=START)
    return Scope(range=Range(start=begin + timedelta(seconds=start), end=begin + timedelta(seconds=end)))
