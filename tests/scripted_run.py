"""5,000 tasks whose every wait, runtime and end is decided beforehand, and the events that would be sent of them.

The truth is what was decided: nothing here reads an event back, and nothing of the product is used. All moments are
multiples of 1/64 s, which floats and whole microseconds both hold exactly.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import redis

from tests.event_load import BUFFER, Event, envelope

TASKS = 5_000
TICK = 1 / 64  # seconds
SPAN_SECONDS = 36  # from the first that is sent to the last that ends
SEND_SECONDS = 24  # within which all are sent for the first time
LONGEST_WAIT, LONGEST_RUN = 160, 256  # ticks

NAMES = {  # to their queue, and their usual runtime in ticks
    "shop.pay": ("money", 8),
    "shop.refund": ("money", 20),
    "shop.send_mail": ("mail", 30),
    "shop.build_report": ("slow", 120),
    "shop.resize": ("slow", 60),
    "shop.import_rows": ("bulk", 4),
}
WORKERS = ("pay@one", "mail@one", "mail@two", "bulk@one", "bulk@two")
CAUSES: tuple[Callable[[int], str], ...] = (  # what fails in one way says something else each time
    lambda number: f"KeyError('sku-{number}')",
    lambda number: f"ConnectionError(111, '10.0.{number % 256}.7 refused')",
    lambda number: f"ValueError(<Order at 0x7f{number:010x}>)",
    lambda number: "ZeroDivisionError('division by zero')",
    lambda number: f"OperationalError('deadlock of {number} with another')",
    lambda number: f"OperationalError('no answer from 10.0.0.{number % 256}')",
)


@dataclass
class Told:
    """What is true of one task, and the events that tell it. None: nobody can know. Times are UNIX time."""

    id: str
    name: str
    root: str | None = None  # None: itself
    parent: str | None = None
    state: str = "PENDING"
    worker: str | None = None
    queue: str | None = None
    sent: float | None = None
    received: float | None = None
    started: float | None = None
    finished: float | None = None
    wait: float | None = None  # seconds
    runtime: float | None = None
    retries: int = 0
    eta: float | None = None
    exception: str | None = None
    cause: int | None = None  # of a failure, its place in CAUSES
    events: list[Event] = field(default_factory=list)

    @property
    def last(self) -> float:
        """When it did last what is known of it."""
        return next(at for at in (self.finished, self.started, self.received, self.sent) if at is not None)

    def is_sent(self, at: float) -> None:
        self.sent, self.queue = at, NAMES[self.name][0]
        self._happens("task-sent", at, queue=self.queue, exchange="", routing_key=self.queue, **self._request())

    def is_received(self, at: float, worker: str) -> None:
        self.state, self.received, self.worker = "RECEIVED", at, worker
        self._happens("task-received", at, **self._request())

    def starts(self, at: float, wait: float) -> None:
        self.state, self.started, self.wait = "STARTED", at, wait
        self._happens("task-started", at)

    def is_to_be_tried_again(self, at: float) -> None:
        self.state, self.exception = "RETRY", f"TimeoutError('after attempt {self.retries}')"
        self._happens("task-retried", at, exception=self.exception, traceback="Traceback")

    def succeeds(self, at: float, runtime: float) -> None:
        """`runtime` is what the worker measured, which leaves out the way to its process and back."""
        self.state, self.finished, self.runtime, self.exception = "SUCCESS", at, runtime, None
        self._happens("task-succeeded", at, result="'done'", runtime=runtime)

    def fails(self, at: float, number: int) -> None:
        self.cause = number % len(CAUSES)
        exception = CAUSES[self.cause](number)
        self._ends("FAILURE", "task-failed", at, exception=exception, traceback="Traceback")
        self.exception = exception

    def is_revoked(self, at: float) -> None:
        self._ends("REVOKED", "task-revoked", at, terminated=self.started is not None, signum=None, expired=False)

    def is_rejected(self, at: float) -> None:
        self._ends("REJECTED", "task-rejected", at, requeue=False)

    def _ends(self, state: str, kind: str, at: float, **fields: Any) -> None:
        """Without a measured runtime: what is known is from its start to its end."""
        self.state, self.finished, self.exception = state, at, None
        self.runtime = at - self.started if self.started is not None else None
        self._happens(kind, at, **fields)

    def _happens(self, kind: str, at: float, **fields: Any) -> None:
        who = "web@shop" if kind == "task-sent" else self.worker
        self.events.append({"type": kind, "uuid": self.id, "timestamp": at, "hostname": who, **fields})

    def _request(self) -> dict[str, Any]:
        eta = None if self.eta is None else datetime.fromtimestamp(self.eta, UTC).isoformat()
        family = {"root_id": self.root or self.id, "parent_id": self.parent}
        return {"name": self.name, "args": "(1,)", "kwargs": "{}", "retries": self.retries, "eta": eta, **family}


@dataclass
class Chord:
    """`parent` sent the `parts` and, when all had ended, their worker the `body`; or one is still waited for."""

    parent: Told
    parts: list[Told]
    body: Told | None

    @property
    def family(self) -> list[Told]:
        return [self.parent, *self.parts, *([self.body] if self.body else [])]


class Script:
    """All tasks of a run that begins at `began`, a whole second of UNIX time."""

    def __init__(self, began: int, seed: int = 4) -> None:
        self.began = began
        self._chance = random.Random(seed)
        self.chords = [self._chord(complete) for complete in (True, True, True, False)]
        self.tasks = [task for chord in self.chords for task in chord.family] + list(self._singles())
        assert began <= min(task.last for task in self.tasks)
        assert max(task.last for task in self.tasks) < began + SPAN_SECONDS

    def publish(self, url: str) -> int:
        """All events in no order, one in fifty twice; returns how many."""
        events = [event for task in self.tasks for event in task.events]
        events += self._chance.sample(events, len(events) // 50)
        self._chance.shuffle(events)
        with redis.Redis.from_url(url) as client, client.pipeline(transaction=False) as pipeline:
            for start in range(0, len(events), BUFFER):
                pipeline.publish("/0.celeryev/task.multi", envelope(events[start : start + BUFFER], "task.multi"))
            pipeline.execute()
        return len(events)

    def _singles(self) -> Iterator[Told]:
        fates: dict[Callable[[int], Told], int] = {
            self._failed: 400,
            self._without_its_sending: 400,
            self._sent_late: 50,
            self._tried_again: 200,
            self._delayed: 80,
            self._revoked: 80,
            self._terminated: 20,
            self._rejected: 20,
            self._waiting: 60,
            self._reserved: 40,
            self._running: 40,
            self._to_be_tried_again: 20,
        }
        made = sum(fates.values()) + sum(len(chord.family) for chord in self.chords)
        for fate, count in {**fates, self._succeeded: TASKS - made}.items():
            yield from map(fate, range(count))

    # --- fates ------------------------------------------------------------------------------------------------------

    def _succeeded(self, number: int) -> Told:
        return self._success(self._attempt(self._new()))

    def _failed(self, number: int) -> Told:
        task = self._attempt(self._new())
        task.fails(self._end_of(task), number)
        return task

    def _without_its_sending(self, number: int) -> Told:
        """Its client tells nothing: its queue is not known, and it waits since it was received."""
        task, received, wait = self._new(), self._moment(), self._wait()
        task.is_received(received, self._worker())
        task.starts(received + wait, wait)
        return self._success(task)

    def _sent_late(self, number: int) -> Told:
        """Its client says that it is sent when a quick worker has it already, from when on it waits."""
        task, received, wait = self._new(), self._moment(), 16 * TICK + self._wait()
        task.is_received(received, self._worker())
        task.is_sent(received + 12 * TICK)
        task.starts(received + wait, wait)
        return self._success(task)

    def _tried_again(self, number: int) -> Told:
        """Up to three times; one in four fails at last. What is known of it is the last attempt's."""
        task = self._attempt(self._new())
        for attempt in range(1, 2 + number % 3):
            at = self._end_of(task)
            task.is_to_be_tried_again(at)
            task.retries = attempt
            self._attempt(task, at + TICK)
        if number % 4:
            return self._success(task)
        task.fails(self._end_of(task), number)
        return task

    def _to_be_tried_again(self, number: int) -> Told:
        task = self._attempt(self._new())
        task.is_to_be_tried_again(self._end_of(task))
        return task

    def _delayed(self, number: int) -> Told:
        """It waits from its ETA on."""
        task, sent, wait = self._new(), self._moment(), self._wait()
        task.eta = sent + self._ticks(64, 320)
        task.is_sent(sent)
        task.is_received(sent + TICK, self._worker())
        task.starts(task.eta + wait, wait)
        return self._success(task)

    def _revoked(self, number: int) -> Told:
        """Before it began."""
        task = self._reserved(number)
        task.is_revoked(task.last + self._ticks(1, 128))
        return task

    def _terminated(self, number: int) -> Told:
        task = self._running(number)
        task.is_revoked(self._end_of(task))
        return task

    def _rejected(self, number: int) -> Told:
        task = self._running(number)
        task.is_rejected(self._end_of(task))
        return task

    def _waiting(self, number: int) -> Told:
        """In its queue, where no worker has found it."""
        task = self._new()
        task.is_sent(self._moment())
        return task

    def _reserved(self, number: int) -> Told:
        task, sent = self._new(), self._moment()
        task.is_sent(sent)
        task.is_received(sent + self._ticks(1, 64), self._worker())
        return task

    def _running(self, number: int) -> Told:
        return self._attempt(self._new())

    def _chord(self, complete: bool) -> Chord:
        parent = self._success(self._attempt(self._new("shop.import_rows"), self.began + TICK))
        parts = [self._attempt(self._new("shop.resize", parent.id), parent.last + TICK) for _ in range(5)]
        for part in parts if complete else parts[1:]:
            self._success(part)
        if not complete:
            return Chord(parent, parts, None)
        body = self._attempt(self._new("shop.build_report", parent.id), max(part.last for part in parts) + TICK)
        return Chord(parent, parts, self._success(body))

    # --- steps ------------------------------------------------------------------------------------------------------

    def _new(self, name: str | None = None, parent: str | None = None) -> Told:
        id = str(UUID(bytes=self._chance.randbytes(16), version=4))
        return Told(id, name or self._chance.choice(tuple(NAMES)), root=parent, parent=parent)

    def _attempt(self, task: Told, sent: float | None = None) -> Told:
        """Sent, received and started."""
        sent, wait = self._moment() if sent is None else sent, self._wait()
        task.is_sent(sent)
        task.is_received(sent + self._ticks(0, int(wait / TICK)), self._worker())
        task.starts(sent + wait, wait)
        return task

    def _success(self, task: Told) -> Told:
        ended = self._end_of(task)
        task.succeeds(ended, ended - task.last - TICK)
        return task

    def _end_of(self, task: Told) -> float:
        usual = NAMES[task.name][1]
        return task.last + (2 + int(self._chance.expovariate(1 / usual)) % LONGEST_RUN) * TICK

    def _wait(self) -> float:
        return (1 + int(self._chance.expovariate(1 / 40)) % LONGEST_WAIT) * TICK

    def _moment(self) -> float:
        return self.began + self._ticks(0, SEND_SECONDS * 64)

    def _ticks(self, least: int, most: int) -> float:
        return self._chance.randint(least, most) * TICK

    def _worker(self) -> str:
        return self._chance.choice(WORKERS)
