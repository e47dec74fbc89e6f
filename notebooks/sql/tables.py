"""Frames as the tables that SQL reads, and what it gives as frames."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_sources.range_frame import LATEST

TEXT, WHOLE, NUMBER = pa.string(), pa.int64(), pa.float64()
NAIVE, TIME = pa.timestamp("us"), pa.timestamp("us", "UTC")
KINDS = {WHOLE: pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype(), TEXT: pd.StringDtype(na_value=np.nan)}
DAY_SECONDS = 86_400
MONTH_DAYS = 30  # of an interval, as DuckDB's epoch() counts them


def stream_of(frame: pd.DataFrame) -> bytes:
    """`frame` in Arrow's stream format.

    Categories and texts become VARCHAR, times TIMESTAMP WITH TIME ZONE, durations seconds, and what is not known NULL;
    NaN too, as in SQL it is larger than any number. Lists and mappings stay what they are where all rows are alike.
    """
    columns = [arrow_column(frame.iloc[:, place]) for place in range(frame.shape[1])]
    table = pa.table(columns, names=[str(name) for name in frame.columns])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(memoryview(sink.getvalue()))


def arrow_column(series: pd.Series[Any]) -> pa.Array:
    if series.dtype.kind == "m":
        return pa.array(series.dt.total_seconds(), from_pandas=True)
    if series.dtype != object:
        return pa.array(series, from_pandas=True)
    known = [None if is_unknown(value) else value for value in series]
    try:
        array = pa.array(known)
    except (pa.ArrowException, OverflowError):
        array = pa.array([value if value is None else as_text(value) for value in known], TEXT)
    return array.cast(TEXT) if pa.types.is_null(array.type) else array


def is_unknown(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def frame_of(stream: bytes) -> pd.DataFrame:
    """Whole numbers are Int64, others float64, times datetime64[us, UTC] (one without a zone is UTC's), intervals
    seconds, texts str; lists and mappings stay what they are. A second column of a name is `name_2`.
    """
    table = pa.ipc.open_stream(stream).read_all()
    columns = zip(unique(table.column_names), table.columns, strict=True)
    return pd.DataFrame({name: pandas_column(column) for name, column in columns}, index=range(table.num_rows))


def unique(names: list[str]) -> list[str]:
    taken: list[str] = []
    for name in names:
        others = (f"{name}_{count}" for count in range(2, len(names) + 2))
        taken.append(name if name not in taken else next(other for other in others if other not in taken))
    return taken


def pandas_column(column: pa.ChunkedArray) -> pd.Series[Any]:
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return as_known(times(column))
    if pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        return as_known(whole_numbers(column))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return as_known(column.cast(NUMBER))
    if pa.types.is_interval(kind):
        return pd.Series(map(seconds, column.to_pylist()), dtype="float64")
    if pa.types.is_dictionary(kind):
        return as_known(column.cast(TEXT))
    if pa.types.is_boolean(kind) or pa.types.is_string(kind):
        return as_known(column)
    if pa.types.is_nested(kind):
        return pd.Series(column.to_pylist(), dtype=object)
    return pd.Series([None if value is None else str(value) for value in column.to_pylist()], dtype="str")


def as_known(column: pa.ChunkedArray) -> pd.Series[Any]:
    known: pd.Series[Any] = column.to_pandas(types_mapper=KINDS.get)
    return known


def times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without those that ISO 8601 cannot write, infinity among them."""
    moments = column.cast(NAIVE, safe=False) if column.type != TIME else column
    moments = moments.cast(TIME)
    beyond = pc.greater(pc.abs(moments.cast(WHOLE)), LATEST * 1_000_000)
    return pc.if_else(beyond, pa.scalar(None, TIME), moments)


def whole_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A sum has 128 bits; one that 64 do not hold is told as near as can be."""
    try:
        return column.cast(WHOLE)
    except pa.ArrowInvalid:
        return column.cast(NUMBER)


def seconds(interval: Any) -> float | None:
    if interval is None:
        return None
    days = interval.months * MONTH_DAYS + interval.days
    return float(days * DAY_SECONDS + interval.nanoseconds / 1e9)
