"""The recorded runs of scheduled tasks, and the times of which none could be recorded."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, RowMapping, select

from data_sources.history.extent import alive_us, began_us
from data_sources.history.gaps import PARTLY_HEARD
from data_sources.mask import MASK
from data_sources.microseconds import SECOND_US
from data_sources.schedule.forms import Moments
from data_sources.schema import KINDS, STATES, gaps, names, tasks, texts

ALL_RUNS = 20_000  # read for one answer
MOST_RUNS, FEWEST_RUNS = 5_000, 100  # of one task
MOST_GAPS = 1_000
LONGEST_US = 3_600 * SECOND_US  # a task that takes longer than that to end is not found among those sent in time
FIRST_SECONDS = 30.0  # before the first run ever was the first due time
BRACKETS = re.compile(r"[()\[\]{},\s]+")


@dataclass(frozen=True)
class Run:
    """A task that nobody's task has called. `at`: when it was sent, in seconds; else when a worker received it.

    Of a task that was tried again the first sending is not kept: `at` is the last one's.
    """

    id: str
    at: float
    told_by: str  # sent, received or last: the best there is
    state: str
    retried: bool
    queue: int | None  # names.id
    runtime: float | None  # seconds
    arguments: str | None = None  # plain, see below


@dataclass(frozen=True)
class TaskRuns:
    """`runs` in order of time. `since`: they are all there are from then on; None: the task was never seen.

    `cut`: there are more before.
    """

    runs: Sequence[Run]
    since: float | None
    cut: bool = False


@dataclass(frozen=True)
class Deaf:
    """Stretches of seconds in which not all was recorded, in order; before the first recording and after the last."""

    starts: Moments
    ends: Moments

    def at(self, begins: Moments, ends: Moments) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which of the stretches `begins` to `ends` are in any part of unknown content."""
        unknown = np.zeros(len(begins), bool)
        for start, end in zip(self.starts, self.ends, strict=True):
            unknown |= (begins < end) & (ends > start)
        return unknown


def read_deaf(connection: Connection, until: float) -> Deaf:
    """The newest gaps before `until`; what lies before more of them than MOST_GAPS counts as unknown."""
    began, alive = began_us(connection), alive_us(connection)
    query = select(gaps.c.start_us, gaps.c.end_us).where(
        gaps.c.source.in_(PARTLY_HEARD), gaps.c.start_us < int(until * SECOND_US)
    )
    rows = connection.execute(query.order_by(gaps.c.start_us.desc()).limit(MOST_GAPS)).all()
    found = [(start / SECOND_US, np.inf if end is None else end / SECOND_US) for start, end in reversed(rows)]
    first = found[0][0] if len(found) == MOST_GAPS else -np.inf
    found.insert(0, (-np.inf, np.inf if began is None else max(began / SECOND_US, first)))
    found.append((-np.inf if alive is None else alive / SECOND_US, np.inf))
    starts, ends = np.array(found).T
    return Deaf(starts, ends)


def read_runs(
    connection: Connection, wanted: Iterable[str], with_arguments: Collection[str], until: float
) -> dict[str, TaskRuns]:
    """The newest runs of each task that came before `until` (seconds), by its name."""
    query = select(names.c.text, names.c.id).where(names.c.kind == KINDS.index("name"), names.c.text.in_(set(wanted)))
    ids = connection.execute(query).all()
    most = min(MOST_RUNS, max(FEWEST_RUNS, ALL_RUNS // max(len(ids), 1)))
    return {name: runs_of(connection, id, most, until, name in with_arguments) for name, id in ids}


def runs_of(connection: Connection, name: int, most: int, until: float, with_arguments: bool = False) -> TaskRuns:
    columns = ("id", "state", "sent_us", "received_us", "last_us", "runtime_us", "retries", "queue", "parent")
    query = select(*(tasks.c[column] for column in columns))
    if with_arguments:
        query = query.add_columns(texts.c.args, texts.c.kwargs).join(texts, texts.c.seq == tasks.c.seq, isouter=True)
    inside = (tasks.c.name == name, tasks.c.last_us < int(until * SECOND_US) + LONGEST_US)
    found = connection.execute(query.where(*inside).order_by(tasks.c.last_us.desc()).limit(most)).mappings().all()
    runs = sorted((run(row, with_arguments) for row in found if row["parent"] is None), key=lambda one: one.at)
    before = [one for one in runs if one.at < until]
    if len(found) == most:
        return TaskRuns(before, found[-1]["last_us"] / SECOND_US, cut=True)
    return TaskRuns(before, before[0].at - FIRST_SECONDS if before else None)


def run(row: RowMapping, with_arguments: bool) -> Run:
    told_by = next((column for column in ("sent", "received") if row[f"{column}_us"] is not None), "last")
    return Run(
        id=row["id"],
        at=row[f"{told_by}_us"] / SECOND_US,
        told_by=told_by,
        state=STATES[row["state"]],
        retried=bool(row["retries"]),
        queue=row["queue"],
        runtime=None if row["runtime_us"] is None else row["runtime_us"] / SECOND_US,
        arguments=plain(row["args"], row["kwargs"]) if with_arguments else None,
    )


def plain(args: str | None, kwargs: str | None) -> str | None:
    """Arguments as they can be compared: a worker tells them as Python writes them, as a list or a tuple, and what is
    hidden in them has no quotes where it was a number.
    """
    if args is None and kwargs is None:
        return None
    texts = (BRACKETS.sub(" ", text or "").replace('"', "'").replace(f"'{MASK}'", MASK) for text in (args, kwargs))
    return "|".join(text.strip() for text in texts)
