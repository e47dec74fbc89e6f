"""One recorded task as a value: what is known of its last attempt, and where its time went."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Self

import pandas as pd

from data_sources.schema import FINAL

SENT_LATE = timedelta(seconds=1)  # a client notes `sent` when the message is out; a quick worker has it by then


@dataclass(frozen=True)
class Span:
    """A part of a task's time. `kind`: queue, eta, worker, wait (queue or worker), run, retry or unknown, of which
    `why` says more. `end` None: it lasts.
    """

    kind: str
    start: datetime | None
    end: datetime | None
    why: str = ""

    def seconds(self, now: datetime | None) -> float | None:
        """How long; of what lasts until `now`. None: not known."""
        end = self.end or now
        if self.start is None or end is None or self.kind == "unknown":
            return None
        return max(0.0, (end - self.start).total_seconds())


@dataclass(frozen=True)
class TaskRun:
    """A row of a frame with the columns `rows.ONE_TASK_COLUMNS`. Unknown is None."""

    id: str
    state: str
    name: str | None = None
    worker: str | None = None
    queue: str | None = None
    sent: datetime | None = None
    received: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    since: datetime | None = None  # when it came into its state
    last: datetime | None = None
    eta: datetime | None = None
    wait: float | None = None  # seconds, as `runtime`
    runtime: float | None = None
    retries: int | None = None
    priority: int | None = None
    exchange: str | None = None
    routing_key: str | None = None
    root: str | None = None
    parent: str | None = None
    group: str | None = None
    args: str | None = None
    kwargs: str | None = None
    result: str | None = None
    exception: str | None = None
    traceback: str | None = None
    cut: dict[str, int] | None = None

    @classmethod
    def all_of(cls, frame: pd.DataFrame) -> list[Self]:
        names = [field.name for field in fields(cls)]
        rows = frame[names].astype(object).to_dict("records")
        return [cls(**{str(name): plain(value) for name, value in row.items()}) for row in rows]

    @property
    def ended(self) -> bool:
        return self.state in FINAL

    @property
    def attempt(self) -> int:
        """Which attempt the times are of, the first being 1; what nobody told of is the first."""
        return (self.retries or 0) + 1

    @property
    def began(self) -> datetime | None:
        """When its last attempt was started; the recorded start may be of the one before."""
        taken = self.received or self.sent
        if self.attempt > 1 and self.started and taken and self.started < taken:
            return None
        return self.started

    def spans(self, now: datetime) -> tuple[Span, ...]:
        """Where the time of the last attempt went, in order of time, the parts that are not known among them."""
        return (*in_queue(self, now), *in_worker(self, now), *at_work(self))

    def true_length(self, text: str) -> int | None:
        """Of a text that was cut, how many characters it had."""
        return (self.cut or {}).get(text)


def in_queue(run: TaskRun, now: datetime) -> tuple[Span, ...]:
    if run.sent is None:
        why = "when it was sent is not recorded: the sender's task_send_sent_event is off, or nobody listened"
        return (Span("unknown", None, run.received or run.began, why),)
    if run.received is None:
        kind = "wait" if run.began or run.ended else "queue"
        return held(kind, run.sent, run.began or run.finished, run.eta, now)
    if run.received >= run.sent:
        return (Span("queue", run.sent, run.received),)
    if run.sent - run.received < SENT_LATE:
        return ()
    ahead = (run.sent - run.received).total_seconds()
    why = f"it was received before it was sent: two clocks, at least {ahead:,.1f} s apart"
    return (Span("unknown", run.sent, run.received, why),)


def in_worker(run: TaskRun, now: datetime) -> tuple[Span, ...]:
    if run.received is None:
        return ()
    if run.began is None and run.state in ("SUCCESS", "FAILURE"):
        return (Span("unknown", run.received, run.finished, "when it was started is not recorded"),)
    return held("worker", run.received, run.began or run.finished, run.eta, now)


def held(kind: str, start: datetime, end: datetime | None, eta: datetime | None, now: datetime) -> tuple[Span, ...]:
    """The time from `start` until it could begin, of which a part may be for its ETA."""
    if eta is None or eta <= start:
        return (part(kind, start, end),)
    if (end or now) <= eta:
        return (part("eta", start, end),)
    return (Span("eta", start, eta), part(kind, eta, end))


def at_work(run: TaskRun) -> tuple[Span, ...]:
    if run.began is None:
        return ()
    if run.state == "RETRY" and run.since is not None:
        return (part("run", run.began, run.since), Span("retry", run.since, None))
    return (part("run", run.began, run.finished),)


def part(kind: str, start: datetime, end: datetime | None) -> Span:
    if end is not None and end < start:
        return Span("unknown", start, end, "its end is recorded as before its start: two clocks, or two deliveries")
    return Span(kind, start, end)


def plain(value: Any) -> Any:
    """A frame's value as Python's own; None for what is missing."""
    if isinstance(value, dict):
        return value
    if pd.isna(value):
        return None
    return value.to_pydatetime() if isinstance(value, pd.Timestamp) else value
