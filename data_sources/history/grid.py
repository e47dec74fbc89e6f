"""Which buckets of the roll-ups a chart's points tell of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, Table, func, select

from data_sources.history.counts import Whole
from data_sources.microseconds import SECOND_US
from data_sources.schema import LEVELS, rollups
from data_sources.scope import EPOCH, Window

LOOKED_AT = 30  # buckets, to tell how much there is to read


@dataclass(frozen=True)
class Grid:
    """`moments` (microseconds) are the points; each tells of the `width` seconds before the last bucket that ended by
    then. `width` is a multiple of `level`: the step, where that is one too, so that every task is in one point.
    """

    moments: Whole
    level: int
    width: int

    @property
    def first(self) -> int:
        """Seconds at which the first bucket begins."""
        return int(self.highs[0]) - self.width

    @property
    def last(self) -> int:
        """Seconds at which the last bucket ends."""
        return int(self.highs[-1])

    @property
    def highs(self) -> Whole:
        return self.moments // (self.level * SECOND_US) * self.level

    @property
    def upper(self) -> Whole:
        """For each point the number of the bucket after its last, counted from `first`."""
        return (self.highs - self.first) // self.level

    @property
    def lower(self) -> Whole:
        """For each point the number of its first bucket."""
        return self.upper - self.width // self.level

    @property
    def buckets(self) -> int:
        return (self.last - self.first) // self.level

    def bucket(self, at: Whole) -> Whole:
        return (at - self.first) // self.level


def plan_grid(connection: Connection, window: Window, source: Table, most: int) -> Grid:
    """Of the finest buckets that are still kept for `window` the coarsest that its step is made of; coarser ones where
    more than some `most` rows of `source` (roll-ups or sketches) were to be read.
    """
    step = window.step.total_seconds()
    start, end = (int((moment - EPOCH).total_seconds()) for moment in (window.start, window.end))
    kept = [level for level in LEVELS if reaches(connection, level, start - max(int(step), level))]
    fitting = [level for level in kept if step % level == 0]
    level = max(fitting) if fitting else kept[0]
    for coarser in kept[kept.index(level) + 1 :]:
        if rows_expected(connection, source, level, start, end) <= most:
            break
        level = coarser
    width = -int(-max(step, level) // level) * level
    offset, length = (window.start - EPOCH).total_seconds(), window.points
    moments = np.rint((offset + step * np.arange(length)) * SECOND_US).astype(np.int64)
    return Grid(moments, level, width)


def reaches(connection: Connection, level: int, start: int) -> bool:
    """Whether buckets of `level` are kept as far back as `start` (seconds), or as far as there is anything."""
    if level == LEVELS[-1]:
        return True
    own = earliest_of(connection, level)
    if own is not None and own <= start:
        return True
    before = earliest_of(connection, LEVELS[-1])  # kept longest
    return before is None or (own is not None and before + LEVELS[-1] > own)


def earliest_of(connection: Connection, level: int) -> int | None:
    return connection.execute(select(func.min(rollups.c.at)).where(rollups.c.level == level)).scalar()


def rows_expected(connection: Connection, source: Table, level: int, start: int, end: int) -> float:
    """By some of the buckets from all over the window: it may be quiet now, and have been busy before."""
    buckets = (end - start) // level + 1
    looked_at = {start // level * level + place * buckets // LOOKED_AT * level for place in range(LOOKED_AT)}
    found = select(func.count()).select_from(source).where(source.c.level == level, source.c.at.in_(looked_at))
    return (connection.execute(found).scalar() or 0) / len(looked_at) * buckets
