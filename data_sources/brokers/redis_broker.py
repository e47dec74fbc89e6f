"""A Redis broker's queues: how much is ready in each, by priority, and how much is held unacknowledged.

A queue is one list a priority step (`mail`, `mail\\x06\\x163`, ...), and an empty list is no key at all; the
unacknowledged messages of all queues stand in one hash (kombu/transport/redis.py). Only reads are sent, none of
them of a size that others decide.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from redis.exceptions import NoPermissionError
from redis.utils import str_if_bytes

from data_sources.brokers.broker_errors import translated
from data_sources.brokers.connection import connect
from data_sources.brokers.queue_depths import DepthReading, Hold, depth_rows, total
from data_sources.brokers.redis_ages import Ages, ask
from data_sources.brokers.redis_bindings import Bindings
from data_sources.brokers.redis_keys import RedisKeys
from data_sources.brokers.redis_unacked import Held, UnackedCount
from data_sources.config import Broker
from data_sources.note import Note, listed
from data_sources.scope import EPOCH

PIPELINE = 2_000  # commands in one round trip
MAX_QUEUES = 5_000  # 20,000 lists with Celery's four priority steps: some tenths of a second

Reply = Any  # what Redis says to one command of a pipeline: a number, a list, or a ResponseError


class RedisBroker:
    """Reads over one connection, made when first needed exactly as Celery would make it. One thread at a time.

    All that transport options can change (prefix, separator, steps, names of keys) is asked of kombu's own channel.
    That channel never consumes: one that does puts messages back that others hold (QoS.restore_visible).
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._channel: Any = None
        self._client: Any = None

    def read(self, known_queues: Collection[str], deadline_seconds: float) -> DepthReading:
        """The queues that are known or bound. Raises SourceUnreachable or QueryRejected."""
        with translated(self._broker):
            if self._channel is None:
                self._connect(deadline_seconds)
            return self._read({name.encode(errors="surrogatepass") for name in known_queues})

    def close(self) -> None:
        """Drops the connection; a read under way in another thread fails."""
        if self._channel is not None:
            self._channel.close()

    def _connect(self, seconds: float) -> None:
        channel = connect(self._broker, seconds).default_channel
        self._client = redis.Redis(connection_pool=channel.client.connection_pool)  # without kombu's own prefixing
        self._keys = RedisKeys.of(channel)
        self._bindings = Bindings(self._keys.bindings, self._keys.separator)
        self._unacked_count = UnackedCount(self._keys)
        self._ages = Ages()
        self._channel = channel

    def _read(self, known: set[bytes]) -> DepthReading:
        measured_at, began = datetime.now(UTC), time.monotonic()
        server = self._client.execute_command("HELLO")  # needs no permission; the smallest round trip that tells much
        latency = timedelta(seconds=time.monotonic() - began)

        self._bindings.refresh(self._client)
        queues, cut = self._queues(known)
        missing = [*cut, *self._bindings.notes()]  # why there may be queues that are not among these
        lists = [self._keys.lists(name) for name in queues]
        held, oldest, *lengths = self._ask(lists)
        unacked = held if isinstance(held, int) else None
        ready, priorities = self._ready(lengths)
        self._unacked_count.refresh(self._client, unacked, self._bindings)
        names = [name.decode(errors="backslashreplace") for name in queues]
        named = list(zip(names, queues, strict=True))
        holding = {name: self._unacked_count.of(queue) for name, queue in named}
        now = measured_at.timestamp()
        rows = depth_rows(
            names,
            ready=ready,
            priorities=priorities,
            **self._oldest(lists, lengths),
            **held_columns(holding, now),
        )
        totals = {
            "ready": None if missing else total(rows, "ready"),
            "unacked": unacked,
            "oldest_unacked": age(oldest, measured_at),
        }
        notes = (
            *missing,
            *self._unacked_count.notes(),
            *self._ages.notes((key, name) for name, keys in zip(names, lists, strict=True) for key in keys),
            *self._refusals(queues, [held, oldest], lengths),
            *role_notes(server),
        )
        origin = f"{product(server)} at {self._broker.address}"
        return DepthReading(rows, totals, notes, origin, latency, measured_at, holds(holding, now))

    def _queues(self, known: set[bytes]) -> tuple[list[bytes], list[Note]]:
        """Those that workers consume first, so that they are the last to be cut."""
        queues = sorted(known) + sorted(self._bindings.queues() - known)
        if len(queues) <= MAX_QUEUES:
            return queues, []
        return queues[:MAX_QUEUES], [Note(f"Showing {MAX_QUEUES:,} of {len(queues):,} queues", "cut")]

    def _ask(self, lists: Sequence[Sequence[bytes]]) -> list[Reply]:
        """Number of unacked messages, the first of them to be delivered, and the length of each of the `lists`, which
        are of a queue each.
        """
        commands: list[tuple[bytes | str | int, ...]] = [
            ("HLEN", self._keys.unacked),
            ("ZRANGE", self._keys.unacked_index, 0, 0, "WITHSCORES"),
        ]
        commands += [("LLEN", key) for keys in lists for key in keys]
        replies: list[Reply] = []
        for start in range(0, len(commands), PIPELINE):
            replies += ask(self._client, commands[start : start + PIPELINE])
        return replies

    def _oldest(self, lists: Sequence[Sequence[bytes]], lengths: Sequence[Reply]) -> dict[str, Any]:
        """The columns `oldest` and `oldest_at_least`."""
        by_key = dict(zip((key for keys in lists for key in keys), lengths, strict=True))
        self._ages.refresh(self._client, by_key)
        ages = [self._ages.of(keys, by_key) for keys in lists]
        return {"oldest": [age for age, _ in ages], "oldest_at_least": [least for _, least in ages]}

    def _ready(self, lengths: Sequence[Reply]) -> tuple[list[int | None], list[str | None]]:
        """Per queue the sum of its lists, and the JSON of each; unknown when one of them is."""
        steps = len(self._keys.steps)
        lists = [tuple(lengths[start : start + steps]) for start in range(0, len(lengths), steps)]
        known = [all(type(size) is int for size in sizes) for sizes in lists]
        ready = [sum(sizes) if good else None for sizes, good in zip(lists, known, strict=True)]
        if steps == 1:
            return ready, [None] * len(lists)
        template = "{" + ", ".join(f'"{step}": %d' for step in self._keys.steps) + "}"
        return ready, [template % sizes if good else None for sizes, good in zip(lists, known, strict=True)]

    def _refusals(self, queues: Sequence[bytes], totals: Sequence[Reply], lengths: Sequence[Reply]) -> Iterator[Note]:
        """Why some of the replies are no numbers: what is forbidden to this user, what is no list or no hash."""
        errors = [reply for reply in (*totals, *lengths) if isinstance(reply, redis.ResponseError)]
        if not errors:
            return
        for what in sorted({denied(error) for error in errors if isinstance(error, NoPermissionError)}):
            yield Note(f"Redis refused {what}: allow it to this user by ACL", "warning")
        keys = self._keys
        names = [keys.unacked, keys.unacked_index, *(name for name in queues for _ in keys.steps)]
        wrong = [
            name.decode(errors="backslashreplace")
            for name, reply in zip(names, (*totals, *lengths), strict=True)
            if isinstance(reply, redis.ResponseError) and not isinstance(reply, NoPermissionError)
        ]
        if wrong:
            yield Note(f"{listed(wrong)}: not what Celery keeps under this name in Redis, so it is unknown", "warning")


