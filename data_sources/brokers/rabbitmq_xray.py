"""A look into a RabbitMQ queue: its first messages are taken out, and put back at once. They are redelivered for it.

In a classic queue they come back to their places, or, where others were taken meanwhile, closer to the head
(https://www.rabbitmq.com/docs/confirms#consumer-nacks-requeue), and stay marked as redelivered. Should this process
end in between, the broker puts them back. They are taken by AMQP and not by the management API's own way
(`/queues/VHOST/NAME/get`), which knows no bound in bytes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from amqp import spec
from amqp.exceptions import NotFound, ResourceLocked

from data_sources.brokers.broker_errors import SOURCE
from data_sources.brokers.connection import connect
from data_sources.brokers.errand import Errand, run
from data_sources.brokers.rabbitmq_broker import vhost
from data_sources.brokers.rabbitmq_management import RabbitmqManagement, option
from data_sources.brokers.xray import Sample, Sampled
from data_sources.config import Broker, Cluster
from data_sources.errors import QueryRejected
from data_sources.note import Note
from data_sources.workers.look_inside import LookInside

MOST_BYTES = 4 * 2**20  # of bodies; a message is taken whole, so it may be one more
SHARE_OF_TIME = 0.5  # of what is left, for taking them out
# The end of the queue without a delivery limit, seen on RabbitMQ 3.10; since 4.0 the limit is 20 unless it is set.
QUORUM = (
    "a quorum queue puts what comes back at its end, or counts it as a delivery that failed, of which it allows few"
)


def check(cluster: Cluster, queue: str, deadline_seconds: float) -> None:
    """Asks what kind of queue it is; takes nothing.

    Raises QueryRejected where a look could do harm, or that cannot be told, and SourceUnreachable.
    """
    endpoint, broker = cluster.rabbitmq_management, cluster.broker
    if endpoint is None:
        what = "is not configured, and it alone tells whether a look could do harm"
        raise QueryRejected("RabbitMQ management", what, "Set RABBITMQ_MANAGEMENT_URL.")
    with closing(RabbitmqManagement(endpoint, vhost(broker), broker.address)) as management:
        told = management.queue(queue, deadline_seconds=deadline_seconds)
    if why := hazard(told):
        raise QueryRejected(SOURCE, f"“{queue}” is not looked into: {why}")


def hazard(told: Mapping[str, Any]) -> str:
    """Why a look could do harm to the queue; empty where it cannot. `told`: by the management API."""
    kind = told.get("type", "classic")
    if kind != "classic":
        return QUORUM if kind == "quorum" else f"of a {kind} nothing is taken out and put back"
    if any(option(told, name) is not None for name in ("max-length", "max-length-bytes")):
        return (
            "its length is limited: while some messages are out others may take their room, and the oldest be dropped"
        )
    return ""


def look(cluster: Cluster, order: LookInside, deadline_seconds: float) -> Sample:
    """The messages that workers would take next, which are put back.

    Raises QueryRejected, SourceUnreachable when nothing was taken, and NotConfirmed when that cannot be told: what was
    taken comes back all the same.
    """
    ends = time.monotonic() + deadline_seconds
    check(cluster, order.queue, deadline_seconds * SHARE_OF_TIME)
    left = max(0.1, ends - time.monotonic())
    return run(cluster.broker, left, lambda errand: look_in_time(cluster.broker, order, errand))


def look_in_time(broker: Broker, order: LookInside, errand: Errand) -> Sample:
    connection = connect(broker, errand.left)
    try:
        channel = connection.channel()
        errand.send()
        messages, ready = taken(channel, order, time.monotonic() + errand.left * SHARE_OF_TIME)
        channel.send_method(spec.Basic.Recover, "b", (True,), wait=spec.Basic.RecoverOk)  # all of them back
    except NotFound as error:
        raise QueryRejected(SOURCE, f"there is no queue “{order.queue}”") from error
    except ResourceLocked as error:
        raise QueryRejected(SOURCE, f"“{order.queue}” lets one connection alone take from it") from error
    finally:
        connection.collect()  # without a farewell, which could wait for an answer for ever
    text = f"A sample of {len(messages):,} of {ready:,} messages, from the end that workers take from"
    return Sample(messages, ready, (Note(text, "cut"),) if len(messages) < ready else ())


def taken(channel: Any, order: LookInside, ends: float) -> tuple[tuple[Sampled, ...], int]:
    """Messages that are ours until they are put back, or the channel ends; and how many waited, with these."""
    messages: list[Sampled] = []
    size = left = 0
    while len(messages) < order.n and size < MOST_BYTES and time.monotonic() < ends:
        message = channel.basic_get(order.queue, no_ack=False)
        if message is None:
            break
        told = message.properties
        messages.append(
            Sampled(
                end="next",
                place=len(messages),
                headers=told.get("application_headers", {}),
                priority=told.get("priority"),
                content_type=told.get("content_type"),
                body_bytes=len(message.body),
            )
        )
        size, left = size + len(message.body), message.delivery_info["message_count"]
    return tuple(messages), len(messages) + left
