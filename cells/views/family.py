"""The family of a task: a tree on one axis of time, and what a chord in it waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pandas as pd

from cells.picture import Branch, Family
from cells.table import address
from data_sources.answer import Answer
from data_sources.history.family import Chord, Member, chords, extent, tree
from data_sources.history.task_run import TaskRun
from data_sources.microseconds import ms
from data_sources.task_query import Task
from headlines.headline import Part, Words, name, sent

FEW = 5  # parts and chords that are named
ALONE = (
    "No parent and no children of it are recorded.",
    "Celery's events tell who sent whom, but not groups: what a client sent together stands apart here.",
)


def family(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Family:
    answer = beside["rows"]
    own = answer.query.id if isinstance(answer.query, Task) else ""
    now = answer.measured_at or datetime.now(UTC)
    runs = TaskRun.all_of(frame)
    says = tuple(sent(chord_words(chord)) for chord in chords(runs)[:FEW])
    if len(runs) < 2 and not says:
        return Family(empty=ALONE if runs else ())
    first, last = extent(runs, now) or (None, None)
    return Family(ms(first), ms(last), tuple(branch(member, own, now) for member in tree(runs)), says)


def branch(member: Member, own: str, now: datetime) -> Branch:
    run = member.run
    waits = run.received if run.sent is None else run.sent
    return Branch(
        run.name or run.id,
        address("/task", id=run.id),
        run.state,
        member.depth,
        run.id == own,
        member.last_line,
        ms(waits or run.began or run.last),
        ms(run.began),
        ms(run.finished if run.ended else now),
        not run.ended,
        run.wait,
        run.runtime if run.ended or run.began is None else (now - run.began).total_seconds(),
    )


def chord_words(chord: Chord) -> Words:
    if chord.unlock is None:
        return inferred_words(chord)
    body: Words = ("its body ", name(chord.body)) if chord.body else ("its body",)
    count = f"{chord.count} parts" if chord.count else "parts"
    if chord.failed:
        failed = listed(chord.failed)
        return (
            "A chord has failed: ",
            *body,
            f" does not run, because of its {count} these did not succeed: ",
            *failed,
        )
    if chord.unlock.ended:
        return ("A chord's parts have ended, and ", *body, " is not recorded.")
    words: Words = ("A chord waits: ", *body, f" starts when its {count} have ended; ")
    words += (name(chord.unlock.name or "", address("/task", id=chord.unlock.id)), " looked ")
    words += (f"{chord.unlock.attempt} times. " if chord.unlock.attempt > 1 else "once. ",)
    if chord.parent is None:
        return (*words, "Which have not is not known: a client sent them, and events tell no groups.")
    among = "" if chord.count == len(chord.parts) else f", among the {len(chord.parts)} that its parent sent"
    return (*words, f"Not ended{among}: ", *listed(chord.missing)) if chord.missing else words


def inferred_words(chord: Chord) -> Words:
    parent = name(chord.parent.name or chord.parent.id) if chord.parent else Part("its parent")
    words: Words = (f"If the {len(chord.parts)} tasks that ", parent, " sent are the parts of a chord, its body ")
    if chord.failed:
        return (*words, "does not run, because these did not succeed: ", *listed(chord.failed), INFERRED)
    return (*words, "waits for what has not ended: ", *listed(chord.missing), INFERRED)


INFERRED = ". This is inferred: events tell no groups."


def listed(runs: Sequence[TaskRun]) -> Words:
    """Each with its state, as a link."""
    words: Words = ()
    for place, run in enumerate(runs[:FEW]):
        words += (", " if place else "", name(run.name or run.id, address("/task", id=run.id)), f" ({run.state})")
    return (*words, f" and {len(runs) - FEW} more") if len(runs) > FEW else words
