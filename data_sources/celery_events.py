"""What workers and clients say in events, read without trust: no field has the type, size or content it should have.

The shapes are Celery's (celery/events/, worker/request.py, worker/heartbeat.py, app/amqp.py): an event is a JSON
object, a message holds one or, of tasks, a list of up to 24.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from data_sources.event_stream import MAX_MESSAGE_BYTES, Message
from data_sources.mask import mask_text

MAX_NAME = 255  # of ids, and of the names of tasks, queues and workers; characters, as the others
LIMITS = {"args": 2_000, "kwargs": 2_000, "result": 2_000, "exception": 1_000, "traceback": 8_000}
MARGIN = 2_000  # read beyond a limit, so that a secret which the cut would split is seen whole and masked
MAX_EVENTS = 10_000  # in one message; Celery's own buffer holds 24

MAX_SKEW = 60.0  # seconds; a clock further off than this is wrong, and what it says is no time
MAX_INTEGER = 2**31 - 1
MAX_SECONDS = 10 * 366 * 86_400

TASK_KINDS = {
    f"task-{kind}": kind
    for kind in ("sent", "received", "started", "succeeded", "failed", "retried", "revoked", "rejected")
}
WORKER_KINDS = {f"worker-{kind}": kind for kind in ("online", "heartbeat", "offline")}


class Said(msgspec.Struct, gc=False):
    """The fields of an event that are read, as they came: anything may stand in them. The others are never made."""

    type: Any
    hostname: Any = None
    timestamp: Any = None
    uuid: Any = None
    name: Any = None
    args: Any = None
    kwargs: Any = None
    retries: Any = None
    eta: Any = None
    root_id: Any = None
    parent_id: Any = None
    queue: Any = None
    exchange: Any = None
    routing_key: Any = None
    runtime: Any = None
    result: Any = None
    exception: Any = None
    traceback: Any = None
    requeue: Any = None
    pid: Any = None
    freq: Any = None
    active: Any = None
    processed: Any = None
    loadavg: Any = None
    sw_ident: Any = None
    sw_ver: Any = None


class TaskEvent(msgspec.Struct, gc=False):
    """One event of a task. Unknown is None, a text is never empty; masked and cut.

    `at_us`: microseconds since 1970, by the clock of who said it, or when it was heard if that clock is wrong.
    `cut`: the true lengths of what was cut, by field. Which fields a kind has: worker/request.py and app/amqp.py.
    """

    kind: str  # sent, received, started, succeeded, failed, retried, revoked, rejected
    id: str
    at_us: int
    worker: str | None = None  # None: said by a client, as `sent` always is
    name: str | None = None
    queue: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    retries: int | None = None
    eta_us: int | None = None
    root: str | None = None
    parent: str | None = None
    args: str | None = None
    kwargs: str | None = None
    result: str | None = None
    exception: str | None = None
    traceback: str | None = None
    runtime_us: int | None = None
    requeue: bool = False  # rejected, and to be delivered again
    cut: dict[str, int] | None = None


@dataclass(slots=True)
class WorkerEvent:
    """One event of a worker. `processed` counts since its process began; unknown is None."""

    kind: str  # online, heartbeat, offline
    worker: str
    at_us: int
    heard_us: int
    pid: int | None = None
    freq: float | None = None  # seconds to its next heartbeat
    active: int | None = None
    processed: int | None = None
    loadavg: tuple[float, float, float] | None = None
    sw_ident: str | None = None
    sw_ver: str | None = None
    offset_seconds: float | None = None  # of its clock from ours, the way here included


@dataclass(slots=True)
class Heard:
    """What messages said. `poisoned`: messages and events that could not be read, the first `reason` for a log."""

    tasks: list[TaskEvent] = field(default_factory=list)
    workers: list[WorkerEvent] = field(default_factory=list)
    poisoned: int = 0
    reason: str | None = None
    other: int = 0  # events of other kinds: an application's own


FIELDS = frozenset(Said.__struct_fields__) - {"type"}
read_events = msgspec.json.Decoder(list[Said] | Said).decode


class Poison(ValueError):
    """A message or an event that cannot be read, and why."""


def decode(messages: Iterable[Message], heard_us: int, *, hide_arguments: bool = False) -> Heard:
    """All events of `messages`, heard at that time. Never raises.

    A bad event costs itself alone, not its batch. `hide_arguments` leaves out args, kwargs and results.
    """
    heard = Heard()
    for message in messages:
        try:
            events = parse(message)
        except Poison as poison:
            count_poison(heard, poison)
            continue
        for event in events:
            try:
                hear(event, heard, heard_us, hide_arguments)
            except Poison as poison:
                count_poison(heard, poison)
    return heard


def count_poison(heard: Heard, poison: Poison) -> None:
    heard.poisoned += 1
    heard.reason = heard.reason or mask_text(str(poison))[:200]


def parse(message: Message) -> Sequence[Any]:
    """The events of a message: Said, or any JSON where that could only be read leniently.

    JSON and nothing else: a pickle runs code when it is read.
    """
    if message.fault:
        raise Poison(message.fault)
    if message.content_type != "application/json":
        raise Poison(f"serialized as {str(message.content_type)[:60]!r}; only JSON is read")
    if len(message.body) > MAX_MESSAGE_BYTES:
        raise Poison(f"a message of {len(message.body):,} bytes, over {MAX_MESSAGE_BYTES:,}")
    try:
        body = read_events(message.body)
    except (ValueError, RecursionError):
        body = parse_leniently(message.body)
    events = body if isinstance(body, list) else [body]
    if len(events) > MAX_EVENTS:
        raise Poison(f"a batch of {len(events):,} events, over {MAX_EVENTS:,}")
    return events


def parse_leniently(body: bytes) -> Any:
    """As Python reads JSON: with NaN and lone surrogates, which Python also writes."""
    try:
        return json.loads(body.decode(errors="replace"))
    except (ValueError, RecursionError):
        raise Poison("not JSON") from None


def hear(event: Any, heard: Heard, heard_us: int, hide_arguments: bool) -> None:
    """Adds one event to what was heard. Raises Poison."""
    said = event if isinstance(event, Said) else said_in(event)
    if not isinstance(said.type, str):
        raise Poison("an event without a type")
    if kind := TASK_KINDS.get(said.type):
        heard.tasks.append(task_event(kind, said, heard_us, hide_arguments))
    elif kind := WORKER_KINDS.get(said.type):
        heard.workers.append(worker_event(kind, said, heard_us))
    else:
        heard.other += 1


def said_in(event: Any) -> Said:
    if not isinstance(event, dict):
        raise Poison(f"an event that is no object but {type(event).__name__}")
    return Said(event.get("type"), **{name: event[name] for name in FIELDS & event.keys()})


def task_event(kind: str, said: Said, heard_us: int, hide_arguments: bool) -> TaskEvent:
    id = identifier(said.uuid)
    if id is None:
        raise Poison(f"task-{kind} without a task's id")
    worker = None if kind == "sent" else name(said.hostname)
    if worker is None and kind != "sent":
        raise Poison(f"task-{kind} without a worker's name")
    event = TaskEvent(kind, id, timestamp(said.timestamp, heard_us), worker)
    if kind == "sent" or kind == "received":
        take_request(event, said)
        if not hide_arguments:
            event.args = text(said.args, "args", event)
            event.kwargs = text(said.kwargs, "kwargs", event)
    elif kind == "succeeded":
        event.runtime_us = duration(said.runtime)
        if not hide_arguments:
            event.result = text(said.result, "result", event)
    elif kind == "failed" or kind == "retried":
        event.exception = text(said.exception, "exception", event)
        event.traceback = text(said.traceback, "traceback", event)
    elif kind == "rejected":
        event.requeue = said.requeue is True
    return event


def take_request(event: TaskEvent, said: Said) -> None:
    event.name = name(said.name)
    event.retries = count(said.retries)
    event.eta_us = moment(said.eta)
    event.root = identifier(said.root_id) if said.root_id != event.id else None
    event.parent = identifier(said.parent_id)
    if event.kind == "sent":
        event.queue = name(said.queue)
        event.exchange = name(said.exchange)
        event.routing_key = name(said.routing_key)


def worker_event(kind: str, said: Said, heard_us: int) -> WorkerEvent:
    worker = name(said.hostname)
    if worker is None:
        raise Poison(f"worker-{kind} without a worker's name")
    return WorkerEvent(
        kind,
        worker,
        timestamp(said.timestamp, heard_us),
        heard_us,
        pid=count(said.pid),
        freq=number(said.freq),
        active=count(said.active),
        processed=count(said.processed),
        offset_seconds=offset(said.timestamp, heard_us),
        loadavg=load_average(said.loadavg),
        sw_ident=name(said.sw_ident),
        sw_ver=name(said.sw_ver),
    )


def identifier(value: Any) -> str | None:
    """A task's id as it stands: cut or cleaned it could be another's."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable() else None


