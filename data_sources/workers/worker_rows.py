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
        """Those that answer, or are too busy to."""
        return [row for row in self.rows if row["silent_since"] is None or row["verdict"] == "busy_not_answering"]

    def consumers(self) -> dict[str, int | None] | None:
        """How many of those `taking` consume each queue. None: not known, of a queue of which only some of one name
        said so, or that only silent ones may consume, and of all queues while one of those taking has not said.
        """
        rows = self.taking()
        if any(row["queues"] is None and row["may_consume"] is None for row in rows):
            return None
        sure = Counter(queue for row in rows for queue in row["queues"] or ())
        there = [row for row in self.rows if row["verdict"] != "gone"]
        doubtful = {queue for row in there for queue in consumed(row)} - sure.keys()
        doubtful |= {queue for row in rows for queue in row["may_consume"] or ()}
        return {**sure, **dict.fromkeys(doubtful)}


def consumed(row: Row) -> Sequence[str]:
    """The queues that it consumes, or may."""
    return row["queues"] or row["may_consume"] or ()
