"""One thing asked on a clock by a thread of its own; everybody else reads what it said last."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from data_sources.errors import SourceError
from data_sources.failure import Failure

log = logging.getLogger(__name__)
T = TypeVar("T")

RETRY_SECONDS = 2.0  # from a failure to the next round: a source that is back shows on the page within 10 s


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What a poller knows: the last good `value` and, while it fails, why there is no newer one."""

    value: T | None = None
    measured_at: datetime | None = None
    took: timedelta = timedelta(0)
    failure: Failure | None = None

    @property
    def pending(self) -> bool:
        return self.measured_at is None and self.failure is None


@dataclass
class Poller(Generic[T]):
    """Calls `take` every `every_seconds`, sooner after a failure, and keeps its last value; a failure is kept beside
    it, never instead of it.

    `take` bounds its own waiting and raises SourceError. `on_reading` sees each outcome, in the poller's thread.
    """

    source: str
    take: Callable[[], T]
    every_seconds: float
    on_reading: Callable[[Reading[T]], None] = lambda reading: None
    _reading: Reading[T] = field(default_factory=Reading, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)
    _ending: threading.Event = field(default_factory=threading.Event, init=False)
    _due: float = field(default=0.0, init=False)  # the next round, on the monotonic clock
    _thread: threading.Thread | None = field(default=None, init=False)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"poll {self.source}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Begins no further round; does not wait for the one under way."""
        self._ending.set()

    def stop(self, timeout_seconds: float = 4.0) -> None:
        self.end()
        if self._thread:
            self._thread.join(timeout_seconds)

    def read(
        self, wait_seconds: float = 0.0, ready: Callable[[Reading[T]], bool] = lambda reading: not reading.pending
    ) -> Reading[T]:
        """The last reading; waits up to `wait_seconds` for one that is `ready`, else for the very first one."""
        with self._changed:
            self._changed.wait_for(lambda: ready(self._reading), wait_seconds)
            return self._reading

    def _run(self) -> None:
        while not self._ending.is_set():
            self._poll()
            self._ending.wait(max(0.1, self._due - time.monotonic()))

    def _poll(self) -> None:
        at, began = datetime.now(UTC), time.monotonic()
        self._due = began + self.every_seconds
        try:
            reading = Reading(self.take(), at, timedelta(seconds=time.monotonic() - began))
            self.on_reading(reading)
        except SourceError as error:
            self._fail(error, at)
        except Exception as error:  # a poller must outlive whatever a hostile answer makes of our code
            unexpected = SourceError.unexpected(self.source, error)
            if self._reading.failure is None or self._reading.failure.what != unexpected.what:  # once, not every time
                log.exception("%s: unexpected error while sampling", self.source)
            self._fail(unexpected, at)
        else:
            self._publish(reading)

    def _fail(self, error: SourceError, at: datetime) -> None:
        last, now = self._reading, time.monotonic()
        self._due = min(self._due, now + RETRY_SECONDS)
        since = last.failure.since if last.failure else at
        failure = Failure.from_error(error, since, datetime.now(UTC) + timedelta(seconds=self._due - now))
        reading = Reading(last.value, last.measured_at, last.took, failure)
        self._publish(reading)
        self.on_reading(reading)

    def _publish(self, reading: Reading[T]) -> None:
        with self._changed:
            self._reading = reading
            self._changed.notify_all()
