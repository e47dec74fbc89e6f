"""Sending a task to one queue that exists: nothing is declared, created or bound by it.

To the default exchange with the queue's name as routing key, which on RabbitMQ reaches that queue and no other
whatever is bound to what; on Redis kombu pushes such a message on the queue's list of its priority.
"""

from __future__ import annotations

import glob
import json
import socket
from typing import Any

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


def publish(cluster: Cluster, order: SendTask, deadline_seconds: float) -> str:
    """The id of the new task, when the broker has it.

    Raises QueryRejected, SourceUnreachable when nothing was sent, and NotConfirmed when that cannot be told.
    """
    broker, task_id = cluster.broker, str(uuid())
    if broker.task_serializer != "json" or "json" not in broker.accept_content:
        raise QueryRejected(
            SOURCE,
            f"tasks of this cluster are written as {broker.task_serializer}, and Celery Notebook writes JSON alone",
            "Set CELERY_TASK_SERIALIZER and CELERY_ACCEPT_CONTENT if its workers do take JSON.",
        )
    check_own(order.queue)
    run(broker, deadline_seconds, lambda errand: publish_in_time(broker, order, task_id, errand))
    return task_id


def publish_in_time(broker: Broker, order: SendTask, task_id: str, errand: Errand) -> None:
    connection = connect(broker, errand.left)
    try:
        channel = connection.channel()
        message = task_message(channel, order, task_id)
        match broker.transport:
            case "redis":
                send_to_redis(channel, message, order.queue, errand)
            case "amqp":
                send_to_rabbitmq(channel, message, order.queue, errand)
            case other:
                raise QueryRejected(SOURCE, f"whether a queue exists cannot be told on the transport {other}")
    finally:
        connection.collect()  # without a farewell, which could wait for an answer for ever


def task_message(channel: Any, order: SendTask, task_id: str) -> Any:
    """Celery's protocol 2 by its own producer, but for the arguments: their JSON is sent as it stands."""
    with Celery(set_as_current=False) as app:
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


def send_to_redis(channel: Any, message: Any, queue: str, errand: Errand) -> None:
    client = redis.Redis(connection_pool=channel.client.connection_pool)  # without kombu's own prefixing
    if not is_bound(client, RedisKeys.of(channel), queue.encode(), errand):
        raise unknown(queue)
    errand.send()
    channel.basic_publish(message, exchange="", routing_key=queue)


def is_bound(client: redis.Redis, keys: RedisKeys, queue: bytes, errand: Errand) -> bool:
    """Whether an exchange leads to it, as to any of Celery: an empty one is no key, a list may be any program's."""
    ending = escaped(keys.separator + queue)
    exchanges = client.scan_iter(match=escaped(keys.bindings) + b"*", count=SCAN_KEYS)
    sets = (key for key in exchanges if errand.left and client.type(key) == b"set")
    return any(True for key in sets for _ in client.sscan_iter(key, match=b"*" + ending, count=SCAN_KEYS))


def escaped(name: bytes) -> bytes:
    """For a pattern of Redis, to which a backslash means something too."""
    return glob.escape(name.replace(b"\\", b"\\\\"))


def send_to_rabbitmq(channel: Any, message: Any, queue: str, errand: Errand) -> None:
    """`mandatory`: what leads to no queue comes back before it is confirmed."""
    returned: list[Any] = []
    channel.events["basic_return"].add(lambda *what: returned.append(what))
    errand.send()
    try:
        channel.basic_publish_confirm(message, exchange="", routing_key=queue, mandatory=True, timeout=errand.left)
    except MessageNacked as error:
        raise QueryRejected(SOURCE, f"“{queue}” takes no messages", "It is full, or has no leader.") from error
    if returned:
        raise unknown(queue)


def unknown(queue: str) -> QueryRejected:
    return QueryRejected(SOURCE, f"there is no queue “{queue}”", "Nothing was sent; no queue is made for a task.")
