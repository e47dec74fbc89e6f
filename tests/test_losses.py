"""What makes events missed beside a broker that is away: each is a gap that begins when all had been heard."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

import recorder.follow
from data_sources.config import Broker, Cluster, Secret, Settings
from data_sources.events import amqp_events
from data_sources.events.celery_events import TaskEvent, decode
from data_sources.history.place import SqlitePlace, place
from data_sources.microseconds import now_us
from demo.servers import RabbitMQ, Redis, wait_until
from recorder.batch import Gap
from recorder.follow import Follower
from recorder.gaps import Gaps
from recorder.inbox import Inbox
from recorder.live_tasks import LiveTasks
from recorder.run import Recorder
from tests.listening import say as publish
from tests.recording import Look
from tests.test_redis_events import CHANNEL
from tests.test_writer import finish, once, recorded, writing


class Stall:
    """Holds up the follower with the next messages it reads, until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began_us = 0
        self._goes_on = threading.Event()
        monkeypatch.setattr(recorder.follow, "decode", self._decode)

    def _decode(self, *given: Any, **named: Any) -> Any:
        self.began_us = self.began_us or now_us()
        self._goes_on.wait()
        return decode(*given, **named)

    def end(self) -> None:
        self._goes_on.set()


@contextmanager
def following(url: str, exchange: str = "celeryev") -> Iterator[Callable[[], list[Gap]]]:
    """The gaps that a follower of this broker has made and ended; it listens by now."""
    gaps, found = Gaps("shop"), list[Gap]()
    cluster = Cluster(broker=Broker.from_url(url, event_exchange=exchange))
    follower = Follower(cluster, Inbox(), gaps, {}, (), hide_arguments=False)

    def ended() -> list[Gap]:
        found.extend(gap for gap in gaps.take() if gap.end_us is not None)
        return found

    follower.start()
    try:
        wait_until(lambda: follower.hears, "the stream")
        yield ended
    finally:
        follower.stop()


def test_who_reads_too_slowly_and_is_dropped_has_missed_what_came_since_it_last_read_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stall = Stall(monkeypatch)
    with (
        Redis(tmp_path, ["--client-output-buffer-limit", "pubsub 1mb 1mb 1"]) as server,
        redis.Redis(port=server.port) as raw,
        following(server.url) as ended,
    ):
        raw.publish(CHANNEL, "x")
        wait_until(lambda: bool(stall.began_us), "the stall")
        wait_until(lambda: raw.publish(CHANNEL, "x" * 500_000) == 0, "the drop")
        stall.end()
        wait_until(lambda: bool(ended()), "the gap's end")
    assert ended()[0].start_us <= stall.began_us


@pytest.mark.parametrize("bound", ["time", "bytes"])
def test_what_rabbitmq_does_not_keep_for_who_stands_still_is_a_gap(
    rabbitmq: RabbitMQ, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    if bound == "time":
        monkeypatch.setitem(amqp_events.QUEUE, "x-message-ttl", 2_000)
    else:
        monkeypatch.setattr(amqp_events, "FULL_BYTES", 2_000)
    stall, exchange = Stall(monkeypatch), f"events-{bound}"
    with following(rabbitmq.url, exchange) as ended:
        publish(rabbitmq.url, "worker-online", exchange=exchange)
        wait_until(lambda: bool(stall.began_us), "the stall")
        if bound == "time":
            time.sleep(2.1)
        else:
            publish(rabbitmq.url, *["worker-online"] * 50, exchange=exchange)
        stall.end()
        publish(rabbitmq.url, "worker-online", exchange=exchange)
        wait_until(lambda: bool(ended()), "the gap's end")
    assert ended()[0].start_us <= stall.began_us
    assert ended()[0].reason == recorder.follow.LATE_REASON


def test_events_that_a_fault_of_ours_threw_away_are_a_gap_with_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = place(Secret(f"sqlite://{tmp_path}"), Cluster())
    assert isinstance(where, SqlitePlace)
    look = Look(where)
    with writing(where) as inbox:
        finish(inbox, where, "before")
        monkeypatch.setattr(LiveTasks, "absorb", once(RuntimeError("a fault of ours"), LiveTasks.absorb))
        lost_us = now_us()
        inbox.put_events([TaskEvent("succeeded", id, now_us()) for id in ("one", "other")])
        wait_until(lambda: bool(look.rows("SELECT 1 FROM gaps WHERE missed = 2")), "the gap's end")
        finish(inbox, where, "after")
        ((end_us, reason),) = look.rows("SELECT end_us, reason FROM gaps WHERE source = 'events'")
        assert end_us > lost_us
        assert "could not be written" in reason


@contextmanager
def recording(given: Settings) -> Iterator[None]:
    running = Recorder(given)
    running.start()
    try:
        yield
    finally:
        running.stop()


def test_a_recorder_that_cannot_read_what_the_one_before_said_tells_since_when_nothing_was_recorded(
    tmp_path: Path,
) -> None:
    given = recorded(tmp_path, "shop")
    where = place(given.history_url, given.clusters[0])
    assert isinstance(where, SqlitePlace)
    look = Look(where)
    with recording(given):
        wait_until(lambda: look.state() is not None, "the recorder")
        wait_until(lambda: bool(look.rows("SELECT 1 FROM gaps WHERE source = 'workers'")), "a gap")
    ((last_us,),) = look.rows("SELECT measured_us FROM latest WHERE kind = 'recorder'")
    with closing(sqlite3.connect(where.path)) as connection, connection:
        connection.execute("""UPDATE latest SET body = '{"of": "another version"}' WHERE kind = 'recorder'""")
    with recording(given):
        wait_until(lambda: bool(look.rows("SELECT 1 FROM gaps WHERE source = 'recorder'")), "the gap")
        ((start_us,),) = look.rows("SELECT start_us FROM gaps WHERE source = 'recorder'")
        assert start_us == last_us
        open_before = "SELECT count(*) FROM gaps WHERE end_us IS NULL AND start_us < ? AND source <> 'recorder'"
        assert look.rows(open_before, last_us) == [(0,)]
