"""What workers and clients say in events, read without trust: no field has the type, size or content it should have.

The shapes are Celery's (celery/events/, worker/request.py, worker/heartbeat.py, app/amqp.py): an event is a JSON
object, a message holds one or, of tasks, a list of up to 24.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, get_type_hints

import msgspec

from data_sources.events.event_fields import (
    count,
    duration,
    identifier,
    load_average,
    moment,
    name,
    number,
    offset,
    text,
    timestamp,
)
from data_sources.events.event_stream import MAX_MESSAGE_BYTES, Message
from data_sources.mask import mask_text

MAX_EVENTS = 10_000  # in one message; Celery's own buffer holds 24

TASK_KINDS = {
    f"task-{kind}": kind
    for kind in ("sent", "received", "started", "succeeded", "failed", "retried", "revoked", "rejected")
}
WORKER_KINDS = {f"worker-{kind}": kind for kind in ("online", "heartbeat", "offline")}


class Said(msgspec.Struct, gc=False):
    """The fields of an event that are read, None where they are missing or of another type. The others are never made.

    Types are told here alone; a message in which one is another is read leniently. To ask for each of them in Python
    takes 0.5 us an event.
    """

    type: str
    hostname: str | None = None
    timestamp: float | None = None
    uuid: str | None = None
    name: str | None = None
    args: str | None = None
    kwargs: str | None = None
    retries: int | None = None
    eta: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    queue: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    runtime: float | None = None
    result: str | None = None
    exception: str | None = None
    traceback: str | None = None
    requeue: bool | None = None
    pid: int | None = None
    freq: float | None = None
    active: int | None = None
    processed: int | None = None
    loadavg: Any = None
    sw_ident: str | None = None
    sw_ver: str | None = None


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


TYPES = get_type_hints(Said)
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
                said = event if isinstance(event, Said) else said_in(event)
                if kind := TASK_KINDS.get(said.type):
                    heard.tasks.append(task_event(kind, said, heard_us, hide_arguments))
                elif kind := WORKER_KINDS.get(said.type):
                    heard.workers.append(worker_event(kind, said, heard_us))
                else:
                    heard.other += 1
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


def said_in(event: Any) -> Said:
    """What was read leniently. Raises Poison."""
    if not isinstance(event, dict):
        raise Poison(f"an event that is no object but {type(event).__name__}")
    if not isinstance(event.get("type"), str):
        raise Poison("an event without a type")
    return Said(**{name: fitting(event[name], kind) for name, kind in TYPES.items() if name in event})


def fitting(value: Any, kind: Any) -> Any:
    """`value` if it is of this type."""
    try:
        return msgspec.convert(value, kind)
    except (ValueError, RecursionError):
        return None


def task_event(kind: str, said: Said, heard_us: int, hide_arguments: bool) -> TaskEvent:
    """Of what its kind tells, and made at once: to set one field after the other takes twice as long."""
    id = identifier(said.uuid)
    if id is None:
        raise Poison(f"task-{kind} without a task's id")
    worker = None if kind == "sent" else name(said.hostname)
    if worker is None and kind != "sent":
        raise Poison(f"task-{kind} without a worker's name")
    at_us = timestamp(said.timestamp, heard_us)
    if kind == "started" or kind == "revoked":
        return TaskEvent(kind, id, at_us, worker)
    if kind == "rejected":
        return TaskEvent(kind, id, at_us, worker, requeue=said.requeue is True)
    cut: dict[str, int] = {}
    if kind == "succeeded":
        result = None if hide_arguments else text(said.result, "result", cut)
        return TaskEvent(kind, id, at_us, worker, result=result, runtime_us=duration(said.runtime), cut=cut or None)
    if kind == "failed" or kind == "retried":
        exception, traceback = text(said.exception, "exception", cut), text(said.traceback, "traceback", cut)
        return TaskEvent(kind, id, at_us, worker, exception=exception, traceback=traceback, cut=cut or None)
    event = TaskEvent(
        kind,
        id,
        at_us,
        worker,
        name=name(said.name),
        retries=count(said.retries),
        eta_us=moment(said.eta),
        root=identifier(said.root_id) if said.root_id != id else None,
        parent=identifier(said.parent_id),
        args=None if hide_arguments else text(said.args, "args", cut),
        kwargs=None if hide_arguments else text(said.kwargs, "kwargs", cut),
        cut=cut or None,
    )
    if kind == "sent":
        event.queue, event.exchange, event.routing_key = name(said.queue), name(said.exchange), name(said.routing_key)
    return event


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
