"""A frame as JSON, in pieces: one object a row, beside what is known of the whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa

from exports.plain_values import is_unknown, iso_text, plain, special_name

BATCH_ROWS = 20_000  # rows as Python objects take some ten times their text


def json_chunks(
    meta: Mapping[str, Any], frame: pd.DataFrame, *, nan_is_data: bool = False, more: Iterable[pd.DataFrame] = ()
) -> Iterator[bytes]:
    """`{"meta": {...}, "rows": [{...}, ...]}`, a row a line.

    Times are ISO 8601 in UTC, durations seconds, unknowns null, numbers that are not finite the texts "NaN", "+Inf"
    and "-Inf". `nan_is_data` and `more` as in `csv_chunks`.
    """
    yield b'{"meta": %s,\n"rows": [' % orjson.dumps(plain(meta))
    between = b"\n"
    for rows in chain.from_iterable(json_rows(each, nan_is_data) for each in chain((frame,), more)):
        yield between + rows
        between = b",\n"
    yield b"\n]}\n"


def json_rows(frame: pd.DataFrame, nan_is_data: bool) -> Iterator[bytes]:
    names = [plain(str(name)) for name in frame.columns]
    for start in range(0, len(frame), BATCH_ROWS):
        batch = frame.iloc[start : start + BATCH_ROWS]
        columns = [json_values(batch.iloc[:, place], nan_is_data) for place in range(len(names))]
        rows = (orjson.dumps(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True))
        yield b",\n".join(rows)


def json_values(series: pd.Series, nan_is_data: bool) -> list[Any]:
    """The cells of a column as JSON's own values."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        names = [*json_values(pd.Series(series.cat.categories), nan_is_data), None]
        return [names[code] for code in series.cat.codes]  # the unknown has code -1
    match series.dtype.kind:
        case "M":
            return list(iso_text(pa.array(series)).to_pylist())
        case "m":
            return json_values(series.dt.total_seconds(), nan_is_data=False)
        case "f":
            numbers = pa.array(series, from_pandas=not nan_is_data).to_pylist()
            return [number if number is None or math.isfinite(number) else special_name(number) for number in numbers]
    return [None if is_unknown(value) else plain(value) for value in series.tolist()]
