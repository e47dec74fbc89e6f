"""Events of a Redis broker, read below kombu: one subscription, its messages taken off the socket as they stand.

kombu publishes an event to the channel `<global_keyprefix>/<db>.<event_exchange>/<routing.key>` in an envelope of its
own (kombu/transport/redis.py, _put_fanout; virtual/base.py, prepare_message). redis-py's parser takes some forty
microseconds a message, which is more than all the rest.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Literal

import msgspec
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from data_sources.brokers.broker_errors import FOREIGN, SOURCE, place, translated
from data_sources.brokers.connection import connect
from data_sources.config import Broker
from data_sources.errors import SourceUnreachable
from data_sources.events.event_stream import Message
from data_sources.events.redis_push import PushParser

READ_BYTES = 2**18
MOST_BYTES = 2**22  # in one reading
GATHER_SECONDS = 0.3  # after the first message: to be woken for each costs more than to decode it
BUSY_BYTES, BUSY_SECONDS = 2**17, 1.0  # the same after a reading that brought so much: some 500 events a second
SILENCE_SECONDS = 10.0  # then it is asked whether it is there; a Redis that vanished says nothing, for ever
MOST_TAGS = 10_000  # the second of a message follows the first
NO_ENVELOPE = "not in an envelope of kombu's"


class RedisEvents:
    """A subscription to all events. The connection is made exactly as Celery would make it."""

    overdue = False  # it drops the connection of who reads too slowly

    def __init__(self, broker: Broker) -> None:
        self.read_until = time.monotonic()
        self._broker = broker
        self._kombu: Any = None
        self._connection: Any = None
        self._socket: Any = None
        self._parser = PushParser()
        self._heard_at = 0.0
        self._asked_at: float | None = None  # whether it is there, unless it said something since
        self._gather_seconds = GATHER_SECONDS
        self._twice = False  # whether each message is published on two channels
        self._tags: dict[str, None] = {}  # of the last messages, in order

    def connect(self, deadline_seconds: float) -> None:
        """Subscribes and waits until Redis confirms it. Raises SourceUnreachable or QueryRejected."""
        self.close()
        with translated(self._broker):
            self._kombu = connect(self._broker, deadline_seconds)
            channel = self._kombu.default_channel
            self._connection = channel.client.connection_pool.get_connection()
            self._socket = self._connection._sock
            self._parser = PushParser()
            patterns = topics(channel, self._broker.event_exchange)
            self._twice = len(patterns) > 1
            self._connection.send_command("PSUBSCRIBE", *patterns)
            self._heard_at, self._asked_at = time.monotonic(), None
            ends = time.monotonic() + deadline_seconds
            while self._parser.confirmed < len(patterns):
                left = ends - time.monotonic()
                if left <= 0 or not self._receive(left):
                    raise RedisTimeoutError("the subscription was not confirmed")
            self.read_until = time.monotonic()

    def read(self, timeout_seconds: float) -> list[Message]:
        """See EventStream."""
        with translated(self._broker):
            if self._socket is None:
                raise RedisConnectionError("not connected")
            if self._receive(timeout_seconds):
                time.sleep(self._gather_seconds)
                taken = 0
                with suppress(OSError, RedisConnectionError, SourceUnreachable):  # the next reading meets it again
                    while taken < MOST_BYTES and (received := self._receive(0)):
                        taken += received
                self._gather_seconds = gathering(taken)
            self._mind_silence()
            payloads = self._parser.take()
            return [unwrap(payload) for payload in (self._once(payloads) if self._twice else payloads)]

    def close(self) -> None:
        """See EventStream."""
        connection, kombu = self._connection, self._kombu
        self._connection = self._kombu = self._socket = None
        if connection is not None:
            connection.disconnect()
        if kombu is not None:
            with suppress(*FOREIGN):
                kombu.collect()

    def _once(self, payloads: Iterable[bytes | int]) -> Iterator[bytes | int]:
        """The first of what came twice. What has no tag cannot be told apart; it is no event of kombu's."""
        for payload in payloads:
            tag = tag_of(payload)
            if tag is None or tag not in self._tags:
                yield payload
            if tag is not None:
                self._tags[tag] = None
                if len(self._tags) > MOST_TAGS:
                    del self._tags[next(iter(self._tags))]

    def _receive(self, timeout_seconds: float) -> int:
        """How many bytes came within that time, at most READ_BYTES."""
        began = time.monotonic()
        self._socket.settimeout(timeout_seconds)
        try:
            data = self._socket.recv(READ_BYTES)
        except (TimeoutError, BlockingIOError, ssl.SSLWantReadError):
            self.read_until = began
            return 0
        if not data:
            raise self._ended()
        self._heard_at, self._asked_at = time.monotonic(), None
        self._parser.feed(data)
        return len(data)

    def _ended(self) -> Exception:
        if not self._parser.amid:
            return RedisConnectionError("closed by the server")
        return SourceUnreachable(
            SOURCE,
            f"{place(self._broker)} closed the connection in the middle of a message",
            "It drops subscribers that read too slowly: see its client-output-buffer-limit for pubsub.",
        )

    def _mind_silence(self) -> None:
        """Asks, and says that it is lost when nothing was there to be read so long after that: not when that alone is
        long ago, as this process may have stood still.
        """
        if self._asked_at is None and time.monotonic() - self._heard_at > SILENCE_SECONDS:
            self._socket.settimeout(SILENCE_SECONDS)
            self._socket.sendall(b"*1\r\n$4\r\nPING\r\n")
            self._asked_at = time.monotonic()
        elif self._asked_at is not None and self.read_until - self._asked_at > SILENCE_SECONDS:
            self.read_until = self._heard_at
            raise RedisTimeoutError("silent")


