"""After how long Redis's unacknowledged messages are delivered once more, and of how many that is before their time.

Any worker puts back what was delivered longer ago than *its* visibility timeout (kombu/transport/redis.py,
QoS.restore_visible): the shortest of all counts. A task that is held for an ETA beyond it is delivered to a second
worker while the first still has it, and runs twice, or more often.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from data_sources.brokers.queue_depths import DepthReading, Hold
from data_sources.config import Broker
from data_sources.note import Note

DEFAULT_SECONDS = 3600.0  # kombu's own
ASK_EVERY_SECONDS = 300.0


class Visibility:
    """The visibility timeout of a cluster: the workers' shortest, else the configured one, else Celery's default."""

    def __init__(self, broker: Broker) -> None:
        self._is_redis = broker.transport == "redis"
        configured = broker.visibility_timeout
        self._seconds = configured.total_seconds() if configured else DEFAULT_SECONDS
        self._told = configured is not None
        self._ask_at = 0.0 if self._is_redis else float("inf")  # on the monotonic clock

    @property
    def is_due(self) -> bool:
        """Whether workers are to be asked (`conf`)."""
        return time.monotonic() >= self._ask_at

    def heard(self, confs: Iterable[Mapping[str, Any]]) -> None:
        """Takes in what workers say of their configuration (`conf`)."""
        options = [conf.get("broker_transport_options") for conf in confs]
        if options:
            self._seconds = min(seconds_of(one if isinstance(one, dict) else {}) for one in options)
            self._told, self._ask_at = True, time.monotonic() + ASK_EVERY_SECONDS

    def judged(self, reading: DepthReading) -> DepthReading:
        """`reading` with `twice` and `overdue`, where it is known what is held."""
        if not self._is_redis:
            return reading
        rows = [{**row, **self._beyond(row, reading.held.get(row["queue"], ()))} for row in reading.rows]
        if self._told or not any(row["twice"] or row["overdue"] for row in rows):
            return replace(reading, rows=rows)
        note = Note(
            "No worker has told its visibility timeout: an hour is taken, Celery's default; "
            "CELERY_VISIBILITY_TIMEOUT names another",
            "warning",
        )
        return replace(reading, rows=rows, notes=(*reading.notes, note))

    def _beyond(self, row: Mapping[str, Any], held: Sequence[Hold]) -> dict[str, int]:
        if row["scheduled"] is None:
            return {}
        twice = sum(one.until_eta is not None and one.until_eta > self._seconds for one in held)
        return {"twice": twice, "overdue": sum(one.seconds > self._seconds for one in held)}


def seconds_of(options: Mapping[str, Any]) -> float:
    value = options.get("visibility_timeout")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else DEFAULT_SECONDS
