"""A tidy range frame as lines on the window's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from charts.once import Once
from data_sources.scope import EPOCH, Window

Values = npt.NDArray[np.float32] | npt.NDArray[np.float64]

MOST_LINES = 8
LARGEST_EXACT = 2**24  # up to here float32 tells whole numbers apart


@dataclass(frozen=True, eq=False)
class Series:
    """One line: `y` has a value for each moment of the window, NaN where there is none."""

    kind: str  # the label it is told apart by: name, queue, worker, container ...; "" when there are none or many
    name: str  # of the only label its text, of many `a=1, b=2`; "" without labels: a total
    y: Values


BESIDE_VALUES = 400  # bytes of a series, about: its name and what holds its values


def bytes_of(lines: Sequence[Series]) -> int:
    """However few points a series has, it has a value for each moment."""
    return sum(one.y.nbytes + BESIDE_VALUES for one in lines)


LINES: Once[tuple[Series, ...]] = Once(bytes_of=bytes_of)


def split(frame: pd.DataFrame, window: Window) -> tuple[Series, ...]:
    """The frame's series, in its order; two of the same labels stay two, and what is outside the window is left out."""
    return LINES.get(window, [frame], lambda: made_lines(frame, window)) if len(frame) else ()


def made_lines(frame: pd.DataFrame, window: Window) -> tuple[Series, ...]:
    labels, moments = labels_of(frame), moments_of(frame)
    start, end = ((edge - EPOCH).total_seconds() * 1000 for edge in (window.start, window.end))
    inside = (start <= moments) & (moments <= end)
    places = np.rint((moments - start) / (window.step.total_seconds() * 1000)).astype("int64")
    values = frame["value"].to_numpy(dtype="float64", na_value=np.nan)
    borders = np.flatnonzero(starts_series(frame))
    series = []
    for first, last in zip(borders, [*borders[1:], len(frame)], strict=True):
        here = np.flatnonzero(inside[first:last]) + first
        y = np.full(window.points, np.nan)
        y[places[here]] = values[here]
        name = series_name({label: frame[label].iat[first] for label in labels})
        series.append(Series(labels[0] if len(labels) == 1 else "", name, compact(y)))
    return tuple(series)


def count_series(frame: pd.DataFrame) -> int:
    """How many `split` makes of it."""
    return int(starts_series(frame).sum())


def starts_series(frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """True at each row where the labels change, or time does not go on."""
    starts = np.ones(len(frame), dtype=bool)
    starts[1:] = np.diff(moments_of(frame)) <= 0
    for label in labels_of(frame):
        codes = pd.Categorical(frame[label]).codes
        starts[1:] |= codes[1:] != codes[:-1]
    return starts


def labels_of(frame: pd.DataFrame) -> list[str]:
    return [column for column in frame.columns if column not in ("time", "value")]


def moments_of(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """In milliseconds since 1970."""
    moments: npt.NDArray[np.int64] = frame["time"].to_numpy(dtype="datetime64[ms]").view(np.int64)
    return moments


def series_name(labels: dict[str, object]) -> str:
    known = {label: str(text) for label, text in labels.items() if not pd.isna(text)}
    if len(labels) == 1:
        return "".join(known.values())
    return ", ".join(f"{label}={text}" for label, text in known.items())


def compact(y: npt.NDArray[np.float64]) -> Values:
    """Half the bytes for the browser, where that loses no whole number."""
    return y.astype(np.float32) if np.nanmax(np.abs(y), initial=0) <= LARGEST_EXACT else y


def largest(series: Sequence[Series], most: int = MOST_LINES) -> list[Series]:
    """The `most` largest, in their order; one more may as well be there."""
    if len(series) <= most + 1:
        return list(series)
    weights = [np.nansum(np.abs(one.y), dtype=np.float64, where=np.isfinite(one.y)) for one in series]
    return [series[place] for place in sorted(np.argsort(weights, kind="stable")[-most:].tolist())]


def fold(series: Sequence[Series], most: int = MOST_LINES) -> list[Series]:
    """The largest, and the sum of all others as one more: for what stands on one another."""
    kept = largest(series, most)
    if len(kept) == len(series):
        return kept
    rest = np.vstack([one.y.astype(np.float64) for one in series if one not in kept])
    total = np.where(np.isnan(rest).all(axis=0), np.nan, np.nansum(rest, axis=0))
    return [*kept, Series("others", f"{len(rest)} others", compact(total))]
