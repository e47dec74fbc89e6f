"""Rows of SQL as a range result, on the grid that their times make."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd

from data_sources.answer import Answer
from data_sources.errors import QueryRejected
from data_sources.note import Note, listed
from data_sources.range_frame import TIME
from data_sources.scope import EPOCH, MAX_POINTS, Window

MILLISECOND = timedelta(milliseconds=1)


def range_answer(answer: Answer, window: Window) -> Answer:
    """`answer` as a range result: `time`, its texts as labels, `value`; see Answer. Its window is `window` on the grid
    of its own times, so that a point each five minutes is a line and no row of specks.

    A row without a time or a value is a hole. Raises QueryRejected without these columns.
    """
    frame = answer.frame
    if "time" not in frame or "value" not in frame or not is_time(frame["time"]) or not is_number(frame["value"]):
        given = listed(map(str, frame.columns), 8) or "none"
        raise QueryRejected(
            "SQL", "a plot needs a column time and a number value", f"It has {given}; or show it as a table", "q"
        )
    labels = [name for name in frame.columns if name not in ("time", "value") and is_text(frame[name])]
    left_out = [str(name) for name in frame.columns if name not in ("time", "value", *labels)]
    rows = frame[["time", *labels, "value"]].dropna(subset=["time", "value"])
    rows = rows.astype({"time": TIME, "value": "float64", **dict.fromkeys(labels, "category")})
    places = [rows[label].cat.codes.to_numpy() for label in labels]
    rows = rows.iloc[np.lexsort((rows["time"].to_numpy(), *reversed(places)))].reset_index(drop=True)
    notes = list(answer.notes)
    if left_out:
        notes.append(Note(f"Not drawn, as no texts: {listed(left_out)}"))
    if rows.duplicated(["time", *labels]).any():
        notes.append(
            Note("There are several values at a time: group by time and by all that tells series apart", "warning")
        )
    return replace(answer, frame=rows, window=grid(rows["time"], window), notes=tuple(notes))


def grid(times: pd.Series[pd.Timestamp], window: Window) -> Window:
    """`window` with the step between `times` and on them; as it is where they have none, or too small a one."""
    moments = np.unique(times.astype("int64").to_numpy())
    step = int(np.gcd.reduce(np.diff(moments), initial=0)) * MILLISECOND
    if not step or (window.end - window.start) / step > MAX_POINTS:
        return window
    first = EPOCH + int(moments[0]) * MILLISECOND
    return Window(first - (first - window.start) // step * step, first + (window.end - first) // step * step, step)


def is_time(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.DatetimeTZDtype)


def is_number(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column.dtype)) and not pd.api.types.is_bool_dtype(column.dtype)


def is_text(column: pd.Series) -> bool:
    return bool(pd.api.types.is_string_dtype(column.dtype))
