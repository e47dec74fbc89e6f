"""What a broker says of its queues: the promised columns, what belongs to Celery itself, and one reading."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

from data_sources.failure import Failure
from data_sources.note import Note

COLUMNS = {
    "queue": "str",
    "ready": "Int64",  # in the queue
    "unacked": "Int64",  # delivered and not acknowledged
    "scheduled": "Int64",  # held by a worker for its ETA
    "consumers": "Int64",
    "oldest": "float64",  # age of the oldest ready message in seconds; NaN: unknown
    "internal": "bool",
    "priorities": "str",  # JSON: priority step -> ready, where a queue has several
    "oldest_at_least": "float64",  # a lower bound of `oldest`
    "oldest_unacked": "float64",  # seconds since the first of the unacked was delivered
    "next_eta": "datetime64[ms, UTC]",
    "twice": "Int64",  # scheduled beyond the visibility timeout: delivered once more before their time
    "overdue": "Int64",  # unacked for longer than the visibility timeout: delivered once more when a worker looks
    "in_rate": "float64",  # messages a second
    "out_rate": "float64",
    "growth": "float64",  # of `ready`, a second
    "grows": "boolean",  # it rises from reading to reading, and not only in a burst
    "falls": "boolean",  # it is less from minute to minute, and not only by chance
    "memory": "Int64",  # bytes, the queue with all that belongs to it
    "message_bytes": "Int64",  # the bodies of its messages
    "type": "str",
    "dead_letter": "str",  # where RabbitMQ sends what is rejected or expired: an exchange
    "message_ttl": "float64",  # seconds
    "expires": "float64",  # seconds without use, after which the queue is deleted
}

UNITS = {
    **dict.fromkeys(("oldest", "oldest_at_least", "oldest_unacked", "drain", "message_ttl", "expires"), "s"),
    **dict.fromkeys(("in_rate", "out_rate", "growth"), "1/s"),
    **dict.fromkeys(("memory", "message_bytes"), "bytes"),
}

# Event receivers, remote control and its replies, the ladder of delays that ETA tasks climb on quorum queues
# (celery_delayed_0 to 27), and queues the server named itself.
INTERNAL = re.compile(r"celeryev(\..*)?|.*\.pidbox|celery_delayed_\d+|amq\.gen-.*", re.DOTALL)


Row = Mapping[str, Any]  # a queue: all of COLUMNS, None where unknown


class Hold(NamedTuple):
    """One unacked message: how long ago it was delivered, and how long after that its ETA is, if it is to come."""

    seconds: float
    until_eta: float | None


@dataclass(frozen=True, eq=False)  # each is one of its own, so that its frame is made once
class DepthReading:
    """What a broker said of its queues at one moment.

    `rows` have the columns of COLUMNS, sorted by queue; unknown is None, never 0, and a note says why. `totals`
    covers the queues that are not internal: `ready`, `unacked` and, where the broker tells, `oldest_unacked`
    (seconds since the oldest of them was delivered).
    """

    rows: Sequence[Row]
    totals: Mapping[str, int | None]
    notes: tuple[Note, ...]
    origin: str  # "Redis 7.0.15 at host:6379/0"
    latency: timedelta  # of one small round trip
    measured_at: datetime
    held: Mapping[str, Sequence[Hold]] = field(default_factory=dict)  # by queue; where it is known, and not kept
    managed: bool = False  # told by RabbitMQ's management API
    management: Failure | None = None  # of that API, where there should be one

    def work(self) -> list[Row]:
        """The queues that are not internal."""
        return [row for row in self.rows if not row["internal"]]

    def per_queue(self, column: str) -> dict[str, float | None]:
        """A column of numbers by queue, without the internal ones; None: unknown."""
        return {row["queue"]: row[column] for row in self.work()}


def depth_rows(
    queues: Sequence[str], *, private: Collection[str] = frozenset(), **columns: Sequence[object]
) -> list[Row]:
    """One row a queue, sorted by name, with all of COLUMNS; a column that is not given is unknown throughout."""
    nothing = dict.fromkeys(COLUMNS)
    rows = [
        # a lone surrogate fits neither JSON nor a frame
        nothing
        | {"queue": name.encode(errors="backslashreplace").decode(), "internal": is_internal(name, name in private)}
        | dict(zip(columns, values, strict=True))
        for name, *values in zip(queues, *columns.values(), strict=True)
    ]
    return sorted(rows, key=itemgetter("queue"))


def is_internal(name: str, private: bool = False) -> bool:
    """Whether the queue is Celery's own, or one client's alone (`private`), rather than a place for tasks."""
    return private or INTERNAL.fullmatch(name) is not None


def total(rows: Iterable[Row], column: str) -> int | None:
    """The sum over the queues that are not internal; None as soon as one of them is unknown."""
    values = [row[column] for row in rows if not row["internal"]]
    return None if None in values else sum(values)
