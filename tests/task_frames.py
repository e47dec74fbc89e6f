"""Recorded tasks as frames and answers, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from data_sources.answer import Answer
from data_sources.history.rows import ONE_TASK_COLUMNS, task_frame
from data_sources.microseconds import microseconds
from data_sources.query import Query
from data_sources.schema import STATES
from data_sources.task_query import Task

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIMES = ("sent", "received", "started", "finished", "eta", "last")
NOTHING: Mapping[str, Any] = {
    **{f"{name}_us": None for name in (*TIMES, "wait", "runtime")},
    **dict.fromkeys(ONE_TASK_COLUMNS),
}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def row(id: str, state: str, **known: Any) -> dict[str, Any]:
    """Moments as seconds after noon, durations in seconds; `last` and `since` are the latest moment unless given."""
    given = {name: known.pop(name) for name in TIMES if name in known}
    last = max((value for name, value in given.items() if name != "eta"), default=0)
    made = {**NOTHING, **known, "id": id, "state": STATES.index(state)}
    made |= {f"{name}_us": microseconds(at(value)) for name, value in {"last": last, **given}.items()}
    made |= {f"{name}_us": round(known[name] * 1e6) for name in ("wait", "runtime") if name in known}
    return made | {"state_us": microseconds(at(known.get("since", last)))}


def answer(*rows: Mapping[str, Any], query: Query | None = None, now: float = 100) -> Answer:
    """Measured `now` seconds after noon."""
    frame = task_frame([dict(one) for one in rows], ONE_TASK_COLUMNS)
    return replace(Answer(frame, query or Task("a")), measured_at=at(now))
