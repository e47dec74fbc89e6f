"""Messages as a producer sends them and a worker holds them, on any broker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from celery import Celery
from kombu import Connection, Consumer, Exchange, Message, Queue


def send(url: str, queue: str, priorities: Iterable[int] = (0,), **settings: object) -> None:
    """One task a priority, by Celery's own producer; `settings` are the app's, e.g. broker_transport_options."""
    with Celery(broker=url, set_as_current=False, **settings) as app:
        app.conf.task_queues = [Queue(queue, Exchange(queue), routing_key=queue, max_priority=9)]
        for priority in priorities:
            app.send_task("work", (priority,), queue=queue, priority=priority)


@contextmanager
def holding(url: str, queue: Queue, count: int, **options: object) -> Iterator[None]:
    """A consumer that has taken `count` messages and acknowledges none; leaving returns them to the queue."""
    held: list[Message] = []
    with Connection(url, transport_options=options) as connection, connection.channel() as channel:
        channel.basic_qos(0, count, False)  # no more are on their way to it than it is to hold
        with Consumer(channel, [queue], on_message=held.append):
            while len(held) < count:
                connection.drain_events(timeout=60)
            yield
