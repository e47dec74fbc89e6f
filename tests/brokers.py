"""A broker of one's own: a Redis, or a vhost of the session's RabbitMQ."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.request import HTTPBasicAuthHandler, HTTPPasswordMgrWithPriorAuth, build_opener

import pytest

from demo.servers import RabbitMQ, Redis
from tests.test_rabbitmq_broker import put


def broker_of_ones_own(request: pytest.FixtureRequest) -> str:
    """The URL of the one whose name is the parameter of the fixture that asks."""
    if request.param == "redis":
        redis: Redis = request.getfixturevalue("redis_server")
        return redis.url
    return new_vhost(request.getfixturevalue("rabbitmq"))


def new_vhost(rabbitmq: RabbitMQ) -> str:
    """Its URL."""
    name = uuid.uuid4().hex
    put(rabbitmq, f"/api/vhosts/{name}")
    return f"amqp://guest:guest@127.0.0.1:{rabbitmq.port}/{name}"


def get(rabbitmq: RabbitMQ, path: str) -> Any:
    """What the management API answers."""
    url = f"http://127.0.0.1:{rabbitmq.management_port}{path}"
    logins = HTTPPasswordMgrWithPriorAuth()
    logins.add_password(None, url, "guest", "guest", is_authenticated=True)
    with build_opener(HTTPBasicAuthHandler(logins)).open(url, timeout=60) as answer:
        return json.load(answer)
