"""How a queue of RabbitMQ was declared: who declares it in another way is refused, with 406 PRECONDITION_FAILED."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from data_sources.brokers.rabbitmq_broker import vhost
from data_sources.brokers.rabbitmq_management import MAX_TEXT, RabbitmqManagement, part
from data_sources.config import Cluster
from data_sources.errors import SourceError

CLASSIC = ("x-queue-type", "classic")
PLAIN = {"durable": True, "auto_delete": False}  # as Celery declares a queue that its app does not name, and classic


def peculiar(cluster: Cluster, queue: str, deadline_seconds: float) -> tuple[str, ...] | None:
    """What of the queue is not as Celery declares one that it does not know; None where nobody tells."""
    if cluster.rabbitmq_management is None:
        return None
    broker = cluster.broker
    with closing(RabbitmqManagement(cluster.rabbitmq_management, vhost(broker), broker.address)) as management:
        try:
            return unlike_plain(management.queue(queue, deadline_seconds=deadline_seconds))
        except SourceError:
            return None


def unlike_plain(told: Mapping[str, Any]) -> tuple[str, ...]:
    """`told`: by the management API. What a policy gives a queue is none of its declaration."""
    flags = [name for name, plain in PLAIN.items() if told.get(name, plain) is not plain]
    arguments = [name[:MAX_TEXT] for name, value in part(told, "arguments").items() if (name, value) != CLASSIC]
    return (*flags, *sorted(arguments))
