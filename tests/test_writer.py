"""The thread that writes a history when its file fails, and a recorder of several when one of them does."""

from __future__ import annotations

import errno
import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import recorder.run
import recorder.store
import recorder.writer
from data_sources import settings
from data_sources.config import Cluster, Secret, Settings
from data_sources.events.celery_events import TaskEvent
from data_sources.history.place import SqlitePlace, place
from data_sources.microseconds import now_us
from demo.servers import wait_until
from recorder import reserve, sqlite_database
from recorder.careful_clock import CarefulClock
from recorder.database import StoreFull
from recorder.gaps import Gaps
from recorder.housekeeping import Housekeeping
from recorder.inbox import Inbox
from recorder.retention import Keep
from recorder.run import Recorder
from recorder.salvage import salvage
from recorder.store import Store
from recorder.writer import Writer
from tests.recording import Look
from tests.test_recorder_faults import fill
from tests.watching import NOTHING

NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RETRY_SECONDS", "TASKS_SECONDS", "WAIT_SECONDS", "BUSY_WAIT_SECONDS"):
        monkeypatch.setattr(recorder.writer, name, 0.05)


@pytest.fixture
def file(tmp_path: Path) -> SqlitePlace:
    found = place(Secret(f"sqlite://{tmp_path / 'history'}"), Cluster())
    assert isinstance(found, SqlitePlace)
    return found


@contextmanager
def writing(where: SqlitePlace) -> Iterator[Inbox]:
    inbox, store = Inbox(), Store.open(where)
    keeping = Housekeeping(store, Keep(), CarefulClock(now_us()))
    writer = Writer(store, where, inbox, Gaps("default"), keeping)
    writer.start()
    try:
        yield inbox
    finally:
        writer.stop()


def finish(inbox: Inbox, where: SqlitePlace, *ids: str) -> None:
    """Tells of these tasks, and waits until they are there."""
    inbox.put_events([TaskEvent("succeeded", id, now_us(), name="shop.pay") for id in ids])
    wait_until(lambda: set(ids) <= set(tasks(where)), "the tasks")


def tasks(where: SqlitePlace) -> list[str]:
    """None while there is no file, or one that is just begun."""
    try:
        return [id for (id,) in Look(where).rows("SELECT id FROM tasks")]
    except sqlite3.OperationalError:
        return []


def once(failure: Exception, then: Callable[..., Any]) -> Callable[..., Any]:
    """Like `then`, but raises the first time."""
    failures = [failure]

    def call(*arguments: object) -> object:
        if failures:
            raise failures.pop()
        return then(*arguments)

    return call


@pytest.mark.parametrize("fails", ["set aside", "salvage"])
def test_a_new_history_that_cannot_be_begun_is_begun_as_soon_as_it_can_be_and_has_what_was_saved(
    file: SqlitePlace, fails: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with writing(file) as inbox:
        finish(inbox, file, "before")
        if fails == "set aside":
            monkeypatch.setattr(Path, "rename", once(OSError(errno.EIO, "it is broken"), Path.rename))
        else:
            monkeypatch.setattr(recorder.store, "salvage", once(StoreFull("it is broken"), salvage))
        copy = file.path.with_suffix(".copy")
        shutil.copy(file.path, copy)
        copy.replace(file.path)  # who writes on would write where nobody reads
        finish(inbox, file, "after")

        assert set(tasks(file)) == {"before", "after"}
        assert "it is broken" in caplog.text
        ((reason,),) = Look(file).rows("SELECT reason FROM gaps WHERE source = 'recorder'")
        assert "1 tasks were saved" in reason
        assert len(list(file.path.parent.glob("*.corrupt-*Z"))) == 1


def test_on_a_full_disk_the_oldest_tasks_make_room_for_new_ones_and_the_log_says_what_to_do(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    small = ("PRAGMA wal_autocheckpoint = 10", "PRAGMA journal_size_limit = 0")
    monkeypatch.setattr(sqlite_database, "SETTINGS", (*sqlite_database.SETTINGS, *small))
    monkeypatch.setattr(reserve, "BYTES", 400_000)
    monkeypatch.setattr(reserve, "AMPLE", 2)
    file = place(Secret(f"sqlite://{small_disk}/history"), Cluster())
    assert isinstance(file, SqlitePlace)
    hour_ago_us, step_us = now_us() - 3_600_000_000, 3_000_000
    old = [TaskEvent("succeeded", f"old {n}", hour_ago_us + n * step_us, result="x" * 200) for n in range(1_000)]
    look = Look(file)
    with writing(file) as inbox:
        inbox.put_events(old)
        wait_until(lambda: len(tasks(file)) == len(old), "the tasks")
        wait_until(lambda: look.rows("SELECT count(*) FROM dirty WHERE level = 60") == [(0,)], "their roll-ups")
        wait_until(lambda: any(small_disk.rglob("*.reserve")), "the reserve")
        fill(small_disk / "filler")

        for number in range(20):
            finish(inbox, file, *(f"new {number} {other}" for other in range(50)))

    assert not any(small_disk.rglob("*.reserve"))
    assert 0 < sum(id.startswith("old") for id in tasks(file)) < len(old)
    assert look.rows("PRAGMA quick_check") == [("ok",)]
    assert str(file.path) in caplog.text
    assert "HISTORY_SIZE" in caplog.text


def recorded(folder: Path, *clusters: str) -> Settings:
    """Of clusters without a broker, each with a file in `folder`."""
    config = folder / "clusters.toml"
    config.write_text("".join(f'[clusters.{name}]\ncelery_broker_url = "{NOBODY}"\n' for name in clusters))
    return settings.load({**NOTHING, "HISTORY_URL": f"sqlite://{folder}"}, config)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_recorder_whose_writer_has_died_ends_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer, "_turn", once(RuntimeError("a fault of ours"), Writer._turn))
    running = Recorder(recorded(tmp_path, "shop"))
    running.start()
    try:
        wait_until(lambda: running.failure is not None, "its end")
        assert "ended by a fault" in str(running.failure)
        assert running.ending.is_set()
    finally:
        running.stop()


def test_a_cluster_whose_file_is_bad_is_given_up_alone_and_taken_up_again_when_it_is_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(recorder.run, "AGAIN_SECONDS", 0.1)
    given = recorded(tmp_path, "shop", "mail")
    shop, place_of_mail = (place(given.history_url, cluster) for cluster in given.clusters)
    mail = Path(place_of_mail.address)
    running = Recorder(given)
    mail.mkdir()
    running.start()
    try:
        wait_until(lambda: "mail: given up" in caplog.text, "the failure")
        wait_until(lambda: Look(shop).state() is not None, "the other cluster")
        assert running.failure is None

        mail.rmdir()
        wait_until(lambda: mail.is_file() and Look(place_of_mail).state() is not None, "the cluster")
        assert str(mail) in caplog.text
        assert caplog.text.count("mail: given up") == 1
    finally:
        running.stop()
    assert running.failure is None
