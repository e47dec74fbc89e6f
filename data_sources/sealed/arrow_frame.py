"""A frame as the bytes of an Arrow IPC stream, and back to the same frame: dtypes, categories, NaN beside a hole.

Any Arrow reader reads them. What is read here may come from anybody: only the types we write are taken, whole and
uncompressed, so that a few bytes cannot become many.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

# A column's dtype (in its field's metadata) and the Arrow type that holds it. `object` is JSON: lists, mappings, None.
TYPES: dict[str, pa.DataType] = {
    "str": pa.large_string(),
    "object": pa.large_string(),
    "category": pa.dictionary(pa.int32(), pa.large_string()),
    "bool": pa.bool_(),
    "boolean": pa.bool_(),
    "int64": pa.int64(),
    "Int64": pa.int64(),
    "float64": pa.float64(),
    "Float64": pa.float64(),
    "datetime64[ms, UTC]": pa.timestamp("ms", "UTC"),
    "datetime64[us, UTC]": pa.timestamp("us", "UTC"),
}
DTYPE = b"dtype"
BROKEN = (pa.ArrowException, OSError, ValueError, TypeError, LookupError)  # what pyarrow and pandas say of broken bytes
SCHEMA, DICTIONARY, BATCH = 1, 2, 3  # MessageHeader of Arrow's Message.fbs


class BrokenFrame(ValueError):
    """The bytes are no frame that was written here; the text says how."""


def to_bytes(frame: pd.DataFrame) -> bytes:
    """Raises TypeError when a column has a dtype that no answer has. The index is not kept."""
    fields, columns = [], []
    for name, column in frame.items():
        kind = str(column.dtype)
        if kind not in TYPES:
            raise TypeError(f"column {name} has the dtype {kind}")
        fields.append(pa.field(str(name), TYPES[kind], metadata={DTYPE: kind}))
        columns.append(to_arrow(column, kind))
    schema = pa.schema(fields)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        stream.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    return bytes(sink.getvalue())


def to_arrow(column: pd.Series[Any], kind: str) -> pa.Array:
    match kind:
        case "category":
            codes = column.cat.codes.to_numpy().astype(np.int32)
            texts = pa.array(column.cat.categories.astype("str"), TYPES["str"])
            return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), texts)
        case "object":
            return pa.array([json.dumps(value, default=str) for value in column], TYPES[kind])
        case "float64" | "int64" | "bool":
            return pa.array(column.to_numpy(), TYPES[kind], from_pandas=False)  # NaN stays NaN
        case "Int64" | "boolean":
            return pa.array(column.array, TYPES[kind])
        case "Float64":
            values = column.to_numpy("float64", na_value=0.0)
            return pa.array(values, TYPES[kind], mask=column.isna().to_numpy(), from_pandas=False)
    return pa.array(column, TYPES[kind], from_pandas=True)


def from_bytes(body: bytes) -> pd.DataFrame:
    """Raises BrokenFrame and nothing else."""
    try:
        check_uncompressed(body)
        table = pa.ipc.open_stream(body).read_all()
        table.validate(full=True)
        if table.num_rows > 8 * len(body):  # a bit a row is the least a column takes
            raise BrokenFrame("has more rows than it has room for")
        fields = {field.name: kind_of(field) for field in table.schema}
        if len(fields) != table.num_columns:
            raise BrokenFrame("has two columns of one name")
        columns = {name: from_arrow(table[name].combine_chunks(), kind) for name, kind in fields.items()}
        return pd.DataFrame(columns, copy=False)
    except BrokenFrame:
        raise
    except (*BROKEN, struct.error, RecursionError, OverflowError, MemoryError) as exc:
        raise BrokenFrame(f"cannot be read ({type(exc).__name__})") from exc


def kind_of(field: pa.Field) -> str:
    kind: str = (field.metadata or {}).get(DTYPE, b"").decode()
    if kind not in TYPES or TYPES[kind] != field.type:
        raise BrokenFrame(f"has a column of type {field.type}, which none of ours has")
    return kind


def from_arrow(column: pa.Array, kind: str) -> Any:
    match kind:
        case "category":
            codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            return pd.Categorical.from_codes(codes, categories=pd.Index(column.dictionary.to_pandas(), dtype="str"))
        case "object":
            return pd.Series([json.loads(text) for text in column.to_pylist()], dtype="object")
        case "Float64":  # pandas would take NaN for a hole
            known = column.fill_null(0.0).to_numpy(zero_copy_only=False).copy()
            return pd.arrays.FloatingArray(known, column.is_null().to_numpy(zero_copy_only=False))
        case "Int64" | "boolean":
            return pd.api.types.pandas_dtype(kind).__from_arrow__(column)
    values = column.to_pandas() if kind.startswith(("str", "datetime")) else column.to_numpy(zero_copy_only=False)
    if str(values.dtype) != kind:
        raise BrokenFrame(f"has a hole in a column that knows none, or is {values.dtype} and not {kind}")
    return values


def check_uncompressed(body: bytes) -> None:
    """Raises BrokenFrame when a message of the stream is compressed: what it becomes then, it says itself.

    pyarrow does not tell, so it is read from the message's flatbuffer (format/Message.fbs in Arrow).
    """
    for message in pa.ipc.MessageReader.open_stream(body):
        data = message.metadata.to_pybytes()
        root = struct.unpack_from("<I", data)[0]
        kind, header = data[place(data, root, 1)], follow(data, place(data, root, 2))
        if kind not in (SCHEMA, DICTIONARY, BATCH):
            raise BrokenFrame("is no table")
        if kind == DICTIONARY:
            header = follow(data, place(data, header, 1))
        if kind != SCHEMA and place(data, header, 3):
            raise BrokenFrame("is compressed inside")


def place(data: bytes, table: int, number: int) -> int:
    """Where the field of that number stands in a flatbuffer's table; 0 when it is left out."""
    layout = table - struct.unpack_from("<i", data, table)[0]
    slot = 4 + 2 * number
    if slot >= struct.unpack_from("<H", data, layout)[0]:
        return 0
    offset: int = struct.unpack_from("<H", data, layout + slot)[0]
    return table + offset if offset else 0


def follow(data: bytes, at: int) -> int:
    return at + int(struct.unpack_from("<I", data, at)[0])
