"""What is thrown away for its age, when the clock is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.config import Cluster, Secret
from data_sources.history.place import place
from data_sources.history.task_record import TaskRecord
from data_sources.schema import STATES
from recorder import housekeeping
from recorder.batch import Batch, Sample
from recorder.careful_clock import MOST_SPEED, CarefulClock
from recorder.housekeeping import Housekeeping
from recorder.retention import Keep
from recorder.store import Store

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
START_US = 1_800_000_000 * SECOND_US // HOUR_US * HOUR_US
YEAR = 365 * 24 * 3_600


@dataclass
class Time:
    """What is lived through, and how far off the system's clock is; seconds."""

    lived: float = 0.0
    off: float = 0.0

    def system_us(self) -> int:
        return START_US + round((self.lived + self.off) * 1e6)

    def clock(self) -> CarefulClock:
        return CarefulClock(START_US, self.system_us, lambda: self.lived)


moves = st.lists(st.tuples(st.floats(0, 1e6), st.floats(-YEAR, YEAR)), max_size=20)


@given(moves)
def test_it_is_never_ahead_of_the_systems_clock_nor_far_ahead_of_what_was_lived_through(
    moves: list[tuple[float, float]],
) -> None:
    time = Time()
    clock = time.clock()
    before_us = clock.now_us()
    for passed, off in moves:
        time.lived += passed
        time.off = off
        now_us = clock.now_us()
        assert now_us <= time.system_us()
        assert now_us <= before_us + passed * MOST_SPEED * 1e6 + 1
        before_us = now_us


@given(moves)
def test_once_the_clock_is_right_it_is_caught_up(moves: list[tuple[float, float]]) -> None:
    time = Time()
    clock = time.clock()
    for passed, off in moves:
        time.lived += passed
        time.off = off
        clock.now_us()
    time.off = 0.0
    time.lived += YEAR  # of which it makes up for 23 at most
    clock.now_us()
    time.lived += 2 * YEAR

    assert clock.now_us() == time.system_us()


@pytest.fixture
def store(history_url: Secret) -> Iterator[Store]:
    with closing(Store.open(place(history_url, Cluster()))) as opened:
        yield opened


def finished(at_us: int) -> TaskRecord:
    return TaskRecord(str(at_us), STATES.index("SUCCESS"), at_us, finished_us=at_us, runtime_us=7)


@pytest.mark.parametrize("jump", [3_600, 30 * 24 * 3_600, 3 * YEAR])
def test_a_clock_that_jumps_ahead_and_is_put_right_costs_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    time = Time()
    monkeypatch.setattr(housekeeping, "now_us", time.system_us)
    monkeypatch.setattr(housekeeping, "EVERY_SECONDS", 0.0)
    old = [finished(START_US - age * HOUR_US) for age in range(1, 150)]
    store.write(Batch(old, [Sample(START_US // SECOND_US, "depth", "", "", 1.0)]))
    keeping = Housekeeping(store, Keep(timedelta(days=7), 10**12), time.clock())

    def live(seconds: int) -> None:
        for _ in range(seconds):
            time.lived += 1
            for _ in range(10):
                keeping.step()

    def kept() -> list[int]:
        """Roll-ups of 10 s go some minutes early."""
        counted = ("tasks", "rollups WHERE level > 10", "samples")
        return [int(store.database.query(f"SELECT count(*) FROM {one}")[0][0]) for one in counted]

    live(30)
    before = kept()
    time.off = jump
    live(30)
    time.off = 0
    live(30)

    assert kept() == before
    assert before[0] == 149
    store.write(Batch([finished(time.system_us())]))
    assert store.refused == 0


def test_what_is_old_goes_a_day_each_hour_after_a_long_time_off(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time(off=30 * 24 * 3_600)
    monkeypatch.setattr(housekeeping, "now_us", time.system_us)
    monkeypatch.setattr(housekeeping, "EVERY_SECONDS", 0.0)
    store.write(Batch([finished(START_US - age * HOUR_US) for age in range(1, 25)]))
    keeping = Housekeeping(store, Keep(timedelta(hours=12), 10**12), time.clock())

    def left() -> int:
        for _ in range(40):
            keeping.step()
        return int(store.database.query("SELECT count(*) FROM tasks")[0][0])

    assert left() == 12
    time.lived += 1_800
    assert left() == 0