def gathering(taken: int) -> float:
    """How long to wait for more after the first message, when the reading before brought `taken` bytes."""
    if taken >= MOST_BYTES:  # there was more: who waits falls behind
        return 0.0
    return BUSY_SECONDS if taken >= BUSY_BYTES else GATHER_SECONDS


def topics(channel: Any, exchange: str) -> list[bytes]:
    """The patterns of the channels on which `exchange` publishes, as kombu's own channel names them.

    Two with `sentinel_fanout_compat`, by which workers publish each event twice.
    """
    rest = b"/*" if channel.fanout_patterns else b""
    names = [channel.global_keyprefix + topic for topic in channel._get_publish_topics(exchange, "")]
    return [re.sub(rb"([\\*?\[\]])", rb"\\\1", name.encode(errors="surrogatepass")) + rest for name in names]


class Tag(msgspec.Struct):
    delivery_tag: str


class Tagged(msgspec.Struct):
    properties: Tag


read_tagged = msgspec.json.Decoder(Tagged).decode


def tag_of(payload: bytes | int) -> str | None:
    """What kombu tells a message by, published once or twice."""
    try:
        return None if isinstance(payload, int) else read_tagged(payload).properties.delivery_tag
    except (ValueError, RecursionError):
        return None


class Base64(msgspec.Struct):
    body_encoding: Literal["base64"]


class Wrapped(msgspec.Struct, rename={"content_type": "content-type"}):
    """The part of an envelope that is read."""

    content_type: Any
    properties: Base64
    body: bytes  # from base64


class Bare(msgspec.Struct, rename={"content_type": "content-type"}):
    """One without `body_encoding` has its body as it stands (virtual.Channel)."""

    content_type: Any
    properties: dict[str, Any]
    body: str


read_wrapped, read_bare = msgspec.json.Decoder(Wrapped).decode, msgspec.json.Decoder(Bare).decode


def unwrap(payload: bytes | int) -> Message:
    """The message in an envelope."""
    if isinstance(payload, int):
        return Message(b"", fault=f"a message of {payload:,} bytes")
    try:
        wrapped = read_wrapped(payload)
        return Message(wrapped.body, wrapped.content_type)
    except (ValueError, RecursionError):
        return unwrap_bare(payload)


def unwrap_bare(payload: bytes) -> Message:
    try:
        bare = read_bare(payload)
    except (ValueError, RecursionError):
        return Message(b"", fault=NO_ENVELOPE)
    if bare.properties.get("body_encoding", "base64") == "base64":
        return Message(b"", fault=NO_ENVELOPE)
    return Message(bare.body.encode(), bare.content_type)
