"""The event stream of a broker, whatever it is."""

from __future__ import annotations

from data_sources.amqp_events import AmqpEvents
from data_sources.broker_errors import SOURCE
from data_sources.config import Broker
from data_sources.errors import QueryRejected
from data_sources.event_stream import EventStream
from data_sources.redis_events import RedisEvents


def open_events(broker: Broker) -> EventStream:
    """Nothing is connected to before `connect`. Raises QueryRejected where events cannot be followed."""
    match broker.transport:
        case "redis":
            return RedisEvents(broker)
        case "amqp":
            return AmqpEvents(broker)
    raise QueryRejected(
        SOURCE,
        f"events cannot be followed on the transport {broker.transport}",
        "They can be on Redis and RabbitMQ; elsewhere throughput comes from what workers have counted.",
    )
