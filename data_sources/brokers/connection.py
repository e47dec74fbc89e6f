"""Connecting to a Celery broker through kombu: options that disturb nobody, and a bounded wait."""

from __future__ import annotations

from typing import Any

import kombu
from redis.backoff import NoBackoff
from redis.retry import Retry

from data_sources.config import Broker

# A kombu client that reads any queue on Redis also puts back into theirs the messages which others have held
# unacknowledged for longer than *its own* visibility timeout, an hour by default (MultiChannelPoller.get calls
# QoS.restore_visible): a worker with a longer one would see its tasks run twice because somebody looked.
HARMLESS = {"visibility_timeout": 10**9, "ack_emulation": False}

# What tunes the user's own workers. Some would make us wait: sleeps between polls, retries, confirmed publishing. Some
# cannot be told: sockets are tuned by numbers as keys, which neither JSON nor TOML can write, and the order of queues
# may be a class in the app's code.
WORKERS_OWN = {
    "polling_interval",
    "confirm_publish",
    "retry_on_timeout",
    "socket_keepalive_options",
    "socket_settings",
    "queue_order_strategy",
}


class WrongOption(ValueError):
    """A driver does not take what it was given."""


def connect(broker: Broker, seconds: float) -> kombu.Connection:
    """An open connection, tried once a host; name lookup apart, it takes at most about `seconds`.

    Raises what kombu and the drivers raise: call it inside `translated`.
    """
    url = broker.url.reveal()
    hosts = url.split(";")
    patience = seconds / (len(hosts) + 1)  # a silent host answers neither the connect nor the first command
    try:
        connection = kombu.Connection(
            url,
            ssl=dict(broker.ssl) if broker.ssl else False,
            connect_timeout=patience,
            transport_options=transport_options(broker, patience),
        )
        try:
            connection.ensure_connection(
                max_retries=len(hosts) - 1, interval_start=0, interval_step=0, reraise_as_library_errors=False
            )
        except BaseException:
            connection.release()
            raise
    except NameError as exc:  # kombu's Kafka without its driver
        raise ModuleNotFoundError("No module named 'confluent_kafka'") from exc
    except TypeError as exc:  # an option that no driver has, or of another kind; anywhere else it is a fault of our own
        raise WrongOption from exc
    return connection


def transport_options(broker: Broker, patience: float) -> dict[str, Any]:
    """The user's transport options (prefixes, separators, Sentinel ...), made harmless and bounded."""
    options = {name: value for name, value in broker.transport_options.items() if name not in WORKERS_OWN}
    if broker.transport == "amqp":
        return options | {"read_timeout": patience, "write_timeout": patience}
    bounds = {"socket_timeout": patience, "socket_connect_timeout": patience}
    if "master_name" in options:  # a sentinel that is down would be tried again for seconds, a silent one for ever
        sentinel = {**(options.get("sentinel_kwargs") or {}), **bounds, "retry": Retry(NoBackoff(), 0)}
        options["sentinel_kwargs"] = sentinel
    return options | HARMLESS | bounds
