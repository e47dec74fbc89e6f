"""What was recorded, read back in the same answers as the present."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
from sqlalchemy import Connection

from data_sources.answer import Answer
from data_sources.history.extent import began_us
from data_sources.history.facets import read_facets
from data_sources.history.failures import WEEK_US, read_failures
from data_sources.history.gaps import PARTLY_HEARD, read_gaps
from data_sources.history.histogram import read_histogram
from data_sources.history.names import UNITS as NAME_UNITS
from data_sources.history.names import read_names
from data_sources.history.pages import read_page
from data_sources.history.reader import HistoryReader, read_latest
from data_sources.history.relatives import FAMILY, read_compared, read_family, read_runs
from data_sources.history.rows import ONE_TASK_COLUMNS, UNITS, read_task, read_tasks, task_frame
from data_sources.history.series import read_series
from data_sources.microseconds import MICROSECOND, microseconds, moment
from data_sources.note import Note
from data_sources.query import History
from data_sources.run_query import Compared, Runs
from data_sources.scope import Scope, Window
from data_sources.task_query import Facets, Failures, Family, Histogram, OfTasks, Task, TaskNames, Tasks

AHEAD = timedelta(days=1)  # "until now" takes in what a worker with a fast clock dates later


def tasks_answer(reader: HistoryReader, query: Tasks, scope: Scope) -> Answer:
    """A page of tasks, columns `rows.TASK_COLUMNS`; `next` asks for the page after it.

    Raises SourceError.
    """
    start, end = extent(scope)

    def read(connection: Connection) -> Answer:
        page = read_page(connection, query, start, end)
        more = replace(query, after=page.more) if page.more else None
        notes = page.notes
        if more and not notes:
            notes += (Note(f"There are more than these {len(page.rows):,}", "cut"),)
        if query.sort.removeprefix("-") in ("runtime", "wait", "received", "started"):
            notes += (Note("Tasks of which what is sorted by is not known are left out"),)
        return Answer(task_frame(page.rows), query, UNITS, notes=notes + gaps_of(connection, start, end), next=more)

    return answered(reader, read)


def of_tasks_answer(reader: HistoryReader, query: OfTasks, scope: Scope) -> Answer:
    """What Facets, TaskNames, Histogram or Failures ask. Raises SourceError.

    Facets: `facet`, `value`, `count`; `totals["tasks"]` counts each once. TaskNames: `names.NAME_COLUMNS`.
    Histogram: a range result with the label `state`. Failures: `failures.FAILURE_COLUMNS`.
    """
    start, end = extent(scope)
    now = microseconds(datetime.now(UTC))

    def read(connection: Connection) -> Answer:
        gaps = gaps_of(connection, start, end)
        match query:
            case TaskNames():
                names = read_names(connection, query.filter, start, end)
                return Answer(names.frame, query, NAME_UNITS, notes=names.notes + gaps)
            case Histogram():
                bars = read_histogram(connection, query.filter, start, end, now)
                return Answer(bars.frame, query, window=bars.window, notes=bars.notes + gaps)
            case Failures():
                until = min(end - 1, now)
                failures = read_failures(connection, query.filter, until)
                week = gaps_of(connection, until - WEEK_US, until)
                return Answer(failures.frame, query, notes=failures.notes + week)
            case Facets():
                facets = read_facets(connection, query.filter, start, end)
                return Answer(facets.frame, query, notes=facets.notes + gaps, totals={"tasks": facets.total})
        raise TypeError(f"the history answers no {type(query).__name__}")

    return answered(reader, read)


def task_answer(reader: HistoryReader, query: Task) -> Answer:
    """A row, columns `rows.ONE_TASK_COLUMNS`, or none and a note; of a Family and of Runs a row each, of two
    Compared the task itself first. Raises SourceError.
    """

    def read(connection: Connection) -> Answer:
        notes: tuple[Note, ...] = ()
        match query:
            case Family():
                rows, cut = read_family(connection, query.id)
                notes = (Note(f"Of its family {FAMILY:,} are shown, there are more", "cut"),) if cut else ()
            case Runs():
                rows = read_runs(connection, query.id)
            case Compared():
                rows = read_compared(connection, query.id, query.other)
            case _:
                rows = read_task(connection, query.id)
        if not rows:
            began = began_us(connection)
            since = f", which began at {moment(began):%Y-%m-%d %H:%M} UTC" if began else ""
            why = f"it ran before the recording{since}, is not kept any more, or never ran"
            notes += (Note(f"No task of that id is recorded: {why}", "absent"),)
        return Answer(task_frame(rows, ONE_TASK_COLUMNS), query, UNITS, notes=notes)

    return answered(reader, read)


def recorded_tasks(reader: HistoryReader, ids: Sequence[str]) -> pd.DataFrame:
    """Those of the tasks that are recorded, columns `rows.ONE_TASK_COLUMNS`. Raises SourceError."""
    with reader.reading() as connection:
        return task_frame(read_tasks(connection, ids), ONE_TASK_COLUMNS)


def series_answer(reader: HistoryReader, query: History, window: Window) -> Answer:
    """A range result with the label `query.by`. Raises SourceError."""

    def read(connection: Connection) -> Answer:
        found = read_series(connection, query, window)
        return Answer(found.frame, query, {"value": found.unit}, window, notes=found.notes)

    return answered(reader, read)


def answered(reader: HistoryReader, read: Callable[[Connection], Answer]) -> Answer:
    """What `read` answers, with where from and how old: as old as the recorder's last sign of life."""
    began, now = time.monotonic(), datetime.now(UTC)
    with reader.reading() as connection:
        answer = read(connection)
        recorder = read_latest(connection, "recorder")
    if recorder and recorder.measured_us is not None:
        now = min(now, moment(recorder.measured_us))
    took = timedelta(seconds=time.monotonic() - began)
    return replace(answer, origin=f"History {reader.place.name}", measured_at=now, took=took)


def gaps_of(connection: Connection, start: int, end: int) -> tuple[Note, ...]:
    return read_gaps(connection, start, min(end, microseconds(datetime.now(UTC))), PARTLY_HEARD)


def extent(scope: Scope) -> tuple[int, int]:
    """From and to before what moment tasks are listed, in microseconds: to the very second, unlike charts."""
    asked, now = scope.range, datetime.now(UTC)
    end = asked.end + MICROSECOND if asked.end else now + AHEAD
    return microseconds(asked.start or now - asked.length), microseconds(end)
