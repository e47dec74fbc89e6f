"""A range result with a column a series, as many people read one: side by side, a row a moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd

from data_sources.errors import BadParameter
from data_sources.prometheus.selectors import selector
from data_sources.range_frame import as_times

MAX_CELLS = 10_000_000  # times x series: a hole is written too, so that a body of 0.6 MB may have 121 million
MAX_SERIES = 16_384  # columns that a spreadsheet takes; to write a column takes far longer than to write a cell
HELD_CELLS = 2**21  # in memory together: as the text of a file some 200 MB


def wide_frames(tidy: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """`time` ascending, then a column a series, named by its PromQL selector (a second of one name: `{...} #2`): one
    frame after another, at least one, each of the times that follow, so that memory holds but one of them.

    Columns are Float64: a hole is NA, NaN is NaN. Raises BadParameter, before there is any, when they would be too
    large together: many series that share few times have a cell for each time of all of them.
    """
    labels = list(tidy.columns[1:-1])
    codes = np.array([tidy[label].cat.codes for label in labels], np.int64).reshape(len(labels), len(tidy))
    times, rows = np.unique(tidy["time"].astype("int64").to_numpy(), return_inverse=True)
    begins = np.ones(len(tidy), np.bool_)
    begins[1:] = (np.diff(rows) <= 0) | np.any(np.diff(codes) != 0, axis=0)
    columns, series = np.cumsum(begins) - 1, int(begins.sum())
    if series > MAX_SERIES or len(times) * series > MAX_CELLS:
        most = f"at most {MAX_SERIES:,} series and {MAX_CELLS:,} cells"
        raise BadParameter("shape", f"wide has {most}, not {series:,} series of {len(times):,} times; take tidy")
    headers, values = [*headers_of(tidy.loc[begins, labels])], tidy["value"].to_numpy()
    height = max(1, HELD_CELLS // max(1, series))

    def piece(start: int) -> pd.DataFrame:
        own = as_times(times[start : start + height])
        within = (rows >= start) & (rows < start + height)
        places = columns[within], rows[within] - start
        cells, holes = np.full((series, len(own)), np.nan), np.ones((series, len(own)), np.bool_)
        cells[places], holes[places] = values[within], False
        of_series = map(pd.arrays.FloatingArray, cells, holes)
        return pd.DataFrame({"time": own, **dict(zip(headers, of_series, strict=True))}, copy=False)

    return map(piece, range(0, max(1, len(times)), height))


def headers_of(series: pd.DataFrame) -> Iterator[str]:
    """The selector of each row of labels, no two alike."""
    seen = Counter(["time"])
    for present in series.to_dict("records"):
        header = selector({label: text for label, text in present.items() if isinstance(text, str)})
        seen[header] += 1
        yield header if seen[header] == 1 else f"{header} #{seen[header]}"
