"""Whether queues of a real RabbitMQ are as Celery would declare them: what is said, and what RabbitMQ says."""

from __future__ import annotations

from typing import Any

import pytest
from amqp.exceptions import PreconditionFailed
from kombu import Connection, Queue

from data_sources.brokers.rabbitmq_declared import peculiar, unlike_plain
from data_sources.config import Broker, Cluster, HttpEndpoint
from demo.servers import RabbitMQ
from tests.brokers import new_vhost

QUEUES: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({}, ()),
    ({"queue_arguments": {"x-queue-type": "classic"}}, ()),
    ({"queue_arguments": {"x-queue-type": "quorum"}}, ("x-queue-type",)),
    ({"queue_arguments": {"x-message-ttl": 60_000, "x-max-priority": 10}}, ("x-max-priority", "x-message-ttl")),
    ({"durable": False}, ("durable",)),
    ({"auto_delete": True}, ("auto_delete",)),
]


@pytest.mark.parametrize(("how", "odd"), QUEUES, ids=str)
def test_what_is_said_of_a_queue_is_what_rabbitmq_refuses(
    how: dict[str, Any], odd: tuple[str, ...], rabbitmq: RabbitMQ
) -> None:
    url = new_vhost(rabbitmq)
    assert rabbitmq.management_url
    management = HttpEndpoint.from_url(rabbitmq.management_url)
    with Connection(url) as connection:
        Queue("orders", **how)(connection.default_channel).declare()
        assert peculiar(Cluster(broker=Broker.from_url(url), rabbitmq_management=management), "orders", 60) == odd
        as_celery_would = Queue("orders")(connection.channel())
        if odd:
            with pytest.raises(PreconditionFailed):
                as_celery_would.declare()
        else:
            as_celery_would.declare()


def test_what_nobody_tells_is_not_known(rabbitmq: RabbitMQ) -> None:
    assert peculiar(Cluster(broker=Broker.from_url(rabbitmq.url)), "orders", 60) is None
    assert rabbitmq.management_url
    management = HttpEndpoint.from_url(rabbitmq.management_url)
    assert peculiar(Cluster(broker=Broker.from_url(rabbitmq.url), rabbitmq_management=management), "none", 60) is None
    assert unlike_plain({"arguments": "nonsense"}) == ()
