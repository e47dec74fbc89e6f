"""Samples on a grid: what was sampled is read back, and a hole stays a hole."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.history.samples import RATE_WINDOW, Floats, last_values, rates

RATE_SECONDS = RATE_WINDOW.total_seconds()

gaps = st.lists(st.floats(0.5, 120, allow_nan=False), min_size=1, max_size=60)
steps = st.sampled_from([1, 5, 30, 60])


def times_after(gaps: list[float]) -> list[float]:
    return [round(float(second), 3) for second in np.cumsum(gaps)]


def grid(times: list[float], step: int) -> Floats:
    """From a step before the first to some after the last."""
    return np.arange(-step, times[-1] // step * step + 4 * step + 1, step, dtype=float)


def known(grid: Floats, values: Floats) -> dict[float, float]:
    """Seconds -> value; a hole has no key."""
    return {float(at): float(value) for at, value in zip(grid, values, strict=True) if not np.isnan(value)}


@given(gaps, st.data(), steps)
def test_a_gauge_reads_back_as_its_last_sample_while_that_is_fresh_and_else_as_a_hole(
    gaps: list[float], data: st.DataObject, step: int
) -> None:
    times = times_after(gaps)
    values = data.draw(st.lists(st.floats(-1e9, 1e9), min_size=len(times), max_size=len(times)))
    reach = data.draw(st.sampled_from([5.0, 15.0, 60.0]))
    asked = grid(times, step)

    expected = {}
    for moment in asked:
        past = [(t, v) for t, v in zip(times, values, strict=True) if t <= moment]
        if past and moment - past[-1][0] <= reach:
            expected[float(moment)] = past[-1][1]

    assert known(asked, last_values(np.array(times), np.array(values), asked, reach)) == expected


@given(gaps, st.data(), steps)
def test_a_rate_is_what_was_counted_by_the_seconds_it_was_counted_over(
    gaps: list[float], data: st.DataObject, step: int
) -> None:
    times = times_after(gaps)
    counts = data.draw(st.lists(st.integers(0, 10**9), min_size=len(times), max_size=len(times)))
    reach = data.draw(st.sampled_from([5.0, 15.0, 60.0]))
    asked = grid(times, step)
    samples = list(zip(times, counts, gaps, strict=True))

    expected = {}
    for moment in asked:
        recent = [one for one in samples if moment - max(reach, RATE_SECONDS) < one[0] <= moment]
        if any(moment - reach < second for second, *_ in recent):
            expected[float(moment)] = sum(c for _, c, _ in recent) / sum(span for *_, span in recent)

    got = rates(np.array(times), np.array(counts, float), np.array(gaps), asked, reach)
    assert known(asked, got) == pytest.approx(expected, rel=1e-9)


def gauge(samples: Mapping[float, float], asked: list[float], reach: float = 15.0) -> dict[float, float]:
    moments = np.array(asked, float)
    return known(moments, last_values(np.array([*samples]), np.array([*samples.values()], float), moments, reach))


def test_nothing_is_known_before_the_first_sample_nor_long_after_the_last() -> None:
    moments = [float(second) for second in range(0, 61, 5)]
    assert gauge({10: 3, 15: 4, 20: 5}, moments) == {10: 3, 15: 4, 20: 5, 25: 5, 30: 5, 35: 5}


def test_zero_is_a_value() -> None:
    assert gauge({0: 0, 120: 0}, [0, 60, 120], 60) == {0: 0, 60: 0, 120: 0}


def test_a_deep_queue_keeps_its_last_message() -> None:
    assert gauge({0: 2**24 + 1, 5: 123_456_789}, [0, 5]) == {0: 16_777_217, 5: 123_456_789}


def test_an_absurd_count_spoils_no_later_rate() -> None:
    times = np.arange(0.0, 65, 5)
    counted = np.where(times == 0, 1e300, 10.0)
    got = rates(times, counted, np.full_like(times, 5.0), times, 15.0)
    assert known(times, got)[60.0] == 2.0
