"""What gets coarser with age keeps its means and sums."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from data_sources.config import Cluster, Secret
from data_sources.history_place import place
from data_sources.schema import STATES
from data_sources.task_record import TaskRecord
from recorder.batch import Batch, Gap, Sample
from recorder.rollups import Rollups
from recorder.store import Store
from recorder.thinning import Thinning

START = 1_800_000_000 // 86_400 * 86_400
DAY = 86_400


@pytest.fixture
def store(history_url: Secret) -> Iterator[Store]:
    with closing(Store.open(place(history_url, Cluster()))) as opened:
        yield opened


def thin(store: Store, now: int) -> None:
    thinning = Thinning(store)
    while thinning.step(now * 1_000_000):
        pass


def kept(store: Store, measure: str) -> list[tuple[int, int, float, float]]:
    rows = store.database.query(
        "SELECT level, at - ?, value, span FROM samples JOIN series ON series.id = series WHERE measure = ?"
        " ORDER BY level, at",
        (START, measure),
    )
    return [(level, at, value, span) for level, at, value, span in rows]


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
