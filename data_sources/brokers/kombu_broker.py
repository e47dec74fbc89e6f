"""Queues of any other kombu transport (SQS, filesystem, MongoDB ...): how many messages are ready, if it can tell."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from kombu.transport import virtual

from data_sources.brokers.broker_errors import explain
from data_sources.brokers.connection import connect
from data_sources.brokers.queue_depths import DepthReading, depth_rows
from data_sources.config import Broker
from data_sources.note import Note, listed

DEFAULT_QUEUE = "celery"
MAKERS = ("sqs", "azurestoragequeues", "slmq")  # asked for the size of a queue that is not there, they make it
MUTE = ("confluentkafka", "gcpubsub")  # they measure a queue that they consume themselves, and say 0 of every other


class KombuBroker:
    """Asks kombu's channel for the size of the queues that are known: such a broker lists none itself.

    Workers tell theirs by remote control. Where the transport has none, Celery's default queue is asked when no name is
    known. Never by a passive declare: in virtual transports it goes on to make the queue (virtual/base.py,
    queue_declare).
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._channel: Any = None
        self._has_control = True

    def read(self, known_queues: Collection[str], deadline_seconds: float) -> DepthReading:
        """`ready` of the known queues. Raises SourceUnreachable or QueryRejected."""
        measured_at, began = datetime.now(UTC), time.monotonic()
        name = self._broker.transport
        try:
            if self._channel is None:
                connection = connect(self._broker, deadline_seconds)
                self._has_control = connection.supports_exchange_type("fanout")
                self._channel = connection.default_channel
            default = () if self._has_control or name in MAKERS else (DEFAULT_QUEUE,)
            asked = sorted(known_queues or default)
            can_tell = name not in MUTE and tells_size(self._channel)
            queues = [queue for queue in asked if is_there(self._channel, queue)] if can_tell else asked
            sizes = [self._channel._size(queue) for queue in queues] if can_tell else None
            if session := getattr(self._channel, "session", None):
                session.rollback()  # SQLAlchemy began a transaction, which would stay open, and see no later message
        except Exception as exc:  # every transport has a driver with errors of its own
            self._channel = None
            raise explain(exc, self._broker) from exc
        latency = timedelta(seconds=(time.monotonic() - began) / max(1, len(asked)))
        rows = depth_rows(queues) if sizes is None else depth_rows(queues, ready=sizes)
        notes = [Note(f"Celery's {name} transport tells only how much is ready, of queues that workers consume")]
        if not self._has_control:
            text = f"Celery's {name} transport tells only how much is ready, of queues that CELERY_QUEUES names"
            notes = [Note(text if known_queues or not default else f"{text}: none, so “{DEFAULT_QUEUE}” is asked")]
        if sizes is None:
            notes = [Note(f"Celery's {name} transport cannot tell how much waits in a queue")]
        if missing := [queue for queue in asked if queue not in queues]:
            notes.append(Note(f"{listed(missing)}: no queue of this name is there"))
        totals = {"ready": None, "unacked": None}  # there may be queues that nobody consumes
        origin = f"{name} at {self._broker.address}"
        return DepthReading(rows, totals, tuple(notes), origin, latency, measured_at)

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()


def is_there(channel: Any, queue: str) -> bool:
    """Whether there is such a queue, as far as the transport tells: some make one that is asked for its size."""
    if hasattr(channel, "queue_cls"):  # SQLAlchemy's
        found = channel.session.query(channel.queue_cls).filter_by(name=queue).first()
        return found is not None
    return bool(channel._has_queue(queue))


def tells_size(channel: Any) -> bool:
    """Whether the transport has its own measure; the one it would inherit says 0 of everything."""
    return type(channel)._size is not virtual.Channel._size and getattr(channel, "calc_queue_size", True)
