"""Beat's schedule as an answer: each entry, when it is due next, and whether it was kept."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import Connection, exists, select

from data_sources.answer import Answer
from data_sources.errors import SourceError
from data_sources.history_reader import HistoryReader
from data_sources.history_rows import name_texts
from data_sources.history_series import NO_EVENTS
from data_sources.note import Note, listed
from data_sources.now_frames import row_frame
from data_sources.schedule_entry import Entry
from data_sources.schedule_forms import MOST_MOMENTS, Interval, coming, next_due
from data_sources.schedule_inferred import inferred
from data_sources.schedule_judged import JUDGED, STRIP, Block, Kept, judged, not_compared
from data_sources.schedule_query import Schedule
from data_sources.schedule_runs import Deaf, Run, TaskRuns, plain, read_deaf, read_runs
from data_sources.schedule_words import in_words
from data_sources.schema import tasks
from data_sources.scope import Window
from data_sources.timetable import Entries

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


@dataclass(frozen=True)
class Line:
    """An entry and what is known of how it was kept. `runs`: None where they are not told apart from another's."""

    entry: Entry
    runs: TaskRuns | None
    kept: Kept
    queue: str | None

    @property
    def runtime(self) -> float | None:
        known = [one.runtime for one in self.runs.runs if one.runtime is not None] if self.runs else []
        return median(known) if known else None

    @property
    def last_run(self) -> float | None:
        stored = self.entry.last_run_at.timestamp() if self.entry.last_run_at else None
        came = [block.run.at for block in self.kept.blocks if block.run and block.kind != "doubled"]
        return max((at for at in (stored, *came[-1:]) if at is not None), default=None)

    def next_run(self, now: float) -> float | None:
        if not self.entry.enabled:
            return None
        if self.entry.due_at:
            return self.entry.due_at.timestamp()
        return next_due(self.entry.form, now, self.last_run)

    def coming(self, now: float, until: float) -> Sequence[float]:
        """When it will be due from `now` to before `until`."""
        if not self.entry.enabled:
            return ()
        times: list[float] = coming(self.entry.form, now, until, self.last_run).tolist()
        return times


def schedule_answer(history: HistoryReader, query: Schedule, entries: Entries, window: Window) -> Answer:
    """A row an entry, columns COLUMNS; `totals["beats"]` as `Entries.beats`."""
    began, now = time.monotonic(), datetime.now(UTC)
    lines, notes = read_lines(history, query, entries, min(window.end, now).timestamp())
    rows = [row(line, window, now) for line in lines]
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


def origin(lines: Sequence[Line]) -> str:
    return ", ".join(dict.fromkeys(line.entry.source for line in lines)) or "Celery"


def read_lines(
    history: HistoryReader, query: Schedule, entries: Entries, until: float
) -> tuple[list[Line], tuple[Note, ...]]:
    """Those that are asked for, or all. Without a history nothing is known of runs, and a note says why."""
    notes = list(entries.notes)
    try:
        with history.reading() as connection:
            known = entries.entries or tuple(inferred(connection, until))
            if known and not entries.entries:
                notes.append(
                    Note("No store tells of entries: these are tasks that came at regular intervals", "warning")
                )
            if not (heard := connection.execute(select(exists().select_from(tasks))).scalar()):
                notes.append(NO_EVENTS)
            lines = compared(connection, known, until) if heard else [unseen(entry) for entry in known]
    except SourceError as error:
        notes.append(Note(f"How it was kept is not known: {error.source}: {error.what}", "warning"))
        lines = [unseen(entry) for entry in entries.entries]
    shown = [line for line in lines if not query.entries or line.entry.name in query.entries]
    if cut := [line.entry.name for line in shown if line.runs and line.runs.cut]:
        notes.append(Note(f"The newest runs alone are compared of {listed(cut)}", "cut"))
    if mixed := [line.entry.name for line in shown if line.runs and line.runs.runs and line.kept.counts is None]:
        notes.append(Note(f"Not told from other calls, or of times that are not computed here: {listed(mixed)}"))
    return shown, tuple(notes)


def unseen(entry: Entry) -> Line:
    """Of whose runs nothing can be known."""
    return Line(entry, None, not_compared(()), entry.queue)


def compared(connection: Connection, entries: Sequence[Entry], until: float) -> list[Line]:
    of_task = Counter(entry.task for entry in entries if entry.task)
    several = {task for task, count in of_task.items() if count > 1}
    found = read_runs(connection, of_task, several, until)
    deaf = read_deaf(connection, until)
    queues = name_texts(connection, (one.queue for runs in found.values() for one in runs.runs[-1:]))
    lines = []
    for entry in entries:
        runs = own_runs(
            entry, found.get(entry.task or "", TaskRuns((), None)), entries if entry.task in several else ()
        )
        kept = kept_by(entry, runs, deaf, until)
        last = runs.runs[-1].queue if runs and runs.runs else None
        lines.append(Line(entry, runs, kept, entry.queue or queues.get(last)))
    return lines


def own_runs(entry: Entry, runs: TaskRuns, beside: Sequence[Entry]) -> TaskRuns | None:
    """Its task's runs; where entries `beside` it call the same task, those with its arguments. None: not told apart."""
    if not beside:
        return runs
    mine = arguments(entry)
    if sum(other.task == entry.task and arguments(other) == mine for other in beside) > 1:
        return None
    own = [one for one in runs.runs if one.arguments == mine]
    return TaskRuns(own, runs.since if own else None, runs.cut)


def arguments(entry: Entry) -> str | None:
    """As a worker would tell them."""
    return plain(as_python(entry.args, "()"), as_python(entry.kwargs, "{}"))


def as_python(text: str | None, nothing: str) -> str:
    try:
        return repr(json.loads(text)) if text else nothing
    except ValueError:
        return text or nothing


def kept_by(entry: Entry, runs: TaskRuns | None, deaf: Deaf, until: float) -> Kept:
    if runs is None or runs.since is None:
        return not_compared(())
    if not entry.enabled:
        return not_compared(runs.runs)
    shortest = entry.form.seconds if isinstance(entry.form, Interval) else 60.0
    since = max(runs.since, until - MOST_MOMENTS * shortest)
    return judged(entry.form, [one for one in runs.runs if one.at >= since], deaf, since, until)


def row(line: Line, window: Window, now: datetime) -> dict[str, Any]:
    entry, kept = line.entry, line.kept
    inside = [block for block in kept.blocks if block.moment >= window.start.timestamp()]
    counts = Counter(block.kind for block in inside) if kept.counts is not None else None
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
        "due": None if counts is None else sum(block.due is not None for block in inside),
        **{kind: None if counts is None else counts[kind] for kind in JUDGED},
        "failed": sum(failed(block.run) for block in inside) if line.runs and line.runs.runs else None,
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


def verdict(line: Line, counts: Mapping[str, int] | None) -> str:
    if not line.entry.enabled:
        return "disabled"
    if line.runs is not None and line.runs.since is None:
        return "never_seen"
    if counts is None:
        return "unknown"
    if line.kept.overdue_since is not None:
        return "overdue"
    return next((kind for kind in ("missed", "doubled", "late") if counts[kind]), "on_time")


def failed(run: Run | None) -> bool:
    return run is not None and run.state == "FAILURE"


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
