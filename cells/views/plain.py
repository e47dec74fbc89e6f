"""Any frame as a table: all its columns, each drawn as its type, its unit and its name tell."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from cells.table import MOST_ROWS, Column, Table, records
from data_sources.answer import Answer
from data_sources.microseconds import ms
from exports.plain_values import special_name

OF_UNIT = {"bytes": "bytes", "s": "seconds", "1/s": "rate"}
CODES = ("id", "args", "kwargs", "result")
EMPTY = "Nothing was found."


def table(frame: pd.DataFrame, answers: Mapping[str, Answer]) -> Table:
    units = answers["rows"].units
    columns = tuple(Column(str(name), str(name), kind(frame[name], units.get(str(name), ""))) for name in frame)
    moments = {str(name): frame[name] for name in frame if pd.api.types.is_datetime64_any_dtype(frame[name])}
    rows = [
        [ms(value) if name in moments else told(value) for name, value in row.items()]
        for row in records(frame, special_name)
    ]
    return Table(columns, rows, (EMPTY,), left_out=max(0, len(frame) - MOST_ROWS))


def kind(values: pd.Series, unit: str) -> str:
    """Of a Column."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return "moment"
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        return "code" if values.name in CODES else "state" if values.name == "state" else "text"
    return OF_UNIT.get(unit, "number")


def told(value: object) -> object:
    """As JSON can write it."""
    return value if value is None or isinstance(value, int | float | str) else str(value)
