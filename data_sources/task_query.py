"""Questions about recorded tasks, as values."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from data_sources.errors import BadParameter
from data_sources.fields import MAX_NAME, Fields, Params, names, one
from data_sources.schema import STATES
from data_sources.search_text import parse

SORTS = ("last", "received", "started", "finished", "runtime", "wait")
NEWEST_FIRST = "-last"
PAGE_ROWS = 50
MAX_ROWS = 10_000


@dataclass(frozen=True)
class TaskFilter:
    """Which tasks: every condition that is given holds, by any one of its values.

    `search` is written as data_sources/search_text.py reads it; `failure` is one of those that failed alike, see
    data_sources/history/failure_text.py.
    """

    names: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    search: str = ""
    failure: str = ""

    @property
    def looks_up(self) -> bool:
        """Whether there is something in it that no index knows."""
        return bool(self.search or self.failure)

    def without(self, field: str) -> Self:
        """The same, whatever `field` (name, state, worker or queue) is."""
        match field:
            case "name":
                return replace(self, names=())
            case "state":
                return replace(self, states=())
            case "worker":
                return replace(self, workers=())
        return replace(self, queues=())

    def to_params(self) -> Params:
        many = {"name": self.names, "state": self.states, "worker": self.workers, "queue": self.queues}
        params = [(field, value) for field, values in many.items() for value in values]
        return params + [(field, value) for field in ("search", "failure") if (value := getattr(self, field))]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        states, search, failure = names(fields, "state"), one(fields, "search"), one(fields, "failure")
        if unknown := [state for state in states if state not in STATES]:
            raise BadParameter("state", f"“{unknown[0][:40]}” must be one of {', '.join(STATES)}")
        if len(search) > MAX_NAME:
            raise BadParameter("search", f"takes at most {MAX_NAME} characters")
        parse(search)
        if failure and not re.fullmatch(r"[0-9a-f]{12}", failure, re.ASCII):
            raise BadParameter("failure", "must be 12 hexadecimal digits, as a list of failures has them")
        return cls(names(fields, "name"), states, names(fields, "worker"), names(fields, "queue"), search, failure)


@dataclass(frozen=True)
class Cursor:
    """The place of a task in an order: a page begins after it. `key` is what is sorted by, in microseconds."""

    sort: str
    key: int
    seq: int

    def __str__(self) -> str:
        return f"{self.sort}.{self.key}.{self.seq}"

    @classmethod
    def parse(cls, text: str, sort: str) -> Self:
        """Raises BadParameter for what is no cursor, or one of another order than `sort`."""
        match = re.fullmatch(r"(-?[a-z]{1,20})\.(-?\d{1,18})\.(\d{1,18})", text, re.ASCII)
        if match is None or match[1] != sort:
            raise BadParameter("after", f"is no place in a list sorted by {sort}; take it from the page before")
        return cls(sort, int(match[2]), int(match[3]))


@dataclass(frozen=True)
class Tasks:
    """A page of the tasks that did something within the scope's range.

    `sort` is one of SORTS, descending with a `-` before it: `last` is when anything last happened to the task. Tasks
    that lack the time or duration sorted by are left out.
    """

    kind: ClassVar[str] = "tasks"
    filter: TaskFilter = TaskFilter()
    sort: str = NEWEST_FIRST
    limit: int = PAGE_ROWS
    after: Cursor | None = None

    @property
    def looks_up(self) -> bool:
        """Whether there is something to it that no index knows, and that takes a while."""
        return self.filter.looks_up or self.sort.removeprefix("-") in ("received", "started")

    def to_params(self) -> Params:
        return [
            ("source", self.kind),
            *self.filter.to_params(),
            *([("sort", self.sort)] if self.sort != NEWEST_FIRST else []),
            *([("limit", str(self.limit))] if self.limit != PAGE_ROWS else []),
            *([("after", str(self.after))] if self.after else []),
        ]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        sort = one(fields, "sort") or NEWEST_FIRST
        if sort.removeprefix("-") not in SORTS:
            raise BadParameter("sort", f"must be one of {', '.join(SORTS)}, with a - before it for the largest first")
        limit = one(fields, "limit") or str(PAGE_ROWS)
        if not re.fullmatch(r"\d{1,5}", limit, re.ASCII) or not 1 <= int(limit) <= MAX_ROWS:
            raise BadParameter("limit", f"must be a number from 1 to {MAX_ROWS:,}")
        after = one(fields, "after")
        return cls(TaskFilter.from_fields(fields), sort, int(limit), Cursor.parse(after, sort) if after else None)


@dataclass(frozen=True)
class OfTasks:
    """A question about all tasks of a filter together."""

    kind: ClassVar[str]
    filter: TaskFilter = TaskFilter()

    @property
    def looks_up(self) -> bool:
        """Whether there is something to it that no index knows, and that takes a while."""
        return self.filter.looks_up

    def to_params(self) -> Params:
        return [("source", self.kind), *self.filter.to_params()]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        return cls(TaskFilter.from_fields(fields))


@dataclass(frozen=True)
class Facets(OfTasks):
    """How many tasks of a filter there are by state, name, queue and worker."""

    kind: ClassVar[str] = "facets"


@dataclass(frozen=True)
class TaskNames(OfTasks):
    """What the tasks of a filter did, by their name: how many, how they ended, how long they waited and ran."""

    kind: ClassVar[str] = "task_names"


@dataclass(frozen=True)
class Histogram(OfTasks):
    """How many tasks of a filter there were over time, by state."""

    kind: ClassVar[str] = "histogram"


@dataclass(frozen=True)
class Failures(OfTasks):
    """The tasks of a filter that failed in the week before the range ends, by their exception, what differs masked."""

    kind: ClassVar[str] = "failures"

    @property
    def looks_up(self) -> bool:
        return True


@dataclass(frozen=True)
class Task:
    """One task, with all that is known of it."""

    kind: ClassVar[str] = "task"
    id: str

    def to_params(self) -> Params:
        return [("source", self.kind), ("id", self.id)]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        ids = names(fields, "id")
        if len(ids) != 1:
            raise BadParameter("id", "must be the id of one task")
        return cls(ids[0])


@dataclass(frozen=True)
class Family(Task):
    """The tasks that come from the same root as one task."""

    kind: ClassVar[str] = "family"


Listing = Tasks | OfTasks  # asked of a stretch of time to the very second, and not on the grid of a chart
