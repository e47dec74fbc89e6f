"""The tasks that are under way, so that an event finds what is known of its task without asking the history.

A task that has ended is to be written at once, one under way only when it has not changed the history for a while: most
end soon, and are written once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice, takewhile

from data_sources.events.celery_events import TaskEvent
from data_sources.history.task_record import TaskRecord, merge, take_delivery
from data_sources.workers.delivery import Delivery
from recorder.store import FINAL, Store

MOST = 100_000  # about 100 MB of records of a usual size
FINAL_SECONDS = 10.0  # late and doubled events come within seconds; a minute of 700 tasks a second is 40 MB
HELD_SECONDS = 2.0  # before a task that has not ended is written


class LiveTasks:
    """One thread at a time. What leaves is found again in the store."""

    def __init__(self, store: Store, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._most = most
        self._clock = clock
        self._records: dict[str, TaskRecord] = {}  # those heard of first at the front
        self._ended: dict[str, float] = {}  # since when, the oldest first
        self._unwritten: dict[str, float] = {}  # the same
        self._strangers: set[str] = set()  # tasks that run, of which no event came

    def __len__(self) -> int:
        return len(self._records)

    @property
    def unwritten(self) -> int:
        return len(self._unwritten)

    def absorb(self, events: Sequence[TaskEvent]) -> list[TaskRecord]:
        """The records these change, each once.

        Raises StoreFailed before it changed anything, so that the same events can be tried again.
        """
        self._let_go()
        records, now = self._records, self._clock()
        unknown = {event.id for event in events if event.id not in records}
        if unknown:
            records.update(self._store.known(list(unknown)))
        changed: dict[str, TaskRecord] = {}
        for event in events:
            id = event.id
            changed[id] = records[id] = merge(records.get(id), event)
        for id, record in changed.items():
            self._unwritten.setdefault(id, now)
            if record.state in FINAL:
                self._ended.setdefault(id, now)
        return list(changed.values())

    def take_deliveries(self, told: Mapping[str, Delivery]) -> None:
        """What workers told of the tasks that they run. One of which no event came is not known by that."""
        records, now = self._records, self._clock()
        unknown = told.keys() - records.keys()
        if fresh := unknown - self._strangers:
            records.update(self._store.known(list(fresh)))
        self._strangers = unknown - records.keys()
        for id in told.keys() - self._strangers:
            if take_delivery(records[id], told[id]):
                self._unwritten.setdefault(id, now)
            if records[id].state in FINAL:
                self._ended.setdefault(id, now)

    def due(self, held_seconds: float = HELD_SECONDS) -> list[TaskRecord]:
        """What is to be written now. Say so to `written` when it was."""
        records, ended, long_ago = self._records, self._ended, self._clock() - held_seconds
        return [records[id] for id, since in self._unwritten.items() if since <= long_ago or id in ended]

    def written(self, records: Iterable[TaskRecord]) -> None:
        for record in records:
            self._unwritten.pop(record.id, None)

    def lag_seconds(self, writing: Iterable[TaskRecord] = ()) -> float:
        """How long the first of those that are not written has waited; `writing`: what is being written."""
        now, gone = self._clock(), {record.id for record in writing}
        return next((now - since for id, since in self._unwritten.items() if id not in gone), 0.0)

    def move_to(self, store: Store) -> None:
        """A store that knows nothing of what is at hand."""
        self._store = store
        self._unwritten = dict.fromkeys(self._records, self._clock())

    def _let_go(self) -> None:
        """Ended ones after their time; beyond the most the oldest of them, then whoever was heard of first.

        What is not written yet stays, and what comes after it.
        """
        records, ended, unwritten = self._records, self._ended, self._unwritten
        long_ago, over = self._clock() - FINAL_SECONDS, len(records) - self._most
        gone: list[str] = []
        for id, since in ended.items():
            if id in unwritten or (since >= long_ago and len(gone) >= over):
                break
            gone.append(id)
        for id in gone:
            del records[id], ended[id]
        if over > len(gone):
            open = takewhile(lambda id: id not in unwritten, (id for id in records if id not in ended))
            for id in list(islice(open, over - len(gone))):
                del records[id]
