"""Rows go by age and by size; sums over roll-ups stay."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from uuid import uuid4

import pytest

from data_sources.config import Cluster, Secret
from data_sources.history.place import SqlitePlace, place
from data_sources.history.task_record import TaskRecord
from data_sources.schema import STATES
from recorder import retention
from recorder.batch import Batch
from recorder.retention import Keep, Retention
from recorder.rollups import Rollups
from recorder.store import Store

HOUR_US = 3_600_000_000
START_US = 1_800_000_000_000_000 // HOUR_US * HOUR_US
BIG = 10**12


@pytest.fixture
def store(history_url: Secret) -> Iterator[Store]:
    with closing(Store.open(place(history_url, Cluster()))) as opened:
        yield opened


def record(at_us: int, state: str = "SUCCESS", text: str = "") -> TaskRecord:
    finished_us = at_us if state == "SUCCESS" else None
    return TaskRecord(
        str(uuid4()), STATES.index(state), at_us, started_us=at_us, finished_us=finished_us, runtime_us=7, args=text
    )


def roll_up(store: Store, now_us: int) -> None:
    rollups = Rollups(store)
    while rollups.step(now_us):
        pass


def purge(store: Store, keep: Keep, now_us: int) -> int:
    steps, chore = 0, Retention(store, keep)
    while chore.step(now_us):
        steps += 1
        assert steps < 1_000
    return steps


def count(store: Store, table: str = "tasks") -> int:
    return int(store.database.query(f"SELECT count(*) FROM {table}")[0][0])


def sums(store: Store) -> dict[int, tuple[int, int]]:
    rows = store.database.query("SELECT level, sum(count), sum(runtime_us) FROM rollups GROUP BY level")
    return {level: (int(total), int(runtime_us)) for level, total, runtime_us in rows}


def test_rows_go_by_age_and_sums_stay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "CHUNK", 7)
    written = [record(START_US + number * 60_000_000, text="x") for number in range(120)]
    store.write(Batch([*written, record(START_US, "STARTED")]))
    now_us = START_US + 3 * HOUR_US
    roll_up(store, now_us)
    before = sums(store)

    purge(store, Keep(timedelta(hours=2), BIG), now_us)

    assert store.kept_from_us == START_US + HOUR_US
    assert (count(store), count(store, "texts")) == (60, 60)  # the one that never finished is gone too
    assert sums(store) == before
    assert {total for total, _ in before.values()} == {120}


def test_that_tasks_are_kept_for_less_time_than_before_is_told_once(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    for days in (7, 30, 7, 7):
        Retention(store, Keep(timedelta(days=days), BIG))

    assert [record.getMessage() for record in caplog.records] == ["HISTORY_KEEP is 7d and was 30d: older tasks go now"]


def test_a_purge_that_was_cut_short_goes_on(history_url: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "CHUNK", 7)
    where = place(history_url, Cluster())
    now_us = START_US + 9 * HOUR_US
    keep = Keep(timedelta(hours=1), BIG)
    with closing(Store.open(where)) as store:
        store.write(Batch([record(START_US + number) for number in range(20)]))
        roll_up(store, now_us)
        Retention(store, keep).step(now_us)
        assert count(store) == 13
    with closing(Store.open(where)) as store:
        store.write(Batch([record(START_US + 5)]))  # late: its minute is not made anew of the rows that are left
        assert store.refused == 1
        purge(store, keep, now_us)
        assert count(store) == 0
        assert sums(store)[60] == (20, 140)


def test_a_minute_that_is_not_rolled_up_keeps_its_rows(store: Store) -> None:
    store.write(Batch([record(START_US)]))

    purge(store, Keep(timedelta(hours=1), BIG), START_US + 9 * HOUR_US)

    assert count(store) == 1


def test_the_oldest_rows_go_when_all_together_is_too_big(store: Store) -> None:
    for hour in range(10):
        store.write(Batch([record(START_US + hour * HOUR_US + number, text="x" * 500) for number in range(1_000)]))
    now_us = START_US + 12 * HOUR_US
    roll_up(store, now_us)
    before, size = sums(store), store.database.size_bytes()
    keep = Keep(timedelta(days=7), size * 6 // 10)

    purge(store, keep, now_us)

    assert 3_000 <= count(store) <= 7_000
    assert store.database.query("SELECT min(last_us) FROM tasks")[0][0] >= store.kept_from_us > START_US
    assert sums(store) == before
    left = count(store)
    purge(store, keep, now_us)
    assert count(store) == left


def test_what_a_full_disk_had_room_for_is_known_after_a_restart_until_there_is_room_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_us, keep, hours = START_US + 24 * HOUR_US, Keep(timedelta(days=7), BIG), itertools.count()

    def purged() -> bool:
        """Whether a recorder that begins now deletes something, after some more hours."""
        for hour in itertools.islice(hours, 5):
            store.write(Batch([record(START_US + hour * HOUR_US + n, text="x" * 500) for n in range(1_000)]))
        roll_up(store, now_us)
        return purge(store, keep, now_us) > 0

    reserve = [False]
    monkeypatch.setattr(store.database, "shrink", lambda: False)
    monkeypatch.setattr(store.database, "fill_reserve", lambda: reserve.pop() if reserve else False)
    monkeypatch.setattr(store.database, "free_reserve", lambda: True)
    assert not purged()
    Retention(store, keep).make_room(now_us)

    assert purged()
    reserve.append(True)
    purge(store, keep, now_us)
    assert not purged()


def test_a_file_gives_its_space_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    where = place(Secret(f"sqlite://{tmp_path_factory.mktemp('history')}"), Cluster())
    assert isinstance(where, SqlitePlace)
    with closing(Store.open(where)) as store:
        store.write(Batch([record(START_US + number, text="x" * 2_000) for number in range(4_000)]))
        roll_up(store, START_US + 9 * HOUR_US)
        store.database.query("PRAGMA wal_checkpoint(TRUNCATE)")
        before = where.path.stat().st_size

        purge(store, Keep(timedelta(hours=1), BIG), START_US + 9 * HOUR_US)
        store.database.query("PRAGMA wal_checkpoint(TRUNCATE)")

        assert where.path.stat().st_size < before * 0.6
