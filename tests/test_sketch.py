"""Sketches of durations: within their bound, and the same however they are put together."""

from __future__ import annotations

import pytest
from ddsketch import DDSketch
from hypothesis import given
from hypothesis import strategies as st

from data_sources.history.sketch import ACCURACY, joined, packed
from data_sources.history.sketches import merged

durations_us = st.lists(st.integers(0, 400 * 86_400 * 1_000_000), min_size=1, max_size=60)


@given(durations_us, st.floats(0, 1))
def test_a_quantile_is_within_one_percent_of_the_value_of_its_rank(values: list[int], quantile: float) -> None:
    true = sorted(values)[int(quantile * (len(values) - 1))] / 1_000_000

    found = merged([packed(values)]).get_quantile_value(quantile)

    assert found == pytest.approx(true, rel=ACCURACY + 1e-9)


@given(st.lists(durations_us, max_size=8))
def test_parts_put_together_are_the_whole(parts: list[list[int]]) -> None:
    blobs = [packed(part) for part in parts]

    assert joined(blobs) == packed([value for part in parts for value in part])


@given(durations_us)
def test_the_bins_are_the_librarys(values: list[int]) -> None:
    library = DDSketch(ACCURACY)
    for value in values:
        library.add(value / 1_000_000)
    ours = merged([packed(values)])

    quantiles = [place / 20 for place in range(21)]
    assert [ours.get_quantile_value(q) for q in quantiles] == [library.get_quantile_value(q) for q in quantiles]


def test_nothing_has_no_quantile() -> None:
    assert packed([]) is None
    assert joined([None, None]) is None
    assert merged([None]).get_quantile_value(0.5) is None
