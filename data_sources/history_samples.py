"""What was sampled of workers and queues, on any window's grid."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sqlalchemy import Connection, select

from data_sources.note import Note
from data_sources.range_frame import tidy_frame
from data_sources.samples import RATE_WINDOW, last_values, rates
from data_sources.schema import SAMPLE_LEVELS, samples, series
from data_sources.scope import EPOCH, Window

SERIES = 300  # told apart, those of the largest sums
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
    read = [
        row
        for level in SAMPLE_LEVELS
        for row in connection.execute(
            select(samples.c.level, samples.c.at, samples.c.series, samples.c.value, samples.c.span).where(
                samples.c.level == level,
                samples.c.at >= start - behind,
                samples.c.at <= end,
                samples.c.series.in_(list(texts)),
            )
        )
    ]
    level, at, which, value, span = np.array(read, np.float64).reshape(-1, 5).T
    reach = max(step, 3 * float(level[at >= start - step].max(initial=SAMPLE_LEVELS[0])))
    grid = start + step * np.arange(window.points, dtype=np.float64)
    moments = np.rint(grid * 1000).astype(np.int64)
    largest = sorted(texts, key=lambda id: -value[which == id].sum())[:SERIES] if len(texts) > SERIES else list(texts)
    metrics, points = [], []
    for id in sorted(largest, key=texts.__getitem__):
        own = np.flatnonzero(which == id)
        own = own[np.argsort(at[own], kind="stable")]
        if measure == COUNTED:  # a bucket's count is known when it is over
            y = rates((at + level)[own], value[own], span[own], grid, reach)
        else:
            y = last_values(at[own], value[own], grid, reach)
        if not (holes := np.isnan(y)).all():
            metrics.append({by: texts[id]} if by else {})
            points.append((moments[~holes], y[~holes]))
    notes = (Note(f"The {SERIES} largest of {len(texts):,} series are shown", "cut"),) if len(texts) > SERIES else ()
    return tidy_frame(metrics, points, [by] if by else []), notes
