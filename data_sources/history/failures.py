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
WEEK_US = SPANS["7d"] * HOUR_US
READ_AT_ONCE = 24  # hours
MOST = 200_000  # failures that are counted
SECONDS = 1.0
KINDS = 1_000

# `failure` is what a filter asks for; `exception` is masked, "" for one that is not known; `names` a list of the tasks
# that fail so, the most frequent first. Counts end at `until`; one is NA where not all of its time was looked at.
FAILURE_COLUMNS = {
    "failure": "str",
    "exception": "str",
    "names": "object",
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
class Kind:
    """Failures that read alike; `counts` by the hours back that the stretch they lie in begins."""

    exception: str
    last: int
    first: int = 0
    counts: Counter[int] = field(default_factory=Counter)
    names: Counter[int] = field(default_factory=Counter)

    def within(self, hours: int) -> int:
        return sum(count for back, count in self.counts.items() if back <= hours)


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
                kind = kinds.setdefault(failure_id(text or ""), Kind(masked(text or ""), last))
                kind.first, kind.last = min(first, kind.first or first), max(last, kind.last)
                kind.counts[hours] += count
                kind.names[name or 0] += count
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
    yield from range(2 * READ_AT_ONCE, SPANS["7d"] + 1, READ_AT_ONCE)


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
    if back < SPANS["7d"]:
        since = f"{moment(until - back * HOUR_US):%Y-%m-%d %H:%M} UTC"
        notes += (Note(f"Counted among the newest {counted:,} failures; all of those since {since}", "cut"),)
    if len(kinds) > KINDS:
        notes += (Note(f"There are {len(kinds):,} kinds of failures; the {KINDS:,} most frequent are told", "cut"),)
    return notes


def failure_frame(connection: Connection, kinds: dict[str, Kind], back: int, until: int) -> pd.DataFrame:
    named = name_texts(connection, (name for kind in kinds.values() for name in kind.names))
    order = sorted(kinds.items(), key=lambda item: [-item[1].within(hours) for hours in SPANS.values()])
    rows = [
        {
            "failure": failure,
            "exception": kind.exception,
            "names": [named[name] for name, _ in kind.names.most_common() if name in named],
            **{f"last_{span}": kind.within(hours) for span, hours in SPANS.items() if hours <= back},
            "first": kind.first,
            "last": kind.last,
            "until": until,
        }
        for failure, kind in order[:KINDS]
    ]
    return pd.DataFrame({name: column([row.get(name) for row in rows], kind) for name, kind in FAILURE_COLUMNS.items()})


def column(values: list[Any], kind: str) -> Any:
    if kind.startswith("datetime64"):
        return pd.array(values, dtype="Int64").astype(kind)
    return pd.Series(values, dtype=kind)
