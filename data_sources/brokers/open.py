"""The broker of a cluster as a reader of its queues, whatever it is and however long it takes to answer."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from data_sources.brokers.bounded_reader import BoundedReader
from data_sources.brokers.kombu_broker import KombuBroker
from data_sources.brokers.queue_depths import DepthReading
from data_sources.brokers.rabbitmq_broker import RabbitmqBroker
from data_sources.brokers.redis_broker import RedisBroker
from data_sources.config import Cluster


class QueueReader(Protocol):
    def depths(self, known_queues: Collection[str], *, deadline_seconds: float) -> DepthReading:
        """All queues that can be found, and `known_queues` (those workers consume) where they must be named.

        Raises SourceUnreachable or QueryRejected, at the latest at the deadline; the next call tries anew. One
        thread at a time.
        """
        ...

    def close(self) -> None: ...


def open_broker(cluster: Cluster) -> QueueReader:
    """Nothing is connected to before the first reading."""
    match cluster.broker.transport:
        case "redis":
            return BoundedReader(cluster.broker, RedisBroker)
        case "amqp":
            return RabbitmqBroker(cluster)
        case _:
            return BoundedReader(cluster.broker, KombuBroker)
