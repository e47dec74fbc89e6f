"""All that a page asked, asked together and waited for, so that it can be sealed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from data_sources import ask
from data_sources.answer import Answer
from data_sources.failure import Failure
from data_sources.query import Query
from data_sources.scope import Scope
from data_sources.sealed.answers import Entry, Place, can_be_sealed

DEADLINE_SECONDS = 30.0

Progress = Callable[[int, int], None]  # how many of how many are answered


def entries(
    asked: Sequence[tuple[Query, Scope]], told: Progress, seconds: float = DEADLINE_SECONDS
) -> tuple[Entry, ...]:
    """What each question is answered as of now, complete within `seconds` or a failure that says so. Never raises."""
    desk, ends = ask.desk(), time.monotonic() + seconds
    questions = [(query, scope) for query, scope in dict.fromkeys(asked) if can_be_sealed(query)]
    places = {scope: place_of(scope) for _, scope in questions}
    for query, scope in questions:  # all are under way before any waiting
        desk.ask(query, scope)
    found: list[Entry] = []
    for query, scope in questions:
        told(len(found), len(questions))
        answer = desk.ask(query, scope, max(0.0, ends - time.monotonic()))
        found.append(Entry(query, places[scope], answered(answer, seconds)))
    told(len(found), len(questions))
    return tuple(found)


def place_of(scope: Scope) -> Place:
    desk = ask.desk()
    return Place(scope.cluster, desk.cluster(scope.cluster).broker.transport, scope.range, desk.window(scope))


def answered(answer: Answer, seconds: float) -> Answer:
    """A failure where there is none yet: nothing comes any more."""
    if not answer.pending:
        return answer
    what = f"gave no answer within {seconds:g} s"
    return answer.failed(Failure("unreachable", answer.origin or "Source", what, "", datetime.now(UTC), None))


def missing(found: Sequence[Entry]) -> list[str]:
    """What could not be had, and why; in the words of each source, once."""
    failures = [entry.answer.failure for entry in found if entry.answer.failure]
    return list(dict.fromkeys(f"{failure.source}: {failure.what}" for failure in failures))
