"""Which queues exist on a Redis broker: read from the binding sets kombu keeps, without disturbing anyone.

Declaring a queue leaves `<routing key><sep><pattern><sep><queue>` in the set `_kombu.binding.<exchange>`
(kombu/transport/redis.py, Channel._queue_bind), whether or not a worker is there. The sets are found by SCAN, a
slice at a time, at start and every few minutes; in between those already found are read again.
"""

from __future__ import annotations

import glob
import time
from collections.abc import Iterator
from typing import Any

import redis
from redis.exceptions import NoPermissionError

from data_sources.note import Note

SEARCH_EVERY_SECONDS = 300.0
READ_EVERY_SECONDS = 30.0
SLICE_SECONDS = 0.3  # of searching in one reading: SCAN over a million keys takes about a second
SCAN_KEYS = 1_000  # a step of SCAN; below this the round trips cost more than the scan
MAX_EXCHANGES = 5_000
MAX_MEMBERS = 10_000  # of one exchange

Binding = tuple[bytes, bytes, bytes]  # routing key, pattern (topic exchanges only), queue


class Bindings:
    """The bindings of one database. `prefix` is all that stands before an exchange's name in its key."""

    def __init__(self, prefix: bytes, sep: bytes) -> None:
        self._prefix = prefix
        self._sep = sep
        self._tables: dict[bytes, set[Binding]] = {}  # key -> what it held when last read
        self._cut: set[bytes] = set()  # keys with more members than are read
        self._cursor = 0  # where the search stands
        self._found: set[bytes] = set()  # by the search under way
        self._looked_at = 0
        self._searched = self._read = float("-inf")
        self._denied = False

    def refresh(self, client: redis.Redis) -> None:
        """Goes on with the search when one is due, and reads the sets again when they are old."""
        now = time.monotonic()
        try:
            if now - self._searched >= SEARCH_EVERY_SECONDS and self._search(client):
                self._searched, self._read, self._denied = now, float("-inf"), False
            if now - self._read >= READ_EVERY_SECONDS:
                self._read = now
                self._read_tables(client)
        except NoPermissionError:
            self._searched, self._denied = now, True

    def queues(self) -> set[bytes]:
        return {queue for table in self._tables.values() for _, _, queue in table}

    def destinations(self, exchange: bytes, routing_key: bytes) -> set[bytes]:
        """The queues a message with this address goes to; several mean that any of them may have held it."""
        table = self._tables.get(self._prefix + exchange, set())
        if not exchange or (not table and exchange == routing_key):  # Celery's default: all three names are one
            return {routing_key}
        return {queue for key, pattern, queue in table if matches(key, pattern, routing_key)}

    def notes(self) -> Iterator[Note]:
        if self._denied:
            yield Note(
                "Showing the queues that workers consume: to find others, allow SCAN and SSCAN by ACL", "warning"
            )
        if self._searched == float("-inf"):
            yield Note(
                f"Still looking for queues, {self._looked_at:,} keys so far: one without a worker may be missing"
            )
        if self._cut or len(self._tables) >= MAX_EXCHANGES:
            yield Note(f"Over {MAX_EXCHANGES:,} exchanges or {MAX_MEMBERS:,} bindings of one: not all are read", "cut")

    def _search(self, client: redis.Redis) -> bool:
        """Searches for up to SLICE_SECONDS, but at least a step; true when it is through."""
        ends = time.monotonic() + SLICE_SECONDS
        pattern = glob.escape(self._prefix.replace(b"\\", b"\\\\")) + b"*"
        keys: Any
        while True:
            self._cursor, keys = client.scan(self._cursor, match=pattern, count=SCAN_KEYS)
            self._looked_at += SCAN_KEYS
            self._found.update(keys)
            through = not self._cursor or len(self._found) >= MAX_EXCHANGES
            if through or time.monotonic() >= ends:
                break
        if through:
            self._tables = {key: self._tables.get(key, set()) for key in self._found}
            self._cursor, self._found, self._looked_at = 0, set(), 0
        else:
            self._tables = {key: set() for key in self._found} | self._tables
        return through

    def _read_tables(self, client: redis.Redis) -> None:
        """All sets side by side, a step of each in one pipeline, until each is through or too large."""
        tables: dict[bytes, set[Binding]] = {key: set() for key in self._tables}
        cursors = dict.fromkeys(tables, 0)
        self._cut = set()
        while cursors:
            pipeline = client.pipeline(transaction=False)
            for key, cursor in cursors.items():
                pipeline.sscan(key, cursor, count=SCAN_KEYS)
            steps = dict(zip(cursors, pipeline.execute(raise_on_error=False), strict=True))
            cursors = {}
            for key, step in steps.items():
                if isinstance(step, NoPermissionError):
                    raise step
                if isinstance(step, redis.ResponseError):  # another program's key that happens to be named so
                    continue
                cursor, members = step
                tables[key].update(self._bindings(members))
                if cursor and len(tables[key]) >= MAX_MEMBERS:
                    self._cut.add(key)
                elif cursor:
                    cursors[key] = cursor
        self._tables = tables

    def _bindings(self, members: list[bytes]) -> Iterator[Binding]:
        for member in members:
            parts = member.split(self._sep)
            if len(parts) == 3 and parts[2]:
                yield parts[0], parts[1], parts[2]


def matches(key: bytes, pattern: bytes, routing_key: bytes) -> bool:
    """Whether a binding takes a message: direct exchanges compare, topic exchanges (`pattern`) match words.

    As kombu matches (exchange.py, TopicExchange): `*` is one word that is not empty, `#` one or more. Not by its
    regular expression: one made of many hashes takes for ever, and anybody may have written it.
    """
    if not pattern:
        return key == routing_key
    words, places = routing_key.split(b"."), {0}  # how many words are matched so far, in each possible way
    for wanted in key.split(b"."):
        if wanted == b"#":
            places = set(range(min(places) + 1, len(words) + 1)) if places else set()
        else:
            places = {n + 1 for n in places if n < len(words) and (words[n] == wanted or (wanted == b"*" and words[n]))}
    return len(words) in places
