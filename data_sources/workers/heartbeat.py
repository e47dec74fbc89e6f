"""What a worker says of itself in the event stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from data_sources.microseconds import moment

EVERY_SECONDS = 2.0  # Celery's own interval
MISSED = 3  # heartbeats, after which it is said to beat no more
GRACE = timedelta(seconds=1)


@dataclass(frozen=True)
class Heartbeat:
    """What a worker said last, heard at `at_us`, microseconds since 1970. None: it did not say."""

    at_us: int
    processed: int | None = None  # tasks accepted since its start
    active: int | None = None
    software: str | None = None  # "py-celery 5.7.0"
    sends_events: bool = False  # of tasks: one was heard from it
    sent_events: bool = False  # it did once, though it may have ceased since
    pid: int | None = None
    every_seconds: float | None = None  # to the next heartbeat
    clock_offset: float | None = None  # seconds its clock is ahead of ours
    load: float | None = None  # of its machine, over a minute
    left: bool = False  # it said that it goes

    @property
    def at(self) -> datetime:
        return moment(self.at_us)

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=self.every_seconds or EVERY_SECONDS)

    def is_current(self, now: datetime) -> bool:
        """Whether it still beats."""
        return not self.left and now - self.at <= MISSED * self.interval + GRACE
