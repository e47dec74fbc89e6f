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
FIRST_REST, LAST_REST = timedelta(seconds=2), timedelta(seconds=4)  # under a refresh of 5 s: each one tries
REST_AFTER_REJECTION = timedelta(seconds=30)


@dataclass
class Flight:
    """One question: its last answer, the slot the last good one was fetched for, and whether a fetch is under way."""

    answer: Answer
    slot: float = -math.inf
    under_way: bool = False
    rest: timedelta = timedelta(0)  # after a failure; longer with each in an unbroken row
    rests_until: float = 0.0  # on the monotonic clock
    size_bytes: int = 0

    def is_due(self, slot: float) -> bool:
        old = self.slot < slot or self.answer.failure is not None
        return old and not self.under_way and time.monotonic() >= self.rests_until

    def land(self, answer: Answer, slot: float) -> None:
        self.answer, self.slot, self.rest = answer, slot, timedelta(0)
        self.size_bytes = int(answer.frame.memory_usage(index=False).sum())

    def fail(self, error: SourceError) -> None:
        """Keeps the last good answer beside what went wrong, and rests before the next try."""
        if isinstance(error, QueryRejected):
            self.rest = REST_AFTER_REJECTION
        else:
            self.rest = min(max(FIRST_REST, 2 * self.rest), LAST_REST)
        now, before = datetime.now(UTC), self.answer.failure
        failure = Failure.from_error(error, before.since if before else now, now + self.rest)
        self.answer = self.answer.failed(failure)
        self.rests_until = time.monotonic() + self.rest.total_seconds()


class Flights:
    """Answers by question. `slot` says which moment of a question is meant: a later one than before fetches once."""

    def __init__(self, name: str, parallel: int) -> None:
        self._lanes = defaultdict[Hashable, ThreadPoolExecutor](
            lambda: ThreadPoolExecutor(parallel, thread_name_prefix=name)
        )
        self._landed = threading.Condition()
        self._flights: OrderedDict[Hashable, Flight] = OrderedDict()
        self._closed = False

    def ask(
        self,
        question: Hashable,
        slot: float,
        fetch: Callable[[], Answer],
        blank: Answer,
        wait_seconds: float,
        lane: Hashable = None,
    ) -> Answer:
        """The newest answer to `question`, fetched when none is there for `slot` or later; `blank` while there is none.

        Waits up to `wait_seconds` for a fetch under way; then the last good answer, or `blank`, comes back.
        `fetch` bounds its own waiting and raises SourceError.
        """
        with self._landed:
            flight = self._flights.setdefault(question, Flight(blank))
            self._flights.move_to_end(question)
            if flight.is_due(slot) and not self._closed:
                flight.under_way = True
                self._lanes[lane].submit(self._fly, flight, slot, fetch)
                self._forget()
            self._landed.wait_for(lambda: self._closed or not flight.under_way, wait_seconds)
            return flight.answer

    def close(self) -> None:
        """Returns at once, and so does everybody who waits; what is under way ends by its own deadline."""
        with self._landed:
            self._closed = True
            self._landed.notify_all()
        for lane in self._lanes.values():
            lane.shutdown(wait=False, cancel_futures=True)

    def _fly(self, flight: Flight, slot: float, fetch: Callable[[], Answer]) -> None:
        outcome: Answer | SourceError
        try:
            outcome = fetch()
        except SourceError as error:
            outcome = error
        except Exception as error:
            log.exception("unexpected error while asking")
            outcome = SourceError.unexpected("Celery Notebook", error)
        with self._landed:
            if isinstance(outcome, Answer):
                flight.land(outcome, slot)
            else:
                flight.fail(outcome)
            flight.under_way = False
            self._forget()
            self._landed.notify_all()

    def _forget(self) -> None:
        """Drops what was not asked for longest until the rest is within bounds; who waits for it still gets it."""
        size = sum(flight.size_bytes for flight in self._flights.values())
        while len(self._flights) > 1 and (len(self._flights) > MOST_QUESTIONS or size > MOST_BYTES):
            _, flight = self._flights.popitem(last=False)
            size -= flight.size_bytes
