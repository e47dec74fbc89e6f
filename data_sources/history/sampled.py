"""What was sampled of workers and queues, on any window's grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sqlalchemy import ColumnElement, Connection, func, select

from data_sources.history.samples import RATE_WINDOW, Floats, last_values, rates
from data_sources.note import Note
from data_sources.range_frame import tidy_frame
from data_sources.schema import SAMPLE_LEVELS, samples, series
from data_sources.scope import EPOCH, Window

SERIES = 300  # told apart, those of the largest sums
MOST_MOMENTS = 30_000  # named in one question: databases take few more parameters
COUNTED = "accepted"  # the measure of which a sample is what was counted since the one before


def read_samples(
    connection: Connection, measure: str, by: str, window: Window, of: str = ""
) -> tuple[pd.DataFrame, tuple[Note, ...]]:
    """Tidy, with the label `by` (`of`: its one value that is wanted): the last value by each point; of what is
    counted, how much a second.

    A hole where the last sample is older than the step and than three samples.
    """
    step = window.step.total_seconds()
    start, end = ((moment - EPOCH).total_seconds() for moment in (window.start, window.end))
    behind = max(step, 3 * SAMPLE_LEVELS[-1], RATE_WINDOW.total_seconds())
    named = select(series.c.id, series.c.text).where(series.c.measure == measure, series.c.label == by)
    texts = dict(connection.execute(named.where(series.c.text == of) if of else named).all())
    ids = list(texts) if len(texts) <= SERIES else largest(connection, list(texts), start - behind, end)
    level, at, which, value, span = read_rows(connection, ids, start - behind, end)
    reach = max(step, 3 * float(level[at >= start - step].max(initial=SAMPLE_LEVELS[0])))
    grid = start + step * np.arange(window.points, dtype=np.float64)
    moments = np.rint(grid * 1000).astype(np.int64)
    order = np.lexsort((at, which))
    metrics, points = [], []
    for id in sorted(ids, key=texts.__getitem__):
        own = order[slice(*np.searchsorted(which, (id, id + 1), sorter=order))]
        if measure == COUNTED:  # a bucket's count is known when it is over
            y = rates((at + level)[own], value[own], span[own], grid, reach)
        else:
            y = last_values(at[own], value[own], grid, reach)
        if not (holes := np.isnan(y)).all():
            metrics.append({by: texts[id]} if by else {})
            points.append((moments[~holes], y[~holes]))
    notes = (Note(f"The {SERIES} largest of {len(texts):,} series are shown", "cut"),) if len(texts) > SERIES else ()
    return tidy_frame(metrics, points, [by] if by else []), notes


def largest(connection: Connection, ids: Sequence[int], start: float, end: float) -> list[int]:
    """Those SERIES of `ids` whose samples have the largest sums."""
    sampled = select(samples.c.series).where(
        samples.c.level.in_(SAMPLE_LEVELS), samples.c.at >= start, samples.c.at <= end, samples.c.series.in_(ids)
    )
    in_order = sampled.group_by(samples.c.series).order_by(func.sum(samples.c.value).desc(), samples.c.series)
    return list(connection.execute(in_order.limit(SERIES)).scalars())


def read_rows(connection: Connection, ids: Sequence[int], start: float, end: float) -> Floats:
    """Level, `at`, series, value and span of all samples of `ids` in that time, an array each."""
    columns = (samples.c.level, samples.c.at, samples.c.series, samples.c.value, samples.c.span)
    rows: list[tuple[float, ...]] = []
    for level in SAMPLE_LEVELS:
        chosen = select(*columns).where(samples.c.level == level, between(connection, level, start, end))
        rows += map(tuple, connection.execute(chosen.where(samples.c.series.in_(ids))).all())
    return np.array(rows, np.float64).reshape(-1, len(columns)).T


def between(connection: Connection, level: int, start: float, end: float) -> ColumnElement[bool]:
    """That a sample of `level` is of that time. Moment by moment, where these are not too many: the key goes from one
    to the next, and so past all the series that are not wanted.
    """
    oldest = connection.execute(select(func.min(samples.c.at)).where(samples.c.level == level)).scalar()
    first = max(math.ceil(start), oldest or 0) // level * level
    moments = range(first, math.floor(end) + 1, level)
    return samples.c.at.in_(moments) if len(moments) <= MOST_MOMENTS else samples.c.at.between(start, end)
