"""What no index is in the order of: texts, exceptions that read alike, and times that lists are seldom sorted by.

It is looked up among the newest tasks that match all else, until NEWEST of them were looked at or SECONDS are over, and
says how far back that was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    BindParameter,
    Boolean,
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    false,
    func,
    not_,
    or_,
    select,
)

from data_sources.history.failure_text import failure_id
from data_sources.history.filter import Wanted, ids_holding
from data_sources.history.order import Order, Place, by_time
from data_sources.history.rollups import APART
from data_sources.microseconds import moment
from data_sources.note import Note
from data_sources.schema import KINDS, STATES, tasks, texts
from data_sources.search_text import And, Node, Not, Or, Text
from data_sources.task_query import Cursor

NEWEST = 100_000
SECONDS = 0.4
FEW, MANY = 500, 10_000  # tasks looked at in one statement: at first, and later
COLUMNS = ("seq", *APART, "last_us", "received_us", "started_us", "runtime_us", "wait_us", "retries")
LONG = ("args", "kwargs", "result", "exception")
NEWEST_FIRST = Order("last_us", descending=True)

Found = Row[Any]  # of COLUMNS and, where exceptions are looked at, `exception`


@dataclass(frozen=True)
class Search:
    """`found`, the newest first, among the `looked_at` newest tasks of the other filters; `stopped_at` is the last of
    those, None where there are no more.
    """

    found: list[Found]
    looked_at: int
    stopped_at: Place | None

    @property
    def back_to(self) -> int | None:
        """Microseconds; what matches and is not found is older."""
        return self.stopped_at and self.stopped_at[0]

    def notes(self, doing: str) -> tuple[Note, ...]:
        if self.back_to is None:
            return ()
        since = f"{moment(self.back_to):%Y-%m-%d %H:%M} UTC"
        whom = f"the newest {self.looked_at:,} of the tasks that match the other filters"
        return (Note(f"{doing} {whom}, back to {since}", "cut"),)


def search(
    connection: Connection,
    asked: Wanted,
    order: Order = NEWEST_FIRST,
    enough: Callable[[Sequence[Found]], bool] = lambda found: False,
) -> Search:
    """Those that match, in `order`, which is by `last_us` and the newest first, until there are `enough`."""
    ends = time.monotonic() + SECONDS
    places: BindParameter[Any] = bindparam("places", expanding=True, literal_execute=True)
    query = select(*(tasks.c[name] for name in COLUMNS)).where(tasks.c.seq.in_(places))
    query = query.where(*(holds(connection, part) for part in asked.rest))
    if asked.failure:
        query = query.add_columns(texts.c.exception)
    if asked.rest or asked.failure:
        query = query.join(texts, texts.c.seq == tasks.c.seq, isouter=True)
    found: list[Found] = []
    looked_at = 0
    for chunk, more in candidates(connection, asked, order):
        rows = connection.execute(query, {"places": [seq for _, seq in chunk]}).all()
        if asked.failure:
            rows = [row for row in rows if failure_id(row.exception or "") == asked.failure]
        found += sorted(rows, key=lambda row: (row.last_us, row.seq), reverse=True)
        looked_at += len(chunk)
        if more and (looked_at >= NEWEST or time.monotonic() > ends or enough(found)):
            return Search(found, looked_at, chunk[-1])
    return Search(found, looked_at, None)


def candidates(connection: Connection, asked: Wanted, order: Order) -> Iterator[tuple[list[Place], bool]]:
    """The NEWEST, and whether there are more: a few, which may be enough, and then the others."""
    if asked.seq is not None:
        yield order.read(connection, [tasks.c.seq == asked.seq, *asked.along_another()], 1), False
        return
    few = min(FEW, NEWEST)
    places = by_time(connection, asked, order, few)
    yield places, len(places) == few
    if len(places) == few:
        goes_on = replace(order, after=Cursor("", *places[-1]))
        places = by_time(connection, asked, goes_on, NEWEST + 1 - few)
        for start in range(0, NEWEST - few, MANY):
            end = min(start + MANY, NEWEST - few)
            if chunk := places[start:end]:
                yield chunk, len(places) > end


def holds(connection: Connection, node: Node) -> ColumnElement[bool]:
    """What is searched for, as a condition on tasks with their `texts` that is never NULL.

    SQLite minds the case of letters beyond ASCII in texts.
    """
    match node:
        case And(parts):
            return and_(*(holds(connection, part) for part in parts))
        case Or(parts):
            return or_(*(holds(connection, part) for part in parts))
        case Not(of):
            return not_(holds(connection, of))
        case Text(text, field):
            fields = [field] if field else ["id", *KINDS, *LONG]
            return func.coalesce(or_(*(stands_in(connection, one, text) for one in fields)), false(), type_=Boolean)


def stands_in(connection: Connection, field: str, text: str) -> ColumnElement[bool]:
    if field in KINDS:
        return (tasks.c[field] + 0).in_(ids_holding(connection, field, [text]))
    if field == "state":
        return (tasks.c.state + 0) == STATES.index(text)
    if field == "id":
        return tasks.c.id.istartswith(text, autoescape=True)
    return texts.c[field].icontains(text, autoescape=True)
