"""Which queues the unacknowledged messages of a Redis broker belong to, since when they are held, and for what.

kombu keeps all of them, of all queues, in one hash: delivery tag -> `[message, "<exchange>", "<routing key>"]`, and
when each was delivered in a sorted set (kombu/transport/redis.py, QoS.append). Their number is cheap, their queues
cost reading every message in full, so they are counted seldom and only while there are few. Never in Lua: that holds
up the server for everybody.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import redis

from data_sources.brokers.redis_bindings import Bindings
from data_sources.brokers.redis_keys import RedisKeys
from data_sources.note import Note

EVERY_SECONDS = 30.0
MAX_MESSAGES = 20_000  # 0.2 s to read and count
MAX_BYTES = 16 * 2**20
MAX_SECONDS = 0.5  # on a slow line
STEP = 500  # messages a step of HSCAN

# The message is an object, so a brace stands before the exchange; an address is no longer than AMQP allows.
TAIL_BYTES = 2048
TAIL = re.compile(rb'\}, ?"((?:[^"\\]|\\.)*)", ?"((?:[^"\\]|\\.)*)"\]\Z')
# A header of Celery's. Within a text, such as the body or the repr of arguments, its quotes would be escaped.
ETA = re.compile(rb'"eta": ?"([0-9T:.+Z-]{10,40})"')

Address = tuple[bytes, bytes]  # exchange, routing key


class Held(NamedTuple):
    """One unacknowledged message. Times are seconds since 1970, `delivered` by the worker's clock."""

    delivered: float | None
    eta: float | None


Addressed = defaultdict[Address | None, list[Held]]  # under None those without a readable address


class UnackedCount:
    """What was held of each queue when it was counted last, and why that is not known."""

    def __init__(self, keys: RedisKeys) -> None:
        self._keys = keys
        self._read_at = float("-inf")  # when the messages were last read
        self._known_at = float("-inf")  # when the count was true: also, unread, when there were none
        self._age_seconds = 0.0  # of the count, when the rest was read
        self._by_queue: defaultdict[bytes, list[Held]] | None = None
        self._unclear: set[bytes] = set()  # queues that share an exchange's messages: any of them may hold them
        self._homeless = 0  # messages whose queue is not known
        self._reason = ""

    def refresh(self, client: redis.Redis, total: int | None, bindings: Bindings) -> None:
        """Counts again when there is something to count and it was not read just now."""
        now = time.monotonic()
        if total is None:
            self._forget("not even their number is")
        elif total == 0:
            self._known_at = now
            self._assign(Addressed(list), bindings)
        elif now - self._read_at >= EVERY_SECONDS:
            self._read_at = self._known_at = now
            addressed = self._addressed(client, total)
            if isinstance(addressed, str):
                self._forget(addressed)
            else:
                self._assign(addressed, bindings)
        self._age_seconds = now - self._known_at

    def of(self, queue: bytes) -> Sequence[Held] | None:
        """Unacked messages of one queue; None: not known."""
        if self._by_queue is None or queue in self._unclear:
            return None
        return self._by_queue.get(queue, ())

    def notes(self) -> Iterator[Note]:
        if self._by_queue is None:
            yield Note(f"Unacked by queue is not known: {self._reason}")
        elif self._age_seconds >= 1:
            yield Note(f"Unacked by queue was counted {self._age_seconds:.0f} s ago; the total is of now")
        if self._unclear:
            yield Note("Unacked is not known for queues that receive the same messages of a topic exchange")
        if self._homeless:
            yield Note(f"{self._homeless:,} unacked messages belong to queues whose bindings are not known", "warning")

    def _addressed(self, client: redis.Redis, total: int) -> Addressed | str:
        """All messages by address, or why they are not read."""
        if total > MAX_MESSAGES:
            return f"{total:,} messages are held, at most {MAX_MESSAGES:,} are read"
        try:
            # All of them: a sample misses the one of 100 MB.
            size = client.memory_usage(self._keys.unacked, samples=0) or 0
            if size > MAX_BYTES:
                return f"they take {size / 2**20:,.0f} MB, at most {MAX_BYTES >> 20} MB are read"
            return self._scan(client, self._delivered(client))
        except redis.exceptions.NoPermissionError:
            return "the Redis user may not run MEMORY USAGE and HSCAN (allow them by ACL)"
        except redis.ResponseError:
            return "this server cannot tell how large the messages are"

    def _delivered(self, client: redis.Redis) -> dict[bytes, float]:
        """When each message was delivered, as far as that may be read."""
        try:
            index: Any = client.zrange(self._keys.unacked_index, 0, MAX_MESSAGES, withscores=True)
        except redis.ResponseError:
            return {}
        return {tag: at for tag, at in index if math.isfinite(at)}

    def _scan(self, client: redis.Redis, delivered: Mapping[bytes, float]) -> Addressed | str:
        addressed, seen, size, cursor, began = Addressed(list), set[bytes](), 0, 0, time.monotonic()
        messages: Any
        while True:
            cursor, messages = client.hscan(self._keys.unacked, cursor, count=STEP)
            for tag, message in messages.items():
                if tag not in seen:  # HSCAN may return an entry twice
                    seen.add(tag)
                    size += len(message)
                    addressed[address(message)].append(Held(delivered.get(tag), eta_of(message)))
            if not cursor:
                return addressed
            if size > MAX_BYTES or len(seen) > MAX_MESSAGES or time.monotonic() - began > MAX_SECONDS:
                return "they grew, or came too slowly, while they were read"

    def _forget(self, reason: str) -> None:
        self._by_queue, self._unclear, self._homeless, self._reason = None, set(), 0, reason

    def _assign(self, addressed: Addressed, bindings: Bindings) -> None:
        self._by_queue, self._unclear, self._homeless = defaultdict(list), set(), 0
        for place, messages in addressed.items():
            queues = bindings.destinations(*place) if place else set()
            if len(queues) == 1:
                self._by_queue[queues.pop()] += messages
            elif queues:
                self._unclear |= queues
            else:
                self._homeless += len(messages)


def address(message: bytes) -> Address | None:
    """Exchange and routing key from the end of an entry of the hash, without decoding the message before them."""
    found = TAIL.search(message[-TAIL_BYTES:])
    if found is None:
        return None
    try:
        exchange, routing_key = (json.loads(b'"' + part + b'"').encode() for part in found.groups())
    except ValueError:  # not JSON, or not text
        return None
    return exchange, routing_key


def eta_of(message: bytes) -> float | None:
    """The ETA in the headers, in seconds since 1970; without an offset celery means UTC."""
    found = ETA.search(message)
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(found[1].decode())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
