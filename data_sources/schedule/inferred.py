"""Tasks that come so regularly that somebody must have them scheduled: where no store tells of any entry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection, func, select

from data_sources.note import Note
from data_sources.schedule.entry import INFERRED, Entry
from data_sources.schedule.forms import Interval
from data_sources.schedule.runs import Run, runs_of
from data_sources.schema import KINDS, names, tasks

MOST_NAMES = 300  # looked at
LOOKED_AT = 61  # runs of each
FEWEST = 8  # runs that tell a rhythm
SHORTEST_SECONDS = 1.0
DEVIATION = 0.1  # of the median; gaps of several medians are misses
REGULAR = 0.9  # of the gaps


def inferred(connection: Connection, until: float) -> tuple[Sequence[Entry], tuple[Note, ...]]:
    """An interval each, named as its task, among the names that ran last."""
    last = select(func.max(tasks.c.last_us)).where(tasks.c.name == names.c.id).correlate(names).scalar_subquery()
    query = select(names.c.text, names.c.id).where(names.c.kind == KINDS.index("name"))
    known = connection.execute(query.order_by(func.coalesce(last, 0).desc(), names.c.id).limit(MOST_NAMES + 1)).all()
    looked_at = known[:MOST_NAMES]
    rhythms = ((name, rhythm(runs_of(connection, id, LOOKED_AT, until).runs)) for name, id in looked_at)
    entries = [Entry(name, name, Interval(seconds), INFERRED) for name, seconds in rhythms if seconds is not None]
    cut = f"Looked for among the {MOST_NAMES} task names that ran last; there are more"
    return entries, (Note(cut, "cut"),) if len(known) > MOST_NAMES else ()


def rhythm(runs: Sequence[Run]) -> float | None:
    """The median time between two runs, when nearly all others are as long, or a few times as long."""
    times = np.array([one.at for one in runs if not one.retried])
    if len(times) < FEWEST:
        return None
    between = np.diff(times)
    median = float(np.median(between))
    if median < SHORTEST_SECONDS:
        return None
    steps = np.maximum(1, np.rint(between / median))
    regular = np.abs(between - steps * median) <= DEVIATION * median
    return round(median, 1 if median < 60 else 0) if regular.mean() >= REGULAR else None
