"""Entries as each store really keeps them: workers' configuration, RedBeat's keys, django-celery-beat's tables."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from celery import Celery
from celery.schedules import crontab, schedule
from celery.worker.control import conf
from kombu.utils.json import dumps, loads
from redbeat import RedBeatSchedulerEntry
from redbeat.schedules import rrule
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from data_sources.config import Broker, Secret
from data_sources.errors import QueryRejected, SourceUnreachable
from data_sources.mask import mask
from data_sources.schedule.conf import merged, read_configured, read_form
from data_sources.schedule.database import open_readonly, read_database
from data_sources.schedule.entry import DATABASE, REDBEAT, WORKERS, Entry
from data_sources.schedule.forms import Crontab, Interval, Once, Other, Solar
from data_sources.schedule.redbeat import RedBeat, read_redbeat
from demo.servers import PostgreSQL, Redis

DUMPS = Path(__file__).parent / "responses" / "django_celery_beat"
BERLIN = "Europe/Berlin"


class Worker:
    """What a worker's control panel hands to its commands."""

    def __init__(self, **settings: Any) -> None:
        self.app = Celery(broker="redis://", set_as_current=False)
        self.app.conf.update(settings)

    def reply(self) -> dict[str, Any]:
        """To `conf`, over the wire."""
        said: dict[str, Any] = mask(loads(dumps(conf(self, with_defaults=True))), counts=True)
        return said


def configured(**settings: Any) -> dict[str, Entry]:
    return {entry.name: entry for entry in read_configured(Worker(**settings).reply()).entries}


def test_entries_in_a_workers_configuration_are_read_as_it_reports_them() -> None:
    found = configured(
        timezone=BERLIN,
        beat_schedule={
            "number": {"task": "t.number", "schedule": 10.5},
            "span": {"task": "t.span", "schedule": timedelta(days=1, minutes=5)},
            "frequency": {"task": "t.freq", "schedule": schedule(100)},
            "cron": {"task": "t.cron", "schedule": crontab(minute=[0, 30], hour="8-17", day_of_week="mon-fri")},
            "range": {"task": "t.range", "schedule": crontab(minute=range(0, 60, 20))},
            "set": {"task": "t.set", "schedule": crontab(minute={5}, day_of_month=1)},
            "more": {
                "task": "t.more",
                "schedule": 60,
                "args": (1, "x"),
                "kwargs": {"api_key": "s3cret", "size": 2},
                "options": {"queue": "mail", "expires": 60},
            },
        },
    )
    assert {name: entry.form for name, entry in found.items()} == {
        "number": Interval(10.5),
        "span": Interval(86_700),
        "frequency": Interval(100),
        "cron": Crontab("0,30", "8-17", "*", "*", "mon-fri", BERLIN),
        "range": Crontab("0,20,40", "*", "*", "*", "*", BERLIN),
        "set": Crontab("5", "*", "1", "*", "*", BERLIN),
        "more": Interval(60),
    }
    more = found["more"]
    assert (more.task, more.source, more.queue, more.enabled) == ("t.more", WORKERS, "mail", True)
    assert (more.args, more.kwargs) == ('[1, "x"]', '{"api_key": "********", "size": 2}')
    assert (more.last_run_at, more.total_run_count) == (None, None)


def test_what_an_app_adds_when_it_starts_is_there_too() -> None:
    worker = Worker()
    worker.app.add_periodic_task(30.0, worker.app.signature("t.hello", args=("you",)), name="hello")
    found = read_configured(worker.reply()).entries
    assert [(entry.name, entry.task, entry.form, entry.args) for entry in found] == [
        ("hello", "t.hello", Interval(30), '["you"]')
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"CELERYBEAT_SCHEDULE": {"a": {"task": "t", "schedule": 10}}, "CELERY_TIMEZONE": BERLIN},
        {"CELERY_BEAT_SCHEDULE": {"a": {"task": "t", "schedule": 10}}, "CELERY_TIMEZONE": BERLIN},
        {"beat_schedule": {"a": {"task": "t", "schedule": 10}}, "timezone": BERLIN},
    ],
)
def test_a_schedule_is_found_under_each_of_its_settings_names(settings: dict[str, Any]) -> None:
    found = read_configured(settings)
    assert ([entry.form for entry in found.entries], found.zone) == ([Interval(10)], BERLIN)


