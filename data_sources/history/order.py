"""Where the tasks of a filter are: the first places of a list, found along whichever index has the least to pass.

How much there is to pass is known from the roll-ups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from data_sources.history.counts import Whole
from data_sources.history.filter import Conditions, Wanted
from data_sources.history.rollups import APART, ENDED, HOUR, ROWS, ended, stretches
from data_sources.microseconds import SECOND_US
from data_sources.schema import IS_LIVE, KINDS, UNSUCCESSFUL, names, tasks
from data_sources.task_query import Cursor

NEAR = 3600 * SECOND_US  # what is common is found within an hour
LOOKUP = 10  # reading a row costs as much as that many entries of an index
SIZE = select(
    select(func.min(tasks.c.last_us)).scalar_subquery(),
    select(func.max(tasks.c.last_us)).scalar_subquery(),
    (select(func.max(tasks.c.seq)).scalar_subquery() - select(func.min(tasks.c.seq)).scalar_subquery() + 1),
)

Place = tuple[int, int]  # what is sorted by, in microseconds, and `seq`


@dataclass(frozen=True)
class Order:
    """What a list is sorted by, the column `key` and then `seq`; it begins after `after`."""

    key: str
    descending: bool
    after: Cursor | None = None

    @property
    def begins(self) -> list[ColumnElement[bool]]:
        """So that an index is entered at the place."""
        key = tasks.c[self.key]
        if self.after is None:
            return []
        return [key <= self.after.key if self.descending else key >= self.after.key]

    def first(self, query: Select[Any], most: int) -> Select[Any]:
        """`query`, sorted and cut: its first `most` places."""
        key, seq = tasks.c[self.key], tasks.c.seq
        if self.after:
            beyond = key < self.after.key if self.descending else key > self.after.key
            beside = seq < self.after.seq if self.descending else seq > self.after.seq
            query = query.where(or_(beyond, and_(key == self.after.key, beside)), *self.begins)
        if self.key != "last_us":
            query = query.where(key.is_not(None))
        ends = (key.desc(), seq.desc()) if self.descending else (key.asc(), seq.asc())
        return query.order_by(*ends).limit(most)

    def read(self, connection: Connection, conditions: Conditions, most: int) -> list[Place]:
        """The first `most` places of tasks under `conditions`."""
        query = self.first(select(tasks.c[self.key], tasks.c.seq).where(*conditions), most)
        return [(key, seq) for key, seq in connection.execute(query).all()]

    def comes(self, place: Place) -> bool:
        """Whether it comes after `after`."""
        if self.after is None:
            return True
        begin = (self.after.key, self.after.seq)
        return place < begin if self.descending else place > begin

    def merged(self, places: Iterable[Place], most: int) -> list[Place]:
        return sorted(places, reverse=self.descending)[:most]


@dataclass(frozen=True)
class Tally:
    """How many tasks ended, by the hour, in order of time; rows of the newest minutes, not rolled up, are not in it.

    `match` counts those of the filter, `passed` those that stand in an index of a column (`last_us`: all).
    """

    hours: Whole
    match: Whole
    passed: dict[str, Whole]

    def cut(self, order: Order, most: int) -> Tally:
        """The hours that a list by time needs for its first `most`."""
        match = self.match[::-1] if order.descending else self.match
        needed = int(np.searchsorted(np.cumsum(match), most)) + 1
        kept = slice(-needed, None) if order.descending else slice(needed)
        return Tally(self.hours[kept], self.match[kept], {column: of[kept] for column, of in self.passed.items()})

    def spans(self) -> Iterator[tuple[int, int]]:
        """Start and end, in microseconds, of the times in which tasks match, neighbouring hours together."""
        held = self.hours[self.match > 0]
        for run in np.split(held, np.flatnonzero(np.diff(held) > HOUR) + 1):
            if len(run):
                yield int(run[0]) * SECOND_US, int(run[-1] + HOUR) * SECOND_US

    def narrowest(self) -> tuple[str, int]:
        """The column whose index has the least entries to pass for all that match, and how many."""
        entries = {column: int(of.sum()) for column, of in self.passed.items()}
        entries["last_us"] = int(self.passed["last_us"][self.match > 0].sum())
        return min(entries.items(), key=lambda column_and_entries: column_and_entries[1])


def tally(connection: Connection, asked: Wanted) -> Tally:
    """Of the tasks within `asked`, as far as they are rolled up."""
    rolled = [part for part in stretches(connection, asked.start, asked.end, HOUR) if part.level != ROWS]
    found = ended(connection, rolled, HOUR)
    hours, place = np.unique(found.at, return_inverse=True)

    def counted(columns: Iterable[str]) -> Whole:
        chosen = asked.of_cells(found.cells, columns)[found.cell]
        return np.bincount(place, np.where(chosen, found.count, 0), len(hours)).astype(np.int64)

    passed = {column: counted([column]) for column in narrow_columns(asked)}
    return Tally(hours, counted(APART), {"last_us": counted([]), **passed})


def narrow_columns(asked: Wanted) -> list[str]:
    """Those of the filter that an index begins with."""
    states = set(asked.allowed.get("state", ENDED))
    return [*(["name"] if "name" in asked.allowed else []), *(["state"] if states <= set(UNSUCCESSFUL) else [])]


def by_time(connection: Connection, asked: Wanted, order: Order, most: int) -> list[Place]:
    """The first `most` in order of `last_us`."""
    if order.after:
        asked = asked.until(order.after.key + 1) if order.descending else asked.since(order.after.key)
    if [*asked.allowed] in (["name"], ["state"]) and narrow_columns(asked):
        return along_each_value(connection, asked, order, most)
    first = order.read(connection, asked.unfiltered(), 1)
    if not first:
        return []
    edge, _ = first[0]
    near = asked.since(edge - NEAR) if order.descending else asked.until(edge + NEAR)
    found = order.read(connection, near.along("last_us"), most)
    if len(found) == most:
        return found
    if not asked.allowed:
        return order.read(connection, asked.unfiltered(), most)
    return gathered(connection, asked, order, tally(connection, asked).cut(order, most), most)


def along_each_value(connection: Connection, asked: Wanted, order: Order, most: int) -> list[Place]:
    """What is filtered by a single column stands in its index in the order of time, a value after the other."""
    [(column, values)] = asked.allowed.items()
    found: list[Place] = []
    for value in values:
        found = order.merged(found + order.read(connection, asked.only(column, value).along(column), most), most)
    return found


def by_duration(connection: Connection, asked: Wanted, order: Order, most: int) -> list[Place]:
    """Along the index of the duration until enough match, or all that match, sorted: whichever is less to read."""
    oldest, newest, rows = connection.execute(SIZE).one()
    if rows is None:
        return []
    inside = max(min(asked.end, newest) - max(asked.start, oldest), 0) / (newest - oldest + 1)
    if {*asked.allowed} <= {"name"} and most < (1 + LOOKUP) * rows * inside * inside:
        return along_durations(connection, asked, order, most)  # it passes no others but those of other times
    if not asked.allowed:
        return order.read(connection, asked.unfiltered(), most)
    held = tally(connection, asked)
    _, passed = held.narrowest()
    matching, named = int(held.match.sum()) + 1, int(held.passed.get("name", held.passed["last_us"]).sum())
    if named * most / matching < (passed + LOOKUP * matching) * inside:
        return along_durations(connection, asked, order, most)
    return gathered(connection, asked, order, held, most)


def along_durations(connection: Connection, asked: Wanted, order: Order, most: int) -> list[Place]:
    """Name by name, that of the greatest (or least) first, as long as it has one that belongs to the first `most`."""
    found: list[Place] = []
    for best, name in extremes(connection, asked, order):
        bound: list[ColumnElement[bool]] = []
        if len(found) == most:
            last, _ = found[-1]
            if best < last if order.descending else best > last:
                break
            key = tasks.c[order.key]
            bound = [key >= last if order.descending else key <= last]
        own = tasks.c.name.is_(None) if name is None else tasks.c.name == name
        found = order.merged(found + order.read(connection, [own, *bound, *asked.along_another("name")], most), most)
    return found


def extremes(connection: Connection, asked: Wanted, order: Order) -> list[tuple[int, int | None]]:
    """The greatest (or least) duration of each name, and the name, in order; of times beyond those asked for too."""
    key = tasks.c[order.key]
    best = select(func.max(key) if order.descending else func.min(key)).where(key.is_not(None), *order.begins)
    of_name = best.where(tasks.c.name == names.c.id).correlate(names).scalar_subquery()
    query = select(of_name, names.c.id).where(names.c.kind == KINDS.index("name"))
    if "name" in asked.allowed:
        query = query.where(names.c.id.in_(asked.allowed["name"]))
    found: list[tuple[int | None, int | None]] = [(key, name) for key, name in connection.execute(query)]
    if "name" not in asked.allowed:
        found.append((connection.execute(best.where(tasks.c.name.is_(None))).scalar(), None))
    known = ((key, name) for key, name in found if key is not None)
    return sorted(known, key=lambda one: one[0], reverse=order.descending)


def gathered(connection: Connection, asked: Wanted, order: Order, held: Tally, most: int) -> list[Place]:
    """All that match, sorted, along the narrowest index; of those by time the hours in `held` are enough."""
    column, _ = held.narrowest()
    if order.key == "last_us" and len(held.hours) and held.match.sum() >= most:
        hours = held.hours.tolist()
        asked = asked.since(hours[0] * SECOND_US) if order.descending else asked.until((hours[-1] + HOUR) * SECOND_US)
    if column != "last_us":
        return order.read(connection, asked.along(column), most)
    found = order.read(connection, [IS_LIVE, *asked.along("last_us")], most) if asked.may_be_live else []
    for start, end in (*held.spans(), *not_rolled_up(connection, asked)):
        part = asked.since(start).until(end)
        found += order.read(connection, [tasks.c.state.in_(ENDED), *part.along("last_us")], most)
    return order.merged(set(found), most)


def not_rolled_up(connection: Connection, asked: Wanted) -> list[tuple[int, int]]:
    parts = stretches(connection, asked.start, asked.end, HOUR)
    return [(part.start, part.end) for part in parts if part.level == ROWS]
