"""Listening to the events of a broker until something was said."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from celery import Celery

from data_sources.config import Broker
from data_sources.errors import SourceError, SourceUnreachable
from data_sources.events.celery_events import Heard, decode
from data_sources.events.event_stream import EventStream
from data_sources.events.event_streams import open_events
from data_sources.history.task_record import TaskRecord, merge
from demo.servers import PATIENCE_SECONDS


@contextmanager
def listening(url: str, **settings: Any) -> Iterator[EventStream]:
    with closing(open_events(Broker.from_url(url, **settings))) as stream:
        stream.connect(30)
        yield stream


def hear_until(stream: EventStream, done: Callable[[Heard], bool], timeout_seconds: float = PATIENCE_SECONDS) -> Heard:
    """Everything heard until it is `done`."""
    everything = Heard()
    ends = time.monotonic() + timeout_seconds
    while not done(everything):
        assert time.monotonic() < ends, everything
        heard = decode(stream.read(0.5), time.time_ns() // 1000)
        everything.tasks += heard.tasks
        everything.workers += heard.workers
        everything.poisoned += heard.poisoned
        everything.other += heard.other
        everything.reason = everything.reason or heard.reason
    return everything


def records(heard: Heard) -> dict[str, TaskRecord]:
    """Id -> what is known of the task."""
    tasks: dict[str, TaskRecord] = {}
    for event in heard.tasks:
        tasks[event.id] = merge(tasks.get(event.id), event)
    return tasks


def say(url: str, *kinds: str, exchange: str = "celeryev", **options: Any) -> None:
    """Events by Celery's own dispatcher; `options` are the transport's."""
    with (
        Celery(broker=url, set_as_current=False, broker_transport_options=options, event_exchange=exchange) as app,
        app.connection_for_write() as connection,
        app.events.Dispatcher(connection, hostname="w@test") as dispatcher,
    ):
        for kind in kinds:
            dispatcher.send(kind, **({"uuid": "id"} if kind.startswith("task-") else {}))


def assert_closing_ends_a_read(url: str) -> None:
    """`close` comes from another thread, whether that one reads by now or not."""
    stream = open_events(Broker.from_url(url))
    stream.connect(30)
    errors: list[SourceError] = []

    def read() -> None:
        try:
            stream.read(60)
        except SourceError as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.1)  # most often it reads by now; it must end either way
    stream.close()
    reader.join(60)
    assert not reader.is_alive()
    assert [type(error) for error in errors] == [SourceUnreachable]