def test_an_entry_of_many_workers_is_one_and_two_versions_of_it_are_two() -> None:
    old = Worker(beat_schedule={"a": {"task": "t", "schedule": 10}}).reply()
    new = Worker(beat_schedule={"a": {"task": "t", "schedule": 20}}).reply()
    found = merged(map(read_configured, (old, old, new)))
    assert [entry.form for entry in found.entries] == [Interval(10), Interval(20)]
    assert found.zone == "UTC"


def test_an_entry_whose_name_looks_like_a_secret_is_told_as_hidden() -> None:
    entry = configured(beat_schedule={"refresh_token": {"task": "t", "schedule": 10}})["refresh_token"]
    assert (entry.task, entry.form) == (None, Other("hidden: its name looks like that of a secret"))


@pytest.mark.parametrize(
    "said",
    [
        "__import__('os').system('touch /tmp/owned')",
        "<crontab: __import__ * * * * (m/h/dM/MY/d)>",
        "<crontab: 0 8 * * (m/h/dM/MY/d)>",
        "<freq: nan seconds>",
        "<crontab: " + "9" * 5_000,
        "",
        {"a": 1},
        [1],
        None,
        True,
        -1,
        float("inf"),
    ],
)
def test_a_schedule_that_is_none_is_shown_and_never_run(said: object) -> None:
    assert isinstance(read_form(said, "UTC"), Other)


def test_older_versions_name_the_fields_in_another_order() -> None:
    old = "<crontab: 30 7 mon-fri 1 * (m/h/d/dM/MY)>"
    assert read_form(old, "UTC") == Crontab("30", "7", "1", "*", "mon-fri")
    assert read_form("<solar: sunset at latitude 52.52, longitude: -13.4>", "UTC") == Solar("sunset", 52.52, -13.4)


@pytest.fixture
def redbeat(redis_server: Redis) -> Iterator[Celery]:
    app = Celery("redbeat", broker=redis_server.url, set_as_current=False)
    app.conf.update(redbeat_redis_url=redis_server.url, timezone=BERLIN)
    yield app
    app.close()


def read(server: Redis, prefix: str = "redbeat:", zone: str = BERLIN) -> RedBeat:
    return read_redbeat(Broker.from_url(server.url), prefix, zone, 60.0)


def test_redbeats_own_records_are_read(redis_server: Redis, redbeat: Celery) -> None:
    saved = [
        RedBeatSchedulerEntry("every", "t.every", schedule(60), args=[1], kwargs={"token": "s3cret"}, app=redbeat),
        RedBeatSchedulerEntry("cron", "t.cron", crontab(30, 18, day_of_week="mon-fri"), enabled=False, app=redbeat),
        RedBeatSchedulerEntry("rule", "t.rule", rrule("DAILY", app=redbeat), options={"queue": "q"}, app=redbeat),
    ]
    for entry in saved:
        entry.save()
    ran = next(saved[0])  # as beat does when it sends it

    found = read(redis_server)

    every, cron, rule = (next(one for one in found.entries if one.name == name) for name in ("every", "cron", "rule"))
    assert (every.task, every.form, every.source, every.args) == ("t.every", Interval(60), REDBEAT, "[1]")
    assert (every.kwargs, every.enabled, every.total_run_count) == ('{"token": "********"}', True, 1)
    assert every.last_run_at == ran.last_run_at
    assert every.due_at is not None
    assert abs(every.due_at - ran.last_run_at - timedelta(seconds=60)) < timedelta(seconds=30)
    assert (cron.form, cron.enabled) == (Crontab("30", "18", "*", "*", "mon-fri", BERLIN), False)
    assert (rule.queue, str(rule.form)[:5], rule.due_at is not None) == ("q", "rrule", True)
    assert (found.locked, found.notes) == (False, ())


def test_redbeats_lock_tells_that_a_beat_lives(redis_server: Redis) -> None:
    redis.Redis.from_url(redis_server.url).set("mine::lock", "token")
    assert (read(redis_server).locked, read(redis_server, "mine:").locked) == (False, True)


