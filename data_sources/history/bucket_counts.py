"""What the table `counts` holds: how many tasks of each cell a bucket of the roll-ups counts, in two arrays.

A month of hours of some thousand cells is millions of roll-ups; so they are read in a twentieth of their time.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any


def packed(rollups: Iterable[Sequence[Any]]) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Rows of `counts`, from a level, bucket, cell and count each, in whatever order."""
    buckets: defaultdict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for level, at, cell, count in rollups:
        buckets[level, at].append((cell, count))
    for (level, at), held in buckets.items():
        cells, counts = zip(*held, strict=True)
        numbers = struct.Struct(f"<{len(held)}I")
        yield level, at, numbers.pack(*cells), numbers.pack(*counts)
