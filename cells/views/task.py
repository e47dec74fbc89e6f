"""One task: where its time went, all that is known of it, and its newest runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from statistics import median
from typing import Any

import pandas as pd

from cells.facts import Block, Fact, Facts, Section
from cells.picture import Part, Run, Runtimes, Timeline
from cells.table import Column, Table, address, linked, records
from data_sources.answer import Answer
from data_sources.history.task_run import TaskRun
from data_sources.microseconds import ms
from data_sources.query import Inspect
from data_sources.task_query import Task

LABELS = {
    "queue": "in the queue",
    "eta": "held for its ETA",
    "worker": "taken by a worker, not started",
    "wait": "in the queue or in a worker",
    "run": "running",
    "retry": "waits to be tried again",
    "unknown": "not known",
}
TEXTS = {"args": "Arguments", "kwargs": "Keyword arguments", "result": "Result", "exception": "Exception"}
NO_SENT = "not recorded: only the sender's task-sent event tells it (task_send_sent_event)"
EARLIER = "These are the times of its last attempt; those of earlier ones are not kept."
LONG_REPR = 1_000  # Celery cuts what it shows of arguments and results near 1,024 (argsrepr_maxsize)
RUNS = (
    Column("when", "last did something", "time"),
    Column("state", "state", "state"),
    Column("wait", "wait", "seconds", "From when it could have started to its start"),
    Column("runtime", "runtime", "seconds"),
    Column("times", "× this", "number", "Its runtime, over that of this one"),
    Column("attempt", "attempt", "number", unknown="no event told"),
    Column("worker", "worker"),
    Column("exception", "exception", "code", unknown="none"),
    Column("compare", "", "text"),
)


def timeline(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Timeline:
    """The last attempt's time, part by part; what lasts is counted until the answer was measured."""
    now = beside["rows"].measured_at or datetime.now(UTC)
    for run in TaskRun.all_of(frame):
        parts = (
            Part(
                span.kind,
                LABELS[span.kind],
                ms(span.start),
                ms(span.end),
                run.runtime if span.kind == "run" and run.runtime is not None else span.seconds(now),
                span.kind != "unknown" and span.end is None and not run.ended,
                span.why,
            )
            for span in run.spans(now)
        )
        return Timeline(run.state, tuple(parts), EARLIER if run.attempt > 1 else "")
    return Timeline("", ())


