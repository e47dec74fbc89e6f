"""A table as a value: its columns, its rows as plain values, and what an empty one teaches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd

from charts.once import Once
from charts.series import Series, split
from data_sources.answer import Answer

MOST_ROWS = 2_000
SPARK_POINTS = 60


@dataclass(frozen=True)
class Column:
    """`kind`: how a value is drawn, see cells/browser/values.js: text, number, rate, percent, bytes, seconds, names,
    code, verdict, state, moment (how long ago), time, said (a text and when), side (a value and who has it), gauge
    (used, all), spark, bars (labels with a count), flags (texts with a tone and a title) or dues (runs). Seconds in a
    list are a lower bound, and may be a word.
    """

    name: str
    label: str
    kind: str = "text"
    help: str = ""
    unknown: str = "not known"
    sort: str = ""  # of a list that is sorted where it is read: what `sort=` calls it


@dataclass(frozen=True)
class Table:
    """`apart` holds rows that few look for, a click away under the label `apart_label`; `left_out` counts those
    that stand in the CSV alone.
    """

    columns: tuple[Column, ...]
    rows: list[list[Any]]
    empty: tuple[str, ...]
    apart: list[list[Any]] = field(default_factory=list)
    apart_label: str = ""
    left_out: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Its rows as they are: a copy of thousands would take longer than all else."""
        return {**vars(self), "columns": [vars(column) for column in self.columns]}


def linked(value: Any, page: str, **params: str | list[str]) -> dict[str, Any]:
    """A value that leads to the page `page`, with these parameters; the browser adds what all pages share."""
    return {"value": value, "href": address(page, **params)}


def address(page: str, **params: str | list[str]) -> str:
    return f"{page}?{urlencode(params, doseq=True)}" if params else page


View = Callable[[pd.DataFrame, Mapping[str, Answer]], Table]


def records(frame: pd.DataFrame, infinite: Callable[[float], str | None] = lambda _: None) -> list[dict[str, Any]]:
    """The first MOST_ROWS rows as plain values; what is missing is None, an infinite number what `infinite` says."""
    first = frame.head(MOST_ROWS)
    names = [str(name) for name in first.columns]
    columns = [
        [infinite(value) if is_infinite(value) else None if is_missing(value) else value for value in values]
        for values in (first[name].astype(object).tolist() for name in first)
    ]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def is_missing(value: object) -> bool:
    return value is pd.NaT or value is pd.NA or (isinstance(value, float) and not math.isfinite(value))


def is_infinite(value: object) -> bool:
    return isinstance(value, float) and math.isinf(value)


SPARKS: Once[dict[str, list[float | None]]] = Once()


def sparklines(answer: Answer | None) -> dict[str, list[float | None]]:
    """Each series of a range answer in few points; None where nothing is known."""
    if answer is None or answer.window is None:
        return {}
    frame, window = answer.frame, answer.window
    return SPARKS.get(window, [frame], lambda: thinned(split(frame, window)))


def thinned(lines: Sequence[Series]) -> dict[str, list[float | None]]:
    """Of each line the mean of what is known in each of SPARK_POINTS stretches, to six digits."""
    if not lines:
        return {}
    y = np.vstack([line.y for line in lines]).astype(np.float64)
    points, known = y.shape[1], np.isfinite(y)
    begins = np.arange(min(SPARK_POINTS, points)) * points // min(SPARK_POINTS, points)
    sums = np.add.reduceat(np.where(known, y, 0.0), begins, axis=1).tolist()
    counts = np.add.reduceat(known, begins, axis=1, dtype=np.int64).tolist()
    return {
        line.name: [float(f"{whole / count:.6g}") if count else None for whole, count in zip(*means, strict=True)]
        for line, means in zip(lines, zip(sums, counts, strict=True), strict=True)
    }
