"""What goes wrong while it records: the server or the disk of the history, its file, the clock. Nothing is silent."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from sqlalchemy import text

import data_sources.microseconds
import recorder.follow
import recorder.inbox
import recorder.sqlite_database
from data_sources import settings
from data_sources.ask import Desk
from data_sources.config import Broker, Cluster, Secret
from data_sources.errors import SourceError
from data_sources.history.place import SqlitePlace, place
from data_sources.history.reader import HistoryReader
from data_sources.latest import RecorderState
from data_sources.query import History, Sources, Workers
from data_sources.task_query import Task, Tasks
from demo.servers import PostgreSQL, Process, Redis, wait_until
from recorder.run import Recorder
from tests.event_load import Publisher
from tests.reliability.kills import ROLLUPS, ROWS
from tests.test_recorder import send, worker_with_events
from tests.watching import LIVE, NOTHING, ROOT


class Past:
    """The history of one broker, as any reader sees it."""

    def __init__(self, broker_url: str, history_url: Secret) -> None:
        self.place = place(history_url, Cluster(broker=Broker.from_url(broker_url)))
        self.env = {**NOTHING, "CELERY_BROKER_URL": broker_url, "HISTORY_URL": history_url.reveal()}
        self._reader = HistoryReader(self.place)

    def rows(self, sql: str, **parameters: object) -> list[Sequence[Any]]:
        """None of them while it cannot be read."""
        try:
            with self._reader.reading() as connection:
                return [tuple(row) for row in connection.execute(text(sql), parameters)]
        except SourceError:
            return []

    def close(self) -> None:
        """Lets go of the file, until it is asked again."""
        self._reader.close()

    def state(self) -> RecorderState | None:
        rows = self.rows("SELECT body FROM latest WHERE kind = 'recorder'")
        return RecorderState.from_json(rows[0][0]) if rows else None

    def heard_by(self, pid: int) -> bool:
        """Whether the recorder in that process records, and listens."""
        state = self.state()
        return state is not None and state.pid == pid and state.hears

    def succeeded(self) -> list[str]:
        return [id for (id,) in self.rows("SELECT id FROM tasks WHERE state = 4")]

    def gaps(self, source: str) -> list[Sequence[Any]]:
        """start_us, end_us, reason, missed"""
        sql = "SELECT start_us, end_us, reason, missed FROM gaps WHERE source = :source ORDER BY start_us"
        return self.rows(sql, source=source)

    def wait_for(self, ids: Sequence[str]) -> None:
        wait_until(lambda: set(ids) <= set(self.succeeded()), "the tasks")
        assert len(self.succeeded()) == len(set(self.succeeded()))

    @contextmanager
    def recorded(self, folder: Path) -> Iterator[Process]:
        """By a process of its own, which records by now."""
        with Process("recorder", [sys.executable, "-m", "recorder"], folder, self.env, ROOT) as process:
            process.wait_until(lambda: self.heard_by(process.pid))
            yield process

    @contextmanager
    def recorded_here(self) -> Iterator[None]:
        """By this process, in which a test can change what the recorder goes by."""
        running = Recorder(settings.load(self.env))
        running.start()
        try:
            wait_until(lambda: self.heard_by(os.getpid()), "the recorder")
            yield
        finally:
            running.stop()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """One worker that sends events."""
    folder = tmp_path_factory.mktemp("shop")
    with Redis(folder / "redis") as server, worker_with_events(server.url, folder / "worker"):
        yield server


# ---- PostgreSQL as SQLite


def test_what_one_process_records_another_reads(shop: Redis, history_url: Secret, tmp_path: Path) -> None:
    past = Past(shop.url, history_url)
    desk = Desk(settings.load(past.env))
    desk.start()
    try:
        with past.recorded(tmp_path):
            sent = send(shop.url, 20)
            past.wait_for(sent)
            wait_until(
                lambda: desk.ask(Sources(), LIVE).frame["state"].tolist() == ["ok", "ok", "off", "ok"], "the sources"
            )
            tasks = desk.ask(Tasks(), LIVE, wait_seconds=60)
            assert set(tasks.frame["id"]) == set(sent)
            assert set(tasks.frame["state"]) == {"SUCCESS"}
            assert desk.ask(Task(sent[0]), LIVE, wait_seconds=60).frame["worker"].tolist() == ["w1@shop"]
            assert desk.ask(Workers(), LIVE).frame["worker"].tolist() == ["w1@shop"]
        with past.recorded(tmp_path):  # goes on with the same history
            past.wait_for(send(shop.url, 1))
            ((start_us, end_us, reason, _),) = past.gaps("recorder")
            assert end_us >= start_us
            assert reason == "the recorder was not running"
            throughput = History("throughput", "name")  # up to a moment that is over
            wait_until(lambda: set(desk.ask(throughput, LIVE).frame["name"]) == {"shop.refresh_token"}, "the chart")
    finally:
        desk.stop()


def test_killed_on_postgresql_another_takes_over_and_each_task_is_there_once_in_exact_roll_ups(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    with ExitStack() as running:
        broker = running.enter_context(Redis(tmp_path / "redis"))
        past = Past(broker.url, Secret(postgresql.new_database()))
        running.callback(past.close)
        first = running.enter_context(past.recorded(tmp_path / "first"))
        command = [sys.executable, "-m", "recorder"]
        second = running.enter_context(Process("second", command, tmp_path / "second", past.env, ROOT))
        second.wait_until(lambda: f"standing by: process {first.pid}" in second.log.read_text())
        with Publisher(tmp_path / "load", broker.url, "--rate", "300", "--upset"):
            wait_until(lambda: len(past.succeeded()) > 100, "tasks")
            until = (int(time.time()) + 30) // 60 * 60  # the minute before has tasks: they are dated up to 50 s back
            acknowledged = past.succeeded()
            first.signal(signal.SIGKILL)
            wait_until(lambda: (state := past.state()) is not None and state.pid == second.pid, "take-over")
            wait_until(lambda: len(past.succeeded()) > len(acknowledged) + 100, "more tasks")
        dirty = "SELECT at FROM dirty WHERE level = 60 AND at < :until"
        wait_until(lambda: (state := past.state()) is not None and not state.lag_seconds, "all in rows")
        wait_until(lambda: past.state() is not None and past.rows(dirty, until=until) == [], "the roll-ups")

        assert set(acknowledged) <= set(past.succeeded())
        assert past.rows("SELECT count(*) - count(DISTINCT id) FROM tasks") == [(0,)]
        for level in (10, 60):
            of_rows, of_rollups = (
                {row for row in past.rows(sql.format(level=level)) if row[0] < until} for sql in (ROWS, ROLLUPS)
            )
            assert of_rows == of_rollups
            assert of_rows
        assert [reason for _, _, reason, _ in past.gaps("recorder")] == ["the recorder was not running"]


def test_while_postgresql_restarts_events_wait_and_there_is_no_gap_in_them(shop: Redis, tmp_path: Path) -> None:
    with PostgreSQL(tmp_path / "postgresql") as server:
        past = Past(shop.url, Secret(server.new_database()))
        with past.recorded(tmp_path) as process:
            before = send(shop.url, 20)
            past.wait_for(before)
            server.end()
            meanwhile = send(shop.url, 20)
            process.wait_until(lambda: "the history cannot be written" in process.log.read_text())
            server.start_again()
            process.wait_until(lambda: "the history can be written again" in process.log.read_text())

            past.wait_for([*before, *meanwhile, *send(shop.url, 5)])
            assert past.gaps("events") == []
            wait_until(lambda: all(end for _, end, _, _ in past.gaps("workers")), "the gap's end")
            assert any("could not be written" in reason for _, _, reason, _ in past.gaps("workers"))
            state = past.state()
            assert state is not None
            assert state.dropped == 0
            assert process.log.read_text().count("lease taken") == 1


# ---- the disk


def test_on_a_full_disk_events_wait_what_is_dropped_is_a_gap_and_it_goes_on_when_there_is_room(
    shop: Redis, small_disk: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(recorder.inbox, "MOST_EVENTS", 60)
    monkeypatch.setattr(recorder.follow, "SLOW_SECONDS", 5.0)  # all that is dropped here makes one gap
    past = Past(shop.url, Secret(f"sqlite://{small_disk}/history"))
    with past.recorded_here():
        before = send(shop.url, 10)
        past.wait_for(before)
        fill(small_disk / "filler")
        wait_until(lambda: "the history cannot be written" in caplog.text, "a full disk")
        waiting = send(shop.url, 10)
        wait_until(lambda: (send(shop.url, 10), "gap in events" in caplog.text)[1], "more than there is room for")
        with redis.Redis.from_url(shop.url) as broker:  # else the worker may send more than there is room for once more
            wait_until(lambda: broker.llen("celery") == 0, "the work")
        (small_disk / "filler").unlink()
        wait_until(lambda: "the history can be written again" in caplog.text, "room")

        past.wait_for([*before, *waiting])
        wait_until(lambda: [missed for *_, missed in past.gaps("events")] not in ([], [None]), "the gap's end")
        past.wait_for(send(shop.url, 5))
        ((start_us, end_us, reason, missed),) = past.gaps("events")
        assert end_us > start_us
        assert "disk is full" in reason
        assert missed > 0
        assert past.rows("PRAGMA quick_check") == [("ok",)]
    assert caplog.text.count("lease taken") == 1


def fill(file: Path) -> None:
    """Until there is no room for a byte more."""
    with file.open("wb", buffering=0) as filler:
        for size in (64 * 1024, 512):
            try:
                while filler.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


def test_on_a_read_only_disk_it_ends_with_3_and_the_path_and_what_is_there_is_read(
    shop: Redis, small_disk: Path, tmp_path: Path
) -> None:
    past = Past(shop.url, Secret(f"sqlite://{small_disk}/history"))
    with past.recorded(tmp_path):
        sent = send(shop.url, 3)
        past.wait_for(sent)
    past.close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)

    env = {**os.environ, **past.env}
    command = [sys.executable, "-m", "recorder"]
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=180, check=False)

    assert ended.returncode == 3
    assert past.place.address in ended.stderr
    assert "Traceback" not in ended.stderr
    assert set(past.succeeded()) == set(sent)


# ---- the file


def test_a_file_that_was_damaged_is_set_aside_and_what_can_be_read_of_it_is_there(shop: Redis, tmp_path: Path) -> None:
    past = Past(shop.url, Secret(f"sqlite://{tmp_path}/history"))
    path = file_of(past)
    with past.recorded(tmp_path):
        sent = send(shop.url, 30)
        past.wait_for(sent)
        ((count,),) = past.rows("SELECT count(*) FROM tasks")
        past.close()  # then nothing stays in the WAL
    with closing(sqlite3.connect(path)) as file:
        ((page, size),) = file.execute(
            "SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'texts'"
        )
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)

    with past.recorded(tmp_path) as process:
        past.wait_for([*sent, *send(shop.url, 3)])
        reasons = [reason for _, _, reason, _ in past.gaps("recorder")]
        assert any(f"the file was damaged: {count} tasks were saved" in reason for reason in reasons)
        assert process.log.read_text().count("lease taken") == 2
        (aside,) = path.parent.glob("*.corrupt-*Z")
        assert aside.read_bytes()[(page - 1) * size : page * size] == b"\xff" * size


def test_damage_that_is_met_while_it_records_does_not_end_it(
    shop: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ("PRAGMA cache_size = 0", "PRAGMA wal_autocheckpoint = 1")  # pages come from the file, and go there
    monkeypatch.setattr(recorder.sqlite_database, "SETTINGS", (*recorder.sqlite_database.SETTINGS, *small))
    past = Past(shop.url, Secret(f"sqlite://{tmp_path}/history"))
    path = file_of(past)
    with past.recorded_here():
        past.wait_for(send(shop.url, 30))
        past.close()
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(bytes(path.stat().st_size - 4096))
        wait_until(lambda: any(path.parent.glob("*.corrupt-*Z")), "the damage to be met")
        past.close()

        past.wait_for(send(shop.url, 3))
        assert any("the file was damaged" in reason for _, _, reason, _ in past.gaps("recorder"))


def test_a_file_that_was_removed_is_begun_again_and_says_so(shop: Redis, tmp_path: Path) -> None:
    past = Past(shop.url, Secret(f"sqlite://{tmp_path}/history"))
    with past.recorded(tmp_path):
        past.wait_for(send(shop.url, 3))
        past.close()
        for file in file_of(past).parent.glob("*.db*"):
            if file.suffix != ".lock":
                file.unlink()
        wait_until(lambda: bool(past.gaps("recorder")), "a new file")

        past.wait_for(send(shop.url, 3))
        assert ["the file was removed" in reason for _, _, reason, _ in past.gaps("recorder")] == [True]


def file_of(past: Past) -> Path:
    assert isinstance(past.place, SqlitePlace)
    return past.place.path


# ---- the clock


def test_a_clock_that_is_set_back_and_ahead_costs_no_row_and_makes_no_gap_that_ends_before_it_begins(
    shop: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(off=0)
    clock.time_ns = lambda: time.time_ns() + clock.off * 10**9
    clock.monotonic = time.monotonic
    monkeypatch.setattr(data_sources.microseconds, "time", clock)
    past = Past(shop.url, Secret(f"sqlite://{tmp_path}/history"))
    with past.recorded_here(), redis.Redis.from_url(shop.url) as broker:
        sent = []
        for number, off in enumerate((-3_600, 3_600, 0)):
            broker.client_kill_filter(_type="pubsub")
            wait_until(lambda: len(past.gaps("events")) > number, "a gap")  # noqa: B023
            clock.off = off
            wait_until(lambda: all(end for _, end, _, _ in past.gaps("events")), "its end")
            sent += send(shop.url, 5)
            past.wait_for(sent)
        gaps = past.gaps("events")
        assert len(gaps) == 3
        assert all(0 <= end_us - start_us < 1_800_000_000 for start_us, end_us, _, _ in gaps)
        state = past.state()
        assert state is not None
        assert (state.dropped, state.refused) == (0, 0)
