"""Counts of buckets come back from their arrays as they went in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from data_sources.history.bucket_counts import packed
from data_sources.history.counts import unpacked

numbers = st.integers(0, 2**32 - 1)
cells_of_buckets = st.dictionaries(st.tuples(st.integers(0, 2**40), numbers), numbers)


@given(cells_of_buckets)
def test_what_is_packed_is_unpacked(counts: dict[tuple[int, int], int]) -> None:
    rows = packed((60, at, cell, count) for (at, cell), count in counts.items())
    read = unpacked([row[1:] for row in rows])

    found = list(zip(*(column.tolist() for column in read), strict=True))
    assert sorted(found) == sorted((at, cell, count) for (at, cell), count in counts.items())
