"""Damage that a start does not see: who reads it says so, and the recorder saves what can be read."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import text

import recorder.housekeeping
from data_sources.config import Cluster, Secret
from data_sources.errors import SourceUnreachable
from data_sources.history.place import SqlitePlace, mark_beside, place
from data_sources.history.reader import HistoryReader
from data_sources.microseconds import now_us
from demo.servers import Redis, wait_until
from recorder import sqlite_database, suspicion
from recorder.batch import Batch
from recorder.careful_clock import CarefulClock
from recorder.database import StoreCorrupt
from recorder.housekeeping import Housekeeping
from recorder.retention import MINUTE_US, Keep
from recorder.store import Store
from tests.test_recorder_faults import Past
from tests.test_store import count, succeeded

TASKS = 3_000
YESTERDAY_US = now_us() // MINUTE_US * MINUTE_US - 24 * 60 * MINUTE_US
EXAMPLES = 300 if "RELIABILITY" in os.environ else 25
ALL = ("SELECT * FROM tasks LEFT JOIN texts USING (seq)", "SELECT * FROM names", "SELECT * FROM gaps")


@pytest.fixture
def file(tmp_path: Path) -> SqlitePlace:
    """A history of TASKS tasks."""
    where = place(Secret(f"sqlite://{tmp_path}/history"), Cluster())
    assert isinstance(where, SqlitePlace)
    fill(where)
    return where


@pytest.fixture
def short_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a start, as of a file that is far bigger."""
    monkeypatch.setattr(sqlite_database, "CHECK_SECONDS", 0.0)


def fill(where: SqlitePlace) -> None:
    with closing(Store.open(where)) as store:
        store.write(Batch([succeeded(f"{number:030d}", YESTERDAY_US) for number in range(TASKS)]))


