"""Two runs side by side, and what differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from cells.facts import Fact
from cells.picture import Comparison, Difference
from cells.table import linked
from cells.views.task import attempt
from data_sources.answer import Answer
from data_sources.history.task_run import TaskRun
from data_sources.microseconds import ms
from data_sources.run_query import Compared

PLAIN = ("name", "worker", "queue", "exchange", "routing_key", "priority")
ALIKE = 1.1  # durations of which nobody would say that they differ
LONG = {"args": "arguments", "kwargs": "keyword arguments", "result": "result", "exception": "exception"}


def comparison(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Comparison:
    """The first of the frame and the second; what differs is marked, times and durations are told apart by how much."""
    runs = TaskRun.all_of(frame)
    if not runs:
        return Comparison()
    if len(runs) == 2:
        return Comparison(differences(*runs), runs[0].id)
    asked = beside["rows"].query
    if isinstance(asked, Compared) and asked.other:
        return Comparison((), runs[0].id, (f"No task {asked.other} is recorded.",))
    return Comparison((), runs[0].id, ("No other run of its name that succeeded is recorded.",))


def differences(one: TaskRun, other: TaskRun) -> tuple[Difference, ...]:
    eta = Difference(Fact("ETA", ms(one.eta), "time"), ms(other.eta))
    named = [plain(name.replace("_", " "), getattr(one, name), getattr(other, name)) for name in PLAIN]
    texts = [text(name, one, other) for name in LONG]
    return (
        Difference(Fact("id", one.id, "code"), linked(other.id, "/task", id=other.id)),
        plain("state", one.state, other.state, "state"),
        Difference(Fact("last did something", ms(one.last), "time"), ms(other.last)),
        duration("wait", one.wait, other.wait),
        duration("runtime", one.runtime, other.runtime),
        plain("attempt", attempt(one), attempt(other), "text"),
        *(fact for fact in (eta, *named, *texts) if fact.fact.value is not None or fact.other is not None),
    )


def text(name: str, one: TaskRun, other: TaskRun) -> Difference:
    shown = plain(LONG[name], getattr(one, name), getattr(other, name))
    if shown.differs is False and (one.true_length(name) or other.true_length(name)):
        return replace(shown, differs=None, note="the same as far as they are kept")
    return shown


def plain(label: str, one: Any, other: Any, kind: str = "code") -> Difference:
    """Where one is not known, nothing is said to differ."""
    return Difference(Fact(label, one, kind), other, None if one is None or other is None else one != other)


def duration(label: str, one: float | None, other: float | None) -> Difference:
    return Difference(Fact(label, one, "seconds"), other, note=ratio(one, other) if one and other else "")


def ratio(one: float, other: float) -> str:
    times = max(one, other) / min(one, other)
    if times < ALIKE:
        return "about as long"
    told = f"{times:,.0f}" if times >= 10 else f"{times:.1f}"
    return f"{told} times as long" if one > other else f"the other {told} times as long"
