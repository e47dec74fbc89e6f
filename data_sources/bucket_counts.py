"""What the table `counts` holds: how many tasks of each cell a bucket of the roll-ups counts, in two arrays.

A month of hours of some thousand cells is millions of roll-ups; so they are read in a twentieth of their time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

NUMBER = np.dtype("<u4")

Whole = npt.NDArray[np.int64]


def packed(rollups: Iterable[Sequence[Any]]) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Rows of `counts`, from a level, bucket, cell and count each, in whatever order."""
    buckets: defaultdict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for level, at, cell, count in rollups:
        buckets[level, at].append((cell, count))
    for (level, at), held in buckets.items():
        cells, counts = np.array(held, NUMBER).T
        yield level, at, cells.tobytes(), counts.tobytes()


def unpacked(buckets: Sequence[Sequence[Any]]) -> tuple[Whole, Whole, Whole]:
    """Bucket, cell and count each, from `at`, `cells` and `counts` of rows."""
    cell, count = (np.frombuffer(b"".join(row[column] for row in buckets), NUMBER) for column in (1, 2))
    lengths = np.array([len(row[1]) for row in buckets], np.int64) // NUMBER.itemsize
    at = np.repeat(np.array([row[0] for row in buckets], np.int64), lengths)
    return at, cell.astype(np.int64), count.astype(np.int64)
