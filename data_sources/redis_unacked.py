"""Which queues the unacknowledged messages of a Redis broker belong to.

kombu keeps all of them, of all queues, in one hash: delivery tag -> `[message, "<exchange>", "<routing key>"]`
(kombu/transport/redis.py, QoS.append). Their number is cheap, their queues cost reading every message in full, so
they are counted seldom and only while there are few. Never in Lua: that holds up the server for everybody.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import redis

from data_sources.note import Note
from data_sources.redis_bindings import Bindings

EVERY_SECONDS = 30.0
MAX_MESSAGES = 20_000  # 0.2 s to read and count
MAX_BYTES = 16 * 2**20
MAX_SECONDS = 0.5  # on a slow line
STEP = 500  # messages a step of HSCAN

# The message is an object, so a brace stands before the exchange; an address is no longer than AMQP allows.
TAIL_BYTES = 2048
TAIL = re.compile(rb'\}, ?"((?:[^"\\]|\\.)*)", ?"((?:[^"\\]|\\.)*)"\]\Z')

Address = tuple[bytes, bytes]  # exchange, routing key
Addresses = Counter[Address | None]  # messages by address, under None those without a readable one


class UnackedCount:
    """The last count by queue of the hash `key`, and why there is none."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._read_at = float("-inf")  # when the messages were last read
        self._known_at = float("-inf")  # when the count was true: also, unread, when there were none
        self._by_queue: Counter[bytes] | None = None
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
            self._assign(Addresses(), bindings)
        elif now - self._read_at >= EVERY_SECONDS:
            self._read_at = self._known_at = now
            addresses = self._addresses(client, total)
            if isinstance(addresses, str):
                self._forget(addresses)
            else:
                self._assign(addresses, bindings)

    def of(self, queue: bytes) -> int | None:
        """Unacked messages of one queue; None: not known."""
        if self._by_queue is None or queue in self._unclear:
            return None
        return self._by_queue[queue]

    def notes(self) -> Iterator[Note]:
        age = time.monotonic() - self._known_at
        if self._by_queue is None:
            yield Note(f"Unacked by queue is not known: {self._reason}")
        elif age >= 1:
            yield Note(f"Unacked by queue was counted {age:.0f} s ago; the total is of now")
        if self._unclear:
            yield Note("Unacked is not known for queues that receive the same messages of a topic exchange")
        if self._homeless:
            yield Note(f"{self._homeless:,} unacked messages belong to queues whose bindings are not known", "warning")

    def _addresses(self, client: redis.Redis, total: int) -> Addresses | str:
        """All messages by address, or why they are not read."""
        if total > MAX_MESSAGES:
            return f"{total:,} messages are held, at most {MAX_MESSAGES:,} are read"
        try:
            size = client.memory_usage(self._key, samples=0) or 0  # all of them: a sample misses the one of 100 MB
            if size > MAX_BYTES:
                return f"they take {size / 2**20:,.0f} MB, at most {MAX_BYTES >> 20} MB are read"
            return self._scan(client)
        except redis.exceptions.NoPermissionError:
            return "the Redis user may not run MEMORY USAGE and HSCAN (allow them by ACL)"
        except redis.ResponseError:
            return "this server cannot tell how large the messages are"

    def _scan(self, client: redis.Redis) -> Addresses | str:
        addresses, seen, size, cursor, began = Addresses(), set[bytes](), 0, 0, time.monotonic()
        messages: Any
        while True:
            cursor, messages = client.hscan(self._key, cursor, count=STEP)
            for tag, message in messages.items():
                if tag not in seen:  # HSCAN may return an entry twice
                    seen.add(tag)
                    size += len(message)
                    addresses[address(message)] += 1
            if not cursor:
                return addresses
            if size > MAX_BYTES or len(seen) > MAX_MESSAGES or time.monotonic() - began > MAX_SECONDS:
                return "they grew, or came too slowly, while they were read"

    def _forget(self, reason: str) -> None:
        self._by_queue, self._unclear, self._homeless, self._reason = None, set(), 0, reason

    def _assign(self, addresses: Addresses, bindings: Bindings) -> None:
        self._by_queue, self._unclear, self._homeless = Counter(), set(), 0
        for place, count in addresses.items():
            queues = bindings.destinations(*place) if place else set()
            if len(queues) == 1:
                self._by_queue[queues.pop()] += count
            elif queues:
                self._unclear |= queues
            else:
                self._homeless += count


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
