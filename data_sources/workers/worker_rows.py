"""Workers as rows, one a process, and one reading of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data_sources.note import Note

COLUMNS = {
    "worker": "str",
    "verdict": "str",  # see verdict.py
    "pool": "str",
    "concurrency": "Int64",
    "active": "Int64",
    "reserved": "Int64",
    "processed": "Int64",
    "queues": "object",  # a list of names; None when unknown
    "may_consume": "object",  # where that is unknown: those of which some process of its name said that it does
    "last_seen": "datetime64[ms, UTC]",  # its last answer, or heartbeat where it never answered
    "silent_since": "datetime64[ms, UTC]",  # does not answer since; None: it answered the last time it was asked
    "prefetch": "Int64",
    "uptime": "Float64",
    "pid": "Int64",
    "since": "datetime64[ms, UTC]",  # how long the verdict has been true, where that is known
    "neglected": "object",  # queues of its own where messages wait while it takes none, a list of names
    "heartbeat_age": "Float64",  # seconds, when the row was made
    "clock_offset": "Float64",  # seconds its clock is ahead of ours
    "load": "Float64",  # of its machine, over a minute
    "software": "str",  # "py-celery 5.7.0"
    "expected": "boolean",  # whether the configuration names it; unknown without such a list
    "evidence": "str",  # JSON: [witness, what it says, when in milliseconds since 1970 or null], see evidence.py
}
UNITS = {"uptime": "s", "heartbeat_age": "s", "clock_offset": "s"}

Row = Mapping[str, Any]  # a worker: all of COLUMNS, None where unknown


@dataclass(frozen=True, eq=False)  # each is one of its own, so that its frame is made once
class WorkersReading:
    """`rows` as `Presence.rows` promises them; `answered`: how many workers answered this round, beats not counted."""

    rows: Sequence[Row]
    answered: int
    notes: tuple[Note, ...]

    @property
    def expected(self) -> tuple[str, ...]:
        """The names that should answer when asked: whoever is not silent."""
        return tuple(dict.fromkeys(row["worker"] for row in self.rows if row["silent_since"] is None))

    def taking(self) -> list[Row]:
        return [row for row in self.rows if is_taking(row)]

    def consumers(self) -> dict[str, int | None] | None:
        """How many of those `taking` consume each queue. None: not known, of a queue of which only some of one name
        said so, or that only silent ones may consume, and of all queues while one of those taking has not said.
        """
        rows = self.taking()
        if any(consumed(row) is None for row in rows):
            return None
        sure = Counter(queue for row in rows for queue in row["queues"] or ())
        there = [row for row in self.rows if row["verdict"] != "gone"]
        doubtful = {queue for row in there for queue in consumed(row) or ()} - sure.keys()
        doubtful |= {queue for row in rows for queue in row["may_consume"] or ()}
        return {**sure, **dict.fromkeys(doubtful)}


def is_taking(row: Row) -> bool:
    """Whether it can take tasks, for all that is known: it answers, or its heart beats, or it is too busy to answer."""
    return row["last_seen"] is not None and row["verdict"] not in ("silent", "gone")


def consumed(row: Row) -> Sequence[str] | None:
    """The queues that it consumes, or may; None: it has not said."""
    queues: Sequence[str] | None = row["may_consume"] if row["queues"] is None else row["queues"]
    return queues


def may_consume(row: Row, queue: str) -> bool:
    """Whether it consumes the queue, or has not said that it does not."""
    queues = consumed(row)
    return is_taking(row) if queues is None else queue in queues