def spoil_pages(path: Path) -> None:
    """A tenth of them, in the middle."""
    size = path.stat().st_size // 4096
    with path.open("r+b") as opened:
        opened.seek(size * 9 // 20 * 4096)
        opened.write(bytes(size // 10 * 4096))


def read_all(reader: HistoryReader) -> int:
    """How many tasks there are."""
    with reader.reading() as connection:
        tasks, *_ = [len(connection.execute(text(sql)).all()) for sql in ALL]
        return tasks


@pytest.mark.usefixtures("short_look")
def test_a_reader_that_meets_damage_tells_the_recorder_which_looks_through_the_file(file: SqlitePlace) -> None:
    with closing(HistoryReader(file)) as reader, closing(Store.open(file)) as store:
        store.database.heed_readers()
        spoil_pages(file.path)
        with pytest.raises(SourceUnreachable) as met:
            read_all(reader)
        assert met.value.hint == "The recorder reads it through, and saves what can be read"

        def is_found() -> bool:
            try:
                store.database.heed_readers()
            except StoreCorrupt as error:
                return str(file.path) in str(error)
            return False

        wait_until(is_found, "the damage")
        assert not mark_beside(file.path).exists()
        store.close()
        with closing(Store.anew(file)) as fresh:
            assert 0 < count(fresh) < TASKS
            assert read_all(reader) == count(fresh)


@pytest.mark.usefixtures("short_look")
def test_a_file_in_which_no_damage_is_found_is_kept_and_not_read_again_at_once(
    file: SqlitePlace, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    looks = threading.Semaphore(0)
    damage = suspicion.Suspicion._damage

    def look(self: suspicion.Suspicion) -> str:
        looks.release()
        return damage(self)

    monkeypatch.setattr(suspicion.Suspicion, "_damage", look)
    with closing(Store.open(file)) as store:
        for _ in range(3):
            assert file.suspect()
            store.database.heed_readers()
        assert looks.acquire(timeout=60)  # once
        assert not looks.acquire(blocking=False)
        wait_until(lambda: f"{file.path}: no damage was found" in caplog.messages, "what is found")
        for _ in range(3):
            store.database.heed_readers()
        assert mark_beside(file.path).exists()  # it is for later
        monkeypatch.setattr(cast(sqlite_database.SqliteDatabase, store.database)._suspicion, "_rests_until", 0.0)
        store.database.heed_readers()
        assert looks.acquire(timeout=60)
        assert count(store) == TASKS


def test_who_cannot_write_there_says_that_it_is_tried_again(file: SqlitePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqlitePlace, "suspect", lambda self: False)
    spoil_pages(file.path)
    with closing(HistoryReader(file)) as reader, pytest.raises(SourceUnreachable) as met:
        read_all(reader)
    assert met.value.hint == "It is tried again"


@pytest.mark.usefixtures("short_look")
def test_a_recorder_heals_what_a_reader_found_and_goes_on(
    redis_server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder.housekeeping, "EVERY_SECONDS", 0.1)
    past = Past(redis_server.url, Secret(f"sqlite://{tmp_path}/history"))
    assert isinstance(past.place, SqlitePlace)
    fill(past.place)
    with past.recorded_here(), closing(HistoryReader(past.place)) as reader:
        spoil_pages(past.place.path)
        with pytest.raises(SourceUnreachable):
            read_all(reader)

        def told() -> list[str]:
            return [reason for *_, reason, _ in past.gaps("recorder") if "damaged" in reason]

        wait_until(lambda: told() != [], "what it says of it")
        saved = read_all(reader)
        assert 0 < saved < TASKS
        aside = f"it was set aside as {past.place.path.name}.corrupt-"
        assert f"the file was damaged: {saved:,} tasks were saved; {aside}" in told()[0]
        since = time.time_ns() // 1000
        wait_until(lambda: past.rows("SELECT 1 FROM latest WHERE measured_us > :since", since=since) != [], "its life")


def flipped(path: Path, seed: int) -> None:
    """A few bits, wherever they are, the file's first page excepted, without which there is nothing to read."""
    chance = random.Random(seed)
    with path.open("r+b") as opened:
        for _ in range(chance.choice([1, 3, 30])):
            at = chance.randrange(4096, path.stat().st_size)
            opened.seek(at)
            (byte,) = opened.read(1)
            opened.seek(at)
            opened.write(bytes([byte ^ 1 << chance.randrange(8)]))


@pytest.mark.parametrize("seed", range(EXAMPLES))
@pytest.mark.usefixtures("short_look")
def test_bits_that_are_turned_over_never_end_the_recording_nor_the_reading(file: SqlitePlace, seed: int) -> None:
    """What is read may be wrong by that: SQLite keeps no sums over what it holds."""
    flipped(file.path, seed)
    reader, store = HistoryReader(file), Store.open(file)
    try:
        for tries in range(4):
            try:
                keep_house(store)
                store.known([f"{number:030d}" for number in range(TASKS)])
                store.write(Batch([succeeded(f"new {tries}", YESTERDAY_US)]))
                assert read_all(reader) > 0
                break
            except StoreCorrupt:
                store.close()
                store = Store.anew(file)
            except SourceUnreachable:
                wait_until(partial(is_at_rest, store), "the look")
        else:
            pytest.fail("it was not healed")
    finally:
        store.close()
        reader.close()


def keep_house(store: Store) -> None:
    keeping = Housekeeping(store, Keep(), CarefulClock(now_us()))
    for _ in range(3):
        keeping.step()


def test_what_a_chore_stumbles_over_ends_neither_the_others_nor_the_recording(
    file: SqlitePlace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorder.housekeeping, "EVERY_SECONDS", 0.0)
    done = []

    class Stumbles:
        def step(self, now_us: int) -> bool:
            raise ValueError("math domain error")

    class Works:
        def step(self, now_us: int) -> bool:
            done.append(now_us)
            return False

    with closing(Store.open(file)) as store:
        keeping = Housekeeping(store, Keep(), CarefulClock(now_us()))
        keeping._chores = [(Stumbles(), now_us), (Works(), now_us)]
        for _ in range(3):
            keeping.step()

    assert len(done) == 3
    assert len(caplog.messages) == 1


def test_a_number_in_which_bits_are_turned_over_is_not_counted_and_the_others_of_its_minute_are(
    file: SqlitePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder.housekeeping, "EVERY_SECONDS", 0.0)
    with closing(Store.open(file)) as store:
        store.database.execute("UPDATE tasks SET runtime_us = 'abc', wait_us = -5 WHERE seq = 1")
        store.database.execute("UPDATE tasks SET retries = x'00ff' WHERE seq = 2")
        keep_house(store)
        (counted,) = store.database.query("SELECT count, retries, waits, runtimes FROM rollups WHERE level = 60")
    assert counted == (TASKS, TASKS - 1, TASKS - 1, TASKS - 1)


def is_at_rest(store: Store) -> bool:
    """Whether the file is not being read through."""
    try:
        store.database.heed_readers()
    except StoreCorrupt:
        return True
    thread = cast(sqlite_database.SqliteDatabase, store.database)._suspicion._thread
    return thread is None or not thread.is_alive()


def test_a_text_in_which_bits_are_turned_over_is_read_as_what_is_left_of_it(file: SqlitePlace) -> None:
    with closing(Store.open(file)) as store:
        store.database.execute("UPDATE names SET text = CAST(x'73686f70ff' AS TEXT) WHERE id = 1")
        assert store.database.query("SELECT text FROM names WHERE id = 1") == [("shop\N{REPLACEMENT CHARACTER}",)]
    with closing(HistoryReader(file)) as reader:
        with pytest.raises(SourceUnreachable, match="UTF-8"):
            read_all(reader)
        assert read_all(reader) == TASKS


@pytest.fixture(autouse=True)
def no_more_threads() -> Iterator[None]:
    yield
    wait_until(lambda: not any("look through" in one.name for one in threading.enumerate()), "their end")
