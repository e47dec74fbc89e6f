"""Sending tasks, each to one queue that exists: nothing is declared, created or bound by it.

To the default exchange with the queue's name as routing key, which on RabbitMQ reaches that queue and no other
whatever is bound to what; on Redis kombu pushes such a message on the queue's list of its priority.
"""

from __future__ import annotations

import glob
import json
import socket
from dataclasses import dataclass, field
from typing import Any

import kombu
import redis
from amqp.exceptions import MessageNacked
from celery import Celery, uuid

from data_sources.brokers.broker_errors import SOURCE
from data_sources.brokers.connection import connect
from data_sources.brokers.errand import Errand, run
from data_sources.brokers.purge import check_own
from data_sources.brokers.redis_keys import RedisKeys
from data_sources.config import Broker, Cluster
from data_sources.errors import QueryRejected
from data_sources.workers.send_task import SendTask

ORIGIN = f"celery-notebook@{socket.gethostname()}"
PERSISTENT = 2
SCAN_KEYS = 1_000


@dataclass(frozen=True)
class Way:
    """An open channel. `returned`: messages that RabbitMQ found no queue for."""

    connection: kombu.Connection
    channel: Any
    returned: list[Any] = field(default_factory=list)


class Publisher:
    """Sends tasks to one broker, one at a time, over one connection as long as all goes well."""

    def __init__(self, cluster: Cluster) -> None:
        self._broker = cluster.broker
        self._app = Celery(set_as_current=False)
        self._idle: Way | None = None
        self._bound: set[str] = set()  # queues that were found

    def publish(self, order: SendTask, deadline_seconds: float) -> str:
        """The id of the new task, when the broker has it.

        Raises QueryRejected, SourceUnreachable when nothing was sent, and NotConfirmed when that cannot be told.
        """
        broker, task_id = self._broker, str(uuid())
        if broker.task_serializer != "json" or "json" not in broker.accept_content:
            raise QueryRejected(
                SOURCE,
                f"tasks of this cluster are written as {broker.task_serializer}, and Celery Notebook writes JSON alone",
                "Set CELERY_TASK_SERIALIZER and CELERY_ACCEPT_CONTENT if its workers do take JSON.",
            )
        check_own(order.queue)
        run(broker, deadline_seconds, lambda errand: self._publish(order, task_id, errand))
        return task_id

    def close(self) -> None:
        self._app.close()
        if self._idle:
            self._idle.connection.collect()  # without a farewell, which could wait for an answer for ever

    def _publish(self, order: SendTask, task_id: str, errand: Errand) -> None:
        way, self._idle = self._idle or open_way(self._broker, errand), None
        try:
            message = task_message(self._app, way.channel, order, task_id)
            match self._broker.transport:
                case "redis":
                    self._send_to_redis(way, message, order.queue, errand)
                case "amqp":
                    send_to_rabbitmq(way, message, order.queue, errand)
                case other:
                    raise QueryRejected(SOURCE, f"whether a queue exists cannot be told on the transport {other}")
        except BaseException:
            way.connection.collect()
            raise
        self._idle = way

    def _send_to_redis(self, way: Way, message: Any, queue: str, errand: Errand) -> None:
        client = redis.Redis(connection_pool=way.channel.client.connection_pool)  # without kombu's own prefixing
        if queue not in self._bound and not is_bound(client, RedisKeys.of(way.channel), queue.encode(), errand):
            raise unknown(queue)
        self._bound.add(queue)
        errand.send()
        way.channel.basic_publish(message, exchange="", routing_key=queue)


def open_way(broker: Broker, errand: Errand) -> Way:
    connection = connect(broker, errand.left)
    try:
        way = Way(connection, connection.channel())
    except BaseException:
        connection.collect()
        raise
    if broker.transport == "amqp":
        way.channel.events["basic_return"].add(lambda *what: way.returned.append(what))
    return way


def task_message(app: Celery, channel: Any, order: SendTask, task_id: str) -> Any:
    """Celery's protocol 2 by its own producer, but for the arguments: their JSON is sent as it stands."""
    headers, properties, (_, _, embed), _ = app.amqp.as_task_v2(
        task_id,
        order.name,
        tuple(json.loads(order.args)),
        json.loads(order.kwargs),
        ignore_result=None,  # as its task says
        countdown=order.countdown,
        expires=order.expires,
        origin=ORIGIN,
    )
    if order.expires is not None:
        properties["expiration"] = str(int(order.expires * 1000))
    return channel.prepare_message(
        f"[{order.args}, {order.kwargs}, {json.dumps(embed)}]",
        priority=order.priority or 0,
        content_type="application/json",
        content_encoding="utf-8",
        headers=headers,
        properties={**properties, "delivery_mode": PERSISTENT},
    )


def is_bound(client: redis.Redis, keys: RedisKeys, queue: bytes, errand: Errand) -> bool:
    """Whether an exchange leads to it, as to any of Celery: an empty one is no key, a list may be any program's.

    Celery calls the exchange as it calls the queue, unless told otherwise; others are looked for among all keys.
    """
    ending = escaped(keys.separator + queue)

    def leads_there(key: bytes) -> bool:
        is_set = client.type(key) == b"set"
        return is_set and any(True for _ in client.sscan_iter(key, match=b"*" + ending, count=SCAN_KEYS))

    exchanges = client.scan_iter(match=escaped(keys.bindings) + b"*", count=SCAN_KEYS)
    return leads_there(keys.bindings + queue) or any(leads_there(key) for key in exchanges if errand.left)


def escaped(name: bytes) -> bytes:
    """For a pattern of Redis, to which a backslash means something too."""
    return glob.escape(name.replace(b"\\", b"\\\\"))


def send_to_rabbitmq(way: Way, message: Any, queue: str, errand: Errand) -> None:
    """`mandatory`: what leads to no queue comes back before it is confirmed."""
    errand.send()
    try:
        way.channel.basic_publish_confirm(message, exchange="", routing_key=queue, mandatory=True, timeout=errand.left)
    except MessageNacked as error:
        raise QueryRejected(SOURCE, f"“{queue}” takes no messages", "It is full, or has no leader.") from error
    if way.returned:
        raise unknown(queue)


def unknown(queue: str) -> QueryRejected:
    return QueryRejected(SOURCE, f"there is no queue “{queue}”", "Nothing was sent; no queue is made for a task.")
