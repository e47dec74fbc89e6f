"""The tasks that are under way, so that an event finds what is known of its task without asking the history.

A task that has ended is to be written at once, one under way only when it has not changed the history for a while: most
end soon, and are written once.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from data_sources.events.celery_events import TaskEvent
from data_sources.history.task_record import TaskRecord, merge
from recorder.store import FINAL, Store

MOST = 100_000  # about 100 MB of records of a usual size
FINAL_SECONDS = 60.0  # late and doubled events come within seconds
HELD_SECONDS = 2.0  # before a task that has not ended is written


class LiveTasks:
    """One thread at a time. What leaves is found again in the store."""

    def __init__(self, store: Store, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._most = most
        self._clock = clock
        self._open: OrderedDict[str, TaskRecord] = OrderedDict()  # those touched last at the end
        self._final: OrderedDict[str, tuple[TaskRecord, float]] = OrderedDict()
        self._unwritten: dict[str, float] = {}  # since when, the oldest first

    def __len__(self) -> int:
        return len(self._open) + len(self._final)

    def absorb(self, events: Iterable[TaskEvent]) -> list[TaskRecord]:
        """The records these change, each once.

        Raises StoreFailed before it changed anything, so that the same events can be tried again.
        """
        events = list(events)
        self._look_up({event.id for event in events})
        changed: dict[str, TaskRecord] = {}
        for event in events:
            id = event.id
            changed[id] = merge(changed.get(id) or self._find(id), event)
        self._keep(changed)
        return list(changed.values())

    def due(self, held_seconds: float = HELD_SECONDS) -> list[TaskRecord]:
        """What is to be written now. Say so to `written` when it was."""
        long_ago = self._clock() - held_seconds
        return [
            self._final[id][0] if id in self._final else self._open[id]
            for id, since in self._unwritten.items()
            if since <= long_ago or id in self._final
        ]

    def written(self, records: Iterable[TaskRecord]) -> None:
        for record in records:
            self._unwritten.pop(record.id, None)

    @property
    def lag_seconds(self) -> float:
        """How long the first of those that are not written has waited."""
        return self._clock() - next(iter(self._unwritten.values())) if self._unwritten else 0.0

    def move_to(self, store: Store) -> None:
        """A store that knows nothing of what is at hand."""
        self._store = store
        self._unwritten = dict.fromkeys([*self._open, *self._final], self._clock())

    def _look_up(self, ids: set[str]) -> None:
        """Makes room first."""
        self._let_go()
        unknown = [id for id in ids if id not in self._open and id not in self._final]
        if unknown:
            self._open.update(self._store.known(unknown))

    def _find(self, id: str) -> TaskRecord | None:
        record = self._open.get(id)
        if record is None and id in self._final:
            record, _ = self._final[id]
        return record

    def _keep(self, changed: Mapping[str, TaskRecord]) -> None:
        now, final, open = self._clock(), self._final, self._open
        for id, record in changed.items():
            self._unwritten.setdefault(id, now)
            if record.state in FINAL:
                open.pop(id, None)
                final[id] = record, now
                final.move_to_end(id)
            else:
                open[id] = record
                open.move_to_end(id)

    def _let_go(self) -> None:
        """Final ones after their time; beyond the most the oldest of them, then whoever was heard of longest ago.

        What is not written yet stays, and what comes after it.
        """
        long_ago = self._clock() - FINAL_SECONDS
        while self._final and (len(self) > self._most or next(iter(self._final.values()))[1] < long_ago):
            if not self._let_go_first(self._final):
                break
        while len(self._open) > self._most and self._let_go_first(self._open):
            pass

    def _let_go_first(self, records: OrderedDict[str, Any]) -> bool:
        first = next(iter(records))
        if first in self._unwritten:
            return False
        del records[first]
        return True
