"""Words that plans of all kinds have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")

NO_ANSWER = "does not answer"
MOST_REASONS = 20


def many(count: int, what: str) -> str:
    """`1 worker`, `2,000 tasks`, `4 processes`."""
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{count:,} {what if count == 1 else plural}"


def who(workers: Sequence[str]) -> str:
    """The one by its name, or how many."""
    return workers[0] if len(workers) == 1 else many(len(workers), "worker")


def wait_words(ready: int | None) -> str:
    """Of a queue."""
    return "how many wait is not known" if ready is None else f"{many(ready, 'message')} wait"


def running_words(active: int | None) -> str:
    """Of workers."""
    return "how many tasks run there is not known" if active is None else f"{many(active, 'running task')} now"


def alike(values: Sequence[T]) -> T | None:
    """The one value that all have; None where they differ, or there is none."""
    return values[0] if values and all(value == values[0] for value in values) else None


def unable(reasons: Mapping[str, str]) -> tuple[str, ...]:
    """Who is left out, and why."""
    told = tuple(f"{name} is left out: {reason}" for name, reason in list(reasons.items())[:MOST_REASONS])
    more = len(reasons) - len(told)
    return (*told, f"{many(more, 'more worker')} are left out likewise") if more else told
