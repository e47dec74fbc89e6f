"""What failed in the last week, counted by exception, what differs from one time to the next masked."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from sqlalchemy import Connection, func, select

from data_sources.history.failure_text import failure_id, masked
from data_sources.history.filter import FAILURE, Wanted, wanted
from data_sources.history.rows import name_texts
from data_sources.history.search import holds
from data_sources.microseconds import SECOND_US, moment
from data_sources.note import Note
from data_sources.schema import tasks, texts
from data_sources.task_query import TaskFilter

HOUR_US = 3600 * SECOND_US
SPANS = {"1h": 1, "3h": 3, "24h": 24, "7d": 168}  # hours
WEEK = SPANS["7d"]
WEEK_US = WEEK * HOUR_US
READ_AT_ONCE = 24  # hours
MOST = 200_000  # failures that are counted
SECONDS = 1.0
KINDS = 1_000

# `failure` is what a filter asks for; `exception` is masked, "" for one that is not known; `names` a list of the tasks
# that fail so, the most frequent first, and `by_name` what the columns after it say of each of them alone. Counts end
# at `until`; one is NA where not all of its time was looked at.
FAILURE_COLUMNS = {
    "failure": "str",
    "exception": "str",
    "names": "object",
    "by_name": "object",
    **{f"last_{span}": "Int64" for span in SPANS},
    "first": "datetime64[us, UTC]",
    "last": "datetime64[us, UTC]",
    "until": "datetime64[us, UTC]",
}


@dataclass(frozen=True)
class FailureRows:
    """`frame`: FAILURE_COLUMNS, those that happened most of late first."""

    frame: pd.DataFrame
    notes: tuple[Note, ...]


@dataclass
class Times:
    """When failures were and how many, `counts` by the hours back that the stretch they lie in begins."""

    first: int
    last: int
    counts: Counter[int] = field(default_factory=Counter)

    def add(self, hours: int, count: int, first: int, last: int) -> None:
        self.counts[hours] += count
        self.first, self.last = min(first, self.first), max(last, self.last)

    def within(self, back: int) -> dict[str, int]:
        """How many in each span that is known, when all is since `back` hours ago."""
        known = {span: hours for span, hours in SPANS.items() if hours <= back}
        return {
            f"last_{span}": sum(count for begins, count in self.counts.items() if begins <= hours)
            for span, hours in known.items()
        }


@dataclass
class Kind:
    """Failures that read alike, in all and by the id of their name."""

    exception: str
    all: Times
    names: dict[int, Times] = field(default_factory=dict)


def read_failures(connection: Connection, filter: TaskFilter, until: int) -> FailureRows:
    """Of the tasks of `filter` that failed in the week up to `until` (microseconds), as far back as is looked at."""
    asked = wanted(connection, filter, 0, until + 1).only("state", FAILURE)
    kinds: dict[str, Kind] = {}
    ends, counted, back, end = time.monotonic() + SECONDS, 0, 0, until + 1
    for hours in steps_back():
        start = until - hours * HOUR_US
        part = asked.since(start).until(end)
        read = 0
        for name, text, count, first, last in alike(connection, part, MOST - counted):
            read += count
            if filter.failure in ("", failure_id(text or "")):
                kind = kinds.setdefault(failure_id(text or ""), Kind(masked(text or ""), Times(first, last)))
                for times in (kind.all, kind.names.setdefault(name or 0, Times(first, last))):
                    times.add(hours, count, first, last)
        counted += read
        if counted >= MOST:
            break
        back, end = hours, start
        if time.monotonic() > ends:
            break
    return FailureRows(failure_frame(connection, kinds, back, until), notes_of(kinds, counted, back, until))


def steps_back() -> Iterator[int]:
    """Hours back that are read one after the other, the spans among them."""
    yield from (hours for hours in SPANS.values() if hours <= READ_AT_ONCE)
    yield from range(2 * READ_AT_ONCE, WEEK + 1, READ_AT_ONCE)


def alike(connection: Connection, asked: Wanted, most: int) -> Sequence[Any]:
    """Name, exception, how many and when first and last, of the newest `most` that match."""
    found = select(tasks.c.name, tasks.c.last_us, texts.c.exception)
    found = found.join(texts, texts.c.seq == tasks.c.seq, isouter=True).where(*asked.along("state"))
    found = found.where(*(holds(connection, part) for part in asked.rest))
    if asked.seq is not None:
        found = found.where(tasks.c.seq == asked.seq)
    newest = found.order_by(tasks.c.last_us.desc()).limit(most).subquery()
    last = newest.c.last_us
    query = select(newest.c.name, newest.c.exception, func.count(), func.min(last), func.max(last))
    return connection.execute(query.group_by(newest.c.name, newest.c.exception)).all()


def notes_of(kinds: dict[str, Kind], counted: int, back: int, until: int) -> tuple[Note, ...]:
    notes: tuple[Note, ...] = ()
    if back < WEEK:
        since = f"{moment(until - back * HOUR_US):%Y-%m-%d %H:%M} UTC"
        notes += (Note(f"Counted among the newest {counted:,} failures; all of those since {since}", "cut"),)
    if len(kinds) > KINDS:
        notes += (Note(f"There are {len(kinds):,} kinds of failures; the {KINDS:,} most frequent are told", "cut"),)
    return notes


def failure_frame(connection: Connection, kinds: dict[str, Kind], back: int, until: int) -> pd.DataFrame:
    named = name_texts(connection, (name for kind in kinds.values() for name in kind.names))
    order = sorted(kinds.items(), key=lambda item: [-count for count in item[1].all.within(WEEK).values()])
    rows = []
    for failure, kind in order[:KINDS]:
        names = sorted(kind.names.items(), key=lambda item: -item[1].counts.total())
        own = {named[name]: times for name, times in names if name in named}
        rows.append(
            {
                "failure": failure,
                "exception": kind.exception,
                "names": [*own],
                "by_name": [told(name, times, back) for name, times in own.items()],
                **kind.all.within(back),
                "first": kind.all.first,
                "last": kind.all.last,
                "until": until,
            }
        )
    return pd.DataFrame({name: column([row.get(name) for row in rows], kind) for name, kind in FAILURE_COLUMNS.items()})


def told(name: str, times: Times, back: int) -> dict[str, Any]:
    """As JSON has it: times are ISO 8601."""
    return {
        "name": name,
        **dict.fromkeys(f"last_{span}" for span in SPANS),
        **times.within(back),
        "first": moment(times.first).isoformat(),
        "last": moment(times.last).isoformat(),
    }


def column(values: list[Any], kind: str) -> Any:
    if kind.startswith("datetime64"):
        return pd.array(values, dtype="Int64").astype(kind)
    return pd.Series(values, dtype=kind)