def test_what_is_not_redbeats_is_left_out(redis_server: Redis) -> None:
    client = redis.Redis.from_url(redis_server.url)
    keys = ["gone", "text", "list", "json", "long", "odd", "deep"]
    client.zadd("redbeat::schedule", {f"redbeat:{key}": 1e9 for key in keys} | {"redbeat:inf": float("inf")})
    client.set("redbeat:text", "no hash")
    client.rpush("redbeat:list", "no hash")
    client.hset("redbeat:json", "definition", "{not json")
    client.hset("redbeat:long", "definition", json.dumps({"name": "x" * 70_000}))
    client.hset(
        "redbeat:odd", "definition", json.dumps({"name": 5, "task": ["t"], "schedule": {"__type__": "crontab"}})
    )
    client.hset("redbeat:odd", "meta", json.dumps({"last_run_at": {"__type__": "datetime", "year": 10**9}}))
    client.hset("redbeat:deep", "definition", "[" * 50_000)
    before = sorted(client.scan_iter())

    found = read(redis_server)

    assert [(one.name, one.task, one.last_run_at) for one in found.entries] == [("odd", None, None)]
    assert sorted(client.scan_iter()) == before


def test_a_redis_that_is_away_is_an_error(redis_server: Redis) -> None:
    redis_server.stop()
    with pytest.raises(SourceUnreachable):
        read(redis_server)


def test_a_key_of_another_type_is_an_error_and_not_an_empty_schedule(redis_server: Redis) -> None:
    redis.Redis.from_url(redis_server.url).set("redbeat::schedule", "x")
    with pytest.raises(QueryRejected):
        read(redis_server)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Secret:
    """A URL of tables that django-celery-beat's own migrations and models have made."""
    sql = (DUMPS / f"{request.param}.sql").read_text()
    if request.param == "sqlite":
        path = tmp_path / "django.sqlite3"
        with sqlite3.connect(path) as connection:
            connection.executescript(sql)
        return Secret(f"sqlite://{path}")
    server: PostgreSQL = request.getfixturevalue("postgresql")
    url = server.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.encode())
    return Secret(url)


def test_django_celery_beats_tables_are_read(database: Secret) -> None:
    entries, notes = read_database(database)
    found = {entry.name: entry for entry in entries}
    assert {name: entry.form for name, entry in found.items()} == {
        "expire baskets": Interval(300),
        "lamps": Solar("sunset", 52.52, 13.4),
        "later": Interval(300),
        "new year": Once(datetime(2031, 5, 1, 12, tzinfo=UTC)),
        "odd arguments": Interval(300),
        "over": Interval(300),
        "switched off": Crontab("0", "4", "*", "*", "*", "UTC"),
        "weekday digest": Crontab("30", "18", "*", "*", "mon-fri", BERLIN),
    }
    assert {name for name, entry in found.items() if not entry.enabled} == {"switched off", "over"}
    baskets = found["expire baskets"]
    assert (baskets.task, baskets.source, baskets.queue) == ("orders.expire_baskets", DATABASE, "default")
    assert baskets.kwargs == '{"older_than_hours": 48, "api_key": "********"}'
    assert baskets.last_run_at == datetime(2026, 11, 22, 19, 30, 0, 123456, UTC)
    assert baskets.total_run_count == 288
    assert (found["weekday digest"].args, found["weekday digest"].last_run_at) == ('["north", 2]', None)
    assert found["odd arguments"].args == "[not json"
    assert found["later"].not_before == datetime(2031, 1, 1, tzinfo=UTC)
    assert notes == ()


def test_nothing_can_be_written_through_it(database: Secret) -> None:
    with pytest.raises(DBAPIError), open_readonly(database).connect() as connection:
        connection.execute(text("UPDATE django_celery_beat_periodictask SET enabled = NOT enabled"))


def test_a_database_without_the_tables_or_none_at_all_is_an_error_that_quotes_no_secret(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "empty.sqlite3").close()
    for url in (
        f"sqlite://{tmp_path / 'empty.sqlite3'}",
        f"sqlite://{tmp_path / 'none.sqlite3'}",
        "postgresql://user:s3cret@127.0.0.1:1/django",
    ):
        with pytest.raises(SourceUnreachable) as caught:
            read_database(Secret(url))
        assert "s3cret" not in f"{caught.value} {caught.value.hint}"
        assert str(tmp_path) not in caught.value.what
    assert [path.name for path in tmp_path.iterdir()] == ["empty.sqlite3"]  # a file that is not there is not made
