"""How much goes into and out of each queue, and which queues grow: judged from one reading after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Any

from data_sources.brokers.queue_depths import DepthReading, Row
from data_sources.note import Note

EVERY_SECONDS = 15.0  # a reading is kept
LOOK_BACK_SECONDS = 300.0
LEAST_SECONDS = 60.0  # shorter says nothing
GROWS = 1 / 60  # a message a minute; slower is noise

IN_AND_OUT = Note(
    "Out: tasks that ended, by their events; in: the same and the growth of the queue; both over the last 5 minutes"
)


# Up to now, as far back as all ends were heard: the tasks of each queue that had ended by then.
Heard = Sequence[tuple[datetime, Mapping[str, int]]]


@dataclass(frozen=True)
class Past:
    """An earlier reading: of each queue its ready messages, those and the unacked, and the tasks that had ended."""

    at: datetime
    ready: Mapping[str, int | None]
    depth: Mapping[str, int | None]
    ended: Mapping[str, int] | None


class QueueFlow:
    """Remembers the readings of one broker for five minutes. One thread at a time."""

    def __init__(self) -> None:
        self._past: deque[Past] = deque()

    def judged(self, reading: DepthReading, ended: Mapping[str, int] | None) -> DepthReading:
        """`reading` with its flow. `ended` counts the tasks of each queue that ended since the recorder began; of a
        queue that is not in it no events came, so that what comes out of it is not known. None: since the last reading
        some may have ended unheard, so that earlier counts cannot be compared with later ones.
        """
        if ended is None:
            self._past = deque(replace(one, ended=None) for one in self._past)
        now = snapshot(reading, ended)
        if self._past and not 0 <= (now.at - self._past[-1].at).total_seconds() <= 4 * EVERY_SECONDS:
            self._past.clear()  # the clock was set, or nothing was known for a while
        while self._past and (now.at - self._past[0].at).total_seconds() > LOOK_BACK_SECONDS:
            self._past.popleft()
        known = self._past and (now.at - self._past[0].at).total_seconds() >= LEAST_SECONDS
        readings = [*self._past, now]
        heard = [(one.at, one.ended) for one in readings if one.ended is not None]
        rows = [{**row, **flow(row, readings, heard)} for row in reading.rows] if known else reading.rows
        if not self._past or (now.at - self._past[-1].at).total_seconds() >= EVERY_SECONDS:
            self._past.append(now)
        derived = any(
            row["out_rate"] is None and new["out_rate"] is not None for row, new in zip(reading.rows, rows, strict=True)
        )
        return replace(reading, rows=rows, notes=(*reading.notes, IN_AND_OUT) if derived else reading.notes)


def snapshot(reading: DepthReading, ended: Mapping[str, int] | None) -> Past:
    ready = {row["queue"]: row["ready"] for row in reading.rows}
    held = {row["queue"]: row["unacked"] for row in reading.rows}
    depth = {name: None if count is None or held[name] is None else count + held[name] for name, count in ready.items()}
    return Past(reading.measured_at, ready, depth, ended)


def flow(row: Row, readings: Sequence[Past], heard: Heard) -> dict[str, Any]:
    """`in_rate` and `out_rate` where the broker does not tell them, `growth`, `grows` and `falls`."""
    name = row["queue"]
    ready = [one.ready.get(name) for one in readings]
    growth = slope(readings, ready)
    told: dict[str, Any] = {
        "growth": growth,
        "grows": None if growth is None else growth >= GROWS and rises(ready),
        "falls": None if growth is None else growth <= -GROWS and falls(ready),
    }
    out = None if row["out_rate"] is not None else ended_a_second(name, heard)
    if out is not None:
        more = slope(readings, [one.depth.get(name) for one in readings])
        more = growth if more is None else more
        told["out_rate"] = out
        told["in_rate"] = None if more is None else max(0.0, out + more)
    return told


def ended_a_second(queue: str, heard: Heard) -> float | None:
    """None where that is not known for long enough."""
    if not heard or queue not in heard[-1][1]:
        return None
    (first_at, first), (last_at, last) = heard[0], heard[-1]
    seconds = (last_at - first_at).total_seconds()
    return (last[queue] - first.get(queue, 0)) / seconds if seconds >= LEAST_SECONDS else None


def slope(readings: Sequence[Past], values: Sequence[int | None]) -> float | None:
    """A second, from the first to the last, which must both be known."""
    first, last = values[0], values[-1]
    if first is None or last is None:
        return None
    return (last - first) / (readings[-1].at - readings[0].at).total_seconds()


def rises(values: Sequence[int | None]) -> bool:
    """Whether the second half is higher than the first, and its end no burst that is being worked off."""
    parts = quarters(values)
    return bool(parts) and parts[3] > parts[2] and parts[2] + parts[3] > parts[0] + parts[1]


def falls(values: Sequence[int | None]) -> bool:
    """Whether each quarter is lower than the one before: what goes up and down by chance seldom is."""
    parts = quarters(values)
    return bool(parts) and all(later < earlier for earlier, later in pairwise(parts))


def quarters(values: Sequence[int | None]) -> list[float]:
    """The median of each quarter; of few values nothing."""
    known = [value for value in values if value is not None]
    edges = [len(known) * quarter // 4 for quarter in range(5)]
    return [median(known[a:b]) for a, b in pairwise(edges)] if len(known) >= 4 else []
