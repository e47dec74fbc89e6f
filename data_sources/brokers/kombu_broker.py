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
from data_sources.note import Note


class KombuBroker:
    """Asks kombu's channel for the size of the queues that workers consume: such a broker lists none itself.

    Never by a passive declare: in virtual transports it goes on to make the queue (virtual/base.py, queue_declare).
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._channel: Any = None

    def read(self, known_queues: Collection[str], deadline_seconds: float) -> DepthReading:
        """`ready` of the known queues. Raises SourceUnreachable or QueryRejected."""
        measured_at, began = datetime.now(UTC), time.monotonic()
        queues = sorted(known_queues)
        try:
            if self._channel is None:
                self._channel = connect(self._broker, deadline_seconds).default_channel
            sizes = [self._channel._size(name) for name in queues] if tells_size(self._channel) else None
        except Exception as exc:  # every transport has a driver with errors of its own
            self._channel = None
            raise explain(exc, self._broker) from exc
        latency = timedelta(seconds=(time.monotonic() - began) / max(1, len(queues)))
        rows = depth_rows(queues) if sizes is None else depth_rows(queues, ready=sizes)
        name = self._broker.transport
        notes = [Note(f"Celery's {name} transport tells only how much is ready, of queues that workers consume")]
        if sizes is None:
            notes = [Note(f"Celery's {name} transport cannot tell how much waits in a queue")]
        totals = {"ready": None, "unacked": None}  # there may be queues that nobody consumes
        origin = f"{name} at {self._broker.address}"
        return DepthReading(rows, totals, tuple(notes), origin, latency, measured_at)

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()


def tells_size(channel: Any) -> bool:
    """Whether the transport has its own measure; the one it would inherit says 0 of everything."""
    return type(channel)._size is not virtual.Channel._size and getattr(channel, "calc_queue_size", True)