def name(value: Any) -> str | None:
    return interned(value[:MAX_NAME]) if isinstance(value, str) and value else None


@lru_cache(10_000)
def interned(value: str) -> str:
    """The one text for a name that comes again and again, cleaned once."""
    return cleaned(value)[:MAX_NAME]


def text(value: Any, what: str, event: TaskEvent) -> str | None:
    """`value`, masked, and cut to the limit of `what`; then `event.cut` tells its true length."""
    if not isinstance(value, str) or not value:
        return None
    limit, length = LIMITS[what], len(value)
    if length <= limit:
        return cleaned(value)
    event.cut = {**(event.cut or {}), what: length}
    seen = cleaned(value[: limit + MARGIN])
    return seen[: min(limit, max(1, len(seen) - MARGIN))] if length > limit + MARGIN else seen[:limit]


def cleaned(value: str) -> str:
    """Without secrets, lone surrogates, and NUL, which PostgreSQL does not take."""
    masked = mask_text(value)
    return masked.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in masked else masked


def timestamp(value: Any, heard_us: int) -> int:
    """Microseconds since 1970 of Celery's `timestamp`, UNIX time wherever the worker is; else the hearing's."""
    if type(value) is float or type(value) is int:
        heard = heard_us / 1e6
        if heard - MAX_SKEW <= value <= heard + MAX_SKEW:
            return int(value * 1_000_000)
    return heard_us


def offset(value: Any, heard_us: int) -> float | None:
    """How far ahead of ours the clock is that says `value`, however wrong it is."""
    return value - heard_us / 1e6 if type(value) in (int, float) and 0 <= value < 1e12 else None


def count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= MAX_INTEGER else None


def number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and 0 <= value <= MAX_SECONDS else None


def duration(value: Any) -> int | None:
    """Microseconds of a number of seconds."""
    seconds = number(value)
    return round(seconds * 1e6) if seconds is not None else None


def load_average(value: Any) -> tuple[float, float, float] | None:
    match value if isinstance(value, list) else None:
        case [float() | int() as one, float() | int() as five, float() | int() as fifteen]:
            loads = tuple(number(load) for load in (one, five, fifteen))
            return loads if None not in loads else None  # type: ignore[return-value]
    return None


def moment(value: Any) -> int | None:
    """Microseconds since 1970 of an ETA in ISO 8601. Without an offset it is in a zone nobody tells: unknown."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        return None
    seconds = when.timestamp()
    return round(seconds * 1e6) if seconds > 0 and math.isfinite(seconds) else None
