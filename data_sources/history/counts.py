"""The table `counts` as arrays, see data_sources/history/bucket_counts.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

NUMBER = np.dtype("<u4")

Whole = npt.NDArray[np.int64]


def unpacked(buckets: Sequence[Sequence[Any]]) -> tuple[Whole, Whole, Whole]:
    """Bucket, cell and count each, from `at`, `cells` and `counts` of rows."""
    cell, count = (np.frombuffer(b"".join(row[column] for row in buckets), NUMBER) for column in (1, 2))
    lengths = np.array([len(row[1]) for row in buckets], np.int64) // NUMBER.itemsize
    at = np.repeat(np.array([row[0] for row in buckets], np.int64), lengths)
    return at, cell.astype(np.int64), count.astype(np.int64)
