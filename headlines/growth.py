"""Which queues grow, how fast, and from how little."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from charts.once import Once
from charts.series import Series, Values, split
from data_sources.answer import Answer
from data_sources.scope import Window

Places = npt.NDArray[np.intp]

LOOK_BACK = timedelta(minutes=10)
LEAST_SPAN = timedelta(minutes=1)  # shorter says nothing
LEAST_POINTS = 8  # of a long range, whose steps are longer than minutes
LATE_POINTS = 2  # a queue without a value for longer has ended


@dataclass(frozen=True)
class Growth:
    """`least` is the fewest messages in the whole window, `least_at` the last time they were so few."""

    queue: str
    per_minute: float
    now: float
    least: float
    least_at: datetime


FOUND: Once[list[Growth] | None] = Once()


def growth(depth: Answer) -> list[Growth] | None:
    """The queues that still grow at the end of the window, steepest first.

    None when it cannot be told of any queue: that end is not now, or less than a minute is known.
    """
    window = depth.window
    if window is None or not depth.tells_now:
        return None
    return FOUND.get(window, [depth.frame], lambda: at_the_end(depth.frame, window))


def at_the_end(depth: pd.DataFrame, window: Window) -> list[Growth] | None:
    lines = [(one, places) for one in split(depth, window) if (places := recent(one.y, window)) is not None]
    growing = [measured(one, places, window) for one, places in lines if rises(one.y[places])]
    return sorted(growing, key=lambda one: -one.per_minute) if lines else None


def recent(y: Values, window: Window) -> Places | None:
    """Where `y` is known in the last ten minutes, or in the last eight steps where those are longer.

    None when that is too little, or ended before the window did.
    """
    back = max(LOOK_BACK // window.step, LEAST_POINTS)
    places = np.flatnonzero(np.isfinite(y[-back:])) + max(0, len(y) - back)
    if len(places) < 4 or (places[-1] - places[0]) * window.step < LEAST_SPAN:
        return None
    return places if places[-1] >= len(y) - 1 - LATE_POINTS else None


def rises(values: Values) -> bool:
    """Whether the second half is higher than the first, and its end no burst that is being worked off, or was."""
    first, second, third, fourth = (np.median(quarter) for quarter in np.array_split(values.astype(np.float64), 4))
    return bool(values[-1] > max(first, second, third) and fourth > third and third + fourth > first + second)


def measured(one: Series, places: Places, window: Window) -> Growth:
    """`per_minute` is the slope of a straight line through the values at `places`."""
    y = one.y.astype(np.float64)
    slope = np.polyfit(places * (window.step / timedelta(minutes=1)), y[places], 1)[0]
    lowest = np.flatnonzero(y == np.min(y, where=np.isfinite(y), initial=np.inf))[-1]
    least_at = window.start + int(lowest) * window.step
    return Growth(one.name, float(slope), float(y[places[-1]]), float(y[lowest]), least_at)
