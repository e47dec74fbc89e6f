"""A broker's client that blocks, kept within a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Protocol

from data_sources.brokers.broker_errors import no_answer
from data_sources.brokers.queue_depths import DepthReading
from data_sources.config import Broker

MAX_GIVEN_UP = 3  # threads


class BlockingReader(Protocol):
    """A reader whose sockets have time-outs, which bound each wait but not their sum."""

    def read(self, known_queues: Collection[str], deadline_seconds: float) -> DepthReading: ...

    def close(self) -> None: ...


class BoundedReader:
    """A blocking reader, in a thread that is given up at the deadline: name look-ups know no time-out, and an answer
    that drips never exceeds one. A thread given up ends when its connection is closed under it; one that is still
    connecting cannot be reached, so a few are borne with, and then nothing is asked until one of them has ended.
    """

    def __init__(self, broker: Broker, open_reader: Callable[[Broker], BlockingReader]) -> None:
        self._broker = broker
        self._open = open_reader
        self._reader: BlockingReader | None = None
        self._given_up: list[threading.Thread] = []

    def depths(self, known_queues: Collection[str], *, deadline_seconds: float) -> DepthReading:
        self._given_up = [thread for thread in self._given_up if thread.is_alive()]
        if len(self._given_up) >= MAX_GIVEN_UP:
            raise no_answer(self._broker, deadline_seconds)
        reader = self._reader = self._reader or self._open(self._broker)
        outcome: Future[DepthReading] = Future()

        def read() -> None:
            try:
                outcome.set_result(reader.read(known_queues, deadline_seconds))
            except Exception as error:
                outcome.set_exception(error)

        thread = threading.Thread(target=read, name="read queues", daemon=True)
        thread.start()
        try:
            return outcome.result(deadline_seconds)
        except TimeoutError as exc:
            self._given_up.append(thread)
            self.close()
            raise no_answer(self._broker, deadline_seconds) from exc

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
