"""One request in flight per question, whoever and however many ask; failures are answers too."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from data_sources.answer import Answer, Failure
from data_sources.errors import QueryRejected, SourceError

log = logging.getLogger(__name__)

MOST_QUESTIONS = 256  # answers kept; the one not asked for longest goes first
FIRST_RETRY, LAST_RETRY = timedelta(seconds=2), timedelta(seconds=8)
RETRY_REJECTED = timedelta(seconds=30)


@dataclass
class Flight:
    """One question: its last answer, for which slot of time that was fetched, and the fetch under way."""

    answer: Answer
    slot: object = None
    future: Future[None] | None = None
    failures: int = 0


class Flights:
    """Answers by question. `slot` says which moment of a live question is meant: a new one fetches once."""

    def __init__(self, name: str, parallel: int) -> None:
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._flights: OrderedDict[Hashable, Flight] = OrderedDict()

    def ask(
        self, question: Hashable, slot: object, fetch: Callable[[], Answer], blank: Answer, wait_seconds: float
    ) -> Answer:
        """The newest answer to `question`, fetched when none is there for `slot`; `blank` while there is none.

        Waits up to `wait_seconds` for a fetch under way; then the last good answer, or `blank`, comes back.
        """
        with self._lock:
            flight = self._flights.setdefault(question, Flight(blank))
            self._flights.move_to_end(question)
            while len(self._flights) > MOST_QUESTIONS:
                self._flights.popitem(last=False)
            if flight.future is None and flight.slot != slot and not resting(flight.answer.failure):
                flight.future = self._pool.submit(self._fly, flight, slot, fetch)
            future = flight.future
        if future is not None and wait_seconds > 0:
            wait_for([future], wait_seconds)
        return flight.answer

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fly(self, flight: Flight, slot: object, fetch: Callable[[], Answer]) -> None:
        try:
            answer, failures = fetch(), 0
        except Exception as error:
            if not isinstance(error, SourceError):
                log.exception("unexpected error while asking")
                error = SourceError("Celery Notebook", f"unexpected {type(error).__name__}", "The log has the details")
            failures = flight.failures + 1
            answer = flight.answer.failed(self._failure(error, flight.answer.failure, failures))
        with self._lock:
            flight.answer, flight.failures, flight.future = answer, failures, None
            flight.slot = slot if answer.failure is None else None

    def _failure(self, error: SourceError, before: Failure | None, failures: int) -> Failure:
        now = datetime.now(UTC)
        rest = (
            RETRY_REJECTED if isinstance(error, QueryRejected) else min(FIRST_RETRY * 2 ** (failures - 1), LAST_RETRY)
        )
        return Failure.from_error(error, before.since if before else now, now + rest)


def resting(failure: Failure | None) -> bool:
    """Whether it is too early to try again after `failure`."""
    return failure is not None and failure.retry_at is not None and datetime.now(UTC) < failure.retry_at
