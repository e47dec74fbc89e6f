"""A page of recorded tasks, filtered and sorted: first the places of its tasks are found, then their rows are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from data_sources.history.filter import Wanted, wanted
from data_sources.history.order import Order, Place, by_duration, by_time
from data_sources.history.rows import Row, read_rows
from data_sources.history.search import NEWEST_FIRST, Found, search
from data_sources.note import Note
from data_sources.task_query import Cursor, Tasks

SORTED_BY = {
    "last": "last_us",
    "finished": "last_us",  # of a task that has ended they are the same
    "received": "received_us",
    "started": "started_us",
    "runtime": "runtime_us",
    "wait": "wait_us",
}
BEYOND = Note("A whole id is looked for in all that is kept: this task did nothing within the page's range")


@dataclass(frozen=True)
class Page:
    """`rows` in order; `more`: where the next page begins, None at the end of the list."""

    rows: list[Row]
    more: Cursor | None
    notes: tuple[Note, ...]


def read_page(connection: Connection, query: Tasks, start: int, end: int) -> Page:
    """The tasks of `query` that last did something from `start` to before `end` (microseconds)."""
    asked = wanted(connection, query.filter, start, end)
    sort, most = query.sort.removeprefix("-"), query.limit + 1
    order = Order(SORTED_BY[sort], query.sort.startswith("-"), query.after)
    if sort == "finished":
        asked = asked.ended_only()
    goes_on: Place | None = None
    notes: tuple[Note, ...] = ()
    if asked.looks_up or sort in ("received", "started"):
        found, goes_on, notes = among_newest(connection, asked, order, most)
    elif order.key == "last_us":
        found = by_time(connection, asked, order, most)
    else:
        found = by_duration(connection, asked, order, most)
    if found and (asked.start < start or asked.end > end):
        notes += (BEYOND,)
    shown = found[: query.limit]
    if len(found) > len(shown):
        goes_on = shown[-1]
    more = Cursor(query.sort, *goes_on) if goes_on else None
    return Page(read_rows(connection, [seq for _, seq in shown]), more, notes)


def among_newest(
    connection: Connection, asked: Wanted, order: Order, most: int
) -> tuple[list[Place], Place | None, tuple[Note, ...]]:
    """The first `most` of those that can be looked up, and from where one can look further, where that is one place."""
    in_order = order.key == "last_us" and order.descending

    def places(found: Iterable[Found]) -> Iterator[Place]:
        held = ((getattr(row, order.key), row.seq) for row in found)
        return (place for place in held if place[0] is not None and order.comes(place))

    def enough(found: Sequence[Found]) -> bool:
        """A task that did nothing since `last_us` was not received, or started, after it either."""
        if in_order or order.key not in ("received_us", "started_us") or not order.descending or not found:
            return in_order and len(found) >= most
        back_to = int(found[-1].last_us)
        return sum(key > back_to for key, _ in places(found)) >= most

    searched = search(connection, asked, order if in_order else NEWEST_FIRST, enough)
    first = order.merged(places(searched.found), most)
    if in_order and len(first) == most:
        return first, None, ()
    return (
        first,
        searched.stopped_at if in_order else None,
        searched.notes("Searched:" if asked.looks_up else "Sorted:"),
    )
