"""A page of recorded tasks, filtered and sorted.

It is found in two steps: first the places of its tasks, in an index that covers filter and order, then their rows.
Which hours hold tasks of a rare kind is known from the roll-ups, so no others are looked through for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from data_sources.answer import Note
from data_sources.history_filter import Conditions, Wanted, holding_words, limit_notes, newest, wanted
from data_sources.history_rollups import ENDED, HOUR, ROWS, SECOND, Stretch, stretches
from data_sources.history_rows import Row, read_rows
from data_sources.schema import IS_LIVE, cells, rollups, tasks, texts
from data_sources.task_query import Cursor, Tasks

NEAR = 3600 * SECOND  # what is common is found within an hour
LOOKUP = 5  # reading a row costs as much as that many entries of an index
SIZE = select(
    select(func.min(tasks.c.last_us)).scalar_subquery(),
    select(func.max(tasks.c.last_us)).scalar_subquery(),
    (select(func.max(tasks.c.seq)).scalar_subquery() - select(func.min(tasks.c.seq)).scalar_subquery() + 1),
)

Place = tuple[int, int]  # what is sorted by, in microseconds, and `seq`

SORTED_BY = {
    "last": "last_us",
    "finished": "last_us",  # of a task that has ended they are the same
    "received": "received_us",
    "started": "started_us",
    "runtime": "runtime_us",
    "wait": "wait_us",
}


@dataclass(frozen=True)
class Page:
    """`rows` in order; `more`: where the next page begins, None at the end of the list."""

    rows: list[Row]
    more: Cursor | None
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Order:
    """What a list is sorted by, the column `key` and then `seq`; it begins after `after`."""

    key: str
    descending: bool
    after: Cursor | None

    def first(self, query: Select[Any], key: ColumnElement[int], seq: ColumnElement[int], most: int) -> Select[Any]:
        """`query`, sorted and cut: its first `most` places."""
        if self.after:
            beyond = key < self.after.key if self.descending else key > self.after.key
            beside = seq < self.after.seq if self.descending else seq > self.after.seq
            query = query.where(or_(beyond, and_(key == self.after.key, beside)))
            # so that an index is entered at the place
            query = query.where(key <= self.after.key if self.descending else key >= self.after.key)
        if self.key != "last_us":
            query = query.where(key.is_not(None))
        ends = (key.desc(), seq.desc()) if self.descending else (key.asc(), seq.asc())
        return query.order_by(*ends).limit(most)

    def read(self, connection: Connection, conditions: Conditions, most: int) -> list[Place]:
        """The first `most` places of tasks under `conditions`."""
        key = tasks.c[self.key]
        query = self.first(select(key, tasks.c.seq).where(*conditions), key, tasks.c.seq, most)
        return [(key, seq) for key, seq in connection.execute(query)]

    def merged(self, places: Sequence[Place], most: int) -> list[Place]:
        return sorted(places, reverse=self.descending)[:most]


def read_page(connection: Connection, query: Tasks, start: int, end: int) -> Page:
    """The tasks of `query` that last did something from `start` to before `end` (microseconds)."""
    asked = wanted(connection, query.filter, start, end)
    sort, most = query.sort.removeprefix("-"), query.limit + 1
    order = Order(SORTED_BY[sort], query.sort.startswith("-"), query.after)
    notes: tuple[Note, ...] = ()
    if asked.words:
        found, notes = among_newest(connection, asked, order, most), limit_notes(connection, asked, "Searched:")
    elif sort in ("received", "started"):
        found, notes = among_newest(connection, asked, order, most), limit_notes(connection, asked, "Sorted:")
    elif sort == "last":
        found = by_time(connection, asked, order, most)
    elif sort == "finished":
        found = by_time(connection, asked.ended_only(), order, most)
    else:
        found = by_duration(connection, asked, order, most)
    shown = found[: query.limit]
    more = Cursor(query.sort, *shown[-1]) if len(found) > len(shown) else None
    return Page(read_rows(connection, [seq for _, seq in shown]), more, notes)


def among_newest(connection: Connection, asked: Wanted, order: Order, most: int) -> list[Place]:
    rows = newest(asked)
    query = select(rows.c[order.key], rows.c.seq)
    if asked.words:
        query = query.join(texts, texts.c.seq == rows.c.seq, isouter=True)
        query = query.where(*holding_words(connection, asked.words, rows))
    return [(key, seq) for key, seq in connection.execute(order.first(query, rows.c[order.key], rows.c.seq, most))]


def by_time(connection: Connection, asked: Wanted, order: Order, most: int) -> list[Place]:
    """Along the index of time; for what is rare through the hours alone that hold it."""
    if order.after:
        asked = asked.until(order.after.key + 1) if order.descending else asked.since(order.after.key)
    first = order.read(connection, asked.unfiltered(), 1)
    if not first:
        return []
    edge, _ = first[0]
    near = asked.since(edge - NEAR) if order.descending else asked.until(edge + NEAR)
    found = order.read(connection, near.everywhere(), most)
    if len(found) == most:
        return found
    if not asked.allowed:
        return order.read(connection, asked.everywhere(), most)
    found = order.read(connection, [IS_LIVE, *asked.everywhere()], most) if asked.may_be_live else []
    ended: list[Place] = []
    held = hours_holding(connection, asked)
    for start, end in spans(reversed(held) if order.descending else held, most):
        ended += order.read(connection, [tasks.c.state.in_(ENDED), *asked.within(start, end)], most - len(ended))
        if len(ended) >= most:
            break
    return order.merged(found + ended, most)


def by_duration(connection: Connection, asked: Wanted, order: Order, most: int) -> list[Place]:
    """Along the index of the duration until enough match, or all that match, sorted: whichever is less to read."""
    oldest, newest, rows = connection.execute(SIZE).one()
    if rows is None:
        return []
    per_us = rows / (newest - oldest + 1)
    inside = per_us * max(min(asked.end, newest) - max(asked.start, oldest), 0)
    held = hours_holding(connection, asked) if asked.allowed else [(Stretch(ROWS, asked.start, asked.end), int(inside))]
    matching = sum(count for _, count in held) + 1
    passed = sum(min(part.end, newest) - max(part.start, oldest) for part, _ in held) * per_us
    if rows * most / matching < passed + LOOKUP * matching:
        # `+ 0` keeps a planner from the index of time, which would have it sort them all
        last = tasks.c.last_us + 0
        return order.read(connection, [last >= asked.start, last < asked.end, *asked.matches()], most)
    found = order.read(connection, [IS_LIVE, *asked.everywhere()], most) if asked.may_be_live else []
    for start, end in spans(held, matching):
        found += order.read(connection, [tasks.c.state.in_(ENDED), *asked.within(start, end)], most)
    return order.merged(found, most)


Held = tuple[Stretch, int]  # how many tasks that match ended in it; of a stretch of rows it is not known: 0


def hours_holding(connection: Connection, asked: Wanted) -> list[Held]:
    """Where tasks that match ended, or may have, in order of time."""
    found: list[Held] = []
    matching = select(cells.c.id).where(*asked.matches(cells))
    for part in stretches(connection, asked.start, asked.end, HOUR):
        if part.level == ROWS:
            found.append((part, 0))
            continue
        query = select(rollups.c.at, func.sum(rollups.c.count)).where(
            *part.buckets(rollups), rollups.c.cell.in_(matching)
        )
        for at, count in connection.execute(query.group_by(rollups.c.at).order_by(rollups.c.at)):
            found.append((Stretch(part.level, at * SECOND, (at + part.level) * SECOND), int(count)))
    return found


def spans(held: Iterable[Held], most: int) -> Iterator[tuple[int, int]]:
    """Start and end of neighbours taken together, as many as hold `most`."""
    run: list[Stretch] = []
    count = 0
    for part, holds in held:
        if run and (count >= most or not {run[-1].start, run[-1].end} & {part.start, part.end}):
            yield hull(run)
            run = []
        run.append(part)
        count += holds
    if run:
        yield hull(run)


def hull(run: Sequence[Stretch]) -> tuple[int, int]:
    return min(part.start for part in run), max(part.end for part in run)
