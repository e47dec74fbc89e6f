"""The notebooks that ship, run without a browser over a past that was made: they judge what was done there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import data_sources.ask
import notebooks.sql.answer
from data_sources.answer import Answer
from data_sources.ask import Desk
from data_sources.blank import blank_frame
from data_sources.brokers.queue_depths import depth_rows
from data_sources.config import Settings
from data_sources.flights import Flights
from data_sources.history.answers import of_tasks_answer, series_answer
from data_sources.now_frames import depth_frame, worker_frame
from data_sources.query import History, Query, Signal
from data_sources.range_frame import tidy_frame
from data_sources.scope import Range, Scope
from data_sources.sealed import bundle
from data_sources.sealed.answers import Entry, Place, Sealed
from data_sources.task_query import OfTasks
from notebooks.examples import example, examples
from notebooks.notebook import Ask, Threshold
from notebooks.run import Run
from notebooks.taken import asked
from notebooks.variables import chosen
from tests.past import Past, sqlite_past, window

DEPLOY, END = 3600, 7200  # seconds since the past began
WINDOW = window(0, END, 60)
SCOPE = Scope(range=Range(start=WINDOW.start, end=WINDOW.end))
GIB = 2.0**30


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    past = sqlite_past(tmp_path)
    yield past
    past.engine.dispose()


def judged(name: str, past: Past, now: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """What its thresholds say, after all of its SQL could be worked out. `now`: what stands in no history, by kind and
    name of what is asked.
    """
    notebook = example(name)
    values = chosen(notebook.variables, {}, "default")
    queries = [
        query for cell in notebook.cells if isinstance(cell, Ask) for query in asked(cell, values).queries.values()
    ]
    place = Place("default", "redis", SCOPE.range, WINDOW)
    entries = tuple(Entry(query, place, answered(query, past, now)) for query in dict.fromkeys(queries))
    sealed = Sealed("", "/", "", WINDOW.end, entries)
    desk = Desk(bundle.settings_for(sealed, Settings(), "/nowhere"), sealed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_sources.ask, "_desk", desk)
        patch.setattr(
            notebooks.sql.answer, "FLIGHTS", Flights("SQL of a test", parallel=2)
        )  # nothing known from before
        results = [*Run(notebook, values, SCOPE, 300).results()]
    desk.stop()
    failures = [answer.failure for result in results for row in result.answers for answer in row if answer.failure]
    assert failures == []
    return {result.cell.name: result.verdict.state for result in results if result.verdict}


def answered(query: Query, past: Past, now: Mapping[str, pd.DataFrame]) -> Answer:
    name = query.name if isinstance(query, Signal) else query.kind
    if name in now:
        over_time = WINDOW if isinstance(query, Signal) else None
        return Answer(now[name], query, window=over_time, measured_at=WINDOW.end)
    match query:
        case History():
            return series_answer(past.reader, query, WINDOW)
        case OfTasks():
            return of_tasks_answer(past.reader, query, SCOPE)
    return Answer(
        blank_frame(query), query, window=WINDOW if isinstance(query, Signal) else None, measured_at=WINDOW.end
    )


def every_minute(name: str, start: int, end: int, **more: Any) -> list[dict[str, Any]]:
    """A task that ends each minute; one in `fails` of them fails."""
    fails = more.pop("fails", 0)
    return [
        {"name": name, "last": at, "queue": "mail", "worker": "w1", "state": state, "wait": 1.0, "runtime": 1.0, **more}
        for number, at in enumerate(range(start, end, 60))
        for state in ["FAILURE" if fails and number % fails == 0 else "SUCCESS"]
    ]


def ran(past: Past, *tasks: list[dict[str, Any]]) -> None:
    past.add({"seq": seq, **task} for seq, task in enumerate((one for many in tasks for one in many), 1))
    past.roll_up()


def workers() -> pd.DataFrame:
    unknown = dict.fromkeys(worker_frame().columns)
    started_anew = {"worker": "w1", "last_seen": WINDOW.end, "uptime": END - DEPLOY, "verdict": "idle"}
    return worker_frame([{**unknown, **started_anew}])


def depths(consumers: int) -> pd.DataFrame:
    rows = depth_rows(["mail"], ready=[3], unacked=[0], consumers=[consumers], in_rate=[0.0], out_rate=[0.0])
    return depth_frame(rows)


def level(container_bytes: Mapping[str, float]) -> pd.DataFrame:
    times = np.arange(WINDOW.points) * 60_000 + int(WINDOW.start.timestamp() * 1000)
    lines = [(times, np.full(WINDOW.points, value)) for value in container_bytes.values()]
    return tidy_frame([{"container": name} for name in container_bytes], lines, ["container"])


@pytest.mark.parametrize(
    ("after", "verdicts"),
    [
        ({}, {"none_slower": "holds", "none_fails_more": "holds"}),
        ({"runtime": 2.0}, {"none_slower": "fails", "none_fails_more": "holds"}),
        ({"fails": 20}, {"none_slower": "holds", "none_fails_more": "fails"}),
    ],
)
def test_a_deploy_is_judged_by_the_tasks_that_ran_before_and_after_it(
    past: Past, after: dict[str, Any], verdicts: dict[str, str]
) -> None:
    ran(
        past,
        every_minute("shop.mail", 0, DEPLOY),
        every_minute("shop.mail", DEPLOY, END, **after),
        every_minute("shop.gone", 0, DEPLOY, fails=2),
        every_minute("shop.new", DEPLOY, END, fails=2, runtime=9.0),
        every_minute("shop.seldom", DEPLOY - 120, DEPLOY + 120, fails=3),
    )

    assert judged("what-did-the-deploy-change", past, {"workers": workers()}) == verdicts


@pytest.mark.parametrize(("used", "verdict"), [(0.5, "holds"), (0.95, "fails")])
def test_memory_is_judged_by_its_limit(past: Past, used: float, verdict: str) -> None:
    ran(past, every_minute("shop.mail", 0, END))
    memory = {"memory": level({"w1": used * GIB, "w2": 0.1 * GIB}), "memory_limit": level({"w1": GIB, "w2": GIB})}

    assert judged("which-task-eats-the-memory", past, memory) == {"room": verdict}


@pytest.mark.parametrize(
    ("consumers", "wait", "verdicts"),
    [
        (2, 1.0, {"consumed": "holds", "waits_short": "holds"}),
        (0, 90.0, {"consumed": "fails", "waits_short": "fails"}),
    ],
)
def test_a_queue_is_judged_by_who_consumes_it_and_how_long_tasks_wait(
    past: Past, consumers: int, wait: float, verdicts: dict[str, str]
) -> None:
    ran(past, every_minute("shop.mail", 0, END, wait=wait))

    assert judged("why-is-the-queue-growing", past, {"queues": depths(consumers), "workers": workers()}) == verdicts


def test_every_threshold_that_ships_is_judged_here() -> None:
    shipped = [cell.name for one in examples().values() for cell in one.cells if isinstance(cell, Threshold)]

    assert sorted(shipped) == ["consumed", "none_fails_more", "none_slower", "room", "waits_short"]