def held_columns(held: Mapping[str, Sequence[Held] | None], now: float) -> dict[str, Any]:
    """What is told of the unacked of each queue; unknown where they were not counted."""
    known = {name: messages for name, messages in held.items() if messages is not None}
    etas = {name: [one.eta for one in messages if one.eta and one.eta > now] for name, messages in known.items()}
    ages = {name: [now - one.delivered for one in messages if one.delivered] for name, messages in known.items()}
    return {
        "unacked": [len(known[name]) if name in known else None for name in held],
        "scheduled": [len(etas[name]) if name in known else None for name in held],
        "next_eta": [EPOCH + timedelta(seconds=min(etas[name])) if etas.get(name) else None for name in held],
        "oldest_unacked": [max(0.0, *ages[name]) if ages.get(name) else None for name in held],
    }


def holds(held: Mapping[str, Sequence[Held] | None], now: float) -> dict[str, list[Hold]]:
    """By queue, those of which it is known when they were delivered."""
    return {
        name: [
            Hold(now - one.delivered, one.eta - one.delivered if one.eta and one.eta > now else None)
            for one in messages
            if one.delivered
        ]
        for name, messages in held.items()
        if messages
    }


def age(oldest: Reply, now: datetime) -> int | None:
    """Seconds since the first entry of the index was delivered, by its worker's clock; None: none, or unknown."""
    match oldest:
        case [[_, float() as delivered]] if math.isfinite(delivered):
            return max(0, round(now.timestamp() - delivered))
    return None


def product(server: Mapping[bytes, Any]) -> str:
    """`Redis 7.0.15`, as the server calls itself."""
    words = [str(str_if_bytes(server.get(key, ""))) for key in (b"server", b"version")]
    return " ".join(word for word in words if re.fullmatch(r"[\w.-]{1,30}", word)).capitalize()


def role_notes(server: Mapping[bytes, Any]) -> Iterator[Note]:
    if server.get(b"role") == b"replica":
        yield Note("This Redis is a replica: what it tells may be late, and workers cannot use it", "warning")


def denied(error: NoPermissionError) -> str:
    """What an ACL forbids: a command's name in capitals, or some keys."""
    command = re.search(r"'([\w|]{1,40})' command", str(error))
    return command[1].upper().replace("|", " ") if command else "to show some keys"
