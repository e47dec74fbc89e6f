"""What is written in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data_sources.history.task_record import TaskRecord


@dataclass(frozen=True, slots=True)
class Sample:
    """A gauge's value, or for `accepted` what was counted over `span` seconds."""

    at: int  # whole seconds since 1970, of a level of schema.SAMPLE_LEVELS: a multiple of 10
    measure: str  # one of schema.MEASURES
    label: str  # name, queue, worker; "": the total
    text: str
    value: float
    span: float = 10.0


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of which something is not known. `source` and `start_us` tell which: written again, it is changed."""

    source: str  # see schema.gaps
    start_us: int
    end_us: int | None  # None: still
    reason: str
    missed: int | None = None  # task events, estimated


@dataclass(frozen=True, slots=True)
class Latest:
    """An answer of the moment. A failed attempt has no body, and keeps the last good one with its time."""

    kind: str  # workers, queues, recorder, counters
    measured_us: int | None
    took_us: int
    failure: str | None = None  # JSON
    body: str | None = None  # JSON


@dataclass(frozen=True, slots=True)
class Batch:
    records: Sequence[TaskRecord] = ()
    samples: Sequence[Sample] = ()
    gaps: Sequence[Gap] = ()
    latest: Sequence[Latest] = ()
