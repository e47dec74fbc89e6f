"""Celery's remote control on the wire: requests to every worker at once, their replies in one queue of our own.

The protocol is kombu's (kombu/pidbox.py): a request goes to the fanout exchange `<control_exchange>.pidbox`, a
worker that finds itself meant answers `{hostname: value}` to the exchange and routing key named in `reply_to`.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

import amqp.exceptions
import kombu
import redis.exceptions

from data_sources.brokers.broker_errors import FOREIGN
from data_sources.brokers.connection import connect
from data_sources.config import Broker
from data_sources.errors import QueryRejected
from data_sources.failure import TRANSPORT
from data_sources.workers.messages import STRAY, Answer, Audience, Request, decode

MAX_BINDINGS = 100_000  # old kombu never took them away
MAX_PROBES = 20  # a millisecond or two each
DRAIN_SECONDS = 0.1  # every second Redis says that nothing came, and kombu then waits its whole time-out once more
MAX_STRAYS = 100  # messages in our reply queue that are no replies; then we take another queue
OURS = "celery-notebook"

# The reply queues of this process that are in use, by the name that tells whose they are.
in_use: set[str] = set()


class Mailbox:
    """One connection, one channel, one reply queue for life. Used by one thread; raises what kombu raises."""

    def __init__(self, broker: Broker, seconds: float) -> None:
        self.rounds = 0
        self.blocked = False  # RabbitMQ takes no messages: an alarm is on
        self._inbox: deque[Answer] = deque()
        self._published = self._confirmed = self._strays = 0
        self._name = f"{OURS}@{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
        self._exchange = f"{broker.control_exchange}.pidbox"
        self._reply_exchange = f"reply.{broker.control_exchange}.pidbox"
        self._connection = connect(broker, seconds)
        try:
            if not self._connection.supports_exchange_type("fanout"):
                raise QueryRejected(
                    TRANSPORT,
                    f"Celery's {broker.transport} transport has no remote control, by which workers are asked",
                    "Transports that can broadcast have it: Redis, RabbitMQ, files, MongoDB, PGMQ, Pub/Sub.",
                )
            self._channel = self._connection.channel()
            self._is_redis = hasattr(self._channel, "create_publish_batch")
            self._confirms = hasattr(self._channel, "confirm_select")
            self._open()
        except BaseException:
            self.abandon()
            raise

    def _open(self) -> None:
        kombu.Exchange(self._exchange, "fanout", durable=False, delivery_mode="transient")(self._channel).declare()
        if self._is_redis:
            self._sweep()
        if self._confirms:
            self._channel.confirm_select()
            self._channel.events["basic_ack"].add(self._on_confirmed)
            self._connection.connection.on_blocked = self._on_blocked
        in_use.add(self._name)
        self._queue = self._reply_queue(self._name)
        self._reply_to = {"exchange": self._reply_exchange, "routing_key": self._name}
        if self._is_redis:
            # The default exchange leads straight to our list. Through the other, each worker looks up its bindings
            # in Redis for each reply: 1.4 times slower, and deaf after a FLUSHALL.
            self._reply_to = {"exchange": "", "routing_key": self._queue.name}
        kombu.Consumer(
            self._channel,
            [self._queue],
            no_ack=True,
            on_message=lambda message: self._inbox.append(decode(message)),
            on_decode_error=lambda message, exc: self._inbox.append(STRAY),
        ).consume()

    @property
    def delivered(self) -> bool:
        """Whether the broker has taken every request: sending to a dead RabbitMQ looks like sending."""
        return self._confirmed >= self._published

    def ask(self, requests: Sequence[Request], audience: Audience, seconds: float) -> int | None:
        """Sends all requests at once; how many nodes they reached, whether meant or not, where the broker tells."""
        self.rounds += 1
        messages = [self._message(request, audience, seconds) for request in requests]
        if self._is_redis:
            return self._publish_counting(messages)
        for message in messages:
            self._channel.basic_publish(message, exchange=self._exchange, routing_key="", timeout=seconds)
            self._published += self._confirms
        return None

    def next(self, seconds: float) -> Answer | None:
        """The next reply, waited for that long."""
        ends = time.monotonic() + seconds
        while not self._inbox and (left := ends - time.monotonic()) > 0:
            try:
                self._connection.drain_events(timeout=min(left, DRAIN_SECONDS))
            except TimeoutError:
                continue
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):  # what is no message breaks kombu
                self._strays += 1
                if not self._is_redis or self._strays > MAX_STRAYS:
                    raise
                self._inbox.append(STRAY)
        return self._inbox.popleft() if self._inbox else None

    def nodes(self) -> set[str]:
        """The names that are bound to remote control on Redis: the living, and those that were killed."""
        ending = f".{self._exchange}"
        return {queue.removesuffix(ending) for queue in self._bound_queues(self._exchange) if queue.endswith(ending)}

    def located(self, names: Collection[str]) -> dict[str, bool]:
        """Whether the node of each name has its mailbox at the broker; who cannot be told of is left out."""
        if self._is_redis:
            bound = self.nodes()  # a name stays bound when its worker is killed; no names at all: we may not look
            return {name: False for name in names if name not in bound} if bound else {}
        return {name: self._has_queue(name) for name in itertools.islice(names, MAX_PROBES)} if self._confirms else {}

    def _has_queue(self, name: str) -> bool:
        """RabbitMQ answers a passive declare with 404, or with 405 as long as the worker holds its queue."""
        try:
            with self._connection.channel() as channel:  # one a probe: an error closes it
                channel.queue_declare(f"{name}.{self._exchange}", passive=True)
        except amqp.exceptions.NotFound:
            return False
        except (amqp.exceptions.ResourceLocked, amqp.exceptions.AccessRefused):
            return True
        return True

    def close(self) -> None:
        """Deletes the reply queue and takes leave."""
        with suppress(*FOREIGN):
            self._queue.delete()
            if not self._is_redis:
                self._connection.release()
        self.abandon()

    def abandon(self) -> None:
        """Ends a connection that failed, without a word: RabbitMQ deletes our queue then, on Redis the next sweep."""
        with suppress(*FOREIGN):
            # Redis answers our pending BRPOP only after a second, and kombu would wait for it.
            self._channel.client.connection.disconnect()
        with suppress(*FOREIGN):
            self._connection.collect()
        in_use.discard(self._name)

    def hang_up(self) -> None:
        """From another thread: makes whatever waits on a socket fail now."""
        with suppress(*FOREIGN):
            if self._is_redis:
                self._channel.pool.disconnect()
                self._channel.async_pool.disconnect()
            elif self._connection.connected:
                self._connection.connection.transport.sock.shutdown(socket.SHUT_RDWR)

    def _message(self, request: Request, audience: Audience, seconds: float) -> Any:
        body = {
            "method": request.method,
            "arguments": dict(request.arguments),
            **audience.address(),
            "ticket": request.ticket,
            "reply_to": self._reply_to,
        }
        return self._channel.prepare_message(
            json.dumps(body),
            content_type="application/json",
            content_encoding="utf-8",
            headers={"clock": 0, "expires": time.time() + seconds},
            properties={"delivery_mode": 1},
        )

    def _publish_counting(self, messages: Sequence[Any]) -> int:
        """Redis: one pipeline, and PUBLISH tells how many were listening."""
        batch = self._channel.create_publish_batch(max_size=10_000)
        try:
            for message in messages:
                batch.publish(message, exchange=self._exchange, routing_key="")
            counts = batch.pipeline.execute()
        finally:
            batch.close()
        topics = len(counts) // len(messages)  # two with sentinel_fanout_compat: new workers listen to both
        return int(min(max(counts[start : start + topics]) for start in range(0, len(counts), topics)))

    def _reply_queue(self, name: str) -> Any:
        exchange = kombu.Exchange(self._reply_exchange, "direct", durable=False, delivery_mode="transient")
        return kombu.Queue(
            f"{name}.{self._reply_exchange}",
            exchange,
            routing_key=name,
            durable=False,
            exclusive=True,
            auto_delete=True,
        )(self._channel)

    def _sweep(self) -> None:
        """Deletes what monitors of ours that were killed on this host left behind; Redis would keep it for ever."""
        ending = f".{self._reply_exchange}"
        for queue in self._bound_queues(self._reply_exchange):
            if is_abandoned(name := queue.removesuffix(ending)):
                left = self._reply_queue(name)
                left.declare()  # kombu unbinds only what it has bound
                left.delete()

    def _bound_queues(self, exchange: str) -> set[str]:
        """The queues bound to `exchange` on Redis; none where the user may not look."""
        key = self._channel.global_keyprefix + self._channel.keyprefix_queue % exchange
        members: set[bytes] = set()
        cursor = -1
        with suppress(redis.exceptions.NoPermissionError), self._channel.conn_or_acquire() as client:
            while cursor and len(members) < MAX_BINDINGS:
                cursor, found = client.sscan(key, max(cursor, 0), count=1_000)
                members.update(found)
        return {member.decode(errors="replace").rpartition(self._channel.sep)[2] for member in members}

    def _on_blocked(self, reason: str) -> None:
        self.blocked = True

    def _on_confirmed(self, delivery_tag: int, multiple: bool) -> None:
        self._confirmed = max(self._confirmed, delivery_tag)


def is_abandoned(name: str) -> bool:
    """Whether a reply queue of this host, named as ours are, has lost its process."""
    host, _, rest = name.removeprefix(f"{OURS}@").rpartition(".")[0].rpartition(".")
    if not name.startswith(f"{OURS}@") or host != socket.gethostname() or not rest.isdecimal():
        return False
    pid = int(rest)
    if pid == os.getpid():  # in a container, the process that was killed had our own pid
        return name not in in_use
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False
