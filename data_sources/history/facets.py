"""How many tasks of a filter there are, by state, name, queue and worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Connection, func, select

from data_sources.history.filter import Wanted, wanted
from data_sources.history.rollups import APART, HOUR, Key, ended, stretches
from data_sources.history.rows import name_texts
from data_sources.history.search import search
from data_sources.note import Note
from data_sources.schema import IS_LIVE, KINDS, STATES, tasks
from data_sources.task_query import TaskFilter

FACETS = ("state", *KINDS)
FACET_COLUMNS = {"facet": "str", "value": "str", "count": "Int64"}


@dataclass(frozen=True)
class FacetCounts:
    """`frame`: `facet` (one of FACETS), `value` (NA: not known) and `count`, the most first; `total`: tasks in all."""

    frame: pd.DataFrame
    total: int
    notes: tuple[Note, ...]


def read_facets(connection: Connection, filter: TaskFilter, start: int, end: int) -> FacetCounts:
    """Of the tasks of `filter` that last did something from `start` to before `end` (microseconds).

    Exact, from the roll-ups; where something is to be looked up, among the newest, and a note says so.
    """
    asked = wanted(connection, filter, start, end)
    if asked.looks_up:
        searched = search(connection, asked)
        counted, notes = keyed((1, *row[1:5]) for row in searched.found), searched.notes("Counted among")
    else:
        counted, notes = that_ended(connection, asked) + that_live(connection, asked), ()
    named = name_texts(connection, (id for key in counted for id in key[:3]))
    split = {facet: Counter[str | None]() for facet in FACETS}
    for (name, queue, worker, state), count in counted.items():
        split["state"][STATES[state]] += count
        for kind, id in zip(KINDS, (name, queue, worker), strict=True):
            split[kind][named.get(id)] += count
    return FacetCounts(facet_frame(split), counted.total(), notes)


def facet_frame(split: dict[str, Counter[str | None]]) -> pd.DataFrame:
    rows = [(facet, value, count) for facet, counts in split.items() for value, count in counts.most_common()]
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    return pd.DataFrame(
        {
            name: pd.array(list(values), dtype=kind)
            for (name, kind), values in zip(FACET_COLUMNS.items(), columns, strict=True)
        }
    )


def that_ended(connection: Connection, asked: Wanted) -> Counter[Key]:
    found = ended(connection, stretches(connection, asked.start, asked.end, HOUR), HOUR)
    counts = np.zeros(len(found.cells), np.int64)
    np.add.at(counts, found.cell, found.count)
    match = asked.of_cells(found.cells) & (counts > 0)
    return keyed((count, *key) for count, key in zip(counts[match].tolist(), found.cells[match].tolist(), strict=True))


def that_live(connection: Connection, asked: Wanted) -> Counter[Key]:
    apart = [tasks.c[column] for column in APART]
    query = select(func.count(), *apart).where(IS_LIVE, *asked.along("last_us")).group_by(*apart)
    return keyed(connection.execute(query)) if asked.may_be_live else Counter()


def keyed(rows: Iterable[Sequence[Any]]) -> Counter[Key]:
    counts: Counter[Key] = Counter()
    for count, name, queue, worker, state in rows:
        counts[name or 0, queue or 0, worker or 0, state] += count
    return counts
