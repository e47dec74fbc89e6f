"""Answers that were kept: what a page's questions were answered at one moment, and are answered ever after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from data_sources.answer import Answer
from data_sources.audit_query import Audit
from data_sources.blank import blank_frame
from data_sources.failure import Failure
from data_sources.query import Depths, Inspect, Query, Sources, Workers
from data_sources.queue_query import Leftovers, Xray
from data_sources.scope import Range, Scope, Window
from data_sources.setup_query import Recording, Setup
from data_sources.task_query import Task

SOURCE = "Snapshot"
MISSING = "this is not in the snapshot", "It holds what its page showed when it was made; go back to live to ask anew"
FINEST = timedelta(seconds=1)
# answered alike whatever the range
OF_THE_MOMENT = (Workers, Depths, Sources, Setup, Recording, Inspect, Xray, Leftovers, Task)


@dataclass(frozen=True)
class Place:
    """Where and when sealed questions were asked: `window` is what `range` meant at that moment."""

    cluster: str
    transport: str  # of the cluster's broker
    range: Range
    window: Window


@dataclass(frozen=True, eq=False)
class Entry:
    """A question, where it was asked, and what was answered."""

    query: Query
    place: Place
    answer: Answer


@dataclass(frozen=True, eq=False)
class Sealed:
    """All that a page asked. `link`: its path and parameters; `notebook`: of a notebook's page its text."""

    title: str
    link: str
    made_by: str
    made_at: datetime
    entries: tuple[Entry, ...]
    notebook: str = ""

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple(dict.fromkeys(entry.place for entry in self.entries))

    def window(self, scope: Scope) -> Window:
        """What `scope` means here: as it was when this was made. Raises BadParameter."""
        for place in self.places:
            if (place.cluster, place.range) == (scope.cluster, scope.range) and scope.step in (None, place.window.step):
                return place.window
        return scope.range.resolve(self.made_at, step=scope.step, at_least=FINEST)

    def answer(self, query: Query, scope: Scope) -> Answer:
        """As it was answered; of a shorter stretch, that part of it. What was not asked is a failure that says so."""
        entries = self._by_question.get((scope.cluster, query), ())
        for entry in entries:
            if entry.place.range == scope.range or isinstance(query, OF_THE_MOMENT):
                return entry.answer
        asked = self.window(scope)
        for entry in entries:
            if part := part_of(entry, asked):
                return part
        what, hint = MISSING
        failure = Failure("rejected", SOURCE, what, hint, self.made_at, None)
        return Answer(blank_frame(query), query, failure=failure)

    @cached_property
    def _by_question(self) -> dict[tuple[str, Query], list[Entry]]:
        """By cluster and what was asked; then also by what was asked for it in the end, which is what a file names."""
        found: dict[tuple[str, Query], list[Entry]] = {}
        for entry in self.entries:
            found.setdefault((entry.place.cluster, entry.query), []).append(entry)
        for entry in sorted(self.entries, key=lambda entry: -len(entry.answer.frame)):  # the whole before a part of it
            found.setdefault((entry.place.cluster, entry.answer.query), []).append(entry)
        return found


ReadSealed = Callable[[str], Sealed]  # of an id; raises SourceError


def can_be_sealed(query: Query) -> bool:
    """Whether everybody who may read may have the answer."""
    return not isinstance(query, Audit)


def part_of(entry: Entry, asked: Window) -> Answer | None:
    """What the entry's answer says of `asked`; None when it says nothing of all of it, or knows no parts."""
    answer, window = entry.answer, entry.answer.window
    if asked.start == entry.place.window.start and asked.end == entry.place.window.end:
        return answer
    if window is None or "time" not in answer.frame or not window.start <= asked.start <= asked.end <= window.end:
        return None
    inside = (answer.frame["time"] >= asked.start) & (answer.frame["time"] <= asked.end)
    start, end = asked.start, asked.end
    return replace(answer, frame=answer.frame[inside], window=Window(start, end, window.step))
