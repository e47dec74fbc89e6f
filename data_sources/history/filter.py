"""A filter of tasks in the numbers of one history.

The planner of SQLite knows nothing of how tasks are spread, so it is told along which index to go: it cannot use one
for `column + 0`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, TextClause, select

from data_sources.history.counts import Whole
from data_sources.history.extent import kept_from_us
from data_sources.history.rollups import APART, ENDED
from data_sources.schema import IS_UNSUCCESSFUL, KINDS, STATES, names, tasks
from data_sources.search_text import And, Node, Or, Text, parse
from data_sources.task_query import TaskFilter

Conditions = Sequence[ColumnElement[bool] | TextClause]
FAILURE = STATES.index("FAILURE")


@dataclass(frozen=True)
class Wanted:
    """A filter within `start` to before `end` (microseconds).

    `allowed`: what a column may hold, ids of names or places in STATES; one that may hold anything is left out. What
    these cannot say is to be looked up: `seq` is the only task there may be, `rest` what else is searched for,
    `failure` how it failed.
    """

    start: int
    end: int
    allowed: dict[str, tuple[int, ...]]
    seq: int | None = None
    rest: tuple[Node, ...] = ()
    failure: str = ""

    @property
    def looks_up(self) -> bool:
        return self.seq is not None or bool(self.rest or self.failure)

    def unfiltered(self) -> list[ColumnElement[bool]]:
        return [tasks.c.last_us >= self.start, tasks.c.last_us < self.end]

    def along(self, column: str) -> Conditions:
        """What matches, along the index that is in the order of `column` and then of time."""
        own = [tasks.c[column].in_(self.allowed[column])] if column in self.allowed else []
        literal = [IS_UNSUCCESSFUL] if column == "state" else []
        return [*self.unfiltered(), *own, *literal, *self._others(column)]

    def along_another(self, column: str = "") -> Conditions:
        """What matches but for `column`, along an index that is not in the order of time."""
        last = tasks.c.last_us + 0
        return [last >= self.start, last < self.end, *self._others(column)]

    def _others(self, column: str) -> list[ColumnElement[bool]]:
        return [(tasks.c[other] + 0).in_(values) for other, values in self.allowed.items() if other != column]

    def of_cells(self, cells: Whole, columns: Iterable[str] = APART) -> npt.NDArray[np.bool_]:
        """Which rows of a table with the columns APART match in `columns`."""
        given = ((APART.index(column), self.allowed[column]) for column in columns if column in self.allowed)
        matches = (np.isin(cells[:, place], values) for place, values in given)
        return reduce(np.logical_and, matches, np.ones(len(cells), np.bool_))

    def only(self, column: str, *values: int) -> Wanted:
        """Of those also of one of `values`."""
        kept = set(values) & set(self.allowed.get(column, values))
        return replace(self, allowed={**self.allowed, column: tuple(sorted(kept))})

    def since(self, start: int) -> Wanted:
        return replace(self, start=max(self.start, start))

    def until(self, end: int) -> Wanted:
        return replace(self, end=min(self.end, end))

    def ended_only(self) -> Wanted:
        return self.only("state", *ENDED)

    @property
    def may_be_live(self) -> bool:
        return "state" not in self.allowed or not set(self.allowed["state"]) <= set(ENDED)


def wanted(connection: Connection, filter: TaskFilter, start: int, end: int) -> Wanted:
    """`filter` within `start` to before `end`, as far back as rows are kept.

    The whole id of a task means that task, whenever it was.
    """
    kept_from = kept_from_us(connection)
    given = {"name": filter.names, "queue": filter.queues, "worker": filter.workers}
    allowed = {kind: ids_of(connection, kind, texts) for kind, texts in given.items() if texts}
    if filter.states:
        allowed["state"] = tuple(STATES.index(state) for state in filter.states)
    asked = Wanted(max(start, kept_from), end, allowed, failure=filter.failure)
    if filter.failure:
        asked = asked.only("state", FAILURE)
    for part in conjuncts(parse(filter.search)):
        asked = narrowed(connection, asked, part)
    last = connection.execute(select(tasks.c.last_us).where(tasks.c.seq == asked.seq)).scalar() if asked.seq else None
    if last is None:
        return asked
    return replace(asked, start=min(asked.start, max(last, kept_from)), end=max(asked.end, last + 1))


def conjuncts(search: Node | None) -> tuple[Node, ...]:
    """The parts of which each must hold."""
    if search is None:
        return ()
    return search.parts if isinstance(search, And) else (search,)


def narrowed(connection: Connection, asked: Wanted, part: Node) -> Wanted:
    """`asked`, and what one part of a search says beside: by a column where there is one that knows."""
    texts = part.parts if isinstance(part, Or) else (part,)
    fields = {text.field if isinstance(text, Text) else "" for text in texts}
    words = [text.text for text in texts if isinstance(text, Text)]
    match [*fields]:
        case ["state"]:
            return asked.only("state", *map(STATES.index, words))
        case ["name" | "queue" | "worker" as kind]:
            return asked.only(kind, *ids_holding(connection, kind, words))
    if isinstance(part, Text) and part.field in ("", "id"):
        seq = connection.execute(select(tasks.c.seq).where(tasks.c.id == part.text)).scalar()
        if seq is not None:
            return replace(asked, seq=seq if asked.seq in (None, seq) else 0)
    return replace(asked, rest=(*asked.rest, part))


def ids_of(connection: Connection, kind: str, given: Collection[str]) -> tuple[int, ...]:
    query = select(names.c.id).where(names.c.kind == KINDS.index(kind), names.c.text.in_(given))
    return tuple(connection.execute(query).scalars())


def ids_holding(connection: Connection, kind: str, words: Iterable[str]) -> list[int]:
    """The names in which one of `words` stands, in whatever case."""
    folded = [word.casefold() for word in words]
    known = connection.execute(select(names.c.id, names.c.text).where(names.c.kind == KINDS.index(kind)))
    return [id for id, text in known if any(word in text.casefold() for word in folded)]
