"""Asking several questions together, and whether there is anything left to wait for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime

from data_sources import ask
from data_sources.answer import Answer
from data_sources.query import Query
from data_sources.scope import Scope


def answers_to(queries: Mapping[str, Query], scope: Scope, wait_seconds: float = 0.0) -> dict[str, Answer]:
    """Waits that long for all of them together."""
    ends = time.monotonic() + wait_seconds
    answers = {name: ask.ask(query, scope) for name, query in queries.items()}  # all are under way before any waiting
    if not wait_seconds:
        return answers
    return {name: ask.ask(query, scope, max(0.0, ends - time.monotonic())) for name, query in queries.items()}


def current(answers: Mapping[str, Answer], scope: Scope) -> bool:
    return all(is_current(answer, scope) for answer in answers.values())


def is_current(answer: Answer, scope: Scope) -> bool:
    """Whether there is nothing to wait for: it failed, is of the past, or is not much older than the page refreshes."""
    if answer.failure or (answer.measured_at and (scope.snapshot or not scope.range.is_live)):
        return True
    step = answer.window.step if answer.window else answer.lasts
    return answer.measured_at is not None and datetime.now(UTC) - answer.measured_at < step + 3 * scope.max_age
