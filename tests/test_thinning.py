"""What gets coarser with age keeps its means and sums."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data_sources.config import Cluster, Secret
from data_sources.history.place import place
from data_sources.history.sample_rows import unpacked
from data_sources.history.task_record import TaskRecord
from data_sources.schema import LEVELS, STATES
from recorder.batch import Batch, Gap, Sample
from recorder.rollups import Rollups
from recorder.store import Store
from recorder.thinning import LAYERS, LEAST_SECONDS, Thinning, fitting

START = 1_800_000_000 // 86_400 * 86_400
DAY = 86_400


@pytest.fixture
def store(history_url: Secret) -> Iterator[Store]:
    with closing(Store.open(place(history_url, Cluster()))) as opened:
        yield opened


def thin(store: Store, now: int, size_bytes: int = 2 * 10**9) -> None:
    thinning = Thinning(store, size_bytes)
    while thinning.step(now * 1_000_000):
        pass


def kept(store: Store, measure: str) -> list[tuple[int, int, float, float]]:
    """Level, seconds since START, value and span, where there is one series."""
    rows = store.database.query(
        'SELECT level, at - ?, series, "values", spans FROM samples WHERE measure = ? ORDER BY level, at',
        (START, measure),
    )
    return [(level, at, *sample) for level, at, *arrays in rows for sample in unpacked(*arrays).values()]


def test_gauges_become_means_and_counts_become_sums(store: Store) -> None:
    store.write(
        Batch(
            samples=[
                sample
                for place, value in enumerate([2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 100.0])
                for sample in (
                    Sample(START + place * 10, "depth", "queue", "mail", value),
                    Sample(START + place * 10, "accepted", "", "", value),
                )
            ]
        )
    )
    thin(store, START + DAY + 600)
    assert kept(store, "depth") == [(60, 0, 7.0, 60.0), (60, 60, 100.0, 10.0)]
    assert kept(store, "accepted") == [(60, 0, 42.0, 60.0), (60, 60, 100.0, 10.0)]

    thin(store, START + 14 * DAY + 3_600)
    [(*when, mean, span)] = kept(store, "depth")
    assert (when, span) == ([600, 0], 70.0)
    assert mean == pytest.approx(142 / 7)
    assert kept(store, "accepted") == [(600, 0, 142.0, 70.0)]

    thin(store, START + 402 * DAY)
    assert kept(store, "depth") == []


def test_what_is_young_stays(store: Store) -> None:
    store.write(Batch(samples=[Sample(START, "depth", "", "", 1.0)]))

    thin(store, START + DAY)

    assert kept(store, "depth") == [(10, 0, 1.0, 10.0)]


def test_a_late_sample_joins_what_is_thinned_already(store: Store) -> None:
    store.write(Batch(samples=[Sample(START, "accepted", "", "", 3.0)]))
    thin(store, START + 2 * DAY)
    store.write(Batch(samples=[Sample(START + 10, "accepted", "", "", 4.0)]))
    thin(store, START + 2 * DAY)

    assert kept(store, "accepted") == [(60, 0, 7.0, 20.0)]


def test_minutes_stay_while_rows_of_their_time_are_kept(store: Store) -> None:
    finished_us = START * 1_000_000
    store.write(Batch([TaskRecord("a", STATES.index("SUCCESS"), finished_us, finished_us=finished_us)]))
    rollups = Rollups(store)
    while rollups.step((START + DAY) * 1_000_000):
        pass

    def levels() -> list[int]:
        return [level for (level,) in store.database.query("SELECT level FROM rollups ORDER BY level")]

    assert levels() == [10, 60, 3600]
    thin(store, START + 2 * DAY)
    assert levels() == [60, 3600]
    thin(store, START + 20 * DAY)
    assert levels() == [60, 3600]
    store.keep_from((START + DAY) * 1_000_000)
    thin(store, START + 20 * DAY)
    assert levels() == [3600]
    thin(store, START + 402 * DAY)
    assert levels() == []


def test_gaps_are_kept_as_long_as_what_they_explain(store: Store) -> None:
    store.write(Batch(gaps=[Gap("events", START * 1_000_000, START * 1_000_000 + 1, "x"), Gap("queues", 5, None, "y")]))

    thin(store, START + 399 * DAY)
    assert store.database.query("SELECT count(*) FROM gaps") == [(2,)]
    thin(store, START + 401 * DAY)
    assert store.open_gaps() == [Gap("queues", 5, None, "y")]


@given(
    rates=st.tuples(*[st.floats(0, 1e6)] * 6),
    ages=st.tuples(*[st.floats(0, 400.0 * DAY)] * 6),
    most_bytes=st.floats(0, 1e12),
)
@example(
    rates=(0.0, 38432.25, 0.0, 218.75, 0.0, 0.0),
    ages=(0.0, 19131568.0, 0.0, 651994.5, 0.0, 0.0),
    most_bytes=654813535387.0,
)
def test_roll_ups_and_samples_fit_or_are_down_to_the_least_and_the_finest_go_first(
    rates: tuple[float, ...], ages: tuple[float, ...], most_bytes: float
) -> None:
    rate, longest = dict(zip(LAYERS, rates, strict=True)), dict(zip(LAYERS, ages, strict=True))
    kept = fitting(rate, longest, most_bytes)

    least = {layer: min(longest[layer], LEAST_SECONDS[layer[1]]) for layer in LAYERS}
    assert all(least[layer] * (1 - 1e-9) <= kept[layer] <= longest[layer] for layer in LAYERS)
    fits = sum(rate[layer] * kept[layer] for layer in LAYERS) <= most_bytes * (1 + 1e-6) + 1
    cut = [number for number, layer in enumerate(LAYERS) if kept[layer] < longest[layer]]
    for number, layer in enumerate(LAYERS):
        if rate[layer] and (not fits or any(coarser > number for coarser in cut)):
            assert kept[layer] == pytest.approx(least[layer])


def test_many_roll_ups_of_a_small_history_lose_their_finest_first(store: Store) -> None:
    """An hour of rows every ten seconds, in a history with room for less."""
    times = range(START, START + 2 * 3_600, 10)
    success = STATES.index("SUCCESS")
    for first in range(0, len(times), 100):
        store.write(
            Batch(
                [
                    TaskRecord(str(at), success, at * 1_000_000, finished_us=at * 1_000_000)
                    for at in times[first : first + 100]
                ]
            )
        )
    rollups = Rollups(store)
    while rollups.step((START + 3 * 3_600) * 1_000_000):
        pass

    def oldest(level: int) -> int:
        return int(store.database.query("SELECT min(at) FROM rollups WHERE level = ?", (level,))[0][0]) - START

    now = START + 2 * 3_600
    thin(store, now)
    assert [oldest(level) for level in LEVELS] == [0, 0, 0]
    thin(store, now, size_bytes=10_000)
    assert [oldest(level) for level in LEVELS] == [3_600, 0, 0]


def test_samples_of_many_queues_in_a_small_history_become_minutes_early(store: Store) -> None:
    """Two hours of 200 queues, in a history with room for less."""
    times = range(START, START + 2 * 3_600, 10)
    queues = [f"queue {number}" for number in range(200)]
    for first in range(0, len(times), 60):
        moments = times[first : first + 60]
        store.write(Batch(samples=[Sample(at, "depth", "queue", queue, 3.0) for at in moments for queue in queues]))

    def reach(level: int) -> tuple[int, int] | None:
        [(first, last)] = store.database.query("SELECT min(at), max(at) FROM samples WHERE level = ?", (level,))
        return None if first is None else (first - START, last - START)

    now = START + 2 * 3_600
    thin(store, now)
    assert (reach(10), reach(60)) == ((0, 7_190), None)
    thin(store, now, size_bytes=1_000_000)
    assert (reach(10), reach(60)) == ((3_600, 7_190), (0, 3_540))
