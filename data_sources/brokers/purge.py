"""Deleting all that waits in a queue. What workers have taken, and not acknowledged yet, stays theirs."""

from __future__ import annotations

from typing import Any

import redis
from amqp.exceptions import NotFound, ResourceLocked

from data_sources.brokers.broker_errors import SOURCE
from data_sources.brokers.connection import connect
from data_sources.brokers.errand import Errand, run
from data_sources.brokers.queue_depths import INTERNAL
from data_sources.brokers.redis_keys import RedisKeys
from data_sources.config import Broker, Cluster
from data_sources.errors import QueryRejected


def purge(cluster: Cluster, queue: str, deadline_seconds: float) -> int:
    """How many messages were deleted, of all priorities.

    Raises QueryRejected, SourceUnreachable when nothing was deleted, and NotConfirmed when that cannot be told.
    """
    check_own(queue)
    return run(cluster.broker, deadline_seconds, lambda errand: purge_in_time(cluster.broker, queue, errand))


def check_own(queue: str) -> None:
    """Raises QueryRejected for the queues of remote control, events and delays, which are Celery's own affair."""
    if INTERNAL.fullmatch(queue):
        raise QueryRejected(SOURCE, f"“{queue}” is not for tasks: Celery keeps it for itself")


def purge_in_time(broker: Broker, queue: str, errand: Errand) -> int:
    connection = connect(broker, errand.left)
    try:
        channel = connection.channel()
        if broker.transport == "redis":
            return purge_redis(channel, queue, errand)
        errand.send()
        return int(channel.queue_purge(queue) or 0)
    except NotFound as error:
        raise QueryRejected(SOURCE, f"there is no queue “{queue}”") from error
    except ResourceLocked as error:
        raise QueryRejected(SOURCE, f"“{queue}” belongs to one connection alone, which is not ours") from error
    except NotImplementedError as error:
        raise QueryRejected(SOURCE, f"the transport {broker.transport} cannot purge a queue") from error
    finally:
        connection.collect()  # without a farewell, which could wait for an answer for ever


def purge_redis(channel: Any, queue: str, errand: Errand) -> int:
    """All lists in one transaction. Trimmed and not deleted, as kombu does: LTRIM refuses what is no list.

    So the name of another key, such as `unacked`, is an error, and not the loss of all that workers hold.
    """
    client = redis.Redis(connection_pool=channel.client.connection_pool)  # without kombu's own prefixing
    pipeline = client.pipeline(transaction=True)
    for key in RedisKeys.of(channel).lists(queue.encode()):
        pipeline.llen(key)
        pipeline.ltrim(key, 1, 0)
    errand.send()
    try:
        return sum(pipeline.execute()[::2])
    except redis.ResponseError as error:
        if "WRONGTYPE" in str(error):
            raise QueryRejected(SOURCE, f"“{queue}” is no queue, but another key of this Redis") from error
        raise
