"""What is known of one task, put together from its events in whatever order they come."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class TaskRecord:
    """One task. Unknown is None. Times are microseconds since 1970; `state` is a place in `schema.STATES`."""

    id: str
    state: int = 0
    state_us: int = 0  # of the event that gave `state` and `worker`
    outcome_us: int | None = None  # of the event that gave result, exception, traceback and runtime
    name: str | None = None
    worker: str | None = None
    queue: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    priority: int | None = None
    retries: int | None = None
    eta_us: int | None = None
    sent_us: int | None = None
    received_us: int | None = None
    started_us: int | None = None
    finished_us: int | None = None
    runtime_us: int | None = None
    root: str | None = None
    parent: str | None = None
    group: str | None = None
    args: str | None = None
    kwargs: str | None = None
    result: str | None = None
    exception: str | None = None
    traceback: str | None = None
    cut: dict[str, int] | None = None  # true lengths of what was cut, by field
