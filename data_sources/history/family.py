"""The tasks of one root as a tree, and the chords among them that wait for a part, as far as events can tell."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from data_sources.history.task_run import TaskRun

UNLOCK = "celery.chord_unlock"  # looks whether a chord's parts have ended, where the result backend cannot count them
# Its arguments as events show them (worker/request.py): the group, the body's signature, and of each part a tuple whose
# inside is cut away. Ids of parts are not in them, nor are groups in any event.
BODY = re.compile(r"\{'task': '(?P<name>[^']{1,255})'.*?'task_id': '(?P<id>[^']{1,255})'", re.DOTALL)
PART = re.compile(r"[\[(][\[(]\.\.\.[\])], None[\])]")


@dataclass(frozen=True)
class Member:
    """A task in its place in the tree; `last_line`: on the line of tasks to the one that did something last."""

    run: TaskRun
    depth: int
    last_line: bool


@dataclass(frozen=True)
class Chord:
    """One whose body has not been recorded. `parts`: the tasks that `parent` sent, which its parts are among.

    Where there is no `unlock` it is inferred from the tasks alone: they may be a group that no body waits for.
    """

    parent: TaskRun | None
    parts: tuple[TaskRun, ...]
    unlock: TaskRun | None = None
    body: str | None = None  # its name
    count: int | None = None  # of its parts

    @property
    def missing(self) -> list[TaskRun]:
        return [part for part in self.parts if not part.ended]

    @property
    def failed(self) -> list[TaskRun]:
        return [part for part in self.parts if part.ended and part.state != "SUCCESS"]


def tree(runs: Sequence[TaskRun]) -> list[Member]:
    """Every task once, each under the one that sent it, and in the order given beside others."""
    by_id = {run.id: run for run in runs}
    below = children(runs)
    line = last_line(runs, by_id)
    placed: dict[str, Member] = {}
    tops = [run for run in runs if run.parent not in by_id or run.parent == run.id]
    for top in (*tops, *runs):  # those that are each other's parents come last
        waiting = [(top, 0)]
        while waiting:
            run, depth = waiting.pop()
            if run.id not in placed:
                placed[run.id] = Member(run, depth, run.id in line)
                waiting += [(child, depth + 1) for child in reversed(below[run.id])]
    return list(placed.values())


def children(runs: Sequence[TaskRun]) -> Mapping[str, list[TaskRun]]:
    below: dict[str, list[TaskRun]] = defaultdict(list)
    for run in runs:
        if run.parent is not None and run.parent != run.id:
            below[run.parent].append(run)
    return below


def last_line(runs: Sequence[TaskRun], by_id: Mapping[str, TaskRun]) -> set[str]:
    """From the task that did something last up to its root: what the family's end waited for."""
    known = [(run.last, run.id) for run in runs if run.last is not None]
    line: set[str] = set()
    above: str | None = max(known)[1] if known else None
    while above is not None and above in by_id and above not in line:
        line.add(above)
        above = by_id[above].parent
    return line


def chords(runs: Sequence[TaskRun]) -> list[Chord]:
    """Those that wait for a part, or whose body will not run because one failed."""
    by_id, below = {run.id: run for run in runs}, children(runs)
    found: list[Chord] = []
    told: set[str] = set()
    for unlock in runs:
        if unlock.name != UNLOCK:
            continue
        sender = by_id.get(unlock.parent or "")
        told |= {sender.id} if sender else set()
        body = BODY.search(unlock.args or "")
        if body and body["id"] in by_id:
            continue
        parts = tuple(run for run in below[sender.id] if run.name != UNLOCK) if sender else ()
        found.append(Chord(sender, parts, unlock, body["name"] if body else None, count_parts(unlock.kwargs)))
    for sender in runs:
        chord = Chord(sender, tuple(below[sender.id]))
        if sender.id not in told and len(chord.parts) > 1 and (chord.missing or chord.failed):
            found.append(chord)
    return found


def count_parts(kwargs: str | None) -> int | None:
    """As many as its chord_unlock was told of; None when the text ends before they do."""
    whole = kwargs is not None and kwargs.endswith("}")
    return len(PART.findall(kwargs)) or None if whole and kwargs else None


def extent(runs: Sequence[TaskRun], now: datetime) -> tuple[datetime, datetime] | None:
    """From the first thing recorded of them to the last, or now where one has not ended."""
    known = [at for run in runs for at in (run.sent, run.received, run.began, run.finished, run.last) if at is not None]
    if not known:
        return None
    lasts = any(not run.ended for run in runs)
    return min(known), max([*known, now] if lasts else known)
