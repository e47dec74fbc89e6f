"""What beat's entries will bring in the next 24 hours."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from data_sources.answer import Answer
from data_sources.history.reader import HistoryReader
from data_sources.note import Note, listed
from data_sources.now_frames import row_frame
from data_sources.schedule.lines import origin, read_lines
from data_sources.schedule.timetable import Entries
from data_sources.schedule_query import Schedule
from data_sources.scope import Window

HOURS = 24
HOUR_SECONDS = 3_600
LOAD_COLUMNS = {
    "time": "datetime64[ms, UTC]",  # when the hour begins
    "queue": "str",  # NA: no run of the entry told it
    "runs": "Int64",
    "value": "float64",  # seconds that slots will be busy: runs times the median runtime; NaN: no runtime is known
}


def load_answer(history: HistoryReader, query: Schedule, entries: Entries, window: Window) -> Answer:
    """A row an hour and queue that something is due in, columns LOAD_COLUMNS; the first hour is the one that runs."""
    began, now = time.monotonic(), datetime.now(UTC)
    lines, notes = read_lines(history, query, entries, min(window.end, now).timestamp())
    first = now.timestamp() // HOUR_SECONDS * HOUR_SECONDS
    runs: Counter[tuple[int, str | None]] = Counter()
    busy: dict[tuple[int, str | None], float] = {}
    untold = []
    for line in lines:
        due = Counter(
            int((at - first) // HOUR_SECONDS) for at in line.coming(now.timestamp(), first + HOURS * HOUR_SECONDS)
        )
        if line.entry.enabled and not due and line.next_run(now.timestamp()) is None:
            untold.append(line.entry.name)
        for hour, count in due.items():
            runs[hour, line.queue] += count
            runtime = float("nan") if line.runtime is None else line.runtime
            busy[hour, line.queue] = busy.get((hour, line.queue), 0.0) + count * runtime
    if untold:
        notes += (Note(f"Not in it, as it is not known when they are due next: {listed(untold)}", "warning"),)
    rows = [
        {
            "time": datetime.fromtimestamp(first + hour * HOUR_SECONDS, UTC),
            "queue": queue,
            "runs": count,
            "value": busy[hour, queue],
        }
        for (hour, queue), count in sorted(runs.items(), key=lambda one: (one[0][1] or "", one[0][0]))
    ]
    took = timedelta(seconds=time.monotonic() - began)
    frame = row_frame(rows, LOAD_COLUMNS)
    return Answer(frame, query, {"value": "s"}, origin=origin(lines), measured_at=now, took=took, notes=notes)
