"""Queues as a frame: the promised columns, what belongs to Celery itself, and one reading of a broker."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from data_sources.answer import Note

COLUMNS = {
    "queue": "str",
    "ready": "Int64",  # in the queue
    "unacked": "Int64",  # delivered and not acknowledged
    "scheduled": "Int64",  # held in a worker for its ETA: workers know, brokers do not
    "consumers": "Int64",
    "oldest": "float64",  # age of the oldest ready message in seconds; NaN: unknown
    "internal": "bool",
    "priorities": "str",  # JSON: priority step -> ready, where a queue has several
}

# Event receivers, remote control and its replies, the ladder of delays that ETA tasks climb on quorum queues
# (celery_delayed_0 to 27), and queues the server named itself.
INTERNAL = re.compile(r"celeryev(\..*)?|.*\.pidbox|celery_delayed_\d+|amq\.gen-.*", re.DOTALL)


@dataclass(frozen=True)
class DepthReading:
    """What a broker said of its queues at one moment.

    `frame` has the columns of COLUMNS, sorted by queue; unknown is NA, never 0, and a note says why. `totals`
    covers the queues that are not internal: `ready`, `unacked` and, where the broker tells, `oldest_unacked`
    (seconds since the oldest of them was delivered).
    """

    frame: pd.DataFrame
    totals: Mapping[str, int | None]
    notes: tuple[Note, ...]
    origin: str  # "Redis 7.0.15 at host:6379/0"
    latency: timedelta  # of one small round trip
    measured_at: datetime

    def per_queue(self, column: str) -> dict[str, float | None]:
        """A column of numbers by queue, without the internal ones; None: unknown."""
        work = self.frame[~self.frame["internal"]]
        values = work[column].astype(object).where(work[column].notna(), None)
        return dict(zip(work["queue"], values, strict=True))


def depth_frame(
    queues: Sequence[str], *, exclusive: frozenset[str] = frozenset(), **columns: Sequence[object]
) -> pd.DataFrame:
    """One row a queue, sorted by name, with all of COLUMNS; a column that is not given is NA throughout."""
    nothing = [None] * len(queues)
    names = [name.encode(errors="backslashreplace").decode() for name in queues]  # a lone surrogate fits no column
    given = {"queue": names, "internal": [is_internal(name, name in exclusive) for name in queues], **columns}
    frame = pd.DataFrame({name: pd.array(given.get(name, nothing), dtype=kind) for name, kind in COLUMNS.items()})
    return frame.sort_values("queue", ignore_index=True)


def is_internal(name: str, exclusive: bool = False) -> bool:
    """Whether the queue is Celery's own, or one client's alone (`exclusive`), rather than a place for tasks."""
    return exclusive or INTERNAL.fullmatch(name) is not None


def total(frame: pd.DataFrame, column: str) -> int | None:
    """The sum over the queues that are not internal; None as soon as one of them is unknown."""
    values = frame.loc[~frame["internal"], column]
    return None if values.isna().any() else int(values.sum())


def listed(names: Iterable[str], most: int = 3) -> str:
    """The first few names, for a note, and how many more there are."""
    once = list(dict.fromkeys(names))
    return ", ".join(once[:most]) + (f" and {len(once) - most:,} more" if len(once) > most else "")
