"""Beat's entries, each with the recorded runs that are its own and how it was kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from sqlalchemy import Connection, exists, select

from data_sources.errors import SourceError
from data_sources.history.reader import HistoryReader
from data_sources.history.rows import name_texts
from data_sources.history.series import NO_EVENTS
from data_sources.note import Note, listed
from data_sources.schedule.entry import Entry
from data_sources.schedule.forms import Interval, coming, next_due
from data_sources.schedule.inferred import inferred
from data_sources.schedule.judged import Kept, judged, not_compared
from data_sources.schedule.runs import Deaf, TaskRuns, plain, read_deaf, read_runs
from data_sources.schedule.timetable import Entries
from data_sources.schedule_query import Schedule
from data_sources.schema import tasks


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
        """None: never again, or not known, as of an interval that may have begun anew while nothing was recorded."""
        if not self.entry.enabled:
            return None
        if self.entry.due_at:
            return self.entry.due_at.timestamp()
        if isinstance(self.entry.form, Interval) and self.kept.blocks and self.kept.blocks[-1].kind == "unknown":
            return None
        return next_due(self.entry.form, self.begins(now), self.begun(now))

    def coming(self, now: float, until: float) -> Sequence[float]:
        """When it will be due from `now` to before `until`."""
        if not self.entry.enabled:
            return ()
        times: list[float] = coming(self.entry.form, self.begins(now), until, self.begun(now)).tolist()
        return times

    def begins(self, now: float) -> float:
        return max(now, self.entry.not_before.timestamp()) if self.entry.not_before else now

    def begun(self, now: float) -> float | None:
        """Its last run; of one that has not begun, an interval before it does, as beat takes it."""
        begins = self.begins(now)
        return (
            begins - self.entry.form.seconds
            if begins > now and isinstance(self.entry.form, Interval)
            else self.last_run
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
            known: Sequence[Entry] = entries.entries
            if not known and entries.complete:
                known, left_out = inferred(connection, until)
                if known:
                    notes.append(
                        Note("No store tells of entries: these are tasks that came at regular intervals", "warning")
                    )
                notes += left_out
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
    return judged(entry.form, runs.runs, deaf, runs.since, until)
