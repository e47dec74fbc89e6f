"""What gets coarser with age: samples become means and sums of longer times, roll-ups keep their longer buckets."""

from __future__ import annotations

import sys

from data_sources import schema
from data_sources.schema import KEPT_SECONDS, LEVELS, SAMPLE_LEVELS
from recorder.database import Row
from recorder.store import SECOND_US, Store

DAY = 86_400
# How much is done in one transaction, in seconds of what is thinned: a few thousand rows.
SAMPLE_PIECE = {10: 600, 60: 3_600, 600: DAY}
ROLLUP_PIECE = {10: 600, 60: 3_600, 3_600: DAY}


class Thinning:
    """One piece a step, in the thread of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._database = store.database

    def step(self, now_us: int) -> bool:
        """Thins the oldest piece that is due; False: there is none. Raises StoreFailed."""
        now = now_us // SECOND_US
        return self._thin_samples(now) or self._drop_rollups(now) or self._drop_gaps(now)

    def _thin_samples(self, now: int) -> bool:
        for level, coarser in zip(SAMPLE_LEVELS, (*SAMPLE_LEVELS[1:], None), strict=True):
            piece = SAMPLE_PIECE[level]
            start = self._oldest("samples", level, piece)
            if start is None or start + piece > now - KEPT_SECONDS[level]:
                continue
            with self._database.transaction():
                rows = [] if coarser is None else self._coarse(level, coarser, start, start + piece)
                for old in (level, coarser):
                    self._delete("samples", old, start, start + piece)
                self._database.upsert(schema.samples, rows)
            return True
        return False

    def _coarse(self, level: int, coarser: int, start: int, end: int) -> list[Row]:
        """With what is coarse already, which a clock that was set back has left behind: each counts by its span."""
        rows = self._database.query(
            f"SELECT at / {coarser} * {coarser}, series, measure, sum(value), sum(value * span), sum(span), avg(value)"
            " FROM samples JOIN series ON series.id = samples.series"
            f" WHERE level IN ({level}, {coarser}) AND at >= ? AND at < ? GROUP BY 1, 2, 3",
            (start, end),
        )
        return [
            (coarser, at, series, total if measure == "accepted" else weighted / span if span else mean, span)
            for at, series, measure, total, weighted, span, mean in rows
        ]

    def _drop_rollups(self, now: int) -> bool:
        for level in LEVELS:
            piece = ROLLUP_PIECE[level]
            start = self._oldest("rollups", level, piece)
            if start is None or start + piece > min(now - KEPT_SECONDS[level], self._settled(level)):
                continue
            with self._database.transaction():
                for table in ("rollups", "counts", "sketches"):
                    self._delete(table, level, start, start + piece)
            return True
        return False

    def _settled(self, level: int) -> int:
        """Until when nothing is made of these any more: an hour is made of its minutes for as long as rows change."""
        if level != 60:
            return sys.maxsize
        oldest = self._database.query("SELECT min(at) FROM dirty WHERE level = ?", (3_600,))[0][0]
        return min(self._store.kept_from_us // SECOND_US, sys.maxsize if oldest is None else oldest)

    def _drop_gaps(self, now: int) -> bool:
        long_ago = (now - KEPT_SECONDS[3_600]) * SECOND_US
        with self._database.transaction():
            self._database.execute("DELETE FROM gaps WHERE end_us < ?", (long_ago,))
        return False

    def _oldest(self, table: str, level: int, piece: int) -> int | None:
        """The start of the piece that holds the oldest of a level."""
        at = self._database.query(f"SELECT min(at) FROM {table} WHERE level = ?", (level,))[0][0]
        return None if at is None else at - at % piece

    def _delete(self, table: str, level: int | None, start: int, end: int) -> None:
        self._database.execute(f"DELETE FROM {table} WHERE level = ? AND at >= ? AND at < ?", (level, start, end))
