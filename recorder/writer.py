"""The one thread that writes a history: batches as they come, and housekeeping in between."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from data_sources.errors import SourceError
from data_sources.events.celery_events import TaskEvent
from data_sources.history.place import Place
from data_sources.history.task_record import TaskRecord
from data_sources.latest import RecorderState
from data_sources.microseconds import now_us
from data_sources.version import VERSION
from recorder.batch import Batch, Gap, Latest
from recorder.counters import Counters
from recorder.database import StoreCorrupt, StoreFailed, StoreFull
from recorder.follow import Follower
from recorder.gaps import Gaps
from recorder.housekeeping import Housekeeping
from recorder.inbox import Inbox
from recorder.live_tasks import HELD_SECONDS, LiveTasks
from recorder.store import Store

log = logging.getLogger(__name__)

WAIT_SECONDS = 0.5  # for events: each turn costs a millisecond whatever came, 1 us an event at 2,000 a second
FIRST_SECONDS = 0.25  # the same at first, to say soon that it is there
BUSY_EVENTS, BUSY_WAIT_SECONDS = 500, 2.0  # the same after a turn that brought so many
MOST_EVENTS = 5_000  # are taken together
TASKS_SECONDS = 1.0  # between two writings of tasks
BUSY_TASKS, BUSY_SECONDS = 500, 2.0  # the same of so many: those that share pages of the indexes cost little more
RETRY_SECONDS = 1.0
HEARTBEAT_SECONDS = 1.0
COUNTERS_SECONDS = 5.0
FLUSH_SECONDS = 1.5  # at the end; then what is left is lost
MOST_QUIET = 10  # workers named
FULL = "make room there, or set HISTORY_SIZE to less than it takes"  # which log and page show behind the address
LOST = "lost"  # what makes a gap in events: a fault of ours
UNSAMPLED = ("workers", "queues")  # what has a gap while nothing can be written


class Writer:
    """Takes from the inbox and writes; what cannot be written is tried again, and events wait meanwhile."""

    def __init__(
        self, store: Store, place: Place, inbox: Inbox, gaps: Gaps, keeping: Housekeeping, alone: bool | None = None
    ) -> None:
        """`alone`: see RecorderState."""
        self.follower: Follower | None = None
        self._store = store
        self._place = place
        self._inbox = inbox
        self._gaps = gaps
        self._keeping = keeping
        self._live = LiveTasks(store)
        self._counters = Counters()
        self._state = RecorderState(
            os.getpid(),
            socket.gethostname(),
            VERSION,
            now_us(),
            place.address,
            alone=alone,
            most_bytes=keeping.keep.size_bytes,
            keep_seconds=keeping.keep.tasks.total_seconds(),
        )
        self._events: list[TaskEvent] = []  # taken, and not written yet
        self._wait_seconds = FIRST_SECONDS
        self._lost = self._told_lost = 0  # events; those of gaps that have ended
        self._damaged = False  # the history: a new one is due
        self._beat_at = self._counted_at = self._tasks_at = 0.0
        self._ends = float("inf")
        self._thread = threading.Thread(target=self._run, name=f"write {place.cluster}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Writes what is there, and takes leave; call it when nothing more comes in."""
        self._ends = time.monotonic() + FLUSH_SECONDS
        self._inbox.close()
        self._thread.join(FLUSH_SECONDS + 1)

    def ended(self) -> Mapping[str, int]:
        """See Counters.ended."""
        return self._counters.ended()

    @property
    def alive(self) -> bool:
        """False when it ended by a fault that nobody thought of: nothing is written any more."""
        return self._thread.is_alive()

    @property
    def ending(self) -> bool:
        return self._ends != float("inf")

    def _run(self) -> None:
        while not self.ending or (self._inbox.waiting and time.monotonic() < self._ends):
            self._turn()
        self._beat_at = 0.0
        self._turn()
        self._store.close()

    def _turn(self) -> None:
        if not self._events and self._inbox.blocked is None:
            self._events = self._inbox.take_events(MOST_EVENTS, self._wait_seconds)
            self._wait_seconds = BUSY_WAIT_SECONDS if len(self._events) >= BUSY_EVENTS else WAIT_SECONDS
        gaps = self._gaps.take()
        try:
            if self._damaged:
                self._begin_anew()
            self._write(gaps)
            if not self._inbox.waiting:
                self._keeping.step()
        except Exception as error:
            self._gaps.put_back(gaps)
            self._failed(error)
        else:
            self._recovered()

    def _write(self, gaps: list[Gap]) -> None:
        self._absorb()
        records = self._due_tasks()
        latest, samples = self._inbox.take_answers()
        answers = [*latest, *self._own_answers(with_tasks=bool(records))]
        try:
            if records or samples or gaps or answers:
                self._store.write(Batch(records, samples, gaps, answers))
        except StoreFailed:
            self._inbox.put_back(latest)
            raise
        if records:
            self._live.written(records)
            self._tasks_at = time.monotonic()
            self._state = replace(self._state, tasks=self._state.tasks + len(records), batches=self._state.batches + 1)

    def _absorb(self) -> None:
        if self._events:
            changed = self._live.absorb(self._events)
            self._counters.absorb(self._events, changed)
            self._state = replace(self._state, events=self._state.events + len(self._events))
            self._events = []
        if told := self._inbox.take_deliveries():
            self._live.take_deliveries(told)

    def _due_tasks(self) -> list[TaskRecord]:
        records: list[TaskRecord] = []
        every_seconds = BUSY_SECONDS if self._live.unwritten > BUSY_TASKS else TASKS_SECONDS
        if self.ending or time.monotonic() - self._tasks_at >= every_seconds:
            records = self._live.due(0 if self.ending else HELD_SECONDS)
        self._state = replace(self._state, lag_seconds=round(self._live.lag_seconds(records), 3))
        return records

    def _own_answers(self, with_tasks: bool) -> list[Latest]:
        """Those that are due; where tasks are written now also what is due soon, which saves a transaction."""
        now, answers = time.monotonic(), []
        if now - self._beat_at >= (HEARTBEAT_SECONDS / 2 if with_tasks else HEARTBEAT_SECONDS):
            self._beat_at = now
            answers.append(Latest("recorder", now_us(), 0, body=self._told().to_json()))
        if now - self._counted_at >= COUNTERS_SECONDS:
            self._counted_at = now
            answers.append(Latest("counters", now_us(), 0, body=self._counters.to_json()))
        return answers

    def _told(self) -> RecorderState:
        """The state, with what others count."""
        state = replace(
            self._state,
            refused=self._store.refused,
            other_names=self._store.names.others,
            gaps=self._gaps.begun,
            size_bytes=self._keeping.size_bytes,
        )
        if (follower := self.follower) is None:
            return state
        return replace(
            state,
            poisoned=follower.poisoned,
            other_events=follower.other,
            dropped=follower.dropped + self._lost,
            last_event_us=follower.last_event_us,
            hears=follower.hears,
            events_failure=follower.failure.what if follower.failure else None,
            workers=follower.heartbeats.workers,
            quiet=follower.quiet[:MOST_QUIET],
        )

    def _failed(self, error: Exception) -> None:
        """Events wait in the inbox until it can be written again."""
        what = str(error) if isinstance(error, StoreFailed) else SourceError.unexpected("History", error).what
        if isinstance(error, StoreFull):
            what = f"{what}; {FULL}"
        reason = f"the history could not be written: {what.removeprefix(f'{self._place.address}: ')}"  # pages show it
        if self._inbox.blocked != reason:
            log.error("%s: the history cannot be written: %s", self._place.cluster, what)
        if self._inbox.blocked is None:
            for source in UNSAMPLED:
                self._gaps.begin(f"unwritten {source}", source, reason)
        self._inbox.blocked = reason
        if not isinstance(error, StoreFailed):  # a fault of ours: what brought it about would do so again
            log.error("%s: unexpected error while writing", self._place.cluster, exc_info=error)
            lost = self._live.due()
            self._gaps.begin(LOST, "events", reason, self._live.lag_seconds())
            self._lost += len(self._events) + len(lost)
            self._live.written(lost)
            self._events = []
        self._damaged = self._damaged or isinstance(error, StoreCorrupt)
        if isinstance(error, StoreFull):
            self._make_room()
        time.sleep(0 if self.ending else RETRY_SECONDS)

    def _make_room(self) -> None:
        try:
            self._keeping.make_room()
        except StoreFailed as error:
            log.error("%s: no room could be made in the history: %s", self._place.cluster, error)

    def _recovered(self) -> None:
        if self._inbox.blocked is not None:
            log.info("%s: the history can be written again", self._place.cluster)
            self._inbox.blocked = None
            if gap := self._gaps.end(LOST):
                self._gaps.estimate(gap, self._lost - self._told_lost)
                self._told_lost = self._lost
            for source in UNSAMPLED:
                self._gaps.end(f"unwritten {source}")

    def _begin_anew(self) -> None:
        self._store.close()
        self._store = Store.anew(self._place)
        self._damaged = False
        self._live.move_to(self._store)
        self._keeping = self._keeping.of(self._store)
