"""The broker of a cluster as a reader of its queues, whatever it is and however long it takes to answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Protocol

from data_sources.celery_connection import no_answer
from data_sources.config import Broker, Cluster
from data_sources.queue_frame import DepthReading
from data_sources.redis_broker import RedisBroker


class QueueReader(Protocol):
    def depths(self, known_queues: Collection[str], *, deadline_seconds: float) -> DepthReading:
        """All queues that can be found, and `known_queues` (those workers consume) where they must be named.

        Raises SourceUnreachable or QueryRejected, at the latest at the deadline. The next call starts afresh.
        """
        ...

    def close(self) -> None: ...


class BlockingReader(Protocol):
    """A reader whose sockets have time-outs, which bound each wait but not their sum."""

    def read(self, known_queues: Collection[str], deadline_seconds: float) -> DepthReading: ...

    def close(self) -> None: ...


class BoundedReader:
    """A blocking reader, in a thread that is given up at the deadline: name look-ups know no time-out, and an
    answer that drips never exceeds one. The abandoned thread ends by itself, its connection closed under it."""

    def __init__(self, broker: Broker, open_reader: Callable[[Broker], BlockingReader]) -> None:
        self._broker = broker
        self._open = open_reader
        self._reader: BlockingReader | None = None

    def depths(self, known_queues: Collection[str], *, deadline_seconds: float) -> DepthReading:
        reader = self._reader = self._reader or self._open(self._broker)
        outcome: Future[DepthReading] = Future()

        def read() -> None:
            try:
                outcome.set_result(reader.read(known_queues, deadline_seconds))
            except Exception as error:
                outcome.set_exception(error)

        threading.Thread(target=read, name="read queues", daemon=True).start()
        try:
            return outcome.result(deadline_seconds)
        except TimeoutError as exc:
            self.close()
            raise no_answer(self._broker, deadline_seconds) from exc

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def open_broker(cluster: Cluster) -> QueueReader:
    """Nothing is connected to before the first reading."""
    return BoundedReader(cluster.broker, RedisBroker)
