"""What the recorder knows, written: one transaction a batch, by one thread, and acknowledged by returning."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from operator import itemgetter
from typing import Self, cast

import orjson
from msgspec.structs import astuple

from data_sources import schema
from data_sources.history.place import Place, SqlitePlace
from data_sources.history.sample_rows import packed, unpacked
from data_sources.history.task_record import TaskRecord
from data_sources.microseconds import SECOND_US, now_us
from recorder.batch import Batch, Gap, Latest, Sample
from recorder.database import Database, Row, StoreCorrupt, StoreFailed, ValueRefused, quoted
from recorder.interned import Interned
from recorder.migrations import bring_up_to_date, read_meta, write_meta
from recorder.names import NAME, OTHER, QUEUE, WORKER, Names
from recorder.open_database import open_database
from recorder.salvage import forget_others, put_back, salvage, set_aside
from recorder.sqlite_database import SqliteDatabase

FINAL = frozenset(map(schema.STATES.index, schema.FINAL))
MINUTE, HOUR = 60, 3_600
MINUTE_US = MINUTE * SECOND_US
MOST_SERIES = 20_000
MOST_AT_HAND = 20_000

TASK_COLUMNS = [column.name for column in schema.tasks.columns]
TEXT_COLUMNS = ["args", "kwargs", "result", "exception", "traceback"]
NO_TEXTS = (None,) * len(TEXT_COLUMNS)
STORED = [name for name in TASK_COLUMNS if name not in ("seq", "last_us", "wait_us")]  # of a record, as it is
INTERNED = ("name", "queue", "worker")
# Where each column stands behind a record's fields and what is found for it: names there are numbers. To take a row
# from one tuple is three times as quick as to ask the record for each.
FOUND = ("seq", "last_us", "wait_us", *INTERNED)
PLACES = {name: place for place, name in enumerate((*TaskRecord.__struct_fields__, *FOUND))}
in_columns = itemgetter(*(PLACES[name] for name in TASK_COLUMNS))
long_texts = itemgetter(*(PLACES[name] for name in TEXT_COLUMNS))


# A task's number, 0 for one that is not stored, and when it finished where that is counted in roll-ups.
Stored = tuple[int, int | None]
NOT_STORED: Stored = (0, None)


class Store:
    """The history of one place. All it does raises StoreFailed and can be tried again; nothing is half written.

    `refused`: records not taken in, because rows of their time are purged or because no column takes a value.
    """

    def __init__(self, database: Database, place: Place) -> None:
        self.database = database
        self.names = Names(database)
        self.refused = 0
        self.series = Interned(schema.series, database)
        self._next_seq: int | None = None  # None: to be read
        self._at_hand: dict[str, Stored] = {}  # of the tasks asked for and written last
        bring_up_to_date(database, place)
        meta = read_meta(database)
        self.began_us, self.kept_from_us = int(meta["began_us"]), int(meta["kept_from_us"])

    @classmethod
    def open(cls, place: Place) -> Self:
        """Makes the history, or continues it; a damaged file is set aside. Raises StoreFailed or QueryRejected."""
        try:
            return cls._opened(place)
        except StoreCorrupt:
            return cls.anew(place)

    @classmethod
    def anew(cls, place: Place) -> Self:
        """Sets a damaged file aside and begins a fresh one with what can be read. Close the old one; can be retried."""
        if not isinstance(place, SqlitePlace):
            return cls._opened(place)
        aside = set_aside(place)
        try:
            with closing(cls._opened(place)) as fresh:
                begun_us = now_us()
                gap = Gap("recorder", begun_us, begun_us, "the file was removed, and what was in it is unknown")
                if aside.exists():
                    saved = salvage(aside, cast(SqliteDatabase, fresh.database))
                    reason = f"the file was damaged: {saved.tasks:,} tasks were saved; it was set aside as {aside.name}"
                    gap = Gap("recorder", min(saved.until_us, begun_us), begun_us, reason)
                fresh.write(Batch(gaps=[gap]))
            if aside.exists():
                forget_others(aside, place)
            return cls._opened(place)
        except StoreFailed:
            put_back(aside, place)  # the next try is to find it
            raise

    @classmethod
    def _opened(cls, place: Place) -> Self:
        database = open_database(place)
        try:
            return cls(database, place)
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        self.database.close()

    def write(self, batch: Batch) -> None:
        """Returns when it is on disk. Of a batch with a value that no column takes, the rest is written."""
        try:
            self._write(batch)
        except ValueRefused:
            if len(batch.records) <= 1:
                self.refused += len(batch.records)
                self._write(replace(batch, records=()))
            else:
                middle = len(batch.records) // 2
                self.write(Batch(batch.records[:middle]))
                self.write(replace(batch, records=batch.records[middle:]))

    def _write(self, batch: Batch) -> None:
        try:
            with self.database.transaction():
                refused = self._write_tasks(batch.records)
                self._write_samples(batch.samples)
                self._write_gaps(batch.gaps)
                self._write_latest(batch.latest)
                self.names.flush()
                self.series.flush()
        except BaseException:
            self.forget()
            raise
        self.refused += refused

    def forget(self) -> None:
        """After a transaction that failed: its numbers were not given."""
        self.names.forget()
        self.series.forget()
        self._next_seq = None
        self._at_hand.clear()

    def keep_from(self, time_us: int) -> None:
        """From now on nothing that last happened before it is taken in."""
        with self.database.transaction():
            write_meta(self.database, {"kept_from_us": str(time_us)})
        self.kept_from_us = time_us

    # ---- tasks

    def known(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        """The records of those that are stored, with their texts."""
        tasks = ", ".join(f'tasks."{name}"' for name in STORED)
        rows = self.database.query_by(
            f"SELECT tasks.seq, {tasks}, {quoted(TEXT_COLUMNS)}, cut FROM {{keys}} JOIN tasks ON tasks.id = keys.value"
            " LEFT JOIN texts ON texts.seq = tasks.seq",
            ids,
        )
        self._at_hand |= dict.fromkeys(ids, NOT_STORED)
        text_of = {number: text for (_, text), number in self.names.ids().items()} if rows else {}
        records = {}
        for seq, *values, cut in rows:
            record = TaskRecord(**dict(zip([*STORED, *TEXT_COLUMNS], values, strict=True)))
            for name in INTERNED:
                setattr(record, name, text_of.get(getattr(record, name)))
            record.cut = read_cut(cut) if cut else None
            records[record.id] = record
            self._at_hand[record.id] = stored(seq, record.state, record.finished_us)
        return records

    def _write_tasks(self, records: Iterable[TaskRecord]) -> int:
        """How many were refused."""
        newest = {record.id: record for record in records}
        if not newest:
            return 0
        self._look_up(newest)
        tasks, texts, minutes, refused = [], [], set(), 0
        for id, record in newest.items():
            last_us = record.last_us
            seq, counted_us = self._at_hand[id]
            if last_us < self.kept_from_us or (counted_us is not None and counted_us < self.kept_from_us):
                refused += 1
                continue
            seq = seq or self._new_seq()
            fields = astuple(record)
            tasks.append(in_columns(fields + self._found(seq, last_us, record)))
            long = long_texts(fields)
            if long != NO_TEXTS or record.cut:
                texts.append((seq, *long, cut_json(record)))
            if counted_us is not None:
                minutes.add(counted_us // MINUTE_US)
            self._at_hand[id] = seq, counted_us = stored(seq, record.state, record.finished_us)
            if counted_us is not None:
                minutes.add(counted_us // MINUTE_US)
        self.database.upsert(schema.tasks, tasks)
        self.database.upsert(schema.texts, texts)
        self.database.upsert(schema.dirty, dirty_rows(minutes))
        return refused

    def _look_up(self, ids: Iterable[str]) -> None:
        """Brings what is stored of these to hand; nobody else writes, so it stays true."""
        for id in list(islice(self._at_hand, max(0, len(self._at_hand) - MOST_AT_HAND))):
            del self._at_hand[id]
        unknown = [id for id in ids if id not in self._at_hand]
        if unknown:
            rows = self.database.query_by(
                "SELECT tasks.id, seq, state, finished_us FROM {keys} JOIN tasks ON tasks.id = keys.value", unknown
            )
            self._at_hand |= dict.fromkeys(unknown, NOT_STORED)
            self._at_hand |= {id: stored(*rest) for id, *rest in rows}

    def _new_seq(self) -> int:
        if self._next_seq is None:
            self._next_seq = (self.database.query("SELECT max(seq) FROM tasks")[0][0] or 0) + 1
        self._next_seq += 1
        return self._next_seq - 1

    def _found(self, seq: int, last_us: int, record: TaskRecord) -> Row:
        """The values of FOUND."""
        id_of = self.names.id_of
        name, queue, worker = id_of(NAME, record.name), id_of(QUEUE, record.queue), id_of(WORKER, record.worker)
        return seq, last_us, record.wait_us, name, queue, worker

    # ---- samples, gaps, answers of the moment

    def _write_samples(self, samples: Iterable[Sample]) -> None:
        """What goes to one series at one time, since names are bounded, is added up."""
        groups: defaultdict[tuple[int, str, str], dict[int, tuple[float, float]]] = defaultdict(dict)
        for sample in samples:
            group, series = groups[sample.at, sample.measure, sample.label], self._series_id(sample)
            value, _ = group.get(series, (0.0, 0.0))
            group[series] = value + sample.value, sample.span
        level = schema.SAMPLE_LEVELS[0]
        rows = [(level, *key, *packed(self._sampled(level, *key) | group)) for key, group in groups.items()]
        self.database.upsert(schema.samples, rows)

    def _sampled(self, level: int, at: int, measure: str, label: str) -> dict[int, tuple[float, float]]:
        """What was written of that time already, by a round before in the same bucket."""
        rows = self.database.query(
            'SELECT series, "values", spans FROM samples WHERE level = ? AND at = ? AND measure = ? AND label = ?',
            (level, at, measure, label),
        )
        return unpacked(*rows[0]) if rows else {}

    def _series_id(self, sample: Sample) -> int:
        key = (sample.measure, sample.label, sample.text)
        ids = self.series.ids()
        if key not in ids and len(ids) >= MOST_SERIES:
            self.names.others += 1
            key = (sample.measure, sample.label, OTHER if sample.label else sample.text)
        return self.series.id_of(key)

    def open_gaps(self) -> list[Gap]:
        """Those without an end, oldest first."""
        rows = self.database.query(
            "SELECT source, start_us, end_us, reason, missed FROM gaps WHERE end_us IS NULL ORDER BY start_us"
        )
        return [Gap(*row) for row in rows]

    def _write_gaps(self, gaps: Iterable[Gap]) -> None:
        for gap in gaps:
            changed = self.database.execute(
                "UPDATE gaps SET end_us = ?, reason = ?, missed = ? WHERE source = ? AND start_us = ?",
                (gap.end_us, gap.reason, gap.missed, gap.source, gap.start_us),
            )
            if not changed:
                self.database.execute(
                    "INSERT INTO gaps (source, start_us, end_us, reason, missed) VALUES (?, ?, ?, ?, ?)",
                    (gap.source, gap.start_us, gap.end_us, gap.reason, gap.missed),
                )

    def _write_latest(self, answers: Iterable[Latest]) -> None:
        for answer in answers:
            self.database.execute(
                "INSERT INTO latest (kind, measured_us, took_us, failure, body) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (kind) DO UPDATE SET took_us = excluded.took_us, failure = excluded.failure,"
                " measured_us = coalesce(excluded.measured_us, latest.measured_us),"
                " body = coalesce(excluded.body, latest.body)",
                (answer.kind, answer.measured_us, answer.took_us, answer.failure, answer.body),
            )


def stored(seq: int, state: int, finished_us: int | None) -> Stored:
    return seq, finished_us if state in FINAL else None


def cut_json(record: TaskRecord) -> str | None:
    return orjson.dumps(record.cut).decode() if record.cut else None


def read_cut(text: str) -> dict[str, int] | None:
    """None where bits of it are turned over: one such text must not cost the events that come with its task's."""
    try:
        lengths = orjson.loads(text)
    except ValueError:
        return None
    known = lengths.items() if isinstance(lengths, dict) else ()
    return {name: length for name, length in known if type(length) is int} or None


def dirty_rows(minutes: Iterable[int]) -> list[Row]:
    """Marks for these minutes, numbered since 1970, and for their hours."""
    return [
        *((MINUTE, minute * MINUTE) for minute in minutes),
        *((HOUR, hour * HOUR) for hour in {minute // 60 for minute in minutes}),
    ]
