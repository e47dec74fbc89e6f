"""Queues over AMQP alone: what a passive declare tells of a queue whose name is known."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from amqp.exceptions import AccessRefused, NotFound, ResourceLocked

from data_sources.brokers.broker_errors import translated
from data_sources.brokers.connection import connect
from data_sources.brokers.queue_depths import DepthReading, depth_rows
from data_sources.config import Broker
from data_sources.errors import SourceUnreachable
from data_sources.note import Note, listed

SHARE_OF_DEADLINE = 0.8  # then it stops asking, to deliver what it has

Declared = tuple[int | None, int | None]  # ready, consumers


class AmqpBroker:
    """Asks over one connection, made when first needed, kept, and made anew once when it turns out to be lost."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._amqp: Any = None

    def read(self, known_queues: Collection[str], deadline_seconds: float) -> DepthReading:
        """`ready` and `consumers` of the known queues. Raises SourceUnreachable or QueryRejected."""
        kept = self._amqp is not None
        try:
            with translated(self._broker):
                return self._read(sorted(known_queues), deadline_seconds)
        except SourceUnreachable:
            self.close()
            if not kept:
                raise
        return self.read(known_queues, deadline_seconds)

    def close(self) -> None:
        """Drops the connection without a farewell, which could wait for an answer for ever."""
        if self._amqp is not None:
            self._amqp.collect()
            self._amqp = None

    def _read(self, queues: Sequence[str], deadline_seconds: float) -> DepthReading:
        ends = time.monotonic() + deadline_seconds * SHARE_OF_DEADLINE
        if self._amqp is None:
            self._amqp = connect(self._broker, deadline_seconds).connection
        measured_at, began = datetime.now(UTC), time.monotonic()
        self._amqp.channel().close()
        latency = timedelta(seconds=(time.monotonic() - began) / 2)

        declared = list(self._declare(queues, ends))
        asked = queues[: len(declared)]
        rows = depth_rows(
            asked, ready=[ready for ready, _ in declared], consumers=[consumers for _, consumers in declared]
        )
        notes = []
        if len(asked) < len(queues):
            notes.append(Note(f"Showing {len(asked):,} of {len(queues):,} queues: there was no time for more", "cut"))
        if refused := [name for name, (ready, _) in zip(asked, declared, strict=True) if ready is None]:
            notes.append(
                Note(f"{listed(refused)}: missing, another's alone, or not to be read by this user", "warning")
            )
        totals = {"ready": None, "unacked": None}  # there may be queues that nobody consumes
        origin = f"RabbitMQ {self._amqp.server_properties.get('version', '')} at {self._broker.address}"
        return DepthReading(rows, totals, tuple(notes), origin, latency, measured_at)

    def _declare(self, queues: Sequence[str], ends: float) -> Iterator[Declared]:
        """One answer a queue, until the time is up; unknown for a queue that is missing or not to be asked."""
        channel: Any = None
        for name in queues:
            if time.monotonic() > ends:
                return
            channel = channel or self._amqp.channel()
            try:
                _, ready, consumers = channel.queue_declare(name, passive=True)
                yield ready, consumers
            except (NotFound, AccessRefused, ResourceLocked):
                channel = None  # the server closed it
                yield None, None
        if channel is not None:
            channel.close()
