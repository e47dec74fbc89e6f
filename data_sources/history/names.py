"""What tasks did, by their name, in a stretch of time: counts from the roll-ups, quantiles from the sketches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlalchemy import ColumnElement, Connection, func, select

from data_sources.history.counts import NUMBER
from data_sources.history.facets import that_live
from data_sources.history.filter import Wanted, wanted
from data_sources.history.gaps import UNHEARD, covered
from data_sources.history.rollups import APART, HOUR, ROWS, Key, Stretch, stretches
from data_sources.history.rows import name_texts
from data_sources.history.search import search
from data_sources.history.sketch import packed
from data_sources.history.sketches import quantiles_of_groups
from data_sources.microseconds import SECOND_US, now_us
from data_sources.note import Note
from data_sources.schema import FINAL, STATES, cells, counts, rollups, sketches, tasks
from data_sources.task_query import TaskFilter

# Unknown is NA. `count`: tasks, also those that have not ended; `ended`: succeeded or failed; `rate`: so many a second
# of the time that was heard; `failure_ratio`: failed of those ended, NA where tasks are chosen by how they ended;
# `runtime_total`: the sum of all runtimes. Retries, waits and runtimes are of tasks in a final state.
NAME_COLUMNS = {
    "name": "str",
    "count": "Int64",
    "ended": "Int64",
    "rate": "float64",
    "failures": "Int64",
    "failure_ratio": "float64",
    "retries": "Int64",
    **{f"wait_p{percent}": "float64" for percent in (50, 95, 99)},
    **{f"runtime_p{percent}": "float64" for percent in (50, 95, 99)},
    "runtime_total": "float64",
}
UNITS = {name: "s" for name in NAME_COLUMNS if name.startswith(("wait", "runtime"))} | {"rate": "1/s"}
QUANTILES = (0.50, 0.95, 0.99)
MOST_SKETCHES = 120_000  # read at once: about half a second
ENDED = frozenset(map(STATES.index, FINAL))
SUCCESS, FAILURE = STATES.index("SUCCESS"), STATES.index("FAILURE")


@dataclass(frozen=True)
class NameRows:
    """`frame`: NAME_COLUMNS, the name with the most tasks first."""

    frame: pd.DataFrame
    notes: tuple[Note, ...]


@dataclass
class Sums:
    """Of the tasks of one name."""

    count: int = 0
    ended: int = 0
    failed: int = 0
    retries: int = 0
    runtimes: int = 0
    runtime_us: int = 0

    def add(self, state: int, count: int) -> None:
        self.count += count
        self.ended += count if state in (SUCCESS, FAILURE) else 0
        self.failed += count if state == FAILURE else 0

    def spend(self, retries: int, runtimes: int, runtime_us: int) -> None:
        """Of tasks that have ended."""
        self.retries += retries
        self.runtimes += runtimes
        self.runtime_us += runtime_us


@dataclass
class Sketches:
    """Each of a name, by its id, with what was measured of wait and of runtime; b"" where nothing was.

    `every`: of so many buckets one was read.
    """

    every: int = 1
    names: list[int] = field(default_factory=list)
    wait: list[bytes] = field(default_factory=list)
    runtime: list[bytes] = field(default_factory=list)

    def add(self, names: Iterable[int], wait: Iterable[bytes | None], runtime: Iterable[bytes | None]) -> None:
        """A week of hours has a hundred thousand: no object is made for each."""
        self.names.extend(names)
        self.wait.extend(blob or b"" for blob in wait)
        self.runtime.extend(blob or b"" for blob in runtime)

    def add_rows(self, rows: Iterable[Sequence[Any]]) -> None:
        """Of tasks: name, wait and runtime in microseconds."""
        waits: defaultdict[int, list[int]] = defaultdict(list)
        runtimes: defaultdict[int, list[int]] = defaultdict(list)
        for name, wait, runtime in rows:
            for held, value in ((waits, wait), (runtimes, runtime)):
                if value is not None:
                    held[name or 0].append(value)
        names = [*waits.keys() | runtimes.keys()]
        self.add(names, (packed(waits[name]) for name in names), (packed(runtimes[name]) for name in names))


def read_names(connection: Connection, filter: TaskFilter, start: int, end: int) -> NameRows:
    """Of the tasks of `filter` that last did something from `start` to before `end` (microseconds).

    Exact but for quantiles, which are within 1 %; where something is to be looked up, among the newest.
    """
    asked = wanted(connection, filter, start, end)
    sums: dict[int, Sums] = {}
    notes: tuple[Note, ...] = ()
    if asked.looks_up:
        searched = search(connection, asked)
        begin, notes = max(asked.start, searched.back_to or 0), searched.notes("Counted among")
        over = [row for row in searched.found if row.state in ENDED]
        for row in searched.found:
            sums.setdefault(row.name or 0, Sums()).add(row.state, 1)
        for row in over:
            sums[row.name or 0].spend(row.retries or 0, int(row.runtime_us is not None), row.runtime_us or 0)
        measured = Sketches()
        measured.add_rows((row.name, row.wait_us, row.runtime_us) for row in over)
    else:
        begin = asked.start
        parts = stretches(connection, asked.start, asked.end, HOUR)
        for (name, _, _, state), count, *spent in ended_sums(connection, asked, parts):
            of_name = sums.setdefault(name, Sums())
            of_name.add(state, count)
            of_name.spend(*spent)
        for (name, _, _, state), count in that_live(connection, asked).items():
            sums.setdefault(name, Sums()).add(state, count)
        measured = sketches_in(connection, asked, parts)
        if measured.every > 1:
            what = (
                f"Quantiles are of one in {measured.every} of this time's hours, and minutes; of a shorter time, of all"
            )
            notes += (Note(what, "cut"),)
    edges = np.array([begin, max(begin, min(asked.end, now_us()))], np.int64)
    heard = float(covered(connection, edges, UNHEARD)[0]) if asked.seq is None else 0.0  # one task has no rate
    by_outcome = bool(filter.states or filter.search or filter.failure)
    return NameRows(name_frame(connection, sums, measured, heard, by_outcome), notes)


def ended_sums(
    connection: Connection, asked: Wanted, parts: Sequence[Stretch]
) -> Iterator[tuple[Key, int, int, int, int]]:
    """A cell each: how many tasks, how often they were tried again, how many runtimes are known and their sum."""
    keys = matching_cells(connection, asked)
    for part in parts:
        if part.level == ROWS:
            apart = [tasks.c[column] for column in APART]
            counted = [func.count(), func.sum(tasks.c.retries), func.count(tasks.c.runtime_us)]
            query = select(*apart, *counted, func.sum(tasks.c.runtime_us))
            query = query.where(*part.ended, *asked.along_another()).group_by(*apart)
            for name, queue, worker, state, *sums in connection.execute(query):
                count, retries, runtimes, runtime_us = (int(one or 0) for one in sums)
                yield (name or 0, queue or 0, worker or 0, state), count, retries, runtimes, runtime_us
        else:
            columns = [func.sum(rollups.c[column]) for column in ("count", "retries", "runtimes", "runtime_us")]
            query = select(rollups.c.cell, *columns).where(*part.buckets(rollups)).group_by(rollups.c.cell)
            for cell, *sums in connection.execute(query):
                if cell in keys:
                    count, retries, runtimes, runtime_us = map(int, sums)
                    yield keys[cell], count, retries, runtimes, runtime_us


def sketches_in(connection: Connection, asked: Wanted, parts: Sequence[Stretch]) -> Sketches:
    keys = matching_cells(connection, asked)
    every = -(-sketches_there(connection, parts) // MOST_SKETCHES) or 1
    found = Sketches(every)
    for part in parts:
        if part.level == ROWS:
            query = select(tasks.c.name, tasks.c.wait_us, tasks.c.runtime_us)
            found.add_rows(connection.execute(query.where(*part.ended, *asked.along_another())))
        else:
            columns = sketches.c.cell, sketches.c.wait, sketches.c.runtime
            rows = connection.execute(select(*columns).where(*some_buckets(part, every))).all()
            cell, wait, runtime = zip(*rows, strict=True) if rows else ((), (), ())
            match = [one in keys for one in cell]
            names = (keys[one][0] for one in compress(cell, match))
            found.add(names, compress(wait, match), compress(runtime, match))
    return found


def sketches_there(connection: Connection, parts: Sequence[Stretch]) -> int:
    """How many there are to be read: one a cell of each bucket."""
    rolled = (part for part in parts if part.level != ROWS)
    sizes = (select(func.sum(func.length(counts.c.cells))).where(*part.buckets(counts)) for part in rolled)
    return sum(int(connection.execute(size).scalar() or 0) for size in sizes) // NUMBER.itemsize


def some_buckets(part: Stretch, every: int) -> Sequence[ColumnElement[bool]]:
    """All of them, or the first of each `every`."""
    if every == 1:
        return part.buckets(sketches)
    some = range(part.start // SECOND_US, part.end // SECOND_US, part.level * every)
    return sketches.c.level == part.level, sketches.c.at.in_(some)


def matching_cells(connection: Connection, asked: Wanted) -> dict[int, Key]:
    """The cells of the filter, by id."""
    stored = connection.execute(select(cells.c.id, *(cells.c[column] for column in APART))).all()
    table = np.array([row[1:] for row in stored], np.int64).reshape(-1, len(APART))
    return {row[0]: tuple(row[1:]) for row, match in zip(stored, asked.of_cells(table), strict=True) if match}


def name_frame(
    connection: Connection, sums: dict[int, Sums], measured: Sketches, heard_seconds: float, by_outcome: bool
) -> pd.DataFrame:
    ids = sorted(sums, key=lambda name: (-sums[name].count, name))
    named = name_texts(connection, ids)
    columns: dict[str, Any] = {
        "name": [named.get(id) for id in ids],
        "count": [sums[id].count for id in ids],
        "ended": [sums[id].ended for id in ids],
        "rate": [ratio(sums[id].ended, heard_seconds) for id in ids],
        "failures": [sums[id].failed for id in ids],
        "failure_ratio": [None if by_outcome else ratio(sums[id].failed, sums[id].ended) for id in ids],
        "retries": [sums[id].retries for id in ids],
        "runtime_total": [sums[id].runtime_us / SECOND_US if sums[id].runtimes else None for id in ids],
        **quantile_columns(ids, measured),
    }
    return pd.DataFrame({name: pd.array(columns[name], dtype=kind) for name, kind in NAME_COLUMNS.items()})


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def quantile_columns(ids: Sequence[int], measured: Sketches) -> dict[str, npt.NDArray[np.float64]]:
    place = {id: row for row, id in enumerate(ids)}
    groups = np.array([place[name] for name in measured.names], np.int64)
    found: dict[str, npt.NDArray[np.float64]] = {}
    for measure, blobs in (("wait", measured.wait), ("runtime", measured.runtime)):
        values = quantiles_of_groups(blobs, groups, len(ids), QUANTILES)
        found |= {
            f"{measure}_p{quantile:.0%}".rstrip("%"): row for quantile, row in zip(QUANTILES, values, strict=True)
        }
    return found
