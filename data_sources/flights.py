"""One request in flight per question, whoever and however many ask; failures are answers too."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from data_sources.answer import Answer
from data_sources.errors import QueryRejected, SourceError
from data_sources.failure import Failure

log = logging.getLogger(__name__)

# What is kept; the answer not asked for longest goes first.
MOST_QUESTIONS = 256
MOST_BYTES = 256 * 2**20
REST = timedelta(seconds=2)  # after a failure; with it and a refresh of 5 s, a source that is back shows within 10 s
REST_AFTER_REJECTION = timedelta(seconds=30)
WANTED_SECONDS = 10.0  # since somebody asked: pages ask every 5 s unless told otherwise

Fetch = Callable[[float], Answer]  # told how many seconds it waited for its turn


@dataclass(frozen=True)
class Wish:
    """What was asked for last: of which moment, how to fetch it, and in which line it waits for its turn."""

    slot: float
    fetch: Fetch
    lane: Hashable


@dataclass
class Flight:
    """One question: its last answer, the slot the last good one was fetched for, and whether a fetch is under way."""

    answer: Answer
    wish: Wish
    slot: float = -math.inf
    under_way: bool = False
    rests_until: float = 0.0  # after a failure; on the monotonic clock
    asked_at: float = -math.inf  # last; on the monotonic clock
    size_bytes: int = 0

    @property
    def is_due(self) -> bool:
        old = self.slot < self.wish.slot or self.answer.failure is not None
        return old and not self.under_way and time.monotonic() >= self.rests_until

    @property
    def rests(self) -> bool:
        """Whether it is to be tried again by itself. What was refused will be refused again, most likely."""
        failure = self.answer.failure
        wanted = time.monotonic() - self.asked_at < WANTED_SECONDS
        return wanted and not self.under_way and failure is not None and failure.kind != "rejected"

    def land(self, answer: Answer, slot: float) -> None:
        self.answer, self.slot = answer, slot
        self.size_bytes = int(answer.frame.memory_usage(index=False).sum())

    def fail(self, error: SourceError) -> None:
        """Keeps the last good answer beside what went wrong, and rests before the next try."""
        rest = REST_AFTER_REJECTION if isinstance(error, QueryRejected) else REST
        now, before = datetime.now(UTC), self.answer.failure
        failure = Failure.from_error(error, before.since if before else now, now + rest)
        self.answer = self.answer.failed(failure)
        self.rests_until = time.monotonic() + rest.total_seconds()


class Flights:
    """Answers by question. `slot` says which moment of a question is meant: a later one than before fetches once."""

    def __init__(self, name: str, parallel: int) -> None:
        self._lanes = defaultdict[Hashable, ThreadPoolExecutor](
            lambda: ThreadPoolExecutor(parallel, thread_name_prefix=name)
        )
        self._landed = threading.Condition()
        self._flights: OrderedDict[Hashable, Flight] = OrderedDict()
        self._closed = False
        self._alarm: threading.Timer | None = None  # one for all that rest: each rests as long

    def ask(
        self,
        question: Hashable,
        slot: float,
        fetch: Fetch,
        blank: Answer,
        wait_seconds: float,
        lane: Hashable = None,
    ) -> Answer:
        """The newest answer to `question`, fetched when none is there for `slot` or later; `blank` while there is none.

        Waits up to `wait_seconds` for a fetch under way; then the last good answer, or `blank`, comes back.
        `fetch` bounds its own waiting and raises SourceError. After one it is tried again while somebody asks: a page
        that had to ask first would see what came of that only a refresh later.
        """
        with self._landed:
            wish = Wish(slot, fetch, lane)
            flight = self._flights.setdefault(question, Flight(blank, wish))
            self._flights.move_to_end(question)
            flight.wish, flight.asked_at = wish, time.monotonic()
            self._begin(flight)
            self._landed.wait_for(lambda: self._closed or not flight.under_way, wait_seconds)
            return flight.answer

    def close(self) -> None:
        """Returns at once, and so does everybody who waits; what is under way ends by its own deadline."""
        with self._landed:
            self._closed = True
            self._landed.notify_all()
        for lane in self._lanes.values():
            lane.shutdown(wait=False, cancel_futures=True)

    def _begin(self, flight: Flight) -> None:
        """Puts it in line, unless there is nothing to fetch by now; holding the lock."""
        if flight.is_due and not self._closed:
            flight.under_way = True
            self._lanes[flight.wish.lane].submit(self._fly, flight, flight.wish, time.monotonic())
            self._forget()

    def _try_again(self) -> None:
        with self._landed:
            self._alarm = None
            for flight in [flight for flight in self._flights.values() if flight.rests]:
                self._begin(flight)
            self._set_alarm()

    def _set_alarm(self) -> None:
        """For the end of the next rest; holding the lock."""
        ends = [flight.rests_until for flight in self._flights.values() if flight.rests]
        if ends and not self._alarm and not self._closed:
            self._alarm = threading.Timer(max(0.0, min(ends) - time.monotonic()), self._try_again)
            self._alarm.daemon = True
            self._alarm.start()

    def _fly(self, flight: Flight, wish: Wish, in_line_since: float) -> None:
        outcome: Answer | SourceError
        try:
            outcome = wish.fetch(time.monotonic() - in_line_since)
        except SourceError as error:
            outcome = error
        except Exception as error:
            log.exception("unexpected error while asking")
            outcome = SourceError.unexpected("Celery Notebook", error)
        with self._landed:
            if isinstance(outcome, Answer):
                flight.land(outcome, wish.slot)
            else:
                flight.fail(outcome)
            flight.under_way = False
            self._set_alarm()
            self._forget()
            self._landed.notify_all()

    def _forget(self) -> None:
        """Drops what was not asked for longest until the rest is within bounds; who waits for it still gets it."""
        size = sum(flight.size_bytes for flight in self._flights.values())
        while len(self._flights) > 1 and (len(self._flights) > MOST_QUESTIONS or size > MOST_BYTES):
            _, flight = self._flights.popitem(last=False)
            size -= flight.size_bytes
