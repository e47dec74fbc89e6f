"""The tasks that are under way, so that an event finds what is known of its task without asking the history."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from data_sources.celery_events import TaskEvent
from data_sources.task_record import TaskRecord, merge
from recorder.store import FINAL, Store

MOST = 100_000  # about 100 MB of records of a usual size
FINAL_SECONDS = 60.0  # late and doubled events come within seconds


class LiveTasks:
    """One thread at a time. What leaves is found again in the store."""

    def __init__(self, store: Store, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._most = most
        self._clock = clock
        self._open: OrderedDict[str, TaskRecord] = OrderedDict()  # those touched last at the end
        self._final: OrderedDict[str, tuple[TaskRecord, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open) + len(self._final)

    def absorb(self, events: Iterable[TaskEvent]) -> list[TaskRecord]:
        """The records these change, each once: write them before the next call, which may let them go.

        Raises StoreFailed before it changed anything, so that the same events can be tried again.
        """
        events = list(events)
        self._look_up({event.id for event in events})
        changed = {}
        for event in events:
            record = self._find(event.id)
            changed[event.id] = merge(record, event)
            if record is None:
                self._open[event.id] = changed[event.id]
        self._sort(changed.values())
        return list(changed.values())

    def _look_up(self, ids: set[str]) -> None:
        """Makes room first: what leaves now has been written."""
        self._let_go()
        unknown = [id for id in ids if id not in self._open and id not in self._final]
        if unknown:
            self._open.update(self._store.known(unknown))

    def _find(self, id: str) -> TaskRecord | None:
        record = self._open.get(id)
        if record is None and id in self._final:
            record, _ = self._final[id]
        return record

    def _sort(self, touched: Iterable[TaskRecord]) -> None:
        now = self._clock()
        for record in touched:
            if record.state in FINAL:
                self._open.pop(record.id, None)
                self._final[record.id] = record, now
                self._final.move_to_end(record.id)
            else:
                self._open[record.id] = record
                self._open.move_to_end(record.id)

    def _let_go(self) -> None:
        """Final ones after their time; beyond the most the oldest of them, then whoever was heard of longest ago."""
        long_ago = self._clock() - FINAL_SECONDS
        while self._final and (len(self) > self._most or self._oldest_final() < long_ago):
            self._final.popitem(last=False)
        while len(self._open) > self._most:
            self._open.popitem(last=False)

    def _oldest_final(self) -> float:
        return next(iter(self._final.values()))[1]
