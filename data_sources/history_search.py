"""What no index is in the order of: words, and times that lists are seldom sorted by; looked up among the newest tasks.

It stops after NEWEST of them, or SECONDS, and says how far it came.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Row, bindparam, or_, select

from data_sources.history_filter import Wanted
from data_sources.history_order import Order, Place, by_time
from data_sources.history_rollups import APART
from data_sources.microseconds import moment
from data_sources.note import Note
from data_sources.schema import KINDS, names, tasks, texts
from data_sources.task_query import Cursor

NEWEST = 100_000
SECONDS = 1.0
FEW, MANY = 500, 10_000  # tasks looked at in one statement: at first, and later
COLUMNS = ("seq", *APART, "last_us", "received_us", "started_us", "runtime_us", "wait_us")
SEARCHED = ("args", "kwargs", "result", "exception")

Found = Row[Any]  # of COLUMNS


@dataclass(frozen=True)
class Search:
    """`found`, the newest first, among the `looked_at` newest tasks of the other filters; `back_to` is when the last of
    those was (microseconds), None where there are no more.
    """

    found: list[Found]
    looked_at: int
    back_to: int | None

    def notes(self, doing: str) -> tuple[Note, ...]:
        if self.back_to is None:
            return ()
        since = f"{moment(self.back_to):%Y-%m-%d %H:%M} UTC"
        return (
            Note(
                f"{doing} the newest {self.looked_at:,} of the tasks that match the other filters, back to {since}",
                "cut",
            ),
        )


def search(connection: Connection, asked: Wanted, order: Order, enough: Callable[[Sequence[Found]], bool]) -> Search:
    """Those that hold the words, in `order`, which is by `last_us` and the newest first, until there are `enough`."""
    ends = time.monotonic() + SECONDS
    columns = [tasks.c[name] for name in COLUMNS]
    places: BindParameter[Any] = bindparam("places", expanding=True, literal_execute=True)
    query = select(*columns).where(tasks.c.seq.in_(places), *holding_words(connection, asked.words))
    if asked.words:
        query = query.join(texts, texts.c.seq == tasks.c.seq, isouter=True)
    found: list[Found] = []
    looked_at = 0
    for chunk, more in newest_first(connection, asked, order):
        rows = connection.execute(query, {"places": [seq for _, seq in chunk]}).all()
        found += sorted(rows, key=lambda row: (row.last_us, row.seq), reverse=True)
        looked_at += len(chunk)
        if more and (looked_at >= NEWEST or time.monotonic() > ends or enough(found)):
            return Search(found, looked_at, chunk[-1][0])
    return Search(found, looked_at, None)


def newest_first(connection: Connection, asked: Wanted, order: Order) -> Iterator[tuple[list[Place], bool]]:
    """The NEWEST, and whether there are more: a few, which may be enough, and then the others."""
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


def holding_words(connection: Connection, words: Iterable[str]) -> list[ColumnElement[bool]]:
    """A condition a word, on tasks with their `texts`. SQLite minds the case of letters beyond ASCII."""
    known = connection.execute(select(names.c.id, names.c.text).where(names.c.kind == KINDS.index("name")))
    texts_by_name = list(known)
    conditions = []
    for word in words:
        named = [id for id, text in texts_by_name if word.casefold() in text.casefold()]
        said = [texts.c[column].icontains(word, autoescape=True) for column in SEARCHED]
        conditions.append(or_((tasks.c.name + 0).in_(named), *said))
    return conditions
