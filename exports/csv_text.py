"""A frame as CSV (RFC 4180, UTF-8), in pieces, without loss and without formulas.

Lines end in LF alone: every CSV reader takes either, while with CR LF the tools that go by lines (cut, awk, diff)
would carry a CR in the last column.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from exports.plain_values import TEXT, is_unknown, iso_text, plain, special_name

BATCH_ROWS = 50_000
SHARED = 4  # rows a time, from which on it is kept as text

# A text that begins so is a formula to a spreadsheet (OWASP, CSV injection), in full-width characters too.
FORMULA = "^[=+\\-@\\t\\r\\n＝＋－＠]"
NEEDS_QUOTES = '[",\\r\\n]'
# Arrow writes 17179869184 as 1.7179869184e+10; whole numbers are written out as far as they are exact.
WRITTEN_OUT = (1e10, 2.0**53)


def csv_chunks(frame: pd.DataFrame, *, nan_is_data: bool = False, more: Iterable[pd.DataFrame] = ()) -> Iterator[bytes]:
    """The header, then the rows of `frame` in pieces of some megabytes, then those of each of `more`, which have the
    same columns and are taken one at a time.

    Times are ISO 8601 in UTC, durations seconds, numbers bare and exact (`NaN`, `+Inf`, `-Inf`), booleans `true` and
    `false`, lists and mappings JSON, unknowns empty. NaN in a NumPy float column is an unknown too, unless
    `nan_is_data`: in a range result it is Prometheus's. A nullable column has another word for the unknown.
    """
    if frame.columns.empty:
        return
    yield csv_lines([quoted(inert(pa.array([plain(str(name))], TEXT))) for name in frame.columns])
    for each in chain((frame,), more):
        columns = [arrow_column(each.iloc[:, place], nan_is_data) for place in range(each.shape[1])]
        for start in range(0, len(each), BATCH_ROWS):
            yield csv_lines([column_text(column.slice(start, BATCH_ROWS)) for column in columns])


def csv_lines(columns: Sequence[pa.Array]) -> bytes:
    """Columns of cells as lines. Arrow keeps the texts of a column end to end: a column of lines is the CSV itself."""
    unknown = "" if len(columns) > 1 else '""'  # an empty line would be no row
    rows = pc.binary_join_element_wise(*columns, text(","), null_handling="replace", null_replacement=unknown)
    rows = pc.binary_join_element_wise(rows, text("\n"), text(""))
    return bytes(rows.buffers()[2][: pc.sum(pc.binary_length(rows)).as_py()])


def quoted(cells: pa.Array) -> pa.Array:
    needy = pc.match_substring_regex(cells, NEEDS_QUOTES)
    if not pc.any(needy).as_py():
        return cells
    doubled = pc.replace_substring(cells, '"', '""')
    return pc.if_else(needy, pc.binary_join_element_wise(text('"'), doubled, text('"'), text("")), cells)


def inert(cells: pa.Array) -> pa.Array:
    """Texts, with a quote before each that a spreadsheet would run as a formula."""
    formulas = pc.match_substring_regex(cells, FORMULA)
    if not pc.any(formulas).as_py():
        return cells
    return pc.if_else(formulas, pc.binary_join_element_wise(text("'"), cells, text("")), cells)


def arrow_column(series: pd.Series, nan_is_data: bool) -> pa.Array:
    """A column with nulls for the unknown; what comes many times (categories, objects, the times of series) as finished
    cells, dictionary-encoded.
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes = series.cat.codes.to_numpy()
        names = column_text(arrow_column(pd.Series(series.cat.categories), nan_is_data))
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), names)
    if series.dtype.kind == "m":
        return pa.array(series.dt.total_seconds(), from_pandas=True)
    if series.dtype == object:
        encoded = object_text(series).dictionary_encode()
        return pa.DictionaryArray.from_arrays(encoded.indices, quoted(encoded.dictionary))
    array = pa.array(series, from_pandas=not (nan_is_data and series.dtype.kind == "f"))
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return shared_times(array) if pa.types.is_timestamp(array.type) else array


def shared_times(times: pa.Array) -> pa.Array:
    """Times, written once each where many rows have the same."""
    encoded = times.dictionary_encode()
    if SHARED * len(encoded.dictionary) > len(times):
        return times
    return pa.DictionaryArray.from_arrays(encoded.indices, iso_text(encoded.dictionary))


def column_text(array: pa.Array) -> pa.Array:
    """The cells of a column as they stand in the file."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return array.dictionary_decode()  # finished by arrow_column
    if pa.types.is_floating(kind):
        return float_text(array)
    if pa.types.is_timestamp(kind):
        return iso_text(array)
    if pa.types.is_nested(kind):
        return quoted(object_text(array.to_pylist()))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return quoted(inert(array.cast(TEXT)))
    return array.cast(TEXT) if pa.types.is_primitive(kind) else quoted(array.cast(TEXT))


def float_text(array: pa.Array) -> pa.Array:
    """The shortest text that reads back to the same number."""
    texts = array.cast(TEXT)
    numbers = array.to_numpy(zero_copy_only=False)
    for special in (np.nan, np.inf, -np.inf):
        texts = pc.if_else(pc.equal(texts, str(special)), text(special_name(special)), texts)
    size = np.abs(numbers)
    large = (WRITTEN_OUT[0] <= size) & (size <= WRITTEN_OUT[1]) & (numbers == np.trunc(numbers))
    if large.any():
        whole = pa.array(np.where(large, numbers, 0).astype(np.int64)).cast(TEXT)
        texts = pc.if_else(pa.array(large), whole, texts)
    return texts


def object_text(values: Sequence[Any] | pd.Series) -> pa.Array:
    known = [None if is_unknown(value) else value for value in values]
    words = [plain(value) if isinstance(value, str | bytes) else None for value in known]
    others = [None if value is None or isinstance(value, str | bytes) else written(value) for value in known]
    return pc.coalesce(inert(pa.array(words, TEXT)), pa.array(others, TEXT))


def written(value: Any) -> str:
    simple = plain(value)
    return simple if isinstance(simple, str) else json.dumps(simple, ensure_ascii=False)


def text(value: str) -> pa.Scalar:
    return pa.scalar(value, TEXT)