def facts(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Facts:
    """`beside["held"]`: what the worker that has it says of it."""
    held = held_facts(beside["held"])
    for run in TaskRun.all_of(frame):
        sections = (Section("When", when(run)), Section("What and where", where(run)), Section("Message", message(run)))
        return Facts((*held, *sections), blocks(run, beside["rows"]))
    return Facts(tuple(held))


def when(run: TaskRun) -> tuple[Fact, ...]:
    return (
        Fact("sent", ms(run.sent), "time", "When its message went out", unknown=NO_SENT),
        Fact("ETA", ms(run.eta), "time", "Not to be started before", unknown="none, or not recorded"),
        Fact("received", ms(run.received), "time", "When a worker took its message"),
        Fact("started", ms(run.started), "time"),
        Fact("ended", ms(run.finished), "time", unknown="not recorded" if run.ended else "it has not ended"),
        Fact("wait", run.wait, "seconds", "From when it could have started (sent, or its ETA) to its start"),
        Fact(
            "runtime", run.runtime, "seconds", "Of a success what the worker measured, else from its start to its end"
        ),
        Fact("attempt", attempt(run), "text", "The times above are of this attempt", unknown="no event told"),
    )


def where(run: TaskRun) -> tuple[Fact, ...]:
    return (
        Fact("id", run.id, "code"),
        Fact("name", run.name and linked(run.name, "/tasks", name=run.name), "code"),
        Fact("state", run.state, "state"),
        Fact("since", ms(run.since), "time"),
        Fact("worker", run.worker and linked(run.worker, "/worker", name=run.worker), "code", unknown="none yet"),
        Fact("parent", run.parent and linked(run.parent, "/task", id=run.parent), "code", unknown="none, or not told"),
        Fact("root", run.root and linked(run.root, "/task", id=run.root), "code", unknown="itself, or not told"),
    )


def message(run: TaskRun) -> tuple[Fact, ...]:
    sent = "not recorded: the sender's task-sent event tells it"
    seen = "its worker, while it runs"
    return (
        Fact("queue", run.queue and linked(run.queue, "/queue", name=run.queue), "code", unknown=sent),
        Fact("exchange", run.exchange, "code", unknown=f"the default one, or {sent}, or {seen}"),
        Fact("routing key", run.routing_key, "code", unknown=f"{sent}, or {seen}"),
        Fact("priority", run.priority, "number", unknown=f"not recorded: {seen}, tells it"),
    )


def held_facts(held: Answer) -> tuple[Section, ...]:
    """What a worker said of it, when it was asked; of a task that ended nobody is."""
    if not isinstance(held.query, Inspect) or held.measured_at is None:
        return ()
    asked = Fact("asked", ms(held.measured_at), "moment")
    rows = records(held.frame)
    if not rows:
        whom = held.query.workers[0] if held.query.workers else "The workers"
        return (Section(f"{whom} now", (Fact("has it", "no worker that answered"), asked)),)
    told = "said last, and cannot be asked any more" if held.stale else "says now"
    return tuple(Section(f"{row['worker']} {told}", (*said(row), asked)) for row in rows)


def said(row: Mapping[str, Any]) -> tuple[Fact, ...]:
    """By celery inspect query_task, see data_sources/workers/inspect_frames.py."""
    return (
        Fact("has it as", row["state"], help="active, reserved, scheduled for its ETA, or ready to be started"),
        Fact("started", ms(row["time_start"]), "time", unknown="not started"),
        Fact("acknowledged", "yes" if row["acknowledged"] else None, unknown="no: if the worker dies, it runs again"),
        Fact("redelivered", "yes" if row["redelivered"] else None, unknown="no"),
        Fact("process", row["worker_pid"], "code", unknown="none yet"),
    )


def blocks(run: TaskRun, answer: Answer) -> tuple[Block, ...]:
    hidden = next((note.text for note in answer.notes if note.kind == "absent"), "")
    shown = [Block(TEXTS[name], text, cut_note(run, name)) for name in TEXTS if (text := getattr(run, name))]
    if run.traceback:
        shown.insert(0, Block("Traceback", run.traceback, cut_note(run, "traceback")))
    return (*shown, *([Block("Arguments and result", hidden)] if hidden else []))


def cut_note(run: TaskRun, text: str) -> str:
    if length := run.true_length(text):
        return f"Cut: {length:,} characters in all"
    shown = getattr(run, text)
    by_celery = text in ("args", "kwargs", "result") and len(shown) >= LONG_REPR and "..." in shown
    return "Cut by Celery itself, where it was sent; how long it was is not told" if by_celery else ""


def runtimes(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Runtimes:
    """The runtimes of the newest runs, the oldest first; `beside["rows"]` was asked for the one that is marked."""
    asked = beside["rows"].query
    own = asked.id if isinstance(asked, Task) else ""
    runs = sorted(TaskRun.all_of(frame), key=lambda run: (run.last is not None, run.last))
    others = [run.runtime for run in runs if run.runtime is not None and run.id != own]
    bars = (Run(address("/task", id=run.id), run.state, run.id == own, ms(run.last), run.runtime) for run in runs)
    return Runtimes(tuple(bars), median(others) if others else None) if len(runs) > 1 else Runtimes(())


def runs(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """`beside["task"]` is the one that the others are held against."""
    own = next(iter(TaskRun.all_of(beside["task"].frame)), None)
    rows = [run_row(run, own) for run in TaskRun.all_of(frame)] if own else []
    teach = ("It is the only one of its name that is recorded.",) if own else ()
    return Table(RUNS, rows if len(rows) > 1 else [], teach)


def run_row(run: TaskRun, own: TaskRun) -> list[Any]:
    this = run.id == own.id
    times = run.runtime / own.runtime if run.runtime is not None and own.runtime and not this else None
    return [
        ms(run.last),
        run.state if this else linked(run.state, "/task", id=run.id),
        run.wait,
        run.runtime,
        times,
        attempt(run),
        run.worker and linked(run.worker, "/worker", name=run.worker),
        run.exception,
        "this one" if this else linked("compare", "/task", id=own.id, **{"with": run.id}),
    ]


def attempt(run: TaskRun) -> int | None:
    return None if run.retries is None else run.attempt
