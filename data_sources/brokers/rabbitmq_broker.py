"""A RabbitMQ broker's queues: by the management API where it can be used, by AMQP alone where not."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from kombu.utils.url import parse_url

from data_sources.brokers.amqp_broker import AmqpBroker
from data_sources.brokers.bounded_reader import BoundedReader
from data_sources.brokers.queue_depths import DepthReading
from data_sources.brokers.rabbitmq_management import RabbitmqManagement
from data_sources.config import Broker, Cluster
from data_sources.errors import QueryRejected, SourceError
from data_sources.failure import Failure
from data_sources.note import Note

MANAGEMENT_SHARE = 0.6  # of the deadline: AMQP must still have time to answer
RETRY_SECONDS = 60.0  # a login that was refused is not tried in every reading


class RabbitmqBroker:
    def __init__(self, cluster: Cluster) -> None:
        endpoint, broker = cluster.rabbitmq_management, cluster.broker
        self._management = RabbitmqManagement(endpoint, vhost(broker), broker.address) if endpoint else None
        self._amqp = BoundedReader(broker, AmqpBroker)
        self._retry_at = float("-inf")
        self._is_there = endpoint is not None and not endpoint.assumed
        self._failure: Failure | None = None  # of the management API

    def depths(self, known_queues: Collection[str], *, deadline_seconds: float) -> DepthReading:
        """Every queue of the vhost; without the management API the known ones, `unacked` unknown, and a note why.

        Raises SourceUnreachable or QueryRejected when AMQP cannot be used either.
        """
        ends = time.monotonic() + deadline_seconds
        if self._management and time.monotonic() >= self._retry_at:
            try:
                reading = self._management.depths(known_queues, deadline_seconds=deadline_seconds * MANAGEMENT_SHARE)
            except SourceError as error:
                self._failed(error)
            else:
                self._is_there, self._failure = True, None
                return replace(reading, managed=True)
        reading = self._amqp.depths(known_queues, deadline_seconds=ends - time.monotonic())
        failure = self._failure
        reason = f"{failure.what}. {failure.hint}" if failure else "is not configured. Set RABBITMQ_MANAGEMENT_URL"
        note = Note(f"Only ready and consumers of known queues: RabbitMQ's management API {reason}", "warning")
        return replace(reading, notes=(*reading.notes, note), management=failure if self._is_there else None)

    def _failed(self, error: SourceError) -> None:
        now = datetime.now(UTC)
        since = self._failure.since if self._failure else now
        self._failure = Failure.from_error(error, since, now + timedelta(seconds=RETRY_SECONDS))
        self._retry_at = time.monotonic() + RETRY_SECONDS
        self._is_there = self._is_there or isinstance(error, QueryRejected)  # else nobody said that there is one

    def close(self) -> None:
        self._amqp.close()
        if self._management:
            self._management.close()


def vhost(broker: Broker) -> str:
    """The vhost of the first of the broker's URLs, as kombu reads it."""
    return parse_url(broker.url.reveal().split(";")[0])["virtual_host"] or "/"
