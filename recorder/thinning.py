"""What gets coarser with age: samples become means and sums of longer times, roll-ups keep their longer buckets.

A cluster of many tasks and workers has many roll-ups: they take half of the history's size, and their finest go earlier
then. Readers look how far back each level reaches.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping

from data_sources import schema
from data_sources.history.sample_rows import packed, unpacked
from data_sources.microseconds import SECOND_US
from data_sources.schema import COUNTED, KEPT_SECONDS, LEVELS, SAMPLE_LEVELS
from recorder.database import Row
from recorder.store import Store

DAY = 86_400
# How much is done in one transaction, in seconds of what is thinned: a few thousand rows.
SAMPLE_PIECE = {10: 600, 60: 3_600, 600: DAY}
ROLLUP_PIECE = {10: 600, 60: 3_600, 3_600: DAY}

LEAST_SECONDS = {10: 3_600, 60: DAY, 3_600: 30 * DAY}  # of each level, however much they take
SHARE = 0.5  # of the history's size, for roll-ups
MEASURED_SECONDS = 600  # between two measurements of what they take
CELL_BYTES = 100  # of a roll-up with its count, and the heads of its sketches' rows


class Thinning:
    """One piece a step, in the thread of the store."""

    def __init__(self, store: Store, size_bytes: int) -> None:
        self._store = store
        self._database = store.database
        self._size_bytes = size_bytes
        self._kept: Mapping[int, float] = KEPT_SECONDS
        self._measured_at = -sys.maxsize

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
            'SELECT at, measure, label, series, "values", spans FROM samples'
            f" WHERE level IN ({level}, {coarser}) AND at >= ? AND at < ? ORDER BY level, at",
            (start, end),
        )
        sums: defaultdict[tuple[int, str, str], dict[int, tuple[float, float]]] = defaultdict(dict)
        for at, measure, label, *arrays in rows:
            group = sums[at // coarser * coarser, measure, label]
            for series, (value, span) in unpacked(*arrays).items():
                total, seconds = group.get(series, (0.0, 0.0))
                group[series] = total + (value if measure == COUNTED else value * span), seconds + span
        groups = {key: group if key[1] == COUNTED else means(group) for key, group in sums.items()}
        return [(coarser, *key, *packed(group)) for key, group in groups.items() if group]

    def _drop_rollups(self, now: int) -> bool:
        if abs(now - self._measured_at) >= MEASURED_SECONDS:
            self._measured_at = now
            self._kept = self._kept_seconds(now)
        for level in LEVELS:
            piece = ROLLUP_PIECE[level]
            start = self._oldest("rollups", level, piece)
            if start is None or start + piece > min(now - self._kept[level], self._settled(level)):
                continue
            with self._database.transaction():
                for table in ("rollups", "counts", "sketches"):
                    self._delete(table, level, start, start + piece)
            return True
        return False

    def _kept_seconds(self, now: int) -> Mapping[int, float]:
        """How long each level is kept, as far as there is anything."""
        oldest = self._oldest("rollups", LEVELS[-1], LEVELS[-1])
        age = now - oldest if oldest is not None else 0
        longest = {level: float(min(KEPT_SECONDS[level], age)) for level in LEVELS}
        kept = fitting(self._bytes_a_second(now), longest, SHARE * self._size_bytes)
        return {level: kept[level] if kept[level] < longest[level] else KEPT_SECONDS[level] for level in LEVELS}

    def _bytes_a_second(self, now: int) -> dict[int, float]:
        """What roll-ups of each level take for a second of recording, by the newest of them."""
        return {level: self._bytes_since(level, now - piece) / piece for level, piece in ROLLUP_PIECE.items()}

    def _bytes_since(self, level: int, start: int) -> int:
        cells = self._database.query("SELECT count(*) FROM rollups WHERE level = ? AND at >= ?", (level, start))[0][0]
        lengths = "coalesce(length(wait), 0) + coalesce(length(runtime), 0)"
        blobs = self._database.query(f"SELECT sum({lengths}) FROM sketches WHERE level = ? AND at >= ?", (level, start))
        return CELL_BYTES * int(cells) + int(blobs[0][0] or 0)

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


def means(sums: Mapping[int, tuple[float, float]]) -> dict[int, tuple[float, float]]:
    """Of gauges, from their values times seconds."""
    return {series: (total / seconds, seconds) for series, (total, seconds) in sums.items() if seconds}


def fitting(bytes_a_second: Mapping[int, float], longest: Mapping[int, float], most_bytes: float) -> dict[int, float]:
    """Of each level how many seconds can be kept, so that all take `most_bytes`: less of the finest first."""
    kept = dict(longest)
    over = sum(bytes_a_second[level] * kept[level] for level in LEVELS) - most_bytes
    for level in LEVELS:
        spare = max(0.0, kept[level] - LEAST_SECONDS[level])
        if over > 0 and bytes_a_second[level] > 0:
            less = min(spare, over / bytes_a_second[level])
            kept[level] -= less
            if less < spare:  # all fits; what a float leaves over is no reason to cut the next level
                break
            over -= less * bytes_a_second[level]
    return kept
