"""Tasks that ended, counted: from the roll-ups where those are up to date, from the rows where they are not.

A stretch of time is cut where the reading changes, so every task is counted exactly once, whatever was rolled up so
far. All reads of one question belong into one transaction. Times are microseconds, those named `at` seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from sqlalchemy import ColumnElement, Connection, Table, func, select

from data_sources.history.counts import Whole, unpacked
from data_sources.microseconds import SECOND_US
from data_sources.schema import FINAL, STATES, cells, counts, dirty, tasks

MINUTE, HOUR = 60, 3600
ROWS = 0  # the level of what is read from the rows themselves
ENDED = tuple(STATES.index(state) for state in FINAL)
APART = ("name", "queue", "worker", "state")  # what tells cells apart

Key = tuple[int, int, int, int]  # a cell's name, queue, worker and state


@dataclass(frozen=True)
class Stretch:
    """From `start` to before `end`, to be read from the roll-ups of `level`, or from the rows."""

    level: int
    start: int
    end: int

    def buckets(self, table: Table) -> tuple[ColumnElement[bool], ...]:
        """What `table`, roll-ups or sketches, holds of it."""
        at = table.c.at
        return table.c.level == self.level, at >= self.start // SECOND_US, at < self.end // SECOND_US

    @property
    def ended(self) -> tuple[ColumnElement[bool], ...]:
        """Its rows; a task that has ended did so when it did last what is known of it."""
        return tasks.c.last_us >= self.start, tasks.c.last_us < self.end, tasks.c.state.in_(ENDED)


@dataclass(frozen=True)
class Ended:
    """`count` tasks ended in the bucket that begins at `at`, of the cell that stands in row `cell` of `cells`.

    `cells` has the columns APART: ids of names (0: not known) and a place in STATES. A cell may stand in two rows.
    """

    at: Whole
    cell: Whole
    count: Whole
    cells: Whole


def stretches(connection: Connection, start: int, end: int, level: int) -> list[Stretch]:
    """`start` to `end` in order of time; where no whole and clean bucket of `level` lies, from finer ones or rows."""
    minutes = dirty_buckets(connection, MINUTE, start, end)
    hours = dirty_buckets(connection, HOUR, start, end) | {minute - minute % HOUR for minute in minutes}
    parts = cut(start, end, level, {MINUTE: minutes, HOUR: hours})
    runs = [list(run) for _, run in groupby(parts, lambda part: part.level)]
    return [Stretch(run[0].level, run[0].start, run[-1].end) for run in runs]


def dirty_buckets(connection: Connection, level: int, start: int, end: int) -> set[int]:
    """When they begin: the minutes, or hours, whose roll-ups are behind their rows."""
    at = dirty.c.at
    inside = (dirty.c.level == level, at > start // SECOND_US - level, at <= end // SECOND_US)
    return set(connection.execute(select(at).where(*inside)).scalars())


def cut(start: int, end: int, level: int, behind: Mapping[int, Collection[int]]) -> Iterator[Stretch]:
    length, marked = level * SECOND_US, max(level, MINUTE)
    while start < end:
        bucket = start // length * length
        until = min(bucket + length, end)
        if until - start == length and bucket // SECOND_US // marked * marked not in behind[marked]:
            yield Stretch(level, start, until)
        elif level == HOUR:
            yield from cut(start, until, MINUTE, behind)
        else:
            yield Stretch(ROWS, start, until)
        start = until


def ended(connection: Connection, parts: Sequence[Stretch], level: int) -> Ended:
    """The tasks that ended in `parts`, by buckets of `level` seconds."""
    table = CellTable(connection)
    read = [_from_rows(connection, part, level, table) for part in parts if part.level == ROWS]
    read += [_from_rollups(connection, part, table) for part in parts if part.level != ROWS]
    nothing = np.empty(0, np.int64)
    at, cell, count = (np.concatenate([nothing, *column]) for column in zip(*read, [nothing] * 3, strict=True))
    return Ended(at - at % level, cell, count, table.array())


class CellTable:
    """The cells there are, in rows of a table; and once more, below them, those that were counted in rows of tasks: to
    look up thousands would take longer than all else.
    """

    def __init__(self, connection: Connection) -> None:
        stored = connection.execute(select(cells.c.id, *(cells.c[column] for column in APART))).all()
        ids, self._stored = np.split(np.array([*map(tuple, stored)], np.int64).reshape(-1, 1 + len(APART)), [1], axis=1)
        self._row_of_id = np.zeros(ids.max(initial=0) + 1, np.int64)
        self._row_of_id[ids[:, 0]] = np.arange(len(ids))
        self._counted: dict[Key, int] = {}

    def row(self, key: Key) -> int:
        return self._counted.setdefault(key, len(self._stored) + len(self._counted))

    def rows(self, ids: Whole) -> Whole:
        found: Whole = self._row_of_id[ids]
        return found

    def array(self) -> Whole:
        return np.concatenate([self._stored, np.array([*self._counted], np.int64).reshape(-1, len(APART))])


def _from_rows(connection: Connection, part: Stretch, level: int, table: CellTable) -> tuple[Whole, Whole, Whole]:
    bucket = (tasks.c.last_us // (level * SECOND_US)).label("bucket")
    apart = [tasks.c[column] for column in APART]
    query = select(bucket, func.count(), *apart).where(*part.ended).group_by(bucket, *apart)
    found = [
        (bucket * level, table.row((name or 0, queue or 0, worker or 0, state)), count)
        for bucket, count, name, queue, worker, state in connection.execute(query)
    ]
    at, cell, count = np.array(found, np.int64).reshape(-1, 3).T
    return at, cell, count


def _from_rollups(connection: Connection, part: Stretch, table: CellTable) -> tuple[Whole, Whole, Whole]:
    buckets = connection.execute(
        select(counts.c.at, counts.c.cells, counts.c.counts).where(*part.buckets(counts))
    ).all()
    at, cell, count = unpacked(buckets)
    return at, table.rows(cell), count
