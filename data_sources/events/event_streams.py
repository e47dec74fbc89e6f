"""The event stream of a broker, whatever it is."""

from __future__ import annotations

import time

from data_sources.brokers.broker_errors import SOURCE
from data_sources.config import Broker
from data_sources.errors import QueryRejected
from data_sources.events.amqp_events import AmqpEvents
from data_sources.events.event_stream import EventStream, Message
from data_sources.events.redis_events import RedisEvents


class NoEvents:
    """A transport whose events cannot be followed, which it says whenever it is asked."""

    overdue = False

    def __init__(self, broker: Broker) -> None:
        self.read_until = time.monotonic()
        self._refusal = QueryRejected(
            SOURCE,
            f"events cannot be followed on the transport {broker.transport}",
            "They can be on Redis and RabbitMQ; elsewhere throughput comes from what workers have counted.",
        )

    def connect(self, deadline_seconds: float) -> None:
        raise self._refusal

    def read(self, timeout_seconds: float) -> list[Message]:
        raise self._refusal

    def close(self) -> None:
        pass


def open_events(broker: Broker) -> EventStream:
    """Nothing is connected to before `connect`."""
    match broker.transport:
        case "redis":
            return RedisEvents(broker)
        case "amqp":
            return AmqpEvents(broker)
        case _:
            return NoEvents(broker)
