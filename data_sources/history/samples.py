"""Samples on a window's grid: the last value at each point, or how much a second was counted before it."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt

RATE_WINDOW = timedelta(seconds=30)  # several samples, so that one task more or less is not a spike

Floats = npt.NDArray[np.float64]


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
