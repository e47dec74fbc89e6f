"""Whether what must hold does: a measure of one column of another cell's answer, against a limit."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from charts.series import series_name
from data_sources.answer import Answer
from data_sources.note import listed
from data_sources.query import PromQL, Signal
from data_sources.scope import Window
from exports.plain_values import special_name
from notebooks.notebook import Threshold

UNKNOWN_SHARE = 0.05  # of the time, of which nothing may be known and a threshold still hold
LATE = timedelta(minutes=1)  # or two steps: how far before the end a series' last value may lie


def p95(values: pd.Series) -> float:
    """Between the two nearest, by numpy's own way; which makes NaN of infinities that are one of them, or both."""
    low, high = (float(np.percentile(values, 95, method=nearest)) for nearest in ("lower", "higher"))
    if math.isfinite(low) and math.isfinite(high):
        return float(np.percentile(values, 95))
    return low if low == high else low + high


# Of float64, in their order.
MEASURES: Mapping[str, Callable[[pd.Series], float]] = {
    "last": lambda values: float(values.iloc[-1]),
    "max": lambda values: float(values.max()),
    "min": lambda values: float(values.min()),
    "mean": lambda values: float(values.mean()),
    "sum": lambda values: float(values.sum()),
    "count": lambda values: float(len(values)),
    "p95": p95,
}
OPS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class Verdict:
    """`state`: holds, fails, or unknown, which is neither. `value` is that of the worst series, which `series` names
    ("" where there is one without labels); `why` is a sentence.
    """

    state: str
    why: str
    value: float | None = None
    unit: str = ""
    series: str = ""


class CannotTell(Exception):
    """Why it is not known whether a threshold holds."""


def judged(threshold: Threshold, answer: Answer) -> Verdict:
    """What is not known never holds: no answer, an old one, none of the column's values, or too much of the time."""
    unit = answer.units.get(threshold.column, "")
    try:
        check_known(answer)
        worst, series = worst_series(threshold, answer)
        holds = sure(threshold, worst, bound(threshold, answer))
        unknown = unknown_share(threshold, answer)
        if (holds or answer.frame.empty) and unknown > UNKNOWN_SHARE:
            raise CannotTell(f"of {unknown:.0%} of the time nothing is known")
    except CannotTell as reason:
        return Verdict("unknown", f"It cannot be told: {reason}", unit=unit)
    said = f"{measure_of(threshold)} is {spelled(worst, unit)}{f' ({series})' if series else ''}"
    limit = f"{threshold.op} {spelled(threshold.limit, unit)}"
    left_out = f"; of {unknown:.0%} of the time nothing is known" if round(unknown, 2) else ""
    return Verdict("holds" if holds else "fails", f"{said}; it must be {limit}{left_out}", worst, unit, series)


def measure_of(threshold: Threshold) -> str:
    return f"{threshold.measure} of {threshold.of}.{threshold.column}"


def spelled(value: float, unit: str) -> str:
    if math.isinf(value):
        return special_name(value)
    number = f"{value:,.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:,.6g}"
    return f"{number} {unit}".strip()


def check_known(answer: Answer) -> None:
    failure, measured_at = answer.failure, answer.measured_at
    if failure and measured_at:
        raise CannotTell(f"nothing newer is known than of {clock(measured_at)}: {failure.source}: {failure.what}")
    if failure:
        raise CannotTell(f"{failure.source}: {failure.what}")
    if measured_at is None:
        raise CannotTell("there is no answer yet")


def worst_series(threshold: Threshold, answer: Answer) -> tuple[float, str]:
    """The value that is furthest on the wrong side, and whose it is."""
    column = threshold.column
    if column not in answer.frame:
        there = listed(map(str, answer.frame.columns), 8) or "none"
        raise CannotTell(f"there is no column {column}; there is {there}")
    absent = [note.text for note in answer.notes if note.kind == "absent"]
    if answer.frame.empty:
        if absent or threshold.measure != "count" or (answer.window and not threshold.sparse):
            raise CannotTell(next(iter(absent), "there are no rows"))
        return 0.0, ""
    found = [(measured(threshold, values), name) for name, values in series_of(threshold, answer)]
    if not found:
        raise CannotTell(f"no value of {column} is known" + (" at the end" if threshold.measure == "last" else ""))
    return max(found, key=lambda one: badness(threshold, one[0]))


def measured(threshold: Threshold, values: pd.Series) -> float:
    with np.errstate(invalid="ignore"):  # infinities of both signs
        value = MEASURES[threshold.measure](values)
    if math.isnan(value):
        raise CannotTell(f"{measure_of(threshold)} is no number")
    return value


def badness(threshold: Threshold, value: float) -> float:
    distance = value - threshold.limit
    match threshold.op:
        case "<" | "<=":
            return distance
        case ">" | ">=":
            return -distance
        case "==":
            return abs(distance)
    return -abs(distance)


