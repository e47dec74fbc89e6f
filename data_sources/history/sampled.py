"""What was sampled of workers and queues, on any window's grid."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlalchemy import Connection, select

from data_sources.history.samples import RATE_WINDOW, Floats, last_values, rates
from data_sources.note import Note
from data_sources.range_frame import empty_frame, tidy_frame
from data_sources.schema import COUNTED, SAMPLE_LEVELS, samples, series
from data_sources.scope import EPOCH, Window

SERIES = 300  # told apart, those of the largest sums
LAST = 4  # samples read before each point of a gauge: what is read more rarely is known by one of them
MOST_MOMENTS = 30_000  # named in one question: databases take few more parameters


class Sampled(NamedTuple):
    """Moments of the same series: a row each, a column a series; spans may be one for a moment, or for each series."""

    level: int
    at: Floats
    series: npt.NDArray[np.uint32]
    values: npt.NDArray[np.uint32] | Floats
    spans: Floats

    def of(self, wanted: npt.NDArray[np.bool_]) -> Floats:
        """Level, `at`, series, value and span of those wanted, an array each."""
        held = wanted[self.series]
        values = self.values[:, held]
        spans = np.broadcast_to(self.spans, self.values.shape)[:, held]
        at, ids = np.broadcast_arrays(self.at[:, None], self.series[held])
        return np.stack([np.full(values.size, self.level), *(each.ravel() for each in (at, ids, values, spans))])


def read_samples(
    connection: Connection, measure: str, by: str, window: Window, of: Collection[str] = ()
) -> tuple[pd.DataFrame, tuple[Note, ...]]:
    """Tidy, with the label `by` (`of`: its values that are wanted, or all): the last value by each point; of what is
    counted, how much a second.

    A hole where the last sample is older than the step and than three samples; of a gauge, of which many are taken in
    a step, also where none of the LAST before a point knows it.
    """
    step = window.step.total_seconds()
    start, end = ((moment - EPOCH).total_seconds() for moment in (window.start, window.end))
    behind = max(step, 3 * SAMPLE_LEVELS[-1], RATE_WINDOW.total_seconds())
    grid = start + step * np.arange(window.points, dtype=np.float64)
    named = select(series.c.id, series.c.text).where(series.c.measure == measure, series.c.label == by)
    texts = dict(connection.execute(named.where(series.c.text.in_(of)) if of else named).all())
    if not texts:
        return empty_frame((by,) if by else ()), ()
    held = list(read_rows(connection, measure, by, start - behind, end, None if measure == COUNTED else grid))
    ids = sorted(texts) if len(texts) <= SERIES else largest(held, texts)
    level, at, which, value, span = columns_of(held, ids)
    reach = max(step, 3 * float(level[at >= start - step].max(initial=SAMPLE_LEVELS[0])))
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


def read_rows(
    connection: Connection, measure: str, label: str, start: float, end: float, grid: Floats | None
) -> Iterator[Sampled]:
    """All moments of that time or, with a `grid`, the last ones before each of its points."""
    for level in SAMPLE_LEVELS:
        inside = (samples.c.level == level, samples.c.at.between(start, end))
        alike = (samples.c.measure == measure, samples.c.label == label)
        known = np.array(connection.execute(select(samples.c.at).where(*inside, *alike)).scalars().all(), np.int64)
        wanted = known if grid is None else last_moments(np.sort(known), grid)
        if len(wanted) < min(len(known), MOST_MOMENTS):
            inside = (samples.c.level == level, samples.c.at.in_(wanted.tolist()))
        arrays = select(samples.c.series, samples.c["values"], samples.c.spans, samples.c.at).where(*inside, *alike)
        groups: defaultdict[tuple[bytes, int, int], list[tuple[float, bytes, bytes]]] = defaultdict(list)
        for ids, values, spans, at in connection.execute(arrays):
            groups[ids, len(values), len(spans)].append((at, values, spans))
        yield from (grouped(level, ids, moments) for (ids, *_), moments in groups.items())


def grouped(level: int, ids: bytes, moments: Sequence[tuple[float, bytes, bytes]]) -> Sampled:
    at, values, spans = zip(*moments, strict=True)
    kind = "<u4" if len(values[0]) == len(ids) else "<f8"
    return Sampled(level, np.array(at, float), np.frombuffer(ids, "<u4"), matrix(values, kind), matrix(spans, "<f8"))


def matrix(rows: Sequence[bytes], kind: str) -> npt.NDArray[Any]:
    return np.frombuffer(b"".join(rows), kind).reshape(len(rows), -1)


def last_moments(moments: npt.NDArray[np.int64], grid: Floats) -> npt.NDArray[np.int64]:
    """Of `moments`, in order, the LAST before each grid time."""
    places = np.searchsorted(moments, grid, side="right")[:, None] - np.arange(1, LAST + 1)
    return moments[np.unique(places[places >= 0])]


def largest(held: Iterable[Sampled], ids: Mapping[int, str]) -> list[int]:
    """Those SERIES of `ids` whose samples have the largest sums."""
    sums = np.zeros(max(ids) + 1)
    for some in held:
        sums[some.series] += some.values.sum(axis=0)
    return sorted(ids, key=lambda id: (-sums[id], id))[:SERIES]


def columns_of(held: Sequence[Sampled], ids: Sequence[int]) -> Floats:
    """Level, `at`, series, value and span of all samples of `ids`, an array each."""
    wanted = np.zeros(1 + max((int(some.series.max()) for some in held), default=0), bool)
    wanted[[id for id in ids if id < len(wanted)]] = True
    return np.concatenate([np.empty((5, 0)), *(some.of(wanted) for some in held)], axis=1)
