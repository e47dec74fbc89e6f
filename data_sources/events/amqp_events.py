"""Events of RabbitMQ: a queue of our own, bound to all that the event exchange gets."""

from __future__ import annotations

import socket
import time
import uuid
from contextlib import suppress
from typing import Any

from amqp.exceptions import AMQPError
from amqp.exceptions import ConnectionError as AmqpConnectionError

from data_sources.brokers.broker_errors import FOREIGN, translated
from data_sources.brokers.connection import connect
from data_sources.config import Broker
from data_sources.events.event_stream import Message

MOST_MESSAGES = 10_000  # in one reading
GATHER_SECONDS = 0.02  # after the first message: to be woken for each costs more than to decode it
SILENCE_SECONDS = 10.0  # then it is asked whether it is there, and still has our queue
MOST_SECONDS = 0.25
MOMENT_SECONDS = 0.001  # not 0: py-amqp would spin until the rest of a frame is there

# Celery's own event queues keep a message for 5 s (event_queue_ttl), so who pauses for longer misses some and never
# learns it. Ours keeps a minute, or 64 MB, which Celery's workers need not know.
QUEUE = {"x-message-ttl": 60_000, "x-max-length-bytes": 64 * 2**20, "x-expires": 60_000}
FULL_BYTES = 0.95 * QUEUE["x-max-length-bytes"]  # as much has been in it when some was dropped


class AmqpEvents:
    """An exclusive queue that goes when its connection does. The exchange is declared as Celery declares it."""

    def __init__(self, broker: Broker) -> None:
        self.read_until = time.monotonic()
        self.overdue = False
        self._broker = broker
        self._amqp: Any = None
        self._channel: Any = None
        self._queue = ""
        self._messages: list[Message] = []
        self._behind_bytes = 0  # read since all was
        self._heard_at = 0.0
        self._lost: Exception | None = None

    def connect(self, deadline_seconds: float) -> None:
        """Declares, binds and consumes. Raises SourceUnreachable or QueryRejected."""
        self.close()
        with translated(self._broker):
            self._amqp = connect(self._broker, deadline_seconds).connection
            self._channel = self._amqp.channel()
            self._channel.auto_decode = False
            self._messages, self._lost, self._behind_bytes, self.overdue = [], None, 0, False
            self._queue = f"{self._broker.event_exchange}.{uuid.uuid4()}"
            exchange = self._broker.event_exchange
            self._channel.exchange_declare(exchange, "topic", durable=True, auto_delete=False)
            self._channel.queue_declare(self._queue, exclusive=True, auto_delete=True, durable=False, arguments=QUEUE)
            self._channel.queue_bind(self._queue, exchange, routing_key="#")
            self._channel.basic_consume(self._queue, no_ack=True, callback=self._on_message)
            self._heard_at = self.read_until = time.monotonic()

    def read(self, timeout_seconds: float) -> list[Message]:
        """See EventStream."""
        with translated(self._broker):
            if self._amqp is None or self._lost:
                raise self._lost or AmqpConnectionError("not connected")
            read_until, behind_bytes = self.read_until, self._behind_bytes
            if self._drain(timeout_seconds):
                time.sleep(GATHER_SECONDS)
                self._gather()
            behind_bytes += sum(len(message.body) for message in self._messages)
            self._behind_bytes = behind_bytes if self.read_until == read_until else 0
            self.overdue = time.monotonic() - read_until > QUEUE["x-message-ttl"] / 1000 or behind_bytes > FULL_BYTES
            if time.monotonic() - self._heard_at > SILENCE_SECONDS:
                self.read_until = self._heard_at
                self._channel.queue_declare(self._queue, passive=True)
                self._heard_at = self.read_until = time.monotonic()
            taken, self._messages = self._messages, []
            return taken

    def close(self) -> None:
        """See EventStream."""
        amqp, self._amqp, self._channel = self._amqp, None, None
        if amqp is not None:
            with suppress(*FOREIGN):
                amqp.transport.sock.shutdown(socket.SHUT_RDWR)  # wakes a read in another thread
            amqp.collect()

    def _gather(self) -> None:
        """Takes what is there. When the connection ends meanwhile, the next reading says so."""
        ends = time.monotonic() + MOST_SECONDS
        try:
            while len(self._messages) < MOST_MESSAGES and time.monotonic() < ends and self._drain(MOMENT_SECONDS):
                pass
        except (OSError, AMQPError) as exc:
            self._lost = exc

    def _drain(self, timeout_seconds: float) -> bool:
        """Whether anything came within that time."""
        began = time.monotonic()
        try:
            self._amqp.drain_events(timeout=timeout_seconds)
        except (TimeoutError, BlockingIOError):
            self.read_until = began
            return False
        self._heard_at = time.monotonic()
        return True

    def _on_message(self, message: Any) -> None:
        body = message.body
        body = body if isinstance(body, bytes) else str(body).encode(errors="replace")
        self._messages.append(Message(body, message.properties.get("content_type")))