def series_of(threshold: Threshold, answer: Answer) -> Iterator[tuple[str, pd.Series]]:
    """Each series with a value, by its labels; of rows that are no series the column as a whole.

    What Prometheus says is no number (0/0) is no value. Of a column of a table it is a value that is not known.
    """
    frame, column = answer.frame, threshold.column
    if answer.window is None or "time" not in frame:
        yield "", known(threshold, frame[column])
        return
    labels = [name for name in frame.columns if name not in ("time", "value")]
    groups = frame.groupby(labels, observed=True, dropna=False, sort=False) if labels else [((), frame)]
    for key, rows in groups:
        values = numbers(threshold, rows[column])
        there = values.notna()
        if there.any() and not (threshold.measure == "last" and is_over(rows["time"][there].iloc[-1], answer.window)):
            names = key if isinstance(key, tuple) else (key,)
            yield series_name(dict(zip(labels, names, strict=True))), values[there]


def is_over(last: datetime, window: Window) -> bool:
    """Whether a series ended before the window did."""
    return last < window.end - max(LATE, 2 * window.step)


def known(threshold: Threshold, column: pd.Series) -> pd.Series:
    """The values of a table's column, in its order."""
    if threshold.measure == "count":
        return column.dropna()
    values = numbers(threshold, column)
    there = values.dropna()
    if there.empty:
        raise CannotTell(f"no value of {threshold.column} is known")
    if threshold.measure == "last":
        if math.isnan(values.iloc[-1]):
            raise CannotTell(f"the last value of {threshold.column} is not known")
        return values
    if len(there) < len(values) and threshold.measure not in ("max", "min"):
        raise CannotTell(f"{len(values) - len(there):,} of {len(values):,} values of {threshold.column} are not known")
    return there


def numbers(threshold: Threshold, column: pd.Series) -> pd.Series:
    if column.dtype.kind == "m":
        return column.dt.total_seconds()
    if threshold.measure == "count" and not pd.api.types.is_numeric_dtype(column.dtype):
        return column.notna().map({True: 1.0, False: np.nan})
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise CannotTell(f"{threshold.column} holds no numbers; they can be counted")
    return pd.Series(column.to_numpy(dtype="float64", na_value=np.nan), index=column.index)


def bound(threshold: Threshold, answer: Answer) -> str:
    """What the value is of the whole: `at least` or `at most`, where there are rows or values that are not known."""
    cut = answer.next is not None or any(note.kind == "cut" for note in answer.notes)
    column = answer.frame[threshold.column]
    unknown = answer.window is None and threshold.measure in ("max", "min") and bool(column.isna().any())
    if not cut and not unknown:
        return ""
    if threshold.measure in ("max", "count"):
        return "at least"
    if threshold.measure == "min":
        return "at most"
    raise CannotTell("there are more rows than were read")


def sure(threshold: Threshold, value: float, bound: str) -> bool:
    """Whether it holds, of a value that may be more, or less, than is known."""
    holds = OPS[threshold.op](value, threshold.limit)
    if not bound:
        return holds
    # what more of it can change: `at least` 5 is > 3 for good, and not < 3 for good
    grows = bound == "at least"
    beyond = value > threshold.limit if grows else value < threshold.limit
    helped = threshold.op in ((">", ">=") if grows else ("<", "<="))
    settled = (holds and helped) or (not holds and threshold.op in (("<", "<=") if grows else (">", ">=")))
    if settled or (beyond and threshold.op in ("==", "!=")):
        return holds
    raise CannotTell(f"{measure_of(threshold)} is {bound} {spelled(value, '')}, as some rows or values are not known")


def unknown_share(threshold: Threshold, answer: Answer) -> float:
    """Of the time: what lies in gaps, which a history tells of, or what Prometheus has no series for, unless that
    means that there is nothing.

    The last value is there, or it would not be: so of that nothing is unknown.
    """
    window = answer.window
    if window is None or window.start == window.end or threshold.measure == "last":
        return 0.0
    whole = window.end - window.start
    of_prometheus = type(answer.query) in (PromQL, Signal)  # a History, which is a Signal too, tells of its gaps
    seen = answer.frame["time"].nunique() * window.step if of_prometheus and not threshold.sparse else whole
    return max(unknown_time(answer, window) / whole, 1 - seen / whole)


def unknown_time(answer: Answer, window: Window) -> timedelta:
    """How much of the window lies in gaps, each moment counted once."""
    gaps = sorted(
        (max(note.start or window.start, window.start), min(note.end or window.end, window.end))
        for note in answer.notes
        if note.kind == "gap"
    )
    unknown, reached = timedelta(0), window.start
    for start, end in gaps:
        unknown += max(timedelta(0), end - max(start, reached))
        reached = max(reached, end)
    return unknown


def clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
