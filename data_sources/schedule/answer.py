"""Beat's schedule as an answer: each entry, when it is due next, and whether it was kept."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from data_sources.answer import Answer
from data_sources.history.reader import HistoryReader
from data_sources.now_frames import row_frame
from data_sources.schedule.judged import JUDGED, STRIP, Block
from data_sources.schedule.lines import Line, origin, read_lines
from data_sources.schedule.timetable import Entries
from data_sources.schedule.words import in_words
from data_sources.schedule_query import Schedule
from data_sources.scope import Window

TIME = "datetime64[ms, UTC]"
COLUMNS = {
    "name": "str",
    "task": "str",
    "schedule": "str",  # its form and fields, as Celery writes them
    "words": "str",
    "verdict": "str",  # one of VERDICTS
    "next_run": TIME,  # of an interval that nobody kept it is past
    "overdue_since": TIME,
    "last_run": TIME,  # by the store, or recorded
    "due": "Int64",  # within the range, and recorded or not; the four after it are of these
    "on_time": "Int64",
    "late": "Int64",
    "missed": "Int64",
    "doubled": "Int64",  # more than was due
    "failed": "Int64",
    "compared_from": TIME,
    "told_by": "str",  # sent, or received: what tells when a run came
    "runtime": "float64",  # median, seconds
    "queue": "str",
    "args": "str",
    "kwargs": "str",
    "options": "str",
    "enabled": "boolean",
    "total_run_count": "Int64",  # by the store
    "source": "str",
    "runs": "object",  # the last 60 due times and runs: kind, due, at, id, state
}
UNITS = {"runtime": "s"}
VERDICTS = ("overdue", "missed", "doubled", "late", "on_time", "unknown", "never_seen", "disabled")


def schedule_answer(history: HistoryReader, query: Schedule, entries: Entries, window: Window) -> Answer:
    """A row an entry, columns COLUMNS, the worst first; `totals["beats"]` as `Entries.beats`."""
    began, now = time.monotonic(), datetime.now(UTC)
    lines, notes = read_lines(history, query, entries, min(window.end, now).timestamp())
    rows = sorted((row(line, window, now) for line in lines), key=lambda row: VERDICTS.index(row["verdict"]))
    return Answer(
        row_frame(rows, COLUMNS),
        query,
        UNITS,
        origin=origin(lines),
        measured_at=now,
        took=timedelta(seconds=time.monotonic() - began),
        notes=notes,
        totals={"beats": entries.beats},
    )


def row(line: Line, window: Window, now: datetime) -> dict[str, Any]:
    entry, kept = line.entry, line.kept
    inside = [block for block in kept.blocks if block.moment >= window.start.timestamp()]
    counts = compared(inside) if kept.counts is not None else None
    last = next((block.run for block in reversed(kept.blocks) if block.run), None)
    return {
        "name": entry.name,
        "task": entry.task,
        "schedule": str(entry.form),
        "words": in_words(entry.form),
        "verdict": verdict(line, counts),
        "next_run": moment(line.next_run(now.timestamp())),
        "overdue_since": moment(kept.overdue_since),
        "last_run": moment(line.last_run),
        "due": None if kept.counts is None else sum(block.due is not None for block in inside),
        **{kind: None if counts is None else counts[kind] for kind in JUDGED},
        "failed": failures(line, inside) if counts is not None or any(block.run for block in inside) else None,
        "compared_from": moment(kept.blocks[0].moment) if kept.counts is not None and kept.blocks else None,
        "told_by": last.told_by if last else None,
        "runtime": line.runtime,
        "queue": line.queue,
        "args": entry.args,
        "kwargs": entry.kwargs,
        "options": entry.options,
        "enabled": entry.enabled,
        "total_run_count": entry.total_run_count,
        "source": entry.source,
        "runs": [strip_block(block) for block in kept.blocks[-STRIP:]],
    }


def compared(blocks: Sequence[Block]) -> Counter[str] | None:
    """How many there are of each kind; None: something was due, and nothing of it can be compared."""
    counts = Counter(block.kind for block in blocks)
    was_due = any(block.due is not None for block in blocks)
    return None if was_due and not any(counts[kind] for kind in JUDGED) else counts


def verdict(line: Line, counts: Mapping[str, int] | None) -> str:
    """The worst within the range. Nobody can say that it is kept where its newest due time is not known."""
    if not line.entry.enabled:
        return "disabled"
    if line.runs is not None and line.runs.since is None:
        return "never_seen"
    if line.kept.overdue_since is not None:
        return "overdue"
    if counts is None:
        return "unknown"
    newest = next((block.kind for block in reversed(line.kept.blocks) if block.due is not None), "unknown")
    praise = "unknown" if newest == "unknown" else "on_time"
    return next((kind for kind in ("missed", "doubled", "late") if counts[kind]), praise)


def failures(line: Line, blocks: Sequence[Block]) -> int | None:
    """None: no run is known."""
    if line.runs is None or not line.runs.runs:
        return None
    return sum(block.run is not None and block.run.state == "FAILURE" for block in blocks)


def strip_block(block: Block) -> dict[str, Any]:
    run = block.run
    at = moment(run.at) if run else None
    due = moment(block.due)
    return {
        "kind": block.kind,
        "due": due.isoformat() if due else None,
        "at": at.isoformat() if at else None,
        "id": run.id if run else None,
        "state": run.state if run else None,
    }


def moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
