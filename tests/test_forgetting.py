"""What nothing names any more goes, and nothing else: not what comes into use while it is looked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest

from data_sources.config import Cluster, Secret
from data_sources.history.place import place
from data_sources.history.task_record import TaskRecord
from data_sources.schema import STATES
from recorder import forgetting, interned, names
from recorder.batch import Batch, Sample
from recorder.database import Row
from recorder.forgetting import Forgetting
from recorder.names import OTHER, WORKER
from recorder.retention import Keep, Retention
from recorder.rollups import Rollups
from recorder.store import Store
from recorder.thinning import Thinning

SECOND_US = 1_000_000
DAY = 86_400
START = 1_800_000_000 // DAY * DAY
SUCCESS, STARTED = STATES.index("SUCCESS"), STATES.index("STARTED")


@pytest.fixture
def store(history_url: Secret) -> Iterator[Store]:
    with closing(Store.open(place(history_url, Cluster()))) as opened:
        yield opened


def finished(id: str, at: int, worker: str) -> TaskRecord:
    at_us = at * SECOND_US
    return TaskRecord(id, SUCCESS, at_us, finished_us=at_us, name="shop.pay", queue="mail", worker=worker)


def under_way(id: str, at: int, worker: str) -> TaskRecord:
    return TaskRecord(id, STARTED, at * SECOND_US, started_us=at * SECOND_US, name="shop.pay", worker=worker)


def slots(worker: str, at: int) -> Sample:
    return Sample(at, "slots", "worker", worker, 4.0)


def work_off(chore: Rollups | Thinning | Retention | Forgetting, now: int) -> None:
    while chore.step(now * SECOND_US):
        pass


def workers(store: Store) -> set[str]:
    return {text for (text,) in store.database.query("SELECT text FROM names WHERE kind = ?", (WORKER,))}


def count(store: Store, table: str) -> int:
    return int(store.database.query(f"SELECT count(*) FROM {table}")[0][0])


def test_a_worker_of_which_nothing_is_kept_gives_its_name_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST", {**names.MOST, WORKER: 3})
    monkeypatch.setattr(forgetting, "TASKS_PIECE", 2)
    rollups = Rollups(store)
    store.write(Batch([finished("a", START, "w1@pod-1")], [slots("w1@pod-1", START)]))
    store.write(Batch([finished("b", START, "w1@pod-2")], [slots("w1@pod-2", START)]))
    work_off(rollups, START + 2 * 3_600)
    later = START + 402 * DAY
    alive = [finished(str(number), later + number, "w1@pod-3") for number in range(5)]
    store.write(Batch([*alive, under_way("c", later, "w1@pod-3")], [slots("w1@pod-3", later)]))
    work_off(rollups, later + 2 * 3_600)
    work_off(Retention(store, Keep()), later + 60)
    work_off(Thinning(store, 10**12), later + 60)
    assert workers(store) == {"w1@pod-1", "w1@pod-2", "w1@pod-3"}
    before = {table: store.database.query(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in ("tasks", "rollups")}

    chore = Forgetting(store, rollups.cells)
    assert not chore.step(later * SECOND_US)
    work_off(chore, later + DAY)

    assert workers(store) == {"w1@pod-3"}
    assert (count(store, "cells"), count(store, "series")) == (1, 1)
    for table, rows in before.items():
        assert store.database.query(f"SELECT * FROM {table} ORDER BY 1, 2, 3") == rows
    store.write(Batch([finished("d", later + DAY, "w1@pod-4")]))
    assert workers(store) == {"w1@pod-3", "w1@pod-4"}
    assert OTHER not in workers(store)


def test_what_goes_is_struck_off_and_the_table_not_read_again_for_each_piece(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interned, "PIECE", 2)
    store.write(Batch(samples=[slots(f"w{number}", START) for number in range(9)]))
    read, query = list[str](), store.database.query

    def noted(statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        read.append(statement)
        return query(statement, parameters)

    monkeypatch.setattr(store.database, "query", noted)
    store.series.watch()
    (kept,) = (number for (_, _, text), number in store.series.ids().items() if text == "w3")
    deleting = store.series.drop_unused({kept})
    next(deleting)
    store.write(Batch(samples=[slots("w7", START + 10)]))
    assert len(list(deleting)) == 3

    assert {text for (text,) in query("SELECT text FROM series")} == {"w3", "w7", "w8"}
    assert {text for _, _, text in store.series.ids()} == {"w3", "w7", "w8"}
    assert "SELECT * FROM series" not in read


@pytest.mark.parametrize("steps", range(1, 9))
def test_what_comes_into_use_while_it_is_looked_for_stays(store: Store, steps: int) -> None:
    """At whatever step of the pass."""
    rollups = Rollups(store)
    store.write(Batch([finished("a", START, "old")], [slots("old", START)]))
    store.write(Batch([finished("b", START, "last")], [slots("last", START)]))
    work_off(rollups, START + 2 * 3_600)
    later = START + 402 * DAY
    store.write(Batch([finished("c", later, "last")], [slots("last", later)]))
    work_off(rollups, later + 2 * 3_600)
    work_off(Retention(store, Keep()), later + 60)
    work_off(Thinning(store, 10**12), later + 60)

    chore, now = Forgetting(store, rollups.cells), later + DAY
    chore.step(later * SECOND_US)
    for _ in range(steps):
        chore.step(now * SECOND_US)
    store.write(Batch([finished("d", later + 10, "old")], [slots("old", later + 10)]))
    work_off(rollups, now)
    work_off(chore, now)

    cells = "SELECT text FROM rollups JOIN cells ON cells.id = cell JOIN names ON names.id = worker WHERE level = 3600"
    assert {text for (text,) in store.database.query(cells)} == {"last", "old"}
    assert store.known(["d"])["d"].worker == "old"
    assert {text for (text,) in store.database.query("SELECT text FROM series")} == {"last", "old"}
