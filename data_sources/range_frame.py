"""A frame from the body of Prometheus's `query` and `query_range`.

Nearly all of such a body is `[1767571800,"0.25"],` a million times over, and an object for each is what makes
JSON decoders slow on it. So the numbers are cut out, one block a series, and read as an Arrow array of texts that
lie in the body itself; what remains is a small JSON document, the skeleton, which is parsed and checked as usual. A
body that does not fit this (spaces between tokens, a value that is no number) is parsed as JSON altogether: slower,
with the same outcome.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
import pyarrow as pa

from data_sources.prometheus.query_cost import query_cost

# In JSON text a quote inside a string has a backslash before it, so no label's text holds this mark unescaped.
OPENS, CLOSES = b'"values":[[', b"]]"
CHUNK_BYTES = 2**20  # of blocks read at once: fits the processor's cache
MAX_JSON_BYTES = 16 * 2**20  # parsed into Python objects, JSON takes up to twenty times its size
MAX_CELLS = 2**27  # rows x labels of a tidy frame
EARLIEST, LATEST = -62_135_596_800, 253_402_300_799  # the years 1 to 9999, which is what ISO 8601 can write

TIME = pd.DatetimeTZDtype("ms", "UTC")
Times = npt.NDArray[np.int64]  # milliseconds since the epoch
Values = npt.NDArray[np.float64]
Points = tuple[Times, Values]
Block = tuple[int, int]  # where in the body a series' numbers begin and end

_readers = ThreadPoolExecutor(2, thread_name_prefix="range-frame")


class Undecodable(ValueError):
    """The body is not an answer to a query; the text says how."""


class TooLarge(Undecodable):
    """It may be one, but would not fit in memory."""


@dataclass(frozen=True)
class Result:
    """A decoded answer.

    `kind` matrix or vector: `frame` has `time` (datetime64[ms, UTC]), one categorical column a label (sorted by
    name; missing where a series lacks it), `value` (float64); series after series in the server's order, each in
    the order of time. A hole has no row, `NaN` is NaN. A label named `time` or `value` is `exported_time` or
    `exported_value`. `kind` scalar or string: one row of `time` and `value` (float64, or text). `cost`: see query_cost.
    """

    kind: str
    frame: pd.DataFrame
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    cost: Mapping[str, int] = field(default_factory=dict)


def read_result(body: bytes, labels: Sequence[str] = ()) -> Result:
    """Decodes an answer of status success. A frame has the columns `labels` also when no series has them.

    Raises Undecodable and nothing else.
    """
    blocks = list(find_blocks(body))
    try:
        return assemble(load(skeleton(body, blocks)), read_blocks(body, blocks), labels)
    except (Undecodable, pa.ArrowInvalid):
        if not blocks:
            raise
        return assemble(load(body), [], labels)


def find_blocks(body: bytes) -> Iterator[Block]:
    end = 0
    while (start := body.find(OPENS, end)) >= 0:
        start += len(OPENS)
        end = body.find(b"}", start) - len(CLOSES)  # one character is found ten times faster than two
        if not body.startswith(CLOSES, end):  # histograms follow the values
            end = body.find(CLOSES, start)
        if end < 0:
            raise Undecodable("breaks off in the middle")
        yield start, end


def skeleton(body: bytes, blocks: Sequence[Block]) -> bytes:
    """The body with each block replaced by its number: `"values":[[0]]`, `"values":[[1]]` ..."""
    edges = [0, *(edge for block in blocks for edge in block), len(body)]
    view = memoryview(body)
    parts: list[memoryview | bytes] = []
    for number, (start, end) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
        parts += [view[start:end], b"%d" % number]
    return b"".join(parts[:-1])


def load(document: bytes) -> Any:
    if len(document) > MAX_JSON_BYTES:
        raise TooLarge("is too large to be read safely")
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError as exc:
        raise Undecodable("is broken JSON" if document.startswith(b"{") else "is not JSON") from exc


def read_blocks(body: bytes, blocks: Sequence[Block]) -> list[Points]:
    """The points of each block, read a chunk of blocks at a time. Raises ArrowInvalid or Undecodable."""
    chunks: list[list[Block]] = []
    size = CHUNK_BYTES
    for block in blocks:
        if size >= CHUNK_BYTES:
            chunks.append([])
            size = 0
        chunks[-1].append(block)
        size += block[1] - block[0]
    return [points for chunk in _readers.map(lambda chunk: read_chunk(body, chunk), chunks) for points in chunk]


def read_chunk(body: bytes, blocks: Sequence[Block]) -> list[Points]:
    view = memoryview(body)
    text = b"],[".join([view[start:end] for start, end in blocks])
    quotes = np.flatnonzero(np.frombuffer(text, np.uint8) == ord('"')).astype(np.int32)
    if len(quotes) % 2 or text[-1:] != b'"':
        raise Undecodable("holds points that are not pairs")
    # where `1,"2"],[3,"4"` is cut into the fields `1` `,"` `2` `"],[` `3` `,"` `4`
    cuts = np.zeros((len(quotes) // 2, 4), np.int32)
    cuts[1:, 0] = quotes[1:-1:2] + len('"],[')
    cuts[:, 1] = quotes[::2] - 1
    cuts[:, 2] = quotes[::2] + 1
    cuts[:, 3] = quotes[1::2]
    if np.any(np.diff(cuts.ravel()) < 0):
        raise Undecodable("holds points that are not pairs")
    count = cuts.size - 1
    every_second = pa.py_buffer(b"\x55" * (count // 8 + 1))  # Arrow's mask: the fields between numbers are missing
    fields = pa.StringArray.from_buffers(count, pa.py_buffer(cuts), pa.py_buffer(text), every_second)
    numbers = np.frombuffer(fields.cast(pa.float64()).buffers()[1], np.float64, count)
    times, values = milliseconds(numbers[::4]), numbers[2::4].copy()
    lengths = [end - start + len("],[") for start, end in blocks]
    ends = np.searchsorted(quotes, np.cumsum(lengths)) // 2
    return [(times[start:end], values[start:end]) for start, end in pairwise([0, *ends])]


def milliseconds(seconds: npt.NDArray[Any]) -> Times:
    if len(seconds) and not (seconds.min() >= EARLIEST and seconds.max() <= LATEST):  # NaN is neither
        raise Undecodable("holds a time outside the years 1 to 9999")
    return np.rint(seconds * 1000.0).astype(np.int64)


def assemble(document: Any, blocks: Sequence[Points], labels: Sequence[str]) -> Result:
    match document:
        case {"status": "success", "data": {"resultType": str(kind), "result": list(result), **rest}}:
            cost = query_cost(rest.get("stats"))
            warnings, infos = texts(document, "warnings"), texts(document, "infos")
            if document.get("isPartial"):  # VictoriaMetrics
                warnings += ("The answer is partial: a part of the storage did not answer",)
        case _:
            raise Undecodable("is not an answer to a query")
    match kind, result:
        case "matrix", _:
            points = [series_points(series, blocks) for series in result]
            warnings += hidden_histograms(sum(map(histograms, result)))
        case "vector", _:
            points = [read_pairs([one["value"]] if "value" in one else []) for one in map(checked, result)]
            warnings += hidden_histograms(sum("histogram" in one for one in result))
        case "scalar", _:
            return Result(kind, tidy_frame([{}], [read_pairs([result])], ()), warnings, infos, cost)
        case "string", [_, str(text)]:
            times, _ = read_pairs([[result[0], "NaN"]])
            return Result(kind, pd.DataFrame({"time": as_times(times), "value": [text]}), warnings, infos, cost)
        case _:
            raise Undecodable("is of a kind that is not known")
    return Result(kind, tidy_frame([series["metric"] for series in result], points, labels), warnings, infos, cost)


def checked(series: Any) -> dict[str, Any]:
    match series:
        case {"metric": dict(metric)} if all(isinstance(text, str) for text in metric.values()):
            return dict(series)
    raise Undecodable("holds a series without labels")


def series_points(series: Any, blocks: Sequence[Points]) -> Points:
    match checked(series).get("values", []):
        case [[int(number)]] if number < len(blocks):
            return blocks[number]
        case pairs:
            return read_pairs(pairs)


def histograms(series: Mapping[str, Any]) -> int:
    match series.get("histograms", []):
        case list(samples):
            return len(samples)
    raise Undecodable("holds histograms that are no list")


def read_pairs(pairs: Any) -> Points:
    try:
        seconds = np.array([float(second) for second, _ in pairs], np.float64)
        values = np.array([float(text) for _, text in pairs], np.float64)
    except (TypeError, ValueError) as exc:
        raise Undecodable("holds a point that is not a time and a number") from exc
    return milliseconds(seconds), values


def texts(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = document.get(key)
    return tuple(text for text in found if isinstance(text, str)) if isinstance(found, list) else ()


def hidden_histograms(count: int) -> tuple[str, ...]:
    """A native histogram is no number; which of its sums or quantiles to show is for the query to say."""
    return (f"{count:,} native histogram samples are not shown: ask for histogram_quantile() of them",) if count else ()


def tidy_frame(metrics: Sequence[Mapping[str, str]], points: Sequence[Points], labels: Sequence[str]) -> pd.DataFrame:
    """`time`, the labels, `value`; see Result. `metrics` and `points` go together, a pair a series."""
    names = set(labels).union(*metrics)
    series = np.repeat(np.arange(len(points)), [len(times) for times, _ in points])
    if len(names) * len(series) > MAX_CELLS:
        raise TooLarge("has more labels than fit in memory")
    times = np.concatenate([np.empty(0, np.int64), *(times for times, _ in points)])
    values = np.concatenate([np.empty(0), *(values for _, values in points)])
    if not all(np.all(own[1:] > own[:-1]) for own, _ in points):
        order = np.lexsort((times, series))  # stable: of points at one time, the last sent stays last and is kept
        order = order[np.append((np.diff(times[order]) > 0) | (np.diff(series[order]) > 0), True)]
        series, times, values = series[order], times[order], values[order]
    columns = {column: label_column([metric.get(name) for metric in metrics]) for column, name in renamed(names)}
    rows = {column: columns[column].take(series) for column in sorted(columns)}
    return pd.DataFrame({"time": as_times(times), **rows, "value": values}, copy=False)


@cache
def empty_frame(labels: tuple[str, ...] = ()) -> pd.DataFrame:
    return tidy_frame([], [], labels)


def as_times(times: Times) -> pd.arrays.DatetimeArray:
    return pd.array(times.view("datetime64[ms]"), dtype=TIME, copy=False)  # tz_localize would copy, and so take longer


def label_column(texts: Sequence[str | None]) -> pd.Categorical:
    return pd.Categorical(pd.array(texts, dtype="str"))


def renamed(names: set[str]) -> Iterator[tuple[str, str]]:
    """Column and label name; `time` and `value` give way by `exported_`, as Prometheus does it itself."""
    for name in names:
        column = name
        while column in ("time", "value") or (column != name and column in names):
            column = f"exported_{column}"
        yield column, name
