"""A sample of both ends of a Redis queue, read by LRANGE and bounded in number, in bytes and in time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import orjson
import redis

from data_sources.brokers.broker_errors import translated
from data_sources.brokers.connection import connect
from data_sources.brokers.redis_keys import RedisKeys
from data_sources.brokers.xray import Sample, Sampled
from data_sources.config import Broker
from data_sources.note import Note

MOST_MESSAGES = 200  # of each end
MOST_BYTES = 4 * 2**20  # of each end; a message is read whole, so it may be one more


def read_sample(broker: Broker, queue: str, deadline_seconds: float) -> Sample:
    """Over a connection of its own. Raises SourceUnreachable or QueryRejected."""
    ends = time.monotonic() + deadline_seconds / 2
    with translated(broker):
        connection = connect(broker, deadline_seconds)
        try:
            channel = connection.default_channel
            client = redis.Redis(connection_pool=channel.client.connection_pool)  # without kombu's own prefixing
            return sample(client, RedisKeys.of(channel), queue, ends)
        finally:
            connection.release()


def sample(client: Any, keys: RedisKeys, queue: str, ends: float) -> Sample:
    """The messages that are taken next, list after list as workers do, and the newest of each list."""
    lists = dict(zip(keys.steps, keys.lists(queue.encode(errors="surrogatepass")), strict=True))
    lengths = {step: length for step, key in lists.items() if (length := client.llen(key))}
    taken = dict.fromkeys(lengths, 0)
    messages: list[Sampled] = []
    bytes_left = MOST_BYTES
    for step, length in lengths.items():
        found = walk(client, lists[step], "next", min(length, MOST_MESSAGES - len(messages)), bytes_left, ends)
        messages += [sampled("next", step, place, message) for place, message in enumerate(found)]
        taken[step] = len(found)
        bytes_left -= sum(map(len, found))
    for step, length in lengths.items():
        most = min(length - taken[step], MOST_MESSAGES // len(lengths))
        found = walk(client, lists[step], "newest", most, MOST_BYTES // len(lengths), ends)
        messages += [sampled("newest", step, place, message) for place, message in enumerate(found)]
    ready = sum(lengths.values())
    text = f"A sample of {len(messages):,} of {ready:,} messages, from both ends"
    return Sample(tuple(messages), ready, (Note(text, "cut"),) if len(messages) < ready else ())


def walk(client: Any, key: bytes, end: str, most: int, most_bytes: int, ends: float) -> list[bytes]:
    """The messages of a list from one of its ends, fetched in steps that grow as far as their size allows."""
    found: dict[bytes, None] = {}  # what comes meanwhile moves the others on: each is taken once
    done = size = 0
    while done < most and size < most_bytes and time.monotonic() < ends:
        step = 1 if not done else max(1, min(done, most - done, (most_bytes - size) * done // max(1, size)))
        if end == "next":  # workers take from the tail
            more = client.lrange(key, -done - step, -done - 1)[::-1]
        else:
            more = client.lrange(key, done, done + step - 1)
        if not more:
            break
        found.update(dict.fromkeys(more))
        done, size = done + len(more), size + sum(map(len, more))
    return list(found)


def sampled(end: str, priority: int, place: int, message: bytes) -> Sampled:
    """Of a message in kombu's JSON (kombu/transport/virtual/base.py, Message.serializable)."""
    read = read_json(message)
    body = body_size(read.get("body"), part(read, "properties").get("body_encoding"))
    return Sampled(end, place, part(read, "headers"), priority, read.get("content-type"), body, len(message))


def read_json(message: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(message)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def part(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = message.get(name)
    return value if isinstance(value, dict) else {}


def body_size(body: object, encoding: object) -> int | None:
    """Bytes of a body, without decoding it: base64 has four characters for three of them."""
    if not isinstance(body, str):
        return None
    if encoding == "base64":
        return len(body) * 3 // 4 - body[-2:].count("=")
    return len(body.encode(errors="surrogatepass"))
