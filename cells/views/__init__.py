"""Frames laid out as tables and facts: which of it people read, and in which form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from cells.facts import Facts
from cells.picture import Picture
from cells.table import Table
from cells.views import (
    audit,
    comparison,
    family,
    plain,
    promql,
    queue,
    queues,
    schedule,
    setup,
    task,
    tasks,
    worker,
    workers,
)
from data_sources.answer import Answer

AnyView = Callable[[pd.DataFrame, Mapping[str, Answer]], Table | Facts | Picture]


def name_of(view: Callable[..., Any]) -> str:
    """`queues.queues`"""
    return f"{view.__module__.rsplit('.', 1)[-1]}.{view.__name__}"


def named(*views: AnyView) -> dict[str, AnyView]:
    return {name_of(view): view for view in views}


# Those that a cell may name, by its kind; a notebook comes from outside, so the list is closed.
VIEWS: dict[str, dict[str, AnyView]] = {
    "table": {
        "": plain.table,  # of what no view was made for
        **named(
            audit.entries,
            promql.explained,
            promql.named_queries,
            promql.values,
            queue.consumers,
            queue.inside,
            queue.mix,
            queues.all_queues,
            queues.left_behind,
            queues.queues,
            schedule.entries,
            setup.connected,
            task.runs,
            tasks.failures,
            tasks.names,
            tasks.tasks,
            worker.active,
            worker.conf,
            worker.limits,
            worker.queues,
            worker.reserved,
            worker.revoked,
            worker.scheduled,
            workers.all_workers,
            workers.differences,
            workers.workers,
        ),
    },
    "facts": named(queue.facts, setup.history, setup.off, task.facts, worker.stats, worker.verdict),
    "picture": named(comparison.comparison, family.family, schedule.load, task.runtimes, task.timeline),
}
