"""What was sampled since start, over time: bounded tracks in memory, read back on any window's grid."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_sources.answer import Note
from data_sources.range_frame import tidy_frame
from data_sources.scope import EPOCH, Window

POINTS = 8_640  # 12 h at one sample in 5 s
SERIES = 300  # a track: 300 series x 8,640 points x 8 bytes = 21 MB; float32 would lose count above 16 million
RATE_WINDOW = timedelta(seconds=30)  # several samples, so that one task more or less is not a spike
FRAMES = 16  # windows looked at between two samples

Floats = npt.NDArray[np.float64]


class Track:
    """One measurement, split by one label (or by none: ""), at the moments it was sampled.

    A gauge keeps values. With `increments` it keeps how much was counted since the sample before, and reads back
    as a rate per second. A sample that failed is kept as a moment without values: nothing is made up for it.
    """

    def __init__(self, label: str, increments: bool = False) -> None:
        self.label = label
        self.increments = increments
        self._lock = threading.Lock()
        self._times = np.full(POINTS, np.nan)
        self._spans = np.zeros(POINTS)  # seconds each sample's increments were counted over
        self._values: dict[str, Floats] = {}  # the name not sampled for longest stands first
        self._count = 0
        self._cut_at: datetime | None = None  # when series were last left out or forgotten for want of room
        self._frames: dict[Window, pd.DataFrame] = {}  # read since the last sample; shared by all viewers

    def append(self, at: datetime, values: Mapping[str, float | None], span_seconds: float = 0.0) -> None:
        """One sample; a value of None is unknown. With no values at all: the sample failed."""
        with self._lock:
            slot = self._count % POINTS
            self._times[slot], self._spans[slot] = at.timestamp(), span_seconds
            self._count += 1
            for series in self._values.values():
                series[slot] = np.nan
            self._make_room(at, values)
            for name, value in values.items():
                if name in self._values and value is not None and math.isfinite(value):
                    self._values[name][slot] = value
            self._frames.clear()

    def _make_room(self, at: datetime, names: Mapping[str, object]) -> None:
        """A series for each of `names`, as far as there is room; those not sampled any more give way."""
        for name in [name for name in names if name in self._values]:
            self._values[name] = self._values.pop(name)
        new = [name for name in names if name not in self._values]
        room = SERIES - len(names) + len(new)
        cut = len(new) > room
        for name in new[:room]:
            if len(self._values) == SERIES:
                forgotten = self._values.pop(next(iter(self._values)))
                cut |= not np.isnan(forgotten).all()
            self._values[name] = np.full(POINTS, np.nan)
        if cut:
            self._cut_at = at

    @property
    def began(self) -> datetime | None:
        """The first sample that is still kept."""
        with self._lock:
            return datetime.fromtimestamp(float(np.nanmin(self._times)), UTC) if self._count else None

    def frame(self, window: Window) -> pd.DataFrame:
        """Tidy: `time`, the label (when there is one), `value`; series by name, and no row where nothing is known."""
        with self._lock:
            if window in self._frames:
                return self._frames[window]
            count = self._count
            order = np.argsort(self._times[: min(count, POINTS)], kind="stable")
            times, spans = self._times[order], self._spans[order]
            series = {name: self._values[name][order] for name in sorted(self._values)}
        frame = self._read(times, spans, series, window)
        with self._lock:
            if count == self._count:  # else a newer sample came in meanwhile
                if len(self._frames) >= FRAMES:
                    self._frames.clear()
                self._frames[window] = frame
        return frame

    def notes(self, window: Window) -> tuple[Note, ...]:
        """Where what is kept begins, if the window reaches further back; and whether series are missing."""
        notes = []
        began, cut_at = self.began, self._cut_at
        if began and window.start < began:
            notes.append(
                Note("Sampled since start and kept for 12 h; before that nothing is known", "gap", None, began)
            )
        if cut_at and window.start <= cut_at:
            notes.append(Note(f"At most {SERIES} series are kept over time; some are missing here", "cut"))
        return tuple(notes)

    def _read(self, times: Floats, spans: Floats, series: Mapping[str, Floats], window: Window) -> pd.DataFrame:
        step = window.step.total_seconds()
        grid: Floats = (window.start - EPOCH).total_seconds() + step * np.arange(window.points, dtype=np.float64)
        reach = max(step, 3 * typical_gap(times))
        moments = (grid * 1000).round().astype(np.int64)
        metrics, points = [], []
        for name, values in series.items():
            if self.increments:
                known = ~np.isnan(values) & (spans > 0)
                y = rates(times[known], values[known], spans[known], grid, reach)
            else:
                known = ~np.isnan(values)
                y = last_values(times[known], values[known], grid, reach)
            if not (holes := np.isnan(y)).all():
                metrics.append({self.label: name} if self.label else {})
                points.append((moments[~holes], y[~holes]))
        return tidy_frame(metrics, points, [self.label] if self.label else [])


def typical_gap(times: Floats) -> float:
    """Seconds between two samples, as a rule; 5 when there are too few to tell."""
    return float(np.median(np.diff(times))) if len(times) > 2 else 5.0


def last_values(times: Floats, values: Floats, grid: Floats, reach: float) -> Floats:
    """The last value at each grid time, NaN where that is older than `reach` seconds."""
    place = np.searchsorted(times, grid, side="right")
    at, last = np.append(-np.inf, times)[place], np.append(np.nan, values)[place]
    return np.where(grid - at <= reach, last, np.nan)


def rates(times: Floats, counted: Floats, spans: Floats, grid: Floats, reach: float) -> Floats:
    """Counted per covered second over the rate window before each grid time.

    NaN where the last sample is older than `reach` seconds.
    """
    upper = np.searchsorted(times, grid, side="right")
    lower = np.searchsorted(times, grid - max(reach, RATE_WINDOW.total_seconds()), side="right")
    recent = upper > np.searchsorted(times, grid - reach, side="right")
    with np.errstate(invalid="ignore"):
        return np.where(recent, sums(counted, lower, upper) / sums(spans, lower, upper), np.nan)


def sums(values: Floats, lower: npt.NDArray[np.intp], upper: npt.NDArray[np.intp]) -> Floats:
    """The sum of `values[lower:upper]` for each pair; not by differences of one running sum, which one absurd value
    from a worker would spoil for hours.
    """
    pairs = np.column_stack([lower, upper]).ravel()
    return np.where(lower < upper, np.add.reduceat(np.append(values, 0.0), pairs)[::2], 0.0)
