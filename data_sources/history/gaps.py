"""Times of which something is not known, as notes and as what is left of a stretch without them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, or_, select

from data_sources.history.extent import alive_us, began_us
from data_sources.microseconds import moment
from data_sources.note import Note
from data_sources.schema import gaps

MOST = 200  # gaps told one by one
LOST = {
    "events": "No task events recorded",
    "senders": "Not all task events recorded",
    "workers": "No workers sampled",
    "queues": "No queues sampled",
    "recorder": "Nothing recorded",
}
SOURCES = tuple(LOST)
UNHEARD = ("events", "recorder")  # in their gaps nothing is known of tasks
PARTLY_HEARD = ("senders", *UNHEARD)  # in these something may not be


def read_gaps(connection: Connection, start: int, end: int, sources: Sequence[str] = SOURCES) -> tuple[Note, ...]:
    """A note of kind "gap" each, the time before the first recording among them, in order of time; microseconds."""
    began = began_us(connection)
    notes = []
    if began is None or start < began:
        text = "Recording has not begun" if began is None else f"Recording began at {moment(began):%Y-%m-%d %H:%M} UTC"
        notes.append(
            Note(f"{text}; what was before is not known", "gap", None, None if began is None else moment(began))
        )
    query = select(gaps).where(gaps.c.source.in_(sources), *overlapping(start, end))
    rows = connection.execute(query.order_by(gaps.c.start_us.desc()).limit(MOST + 1)).all()
    for row in reversed(rows[:MOST]):
        missed = f"; about {row.missed:,} task events missed" if row.missed else ""
        text = f"{LOST.get(row.source, 'Nothing recorded')}: {row.reason}{missed}"
        ended = None if row.end_us is None else moment(row.end_us)
        notes.append(Note(text, "gap", moment(row.start_us), ended))
    if len(rows) > MOST:
        notes.append(Note(f"There are more gaps than the newest {MOST}", "cut"))
    return tuple(notes)


def covered(
    connection: Connection, edges: npt.NDArray[np.int64], sources: Sequence[str], since: int = 0
) -> npt.NDArray[np.float64]:
    """For each two of `edges` (microseconds, ascending) how many seconds between them the recorder heard `sources`;
    none before `since`.
    """
    began, alive = began_us(connection), alive_us(connection)
    if began is None or alive is None or alive <= began:
        return np.zeros(len(edges) - 1)
    began = max(began, since)
    query = select(gaps.c.start_us, gaps.c.end_us).where(
        gaps.c.source.in_(sources), *overlapping(int(edges[0]), int(edges[-1]))
    )
    heard = np.clip(edges, began, alive) - began
    deaf = np.zeros(len(edges), np.int64)
    until = began
    for start, end in connection.execute(query.order_by(gaps.c.start_us)):
        begins, ends = max(start, until), alive if end is None else min(end, alive)
        if begins < ends:  # those that overlap count once
            deaf += np.clip(edges, begins, ends) - begins
            until = ends
    seconds: npt.NDArray[np.float64] = np.diff(heard - deaf) / 1e6
    return seconds


def overlapping(start: int, end: int) -> tuple[ColumnElement[bool], ...]:
    return gaps.c.start_us < end, or_(gaps.c.end_us.is_(None), gaps.c.end_us > start)
