"""What was heard and is not written yet: task events, how tasks that run were delivered, samples and the answers of the
moment, all of bounded number.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

from data_sources.events.celery_events import TaskEvent
from data_sources.workers.delivery import Delivery
from recorder.batch import Latest, Sample

MOST_EVENTS = 50_000
ENOUGH_EVENTS = 5_000  # to be taken before their time
MOST_SAMPLES = 20_000  # rounds of a busy cluster; while nothing can be written the newest are not kept


class Inbox:
    """Filled by the follower and the sampler, emptied by the writer.

    `blocked`: why the writer cannot write, when it cannot.
    """

    def __init__(self) -> None:
        self.blocked: str | None = None
        self.waiting = 0  # events
        self._heard: deque[Sequence[TaskEvent]] = deque()
        self._samples: dict[tuple[int, str, str, str], Sample] = {}
        self._latest: dict[str, Latest] = {}
        self._deliveries: Mapping[str, Delivery] = {}
        self._filled = threading.Condition()
        self._closed = False

    def put_events(self, events: Sequence[TaskEvent]) -> int:
        """How many there was no room for: the oldest are kept."""
        with self._filled:
            room = max(0, MOST_EVENTS - self.waiting)
            kept = events[:room]
            if kept:
                self._heard.append(kept)
                self.waiting += len(kept)
            if self.waiting >= ENOUGH_EVENTS:
                self._filled.notify()
        return len(events) - len(kept)

    def put_answer(self, answer: Latest, samples: Sequence[Sample] = ()) -> None:
        """An answer takes the place of the last of its kind, a sample that of the last of its time and series."""
        with self._filled:
            last = self._latest.get(answer.kind)
            if last and answer.body is None:  # a failed attempt keeps the last good body
                answer = replace(answer, body=last.body, measured_us=answer.measured_us or last.measured_us)
            self._latest[answer.kind] = answer
            for sample in samples:
                key = (sample.at, sample.measure, sample.label, sample.text)
                if key in self._samples or len(self._samples) < MOST_SAMPLES:
                    self._samples[key] = sample

    def put_deliveries(self, told: Mapping[str, Delivery]) -> None:
        """Of the tasks that run now, in place of those before: whatever still runs is told again."""
        with self._filled:
            self._deliveries = told

    def put_back(self, answers: Sequence[Latest]) -> None:
        """What could not be written; what came meanwhile is newer."""
        with self._filled:
            for answer in answers:
                self._latest.setdefault(answer.kind, answer)

    def take_events(self, most: int, wait_seconds: float) -> list[TaskEvent]:
        """About `most` events, as soon as there are ENOUGH_EVENTS, or after `wait_seconds` what there is."""
        with self._filled:
            self._filled.wait_for(lambda: self._closed or self.waiting >= ENOUGH_EVENTS, wait_seconds)
            events: list[TaskEvent] = []
            while self._heard and len(events) < most:
                events.extend(self._heard.popleft())
            self.waiting -= len(events)
            return events

    def take_deliveries(self) -> Mapping[str, Delivery]:
        with self._filled:
            told, self._deliveries = self._deliveries, {}
            return told

    def take_answers(self) -> tuple[list[Latest], list[Sample]]:
        with self._filled:
            latest, samples = list(self._latest.values()), list(self._samples.values())
            self._latest, self._samples = {}, {}
            return latest, samples

    def close(self) -> None:
        """Nobody waits any more; what is in it can still be taken."""
        with self._filled:
            self._closed = True
            self._filled.notify_all()
