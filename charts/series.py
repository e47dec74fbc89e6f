"""A tidy range frame as lines on the window's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_sources.scope import EPOCH, Window

Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Series:
    """One line: `y` has a value for each moment of the window, NaN where there is none."""

    kind: str  # the label it is told apart by: name, queue, worker, container ...
    name: str
    y: Values


def split(frame: pd.DataFrame, window: Window) -> list[Series]:
    """The frame's series, in its order; two of the same labels stay two."""
    labels = [column for column in frame.columns if column not in ("time", "value")]
    if frame.empty:
        return []
    moments = frame["time"].dt.as_unit("ms").astype("int64").to_numpy()
    start, step = (window.start - EPOCH).total_seconds() * 1000, window.step.total_seconds() * 1000
    places = np.rint((moments - start) / step).astype("int64")
    inside = (places >= 0) & (places < window.points)
    values = frame["value"].to_numpy(dtype="float64", na_value=np.nan)
    borders = np.flatnonzero(starts_series(frame, labels, moments))
    series = []
    for first, last in zip(borders, [*borders[1:], len(frame)], strict=True):
        y = np.full(window.points, np.nan, np.float32)
        here = slice(first, last)
        y[places[here][inside[here]]] = values[here][inside[here]]
        row = frame.iloc[first]
        known = [(label, str(row[label])) for label in labels if not pd.isna(row[label])]
        name = known[0][1] if len(labels) == 1 and known else ", ".join(f"{label}={text}" for label, text in known)
        series.append(Series(labels[0] if len(labels) == 1 else "", name or "value", y))
    return series


def starts_series(frame: pd.DataFrame, labels: Sequence[str], moments: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """True at each row where the labels change, or time does not go on."""
    starts = np.ones(len(frame), dtype=bool)
    if len(frame) > 1:
        starts[1:] = np.diff(moments) <= 0
        for label in labels:
            codes = frame[label].astype("category").cat.codes.to_numpy()
            starts[1:] |= np.diff(codes) != 0
    return starts


def fold(series: Sequence[Series], most: int = 8) -> list[Series]:
    """The `most` largest in their order, and the sum of all others as one more."""
    if len(series) <= most:
        return list(series)
    weights = [float(np.abs(np.nan_to_num(one.y, posinf=0, neginf=0)).sum()) for one in series]
    largest = set(np.argsort(weights)[-most:].tolist())
    rest = np.vstack([one.y for place, one in enumerate(series) if place not in largest])
    total = np.where(np.isnan(rest).all(axis=0), np.nan, np.nansum(rest, axis=0)).astype(np.float32)
    kept = [one for place, one in enumerate(series) if place in largest]
    return [*kept, Series("others", f"{len(rest)} others", total)]
