"""RedBeat's entries, read from its Redis: a hash an entry, named by a sorted set of when each is due.

As redbeat/schedulers.py and redbeat/decoder.py of celery-redbeat 2.4 write them: `redbeat::schedule` has the keys;
`redbeat:NAME` has `definition` and `meta`, in JSON; `redbeat::lock` is there while a beat runs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import redis

from data_sources.brokers.broker_errors import translated
from data_sources.brokers.connection import connect
from data_sources.config import Broker
from data_sources.note import Note
from data_sources.schedule.entry import REDBEAT, Entry, count_of, defined, shown, text_of
from data_sources.schedule.forms import LONGEST_FIELD, Form, Other, read_crontab, read_interval

MOST_ENTRIES = 2_000
LONGEST_VALUE = 64_000  # bytes of a definition
DATETIME = ("year", "month", "day", "hour", "minute", "second", "microsecond")


@dataclass(frozen=True)
class RedBeat:
    """`locked`: whether a beat holds the lock; None: this RedBeat uses none, or it was never started."""

    entries: tuple[Entry, ...]
    locked: bool
    notes: tuple[Note, ...]


def read_redbeat(broker: Broker, prefix: str, zone: str, deadline_seconds: float) -> RedBeat:
    """The entries under `prefix` on the Redis that `broker` names. Raises SourceUnreachable or QueryRejected.

    RedBeat keeps no time zone beside a crontab: `zone` is the app's.
    """
    with translated(broker):
        connection = connect(broker, deadline_seconds)
        try:
            client = redis.Redis(connection_pool=connection.default_channel.client.connection_pool)
            return read_all(client, prefix.encode(), zone)
        finally:
            connection.release()


def read_all(client: redis.Redis, prefix: bytes, zone: str) -> RedBeat:
    scheduled: Any = client.zrange(prefix + b":schedule", 0, MOST_ENTRIES, withscores=True)
    due = dict(scheduled[:MOST_ENTRIES])
    texts = read_fields(client, list(due))
    entries = [entry(key, texts[key], due[key], prefix, zone) for key in sorted(due)]
    notes = [Note(f"RedBeat has more than {MOST_ENTRIES:,} entries", "cut")] if len(scheduled) > MOST_ENTRIES else []
    return RedBeat(tuple(filter(None, entries)), bool(client.exists(prefix + b":lock")), tuple(notes))


def read_fields(client: redis.Redis, keys: list[bytes]) -> dict[bytes, list[Any]]:
    """`definition` and `meta` of each, parsed; None for one that is not there, too long or no JSON."""
    fields = ("definition", "meta")
    asking = client.pipeline(transaction=False)
    for key in keys:
        for field in fields:
            asking.hstrlen(key, field)
    sizes = asking.execute(raise_on_error=False)
    asking = client.pipeline(transaction=False)
    for place, size in enumerate(sizes):
        if isinstance(size, int) and 0 < size <= LONGEST_VALUE:
            asking.hget(keys[place // 2], fields[place % 2])
        else:
            asking.echo("")
    texts = [parsed(text) for text in asking.execute(raise_on_error=False)]
    return {key: texts[2 * place : 2 * place + 2] for place, key in enumerate(keys)}


def parsed(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, bytes | str) and text else None
    except (ValueError, RecursionError):
        return None


def entry(key: bytes, fields: list[Any], score: float, prefix: bytes, zone: str) -> Entry | None:
    """None for a key without a definition: RedBeat drops it too."""
    definition, meta = fields
    if not isinstance(definition, dict):
        return None
    meta = meta if isinstance(meta, dict) else {}
    name = text_of(definition.get("name")) or key.removeprefix(prefix).decode(errors="backslashreplace")
    return defined(
        name,
        definition,
        read_form(definition.get("schedule"), zone),
        REDBEAT,
        enabled=definition.get("enabled") is not False,
        last_run_at=read_datetime(meta.get("last_run_at")),
        total_run_count=count_of(meta.get("total_run_count")),
        due_at=datetime.fromtimestamp(score, UTC) if math.isfinite(score) and 0 < score < 2**35 else None,
    )


def read_form(said: Any, zone: str) -> Form:
    match said:
        case {"__type__": "interval", "every": every}:
            return read_interval(every)
        case {"__type__": "crontab"}:
            return read_crontab(said, zone)
        case {"__type__": kind}:
            return Other(
                f"{kind} {shown({key: value for key, value in said.items() if value is not None})}"[:LONGEST_FIELD]
            )
    return Other("not known")


def read_datetime(said: Any) -> datetime | None:
    """`{"__type__": "datetime", "year": ..., "timezone": a name, or seconds from UTC}`."""
    if not isinstance(said, Mapping) or said.get("__type__") != "datetime":
        return None
    zone = said.get("timezone", "UTC")
    year, month, day, hour, minute, second, microsecond = (said.get(part, 0) for part in DATETIME)
    try:
        offset = ZoneInfo(zone) if isinstance(zone, str) else timezone(timedelta(seconds=float(zone)))
        return datetime(year, month, day, hour, minute, second, microsecond, offset).astimezone(UTC)
    except (ValueError, TypeError, KeyError, OverflowError, OSError):
        return None
