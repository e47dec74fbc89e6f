"""A filter of tasks in the numbers of one history, and what of it can be asked quickly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, Subquery, TextClause, func, or_, select

from data_sources.answer import Note
from data_sources.history_rollups import APART, ENDED
from data_sources.schema import KINDS, STATES, meta, names, tasks, texts
from data_sources.task_query import TaskFilter

NEWEST = 100_000  # tasks that are searched, or sorted by what no index is in the order of
SEARCHED = ("args", "kwargs", "result", "exception")


Conditions = Sequence[ColumnElement[bool] | TextClause]


@dataclass(frozen=True)
class Wanted:
    """A filter within `start` to before `end` (microseconds).

    `allowed`: what a column may hold, ids of names or places in STATES; one that may hold anything is left out.
    """

    start: int
    end: int
    allowed: dict[str, tuple[int, ...]]
    words: tuple[str, ...]

    def matches(self, table: Any = tasks) -> list[ColumnElement[bool]]:
        return [table.c[column].in_(values) for column, values in self.allowed.items()]

    def within(self, start: int, end: int) -> list[ColumnElement[bool]]:
        return [tasks.c.last_us >= start, tasks.c.last_us < end, *self.matches()]

    def unfiltered(self) -> list[ColumnElement[bool]]:
        return [tasks.c.last_us >= self.start, tasks.c.last_us < self.end]

    def everywhere(self) -> list[ColumnElement[bool]]:
        return self.within(self.start, self.end)

    def of_cells(self, cells: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which rows of a table with the columns APART match."""
        columns = (np.isin(cells[:, APART.index(column)], values) for column, values in self.allowed.items())
        return reduce(np.logical_and, columns, np.ones(len(cells), np.bool_))

    def since(self, start: int) -> Wanted:
        return replace(self, start=max(self.start, start))

    def until(self, end: int) -> Wanted:
        return replace(self, end=min(self.end, end))

    def ended_only(self) -> Wanted:
        states = set(self.allowed.get("state", ENDED)) & set(ENDED)
        return replace(self, allowed={**self.allowed, "state": tuple(states)})

    @property
    def may_be_live(self) -> bool:
        return "state" not in self.allowed or not set(self.allowed["state"]) <= set(ENDED)


def wanted(connection: Connection, filter: TaskFilter, start: int, end: int) -> Wanted:
    """`filter` within `start` to before `end`, as far back as rows are kept."""
    kept_from = connection.execute(select(meta.c.value).where(meta.c.key == "kept_from_us")).scalar()
    given = {"name": filter.names, "queue": filter.queues, "worker": filter.workers}
    allowed = {kind: ids_of(connection, kind, texts) for kind, texts in given.items() if texts}
    if filter.states:
        allowed["state"] = tuple(STATES.index(state) for state in filter.states)
    return Wanted(max(start, int(kept_from or 0)), end, allowed, filter.words)


def ids_of(connection: Connection, kind: str, given: Sequence[str]) -> tuple[int, ...]:
    query = select(names.c.id).where(names.c.kind == KINDS.index(kind), names.c.text.in_(given))
    return tuple(connection.execute(query).scalars())


def newest(asked: Wanted) -> Subquery:
    """The newest tasks that match all but the words."""
    query = select(tasks).where(*asked.everywhere()).order_by(tasks.c.last_us.desc(), tasks.c.seq.desc())
    return query.limit(NEWEST).subquery("newest")


def holding_words(connection: Connection, words: Sequence[str], newest: Subquery) -> list[ColumnElement[bool]]:
    """A condition a word, on `newest` with its `texts`. SQLite minds the case of letters beyond ASCII."""
    known = connection.execute(select(names.c.id, names.c.text).where(names.c.kind == KINDS.index("name")))
    texts_by_name = list(known)
    conditions = []
    for word in words:
        named = [id for id, text in texts_by_name if word.casefold() in text.casefold()]
        said = [texts.c[column].icontains(word, autoescape=True) for column in SEARCHED]
        conditions.append(or_(newest.c.name.in_(named), *said))
    return conditions


def limit_notes(connection: Connection, asked: Wanted, doing: str) -> tuple[Note, ...]:
    """Says so when there are more than the newest."""
    newest_places = select(tasks.c.seq).where(*asked.everywhere()).limit(NEWEST + 1).subquery()
    if (connection.execute(select(func.count()).select_from(newest_places)).scalar() or 0) <= NEWEST:
        return ()
    return (Note(f"{doing} the newest {NEWEST:,} of the tasks that match the other filters", "cut"),)
