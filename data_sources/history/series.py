"""Recorded measurements over time, on any window's grid.

What tasks did comes from their events, by way of the roll-ups: a point tells of the time before it, a step or a
bucket. Workers and queues were sampled: a point tells of the last sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlalchemy import Connection

from data_sources.errors import BadParameter
from data_sources.history.counts import Whole
from data_sources.history.filter import ids_of
from data_sources.history.gaps import PARTLY_HEARD, UNHEARD, covered, read_gaps
from data_sources.history.grid import Grid, plan_grid
from data_sources.history.heard import events_recorded, mute_note, mute_until
from data_sources.history.quantiles import Line, read_quantiles
from data_sources.history.rollups import APART, ended, stretches
from data_sources.history.rows import name_texts
from data_sources.history.sampled import SERIES, read_samples
from data_sources.history.samples import Floats
from data_sources.microseconds import SECOND_US, microseconds
from data_sources.note import Note
from data_sources.query import History
from data_sources.range_frame import as_times, empty_frame, tidy_frame
from data_sources.schema import STATES, rollups, sketches
from data_sources.scope import Window

ROLLUPS = 1_000_000  # read for one chart: about a third of a second
SKETCHES = 200_000

OUTCOMES = {"throughput": ("SUCCESS", "FAILURE"), "failures": ("FAILURE",)}
MEASURED = {f"{of}_p{percent}": (of, percent / 100) for of in ("wait", "runtime") for percent in (50, 95, 99)}
SAMPLED = {"depth": "queues", "unacked": "queues", "busy_slots": "workers", "slots": "workers"}  # -> who tells

ACCEPTED = Note("Accepted by workers, not finished: from the differences of their totals")
PARTLY_ACCEPTED = Note(
    "Where not all task events came, accepted by workers, not finished: from the differences of their totals"
)
NO_EVENTS = Note("No task events were recorded in this time; workers send them with -E", "absent")


@dataclass(frozen=True)
class Series:
    """`frame`: `time`, the label, `value` in `unit`."""

    frame: pd.DataFrame
    unit: str
    notes: tuple[Note, ...]


def read_series(connection: Connection, query: History, window: Window) -> Series:
    """Raises BadParameter for one not recorded."""
    if query.name in SAMPLED:
        frame, notes = read_samples(connection, query.name, query.by, window, query.of)
        return Series(frame, "", notes + gaps_in(connection, window, (SAMPLED[query.name], "recorder")))
    if query.name not in OUTCOMES and query.name not in MEASURED:
        raise BadParameter("q", f"{query.name} is not recorded; Prometheus may have it")
    return (counted if query.name in OUTCOMES else measured)(connection, query, window)


def counted(connection: Connection, query: History, window: Window) -> Series:
    """Tasks a second. Unknown, and not 0, where the recorder heard less than half of the time a point tells of; there
    what workers accepted stands for throughput.
    """
    if not events_recorded(connection, window):
        return without_events(connection, query, window)
    grid = plan_grid(connection, window, rollups, ROLLUPS)
    mute = mute_until(connection, window)
    heard = seconds_of(connection, grid, UNHEARD, since=mute or 0)
    known = heard >= grid.width / 2
    lines = {
        id: (np.flatnonzero(known), count[known] / heard[known])
        for id, count in task_counts(connection, grid, query).items()
    }
    series = split(connection, lines, grid, query.by, "1/s", gaps_in(connection, window, PARTLY_HEARD))
    if query.name != "throughput" or query.by == "queue":
        return replace(series, notes=mute_note(mute) + series.notes)
    # Of all workers, and for half of the time at least: there may be a gap in the rest.
    all_heard = seconds_of(connection, grid, PARTLY_HEARD, since=mute or 0) >= grid.width / 2
    if all_heard.all():
        return series
    sampled = seconds_of(connection, grid, ("workers", "recorder")) >= grid.width / 2
    unheard, in_part = grid.moments[sampled & ~known], grid.moments[sampled & known & ~all_heard]
    return filled(connection, series, query, window, unheard, in_part)


def seconds_of(connection: Connection, grid: Grid, sources: Sequence[str], since: int = 0) -> Floats:
    """How much of the time each point tells of was heard."""
    edges = np.arange(grid.first, grid.last + 1, grid.level) * SECOND_US
    return over(grid, covered(connection, edges, sources, since))


def filled(
    connection: Connection, series: Series, query: History, window: Window, unheard: Whole, in_part: Whole
) -> Series:
    """With what workers accepted at the moments (microseconds) before which no events were heard; and at those before
    which not all were, in each line of which that tells of more tasks in all.
    """
    accepted, cut = read_samples(connection, "accepted", query.by, window, query.of)
    alone, beside = (accepted[accepted["time"].isin(as_times(at // 1000))] for at in (unheard, in_part))
    keys = ["time", *labels_of(query)]
    heard = beside[keys].merge(series.frame, "left", on=keys)["value"].fillna(0.0)
    more = beside.assign(value=beside["value"] - heard.to_numpy())
    line = more.groupby(keys[1:] or np.zeros(len(more)), observed=True)
    known = pd.concat([alone, beside[line["value"].transform("sum") > 0]])
    if known.empty:
        return series
    rows = pd.concat([series.frame, known], ignore_index=True).drop_duplicates(keys, keep="last")
    if query.by:
        rows[query.by] = pd.Categorical(rows[query.by].astype("str"))
    rows = rows.sort_values(keys[::-1], kind="stable", ignore_index=True)
    return replace(series, frame=rows, notes=(PARTLY_ACCEPTED, *cut, *series.notes))


def task_counts(connection: Connection, grid: Grid, query: History) -> dict[int, Whole]:
    """How many tasks ended so in the time each point of the grid tells of, by the id of a name; exact."""
    found = ended(
        connection, stretches(connection, grid.first * SECOND_US, grid.last * SECOND_US, grid.level), grid.level
    )
    states = [STATES.index(state) for state in OUTCOMES[query.name]]
    wanted = np.isin(found.cells[found.cell, APART.index("state")], states)
    label = found.cells[found.cell, APART.index(query.by)] if query.by else np.zeros(len(found.cell), np.int64)
    if query.of:
        wanted &= np.isin(label, ids_of(connection, query.by, query.of))
    ids, place = np.unique(label[wanted], return_inverse=True)
    if not query.by:
        ids, place = np.zeros(1, np.int64), np.zeros(int(wanted.sum()), np.int64)
    counts = np.zeros((len(ids), grid.buckets), np.int64)
    np.add.at(counts, (place, grid.bucket(found.at[wanted])), found.count[wanted])
    largest = np.argsort(-counts.sum(axis=1), kind="stable")[: SERIES + 1]
    return {int(ids[row]): over(grid, counts[row]) for row in largest}


def measured(connection: Connection, query: History, window: Window) -> Series:
    """Seconds, within 1 % of the task of that rank."""
    gaps = gaps_in(connection, window, PARTLY_HEARD)
    if not events_recorded(connection, window):
        return Series(empty_frame(labels_of(query)), "s", (NO_EVENTS, *gaps))
    grid = plan_grid(connection, window, sketches, SKETCHES)
    lines = read_quantiles(connection, grid, *MEASURED[query.name], query.by)
    if query.of:
        lines = {id: lines[id] for id in ids_of(connection, query.by, query.of) if id in lines}
    return split(connection, lines, grid, query.by, "s", mute_note(mute_until(connection, window)) + gaps)


def without_events(connection: Connection, query: History, window: Window) -> Series:
    """What workers accepted stands for throughput, where it was sampled."""
    notes: tuple[Note, ...] = (NO_EVENTS,)
    frame = empty_frame(labels_of(query))
    if query.name == "throughput" and query.by != "queue":
        frame, cut = read_samples(connection, "accepted", query.by, window, query.of)
        notes = (ACCEPTED, *cut) if len(frame) else notes
    return Series(frame, "1/s", notes + gaps_in(connection, window, ("workers", "recorder")))


def over(grid: Grid, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The sum of a value a bucket over the buckets of each point."""
    sums: npt.NDArray[Any] = np.append(np.zeros(1, values.dtype), np.cumsum(values))
    of_points: npt.NDArray[Any] = sums[grid.upper] - sums[grid.lower]
    return of_points


def split(
    connection: Connection, lines: Mapping[int, Line], grid: Grid, by: str, unit: str, notes: tuple[Note, ...]
) -> Series:
    """A line a name, by name; one that is not known has no label."""
    names = name_texts(connection, lines)
    ids = sorted(lines, key=lambda id: (names.get(id) is None, names.get(id)))
    if len(ids) > SERIES:
        notes += (Note(f"More than {SERIES} series; the others are left out", "cut"),)
    metrics = [{by: names[id]} if id in names else {} for id in ids[:SERIES]]
    points = [(grid.moments[place] // 1000, values) for place, values in (lines[id] for id in ids[:SERIES])]
    return Series(tidy_frame(metrics, points, [by] if by else []), unit, notes)


def gaps_in(connection: Connection, window: Window, sources: Sequence[str]) -> tuple[Note, ...]:
    return read_gaps(connection, microseconds(window.start), microseconds(window.end), sources)


def labels_of(query: History) -> tuple[str, ...]:
    return (query.by,) if query.by else ()
