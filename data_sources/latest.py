"""The answers of the moment as a history keeps them: the recorder writes them as JSON, the dashboard reads them back.

A row of `schema.latest` is one kind: `workers`, `queues`, `recorder` (and `counters`, see recorder/counters.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Protocol, TypeVar

import orjson

from data_sources.brokers.queue_depths import COLUMNS as QUEUE_COLUMNS
from data_sources.brokers.queue_depths import DepthReading
from data_sources.failure import Failure
from data_sources.microseconds import MICROSECOND, microseconds, moment
from data_sources.note import Note
from data_sources.poller import Reading
from data_sources.workers.heartbeat import Heartbeat
from data_sources.workers.worker_rows import COLUMNS as WORKER_COLUMNS
from data_sources.workers.worker_rows import WorkersReading

T = TypeVar("T")

MILLISECOND_US = 1_000


class Row(Protocol):
    """What of a row of `schema.latest` is read here. Everything is None where there was no good answer yet."""

    @property
    def measured_us(self) -> int | None: ...
    @property
    def took_us(self) -> int: ...
    @property
    def failure(self) -> str | None: ...
    @property
    def body(self) -> str | None: ...


@dataclass(frozen=True)
class RecorderState:
    """Who records, where to, and what came in since it began. Times are microseconds since 1970."""

    pid: int
    host: str
    version: str
    since_us: int
    place: str  # address of the history, without credentials
    events: int = 0  # of tasks, written
    tasks: int = 0  # rows written; a task's row is written as often as it changes
    batches: int = 0
    poisoned: int = 0  # messages that could not be read
    refused: int = 0  # of tasks older than what is kept
    dropped: int = 0  # events, for want of room
    other_events: int = 0  # of the application's own
    other_names: int = 0  # counted under "(other)": there were too many names
    gaps: int = 0  # begun
    lag_seconds: float = 0.0  # how long the oldest of what is heard and not written has waited
    last_event_us: int | None = None
    hears: bool = False  # whether the event stream is listened to
    events_failure: str | None = None  # why it cannot be heard, once it was tried
    workers: Mapping[str, Heartbeat] = field(default_factory=dict)
    quiet: tuple[str, ...] = ()  # workers that run tasks and send no events of them, while others do; the first few
    alone: bool | None = None  # started by itself; False: by a dashboard, with which it ends
    size_bytes: int | None = None  # of the history
    most_bytes: int | None = None  # within which it is kept
    keep_seconds: float | None = None  # how long single tasks are

    def to_json(self) -> str:
        return orjson.dumps(self).decode()

    @classmethod
    def from_json(cls, text: str) -> RecorderState:
        """Raises ValueError when it is not one; fields of a newer recorder are left out."""
        given = known_fields(cls, orjson.loads(text))
        given["workers"] = {
            name: Heartbeat(**known_fields(Heartbeat, one)) for name, one in given.get("workers", {}).items()
        }
        return cls(**{**given, "quiet": tuple(given.get("quiet", ()))})


def known_fields(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in given.items() if name in names}


def reading(row: Row | None, read: Callable[[str], T]) -> Reading[T]:
    """A row as a reading, its body by `read`; without a row it is pending."""
    if row is None:
        return Reading()
    return Reading(
        value=read(row.body) if row.body is not None else None,
        measured_at=None if row.measured_us is None else moment(row.measured_us),
        took=row.took_us * MICROSECOND,
        failure=read_failure(orjson.loads(row.failure)) if row.failure else None,
    )


def workers_to_json(value: WorkersReading) -> str:
    return dump({"frame": columns(value.rows, WORKER_COLUMNS), "answered": value.answered, "notes": notes(value.notes)})


def workers_from_json(text: str) -> WorkersReading:
    given = orjson.loads(text)
    return WorkersReading(rows(given["frame"], WORKER_COLUMNS), given["answered"], read_notes(given["notes"]))


def depths_to_json(value: DepthReading) -> str:
    return dump(
        {
            "frame": columns(value.rows, QUEUE_COLUMNS),
            "totals": dict(value.totals),
            "notes": notes(value.notes),
            "origin": value.origin,
            "latency_us": value.latency // MICROSECOND,
            "measured_us": microseconds(value.measured_at),
            "managed": value.managed,
            "management": value.management,
        }
    )


def depths_from_json(text: str) -> DepthReading:
    given = orjson.loads(text)
    return DepthReading(
        rows=rows(given["frame"], QUEUE_COLUMNS),
        totals=given["totals"],
        notes=read_notes(given["notes"]),
        origin=given["origin"],
        latency=given["latency_us"] * MICROSECOND,
        measured_at=moment(given["measured_us"]),
        managed=given.get("managed", False),
        management=read_failure(given["management"]) if given.get("management") else None,
    )


def failure_to_json(failure: Failure) -> str:
    return orjson.dumps(failure).decode()


def read_failure(given: Mapping[str, Any]) -> Failure:
    times = {name: datetime.fromisoformat(given[name]) if given[name] else None for name in ("since", "retry_at")}
    return Failure(**{**given, **times})


def dump(body: Mapping[str, Any]) -> str:
    return orjson.dumps(body).decode()


def columns(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]) -> dict[str, list[Any]]:
    """The values of `rows` by column: times as milliseconds since 1970."""
    return {name: [plain(row[name]) for row in rows] for name in kinds}


def rows(values: Mapping[str, list[Any]], kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows that `columns` took apart, with the columns `kinds` promises."""
    nothing = [None] * max(map(len, values.values()), default=0)  # for a column that an older recorder did not write
    given = {name: values.get(name, nothing) for name in kinds}
    read = [map(time, given[name]) if kind.startswith("datetime64") else given[name] for name, kind in kinds.items()]
    return [dict(zip(kinds, row, strict=True)) for row in zip(*read, strict=True)]


def plain(value: Any) -> Any:
    return microseconds(value) // MILLISECOND_US if isinstance(value, datetime) else value


def time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else moment(milliseconds * MILLISECOND_US)


def notes(values: tuple[Note, ...]) -> list[list[str]]:
    return [[note.text, note.kind] for note in values]


def read_notes(values: list[list[str]]) -> tuple[Note, ...]:
    return tuple(Note(text, kind) for text, kind in values)
