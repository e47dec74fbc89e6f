"""Roll-ups equal their rows, to the integer and at every moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources import schema
from data_sources.config import Cluster, Secret
from data_sources.history.counts import unpacked
from data_sources.history.place import place
from data_sources.history.sketch import packed
from data_sources.history.task_record import TaskRecord
from data_sources.schema import STATES
from recorder.batch import Batch
from recorder.database import StoreFailed
from recorder.rollups import GRACE_SECONDS, Rollups
from recorder.store import FINAL, Store

START_US = 1_800_000_000_000_000 // 3_600_000_000 * 3_600_000_000
MINUTE_US = 60_000_000
LATER_US = START_US + 30 * 3_600_000_000

Sums = dict[tuple[Any, ...], list[int]]


@pytest.fixture
def store(history_url: Secret) -> Iterator[Store]:
    with closing(Store.open(place(history_url, Cluster()))) as opened:
        yield opened


def empty(store: Store) -> None:
    with store.database.transaction():
        for name in ("tasks", "texts", "dirty", "rollups", "counts", "sketches"):
            store.database.execute(f"DELETE FROM {name}")


def roll_up(store: Store, now_us: int = LATER_US) -> int:
    rollups, steps = Rollups(store), 0
    while rollups.step(now_us):
        steps += 1
    return steps


def of_rows(store: Store, level: int) -> Sums:
    """Count, retries, waits and their sum, runtimes and theirs, of final rows by bucket and cell."""
    sums: Sums = defaultdict(lambda: [0] * 6)
    states = ", ".join(map(str, FINAL))
    for finished_us, retries, wait, runtime, *cell in store.database.query(
        "SELECT finished_us, retries, wait_us, runtime_us, coalesce(name, 0), coalesce(queue, 0), coalesce(worker, 0),"
        f" state FROM tasks WHERE finished_us IS NOT NULL AND state IN ({states})"
    ):
        at = finished_us // 1_000_000 // level * level
        new = (1, retries or 0, wait is not None, wait or 0, runtime is not None, runtime or 0)
        sums[at, *cell] = [old + more for old, more in zip(sums[at, *cell], new, strict=True)]
    return sums


def of_buckets(store: Store, level: int) -> Sums:
    rows = store.database.query(
        "SELECT at, name, queue, worker, state, count, retries, waits, wait_us, runtimes, runtime_us"
        " FROM rollups JOIN cells ON cells.id = cell WHERE level = ?",
        (level,),
    )
    arrays = store.database.query("SELECT counts.at, counts.cells, counts.counts FROM counts WHERE level = ?", (level,))
    counted = zip(*(column.tolist() for column in unpacked(arrays)), strict=True)
    plain = store.database.query("SELECT at, cell, count FROM rollups WHERE level = ?", (level,))
    assert sorted(counted) == sorted(plain)
    return {tuple(row[:5]): list(row[5:]) for row in rows}


def as_readers_see(store: Store, level: int) -> Sums:
    """Clean buckets from roll-ups; what is marked, from the rows."""
    mark = max(level, 60)  # ten seconds are marked with their minute
    marked = {at for (at,) in store.database.query("SELECT at FROM dirty WHERE level = ?", (mark,))}

    def is_marked(at: int) -> bool:
        return at // mark * mark in marked

    clean = {key: sums for key, sums in of_buckets(store, level).items() if not is_marked(key[0])}
    rest = {key: sums for key, sums in of_rows(store, level).items() if is_marked(key[0])}
    return clean | rest


def assert_exact(store: Store) -> None:
    for level in schema.LEVELS:
        assert as_readers_see(store, level) == of_rows(store, level)


def task(number: int, finished_us: int | None, state: str = "SUCCESS", **known: Any) -> TaskRecord:
    at_us = finished_us or START_US
    return TaskRecord(f"task{number}", STATES.index(state), at_us, finished_us=finished_us, **known)


tasks = st.builds(
    task,
    st.integers(0, 12),  # few, so that they are written again, elsewhere
    st.none() | st.integers(START_US, START_US + 150 * MINUTE_US),
    st.sampled_from(["SUCCESS", "FAILURE", "STARTED", "REVOKED"]),
    name=st.sampled_from([None, "a", "b"]),
    queue=st.sampled_from([None, "mail"]),
    worker=st.sampled_from([None, "w1", "w2"]),
    retries=st.sampled_from([None, 0, 3]),
    runtime_us=st.none() | st.integers(0, 10**12),
    sent_us=st.none() | st.integers(START_US - 10**9, START_US),
    started_us=st.none() | st.integers(START_US, START_US + 10**9),
)
moments = st.one_of(
    st.lists(tasks, min_size=1, max_size=8),
    st.integers(0, 160),  # roll up what is due after so many minutes, one step
    st.just("crash"),
)


class Crash(Exception):
    pass


@settings(max_examples=30)
@given(st.lists(moments, max_size=12))
def test_roll_ups_equal_rows_at_every_moment(store: Store, history: list[Any]) -> None:
    empty(store)
    rollups = Rollups(store)
    for moment in history:
        if moment == "crash":
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(rollups, "_write_sketches", lambda rows: crash())
                step_that_may_crash(rollups)
        elif isinstance(moment, int):
            rollups.step(START_US + moment * MINUTE_US)
        else:
            store.write(Batch(moment))
        assert_exact(store)
    roll_up(store)
    assert store.database.query("SELECT * FROM dirty") == []
    assert_exact(store)


def crash() -> None:
    raise Crash


def step_that_may_crash(rollups: Rollups) -> None:
    with suppress(Crash):
        rollups.step(LATER_US)


def test_after_a_crash_in_the_middle_the_same_is_made_by_the_next_recorder(
    history_url: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = place(history_url, Cluster())
    with closing(Store.open(where)) as store:
        store.write(Batch([task(1, START_US, name="a"), task(2, START_US + 1, name="b")]))
        rollups = Rollups(store)
        monkeypatch.setattr(rollups, "_write_sketches", lambda rows: crash())
        with pytest.raises(Crash):
            rollups.step(LATER_US)
        assert of_buckets(store, 60) == {}
    with closing(Store.open(where)) as store:
        assert_exact(store)
        assert roll_up(store) == 2
        assert_exact(store)
        assert sum(sums[0] for sums in of_buckets(store, 3600).values()) == 2


def test_a_minute_is_made_when_it_is_over_and_an_hour_after_its_minutes(store: Store) -> None:
    store.write(Batch([task(1, START_US)]))
    over_us = START_US + MINUTE_US + GRACE_SECONDS * 1_000_000
    rollups = Rollups(store)

    assert not rollups.step(over_us - 1)
    assert rollups.step(over_us)
    assert store.database.query("SELECT level FROM dirty") == [(3600,)]
    assert not rollups.step(over_us)
    assert rollups.step(over_us + 59 * MINUTE_US)
    assert store.database.query("SELECT level FROM dirty") == []


def test_sketches_are_those_of_the_rows(store: Store) -> None:
    runtimes = [1_000, 2_000_000, 0, 55, 2_000_000]
    store.write(Batch([task(n, START_US + n * 25_000_000, runtime_us=runtime) for n, runtime in enumerate(runtimes)]))
    roll_up(store)

    hour = store.database.query("SELECT wait, runtime FROM sketches WHERE level = 3600")
    minutes = store.database.query("SELECT runtime FROM sketches WHERE level = 60 ORDER BY at")
    assert hour == [(None, packed(runtimes))]
    assert minutes == [(packed(runtimes[:3]),), (packed(runtimes[3:]),)]


def test_a_transaction_that_failed_gave_no_numbers(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rollups = Rollups(store)
    store.write(Batch([task(1, START_US, name="a")]))
    with monkeypatch.context() as patched:

        def fail(rows: object) -> None:
            raise StoreFailed("no")

        patched.setattr(rollups, "_write_sketches", fail)
        with pytest.raises(StoreFailed):
            rollups.step(LATER_US)

    while rollups.step(LATER_US):
        pass

    assert_exact(store)
