"""What gets coarser with age: samples become means and sums of longer times, roll-ups keep their longer buckets.

A cluster of many tasks, workers and queues has many roll-ups and samples: they take half of the history's size, and
their finest go earlier then. Readers look how far back each level reaches.
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

Layer = tuple[str, int]  # table and level

LAYERS = (("samples", 10), ("rollups", 10), ("samples", 60), ("rollups", 60), ("samples", 600), ("rollups", 3_600))
LEAST_SECONDS = {10: 3_600, 60: DAY, 600: 30 * DAY, 3_600: 30 * DAY}  # of each level, however much they take
SHARE = 0.5  # of the history's size, for all layers
MEASURED_SECONDS = 600  # between two measurements of what they take
CELL_BYTES = 100  # of a roll-up with its count, and the heads of its sketches' rows
SAMPLES_BYTES = 60  # of the head of a row of samples
MEANS = 1.5  # times the bytes of what was measured: 8 for a value, where a count has 4


class Thinning:
    """One piece a step, in the thread of the store."""

    def __init__(self, store: Store, size_bytes: int) -> None:
        self._store = store
        self._database = store.database
        self._size_bytes = size_bytes
        self._kept: Mapping[Layer, float] = {layer: KEPT_SECONDS[layer[1]] for layer in LAYERS}
        self._measured_at = -sys.maxsize

    def step(self, now_us: int) -> bool:
        """Thins the oldest piece that is due; False: there is none. Raises StoreFailed."""
        now = now_us // SECOND_US
        if abs(now - self._measured_at) >= MEASURED_SECONDS:
            self._measured_at = now
            self._kept = self._kept_seconds(now)
        return self._thin_samples(now) or self._drop_rollups(now) or self._drop_gaps(now)

    def _thin_samples(self, now: int) -> bool:
        for level, coarser in zip(SAMPLE_LEVELS, (*SAMPLE_LEVELS[1:], None), strict=True):
            piece = SAMPLE_PIECE[level]
            start = self._oldest("samples", level, piece)
            if start is None or start + piece > now - self._kept["samples", level]:
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
        for level in LEVELS:
            piece = ROLLUP_PIECE[level]
            start = self._oldest("rollups", level, piece)
            if start is None or start + piece > min(now - self._kept["rollups", level], self._settled(level)):
                continue
            with self._database.transaction():
                for table in ("rollups", "counts", "sketches"):
                    self._delete(table, level, start, start + piece)
            return True
        return False

    def _kept_seconds(self, now: int) -> Mapping[Layer, float]:
        """How long each layer is kept, as far as there is anything."""
        oldest = {table: self._oldest_of_all(table) for table in ("samples", "rollups")}
        longest = {
            (table, level): float(min(KEPT_SECONDS[level], now - (oldest[table] or now))) for table, level in LAYERS
        }
        kept = fitting(self._bytes_a_second(now), longest, SHARE * self._size_bytes)
        return {layer: kept[layer] if kept[layer] < longest[layer] else KEPT_SECONDS[layer[1]] for layer in LAYERS}

    def _bytes_a_second(self, now: int) -> dict[Layer, float]:
        """What each layer takes for a second of recording, by the newest; samples by the finest, the others are old."""
        rollups = {level: self._rollup_bytes(level, now - piece) / piece for level, piece in ROLLUP_PIECE.items()}
        finest = SAMPLE_LEVELS[0]
        sampled = self._sample_bytes(finest, now - SAMPLE_PIECE[finest]) / SAMPLE_PIECE[finest]
        samples = {level: sampled * finest / level * (1 if level == finest else MEANS) for level in SAMPLE_LEVELS}
        return {layer: (samples if layer[0] == "samples" else rollups)[layer[1]] for layer in LAYERS}

    def _rollup_bytes(self, level: int, start: int) -> int:
        cells = self._database.query("SELECT count(*) FROM rollups WHERE level = ? AND at >= ?", (level, start))[0][0]
        lengths = "coalesce(length(wait), 0) + coalesce(length(runtime), 0)"
        blobs = self._database.query(f"SELECT sum({lengths}) FROM sketches WHERE level = ? AND at >= ?", (level, start))
        return CELL_BYTES * int(cells) + int(blobs[0][0] or 0)

    def _sample_bytes(self, level: int, start: int) -> int:
        lengths = 'length(series) + length("values") + length(spans)'
        [(rows, blobs)] = self._database.query(
            f"SELECT count(*), sum({lengths}) FROM samples WHERE level = ? AND at >= ?", (level, start)
        )
        return SAMPLES_BYTES * int(rows) + int(blobs or 0)

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

    def _oldest_of_all(self, table: str) -> int | None:
        """Of its coarsest level, or of a finer one that none is made of yet."""
        times = [self._oldest(table, level, level) for layer, level in LAYERS if layer == table]
        return min((at for at in times if at is not None), default=None)

    def _delete(self, table: str, level: int | None, start: int, end: int) -> None:
        self._database.execute(f"DELETE FROM {table} WHERE level = ? AND at >= ? AND at < ?", (level, start, end))


def means(sums: Mapping[int, tuple[float, float]]) -> dict[int, tuple[float, float]]:
    """Of gauges, from their values times seconds."""
    return {series: (total / seconds, seconds) for series, (total, seconds) in sums.items() if seconds}


def fitting(
    bytes_a_second: Mapping[Layer, float], longest: Mapping[Layer, float], most_bytes: float
) -> dict[Layer, float]:
    """Of each layer how many seconds can be kept, so that all take `most_bytes`: less of the finest, the first of
    `longest`, first.
    """
    kept = dict(longest)
    over = sum(bytes_a_second[layer] * kept[layer] for layer in longest) - most_bytes
    for layer in longest:
        spare = max(0.0, kept[layer] - LEAST_SECONDS[layer[1]])
        if over > 0 and bytes_a_second[layer] > 0:
            less = min(spare, over / bytes_a_second[layer])
            kept[layer] -= less
            if less < spare:  # all fits; what a float leaves over is no reason to cut the next layer
                break
            over -= less * bytes_a_second[layer]
    return kept
