"""How many tasks of a filter there were over time, by state: as many as the list lists, but for one beyond the range,
which its whole id finds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from sqlalchemy import Connection, func, select

from data_sources.history.counts import Whole
from data_sources.history.filter import Wanted, wanted
from data_sources.history.gaps import UNHEARD, covered
from data_sources.history.grid import reaches
from data_sources.history.rollups import APART, MINUTE, ROWS, Stretch, ended, stretches
from data_sources.history.search import search
from data_sources.microseconds import SECOND_US, microseconds, moment
from data_sources.note import Note
from data_sources.range_frame import tidy_frame
from data_sources.schema import IS_LIVE, LEVELS, STATES, tasks
from data_sources.scope import STEPS, Window
from data_sources.task_query import TaskFilter

BARS = 90  # at most; one can be told from the next, and hit
FINEST = LEVELS[0]


@dataclass(frozen=True)
class Bars:
    """`frame`: `time`, `state`, `value`; a point counts the tasks of the step before it."""

    frame: pd.DataFrame
    window: Window
    notes: tuple[Note, ...]


def read_histogram(connection: Connection, filter: TaskFilter, start: int, end: int, now: int) -> Bars:
    """Of the tasks of `filter` that last did something from `start` to before `end` (microseconds).

    The last bar holds also what is dated later than `now`. A bar in which nothing is counted is 0 where that is known.
    """
    asked = wanted(connection, filter, start, end)
    window = plan_window(start, min(end, max(now, start + 1)))
    step = int(window.step.total_seconds())
    begin = microseconds(window.start) // SECOND_US - step
    if asked.looks_up:
        searched = search(connection, asked)
        inside = (row for row in searched.found if start <= row.last_us < end)  # not what a whole id found beyond it
        counted = [(row.last_us // SECOND_US, row.state, 1) for row in inside]
        known_from, notes = searched.back_to or 0, searched.notes("Counted among")
    else:
        counted = [*that_ended(connection, asked, step), *that_live(connection, asked)]
        known_from, notes = 0, ()
    bars = np.zeros((len(STATES), window.points), np.int64)
    if counted:
        at, state, count = np.array(counted, np.int64).T
        np.add.at(bars, (state, np.clip((at - begin) // step, 0, window.points - 1)), count)
    edges = (begin + step * np.arange(window.points + 1)) * SECOND_US
    since = max(asked.start, start)
    heard = covered(connection, np.clip(edges, since, max(now, since)), UNHEARD)
    known = (heard > 0) & (edges[1:] > known_from)
    moments = (edges[1:] // 1000).astype(np.int64)
    shown = [state for state in range(len(STATES)) if bars[state].any()]
    points = [(moments[here], bars[state, here]) for state in shown for here in [known | (bars[state] > 0)]]
    return Bars(tidy_frame([{"state": STATES[state]} for state in shown], points, ["state"]), window, notes)


def plan_window(start: int, end: int) -> Window:
    """The ends of the bars, of a length that is made of whole buckets."""
    length = timedelta(microseconds=end - start)
    fitting = [step for step in STEPS if step % timedelta(seconds=FINEST) == timedelta(0)]
    step = next((step for step in fitting if step * BARS >= length), fitting[-1])
    while step * BARS < length:
        step += fitting[-1]
    first, last = (at // (step // timedelta(microseconds=1)) for at in (start, end - 1))
    origin = moment(0)
    return Window(origin + (first + 1) * step, origin + (last + 1) * step, step)


def that_ended(connection: Connection, asked: Wanted, step: int) -> Iterable[tuple[int, int, int]]:
    """Second, state and count each, in buckets that `step` is made of."""
    level = max(level for level in LEVELS if step % level == 0)
    if level >= MINUTE or reaches(connection, level, asked.start // SECOND_US):
        parts = stretches(connection, asked.start, asked.end, level)
    else:
        parts = [Stretch(ROWS, asked.start, asked.end)]  # minutes are too coarse, and what is finer is not kept
    found = ended(connection, parts, level)
    match = asked.of_cells(found.cells)[found.cell]
    state: Whole = found.cells[found.cell, APART.index("state")]
    return zip(found.at[match].tolist(), state[match].tolist(), found.count[match].tolist(), strict=True)


def that_live(connection: Connection, asked: Wanted) -> Iterable[tuple[int, int, int]]:
    if not asked.may_be_live:
        return ()
    second = (tasks.c.last_us // SECOND_US).label("second")
    query = select(second, tasks.c.state, func.count()).where(IS_LIVE, *asked.along("last_us"))
    return [(at, state, count) for at, state, count in connection.execute(query.group_by(second, tasks.c.state))]
