"""A desk and a recorder that watch what a test gives them and nothing of this machine; workers; a clock to turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from celery import Celery

from data_sources import settings
from data_sources.ask import Desk
from data_sources.query import Sources
from data_sources.scope import Range, Scope
from demo.servers import Process, Redis, celery_worker, wait_until
from recorder.run import Recorder

ROOT = Path(__file__).resolve().parents[1]
LIVE = Scope(range=Range(span=timedelta(minutes=5)))
# addresses that would otherwise be the usual ports of this machine
NOTHING = {"PROMETHEUS_URL": "", "ALERTMANAGER_URL": "", "RABBITMQ_MANAGEMENT_URL": ""}


@contextmanager
def watching(env: Mapping[str, str]) -> Iterator[Desk]:
    """A desk beside a recorder in this process; in a folder that goes with them, unless `env` names a history."""
    with TemporaryDirectory(prefix="history-", ignore_cleanup_errors=True) as folder:
        given = settings.load({**NOTHING, "HISTORY_URL": f"sqlite://{folder}", **env})
        recorder, desk = Recorder(given), Desk(given)
        recorder.start()
        desk.start()
        try:
            wait_until(lambda: all(records(desk, cluster.name) for cluster in given.clusters), "the recorder")
            yield desk
        finally:
            desk.stop()
            recorder.stop()


def records(desk: Desk, cluster: str) -> bool:
    sources = desk.ask(Sources(), replace(LIVE, cluster=cluster)).frame
    return ("recorder", "ok") in set(zip(sources["source"], sources["state"], strict=True))


def unwatched(env: Mapping[str, str]) -> Desk:
    """A desk whose pollers never start, and that nobody records for; only what is asked is fetched."""
    return Desk(settings.load({**NOTHING, "HISTORY_URL": "sqlite:///nowhere", **env}))


def worker(redis: Redis, name: str, folder: Path, *arguments: str) -> Process:
    """A real worker, there as soon as it answers."""
    env = {"CELERY_BROKER_URL": redis.url, "PYTHONPATH": str(ROOT)}
    process = celery_worker("tests.celery_app", name, folder, ["--pool", "threads", *arguments], env, ROOT)
    with Celery(broker=redis.url, set_as_current=False) as app:
        process.wait_until(lambda: name in {who for pong in app.control.ping(timeout=0.3) for who in pong})
    return process


class Clock(datetime):
    """The time that `ask` goes by, once a test has put this class in place of its own."""

    at = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return cls.at
