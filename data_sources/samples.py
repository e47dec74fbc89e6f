"""What was sampled since start, over time: bounded tracks in memory, read back on any window's grid."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_sources.answer import Note
from data_sources.scope import EPOCH, Window

POINTS = 8_640  # 12 h at one sample in 5 s
SERIES = 300  # a track: 300 series x 8,640 points x 4 bytes = 10 MB
RATE_WINDOW = timedelta(seconds=30)  # several samples, so that one task more or less is not a spike

Floats = npt.NDArray[np.float64]


class Track:
    """One measurement, split by one label, at the moments it was sampled.

    A gauge keeps values. With `increments` it keeps how much was counted since the sample before, and reads back
    as a rate per second. A sample that failed is kept as a moment without values, so that it reads back as a hole.
    """

    def __init__(self, label: str, increments: bool = False) -> None:
        self.label = label
        self.increments = increments
        self._lock = threading.Lock()
        self._times = np.full(POINTS, np.nan)
        self._spans = np.zeros(POINTS)  # seconds each sample's increments were counted over
        self._values: dict[str, npt.NDArray[np.float32]] = {}
        self._count = 0
        self._left_out = 0
        self._frames: dict[Window, tuple[int, pd.DataFrame]] = {}  # shared by all viewers of one window

    def append(self, at: datetime, values: Mapping[str, float | None], span_seconds: float = 0.0) -> None:
        """One sample; a value of None is unknown. With no values at all: the sample failed."""
        with self._lock:
            slot = self._count % POINTS
            self._times[slot], self._spans[slot] = at.timestamp(), span_seconds
            self._count += 1
            for series in self._values.values():
                series[slot] = np.nan
            new = [name for name in values if name not in self._values]
            room = max(0, SERIES - len(self._values))
            self._left_out = max(self._left_out, len(new) - room)
            for name in new[:room]:
                self._values[name] = np.full(POINTS, np.nan, np.float32)
            for name, value in values.items():
                if name in self._values and value is not None:
                    self._values[name][slot] = value

    @property
    def began(self) -> datetime | None:
        """The first sample that is still kept."""
        with self._lock:
            if not self._count:
                return None
            return datetime.fromtimestamp(float(np.nanmin(self._times)), UTC)

    def frame(self, window: Window) -> pd.DataFrame:
        """Tidy: `time`, the label (when there is one), `value`; a moment with no sample behind it has no row."""
        with self._lock:
            count, cached = self._count, self._frames.get(window)
            if cached and cached[0] == count:
                return cached[1]
            order = np.argsort(self._times[: min(self._count, POINTS)], kind="stable")
            times, spans = self._times[order], self._spans[order]
            series = {name: values[order].astype(np.float64) for name, values in self._values.items()}
        step = window.step.total_seconds()
        start = (window.start - EPOCH).total_seconds()
        grid: Floats = start + step * np.arange(window.points, dtype=np.float64)
        read = self._rates if self.increments else self._last
        parts = {name: read(times, spans, values, grid, step) for name, values in series.items()}
        frame = range_frame(self.label, grid, {name: y for name, y in parts.items() if not np.isnan(y).all()})
        with self._lock:
            if len(self._frames) > 16:
                self._frames.clear()
            self._frames[window] = (count, frame)
        return frame

    def notes(self, window: Window) -> tuple[Note, ...]:
        """When sampling began, if the window reaches further back; and what did not fit."""
        began, notes = self.began, []
        if began and window.start < began:
            notes.append(Note("Sampled since start; before that nothing is known", "gap", None, began))
        if self._left_out:
            notes.append(Note(f"{self._left_out} more are not sampled over time: {SERIES} are kept", "cut"))
        return tuple(notes)

    def _last(self, times: Floats, spans: Floats, values: Floats, grid: Floats, step: float) -> Floats:
        """The last value known at each grid time, not older than the step (or three samples)."""
        known = ~np.isnan(values)
        if not known.any():
            return np.full(len(grid), np.nan)
        times_known, values_known = times[known], values[known]
        place = np.searchsorted(times_known, grid, side="right") - 1
        age = grid - times_known[np.maximum(place, 0)]
        fresh = (place >= 0) & (age <= max(step, 3 * typical_gap(times)))
        return np.where(fresh, values_known[np.maximum(place, 0)], np.nan)

    def _rates(self, times: Floats, spans: Floats, values: Floats, grid: Floats, step: float) -> Floats:
        """Counted per second over the rate window before each grid time; a hole where no sample counted anything."""
        known = ~np.isnan(values) & (spans > 0)
        counted = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
        covered = np.concatenate([[0.0], np.cumsum(np.where(known, spans, 0.0))])
        upper = np.searchsorted(times, grid, side="right")
        lower = np.searchsorted(times, grid - max(step, RATE_WINDOW.total_seconds()), side="right")
        recent = np.searchsorted(times[known], grid, side="right") > np.searchsorted(
            times[known], grid - max(step, 3 * typical_gap(times)), side="right"
        )
        span = covered[upper] - covered[lower]
        with np.errstate(invalid="ignore", divide="ignore"):
            rate = (counted[upper] - counted[lower]) / span
        return np.where(recent & (span > 0), rate, np.nan)


def typical_gap(times: Floats) -> float:
    """Seconds between two samples, as a rule; 5 when there are too few to tell."""
    return float(np.median(np.diff(times))) if len(times) > 2 else 5.0


def range_frame(label: str, grid: Floats, series: Mapping[str, Floats]) -> pd.DataFrame:
    """Tidy frame of aligned series; NaN becomes a hole (no row). Without `label`: `time` and `value` alone."""
    names = list(series)
    values = np.concatenate([series[name] for name in names]) if names else np.empty(0)
    keep = ~np.isnan(values)
    moments = np.tile((grid * 1000).round().astype("int64"), len(names)).astype("datetime64[ms]")
    columns: dict[str, object] = {"time": pd.DatetimeIndex(moments[keep]).tz_localize("UTC")}
    if label:
        codes = np.repeat(np.arange(len(names)), len(grid))[keep]
        columns[label] = pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype="str"))
    return pd.DataFrame({**columns, "value": values[keep]})
