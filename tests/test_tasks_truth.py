"""Three thousand tasks written by the recorder's own store: every number of the Tasks page is what was decided."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from data_sources.config import Cluster, Secret
from data_sources.history.answers import of_tasks_answer, tasks_answer
from data_sources.history.place import place
from data_sources.history.reader import HistoryReader
from data_sources.microseconds import moment
from data_sources.scope import EPOCH, Range, Scope
from data_sources.task_query import Facets, Failures, Histogram, TaskFilter, TaskNames, Tasks
from tests.decided import END_US, EXCEPTIONS, HOUR_US, START_US, Decided, write
from tests.recorded_run import take_time


@dataclass(frozen=True)
class Run:
    tasks: list[Decided]
    reader: HistoryReader

    def within(self, scope: Scope, matches: Callable[[Decided], bool] = lambda _: True) -> list[Decided]:
        span = scope.range
        assert span.start
        assert span.end
        first, last = ((edge - EPOCH) // timedelta(microseconds=1) for edge in (span.start, span.end))
        return [task for task in self.tasks if first <= task.last_us <= last and matches(task)]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    if request.param == "sqlite":
        url = f"sqlite://{tmp_path_factory.mktemp('truth')}"
    else:
        url = request.getfixturevalue("postgresql").new_database()
    where = place(Secret(url), Cluster())
    tasks = write(where)
    with closing(HistoryReader(where)) as reader, pytest.MonkeyPatch.context() as patch:
        take_time(patch)
        yield Run(tasks, reader)


SCOPES = {
    "all of it": Scope(range=Range(start=moment(START_US), end=moment(END_US))),
    "whole hours": Scope(range=Range(start=moment(START_US + HOUR_US), end=moment(END_US - 1))),
    "cut minutes": Scope(range=Range(start=moment(START_US + 4_567_890_123), end=moment(END_US - 3_210_987_654))),
}
FILTERS: dict[str, tuple[TaskFilter, Callable[[Decided], bool]]] = {
    "all": (TaskFilter(), lambda _: True),
    "a worker": (TaskFilter(workers=("one@shop",)), lambda task: task.worker == "one@shop"),
    "failures": (TaskFilter(states=("FAILURE",)), lambda task: task.state == "FAILURE"),
    "a search": (
        TaskFilter(search="name:send NOT state:success"),
        lambda task: task.name == "shop.send" and task.state != "SUCCESS",
    ),
}
each = pytest.mark.parametrize("where", SCOPES)
which = pytest.mark.parametrize("what", FILTERS)


@each
@which
def test_every_number_of_every_name_is_the_truth(run: Run, where: str, what: str) -> None:
    filter, matches = FILTERS[what]
    scope = SCOPES[where]
    truth: defaultdict[str, list[Decided]] = defaultdict(list)
    for task in run.within(scope, matches):
        truth[task.name].append(task)

    frame = of_tasks_answer(run.reader, TaskNames(filter), scope).frame

    assert frame["name"].tolist() == sorted(truth, key=lambda name: -len(truth[name]))
    for row in frame.to_dict("records"):
        tasks = truth[row["name"]]
        ended = [task for task in tasks if task.ended]
        failed = sum(task.state == "FAILURE" for task in tasks)
        both = sum(task.state in ("SUCCESS", "FAILURE") for task in tasks)
        assert (row["count"], row["ended"], row["failures"]) == (len(tasks), both, failed)
        assert row["retries"] == sum(task.retries for task in ended)
        assert row["runtime_total"] == pytest.approx(sum(task.runtime for task in ended), abs=1e-4)
        if not (filter.states or filter.search):
            assert row["failure_ratio"] == pytest.approx(failed / both)
        for measure, values in (("wait", [task.wait for task in ended]), ("runtime", [t.runtime for t in ended])):
            for percent in (50, 95, 99):
                expected = sorted(values)[int(percent / 100 * (len(values) - 1))]
                assert row[f"{measure}_p{percent}"] == pytest.approx(expected, rel=0.0101)


def test_quantiles_of_a_time_too_long_to_read_are_of_a_part_of_it_and_say_so(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = of_tasks_answer(run.reader, TaskNames(), SCOPES["all of it"])
    monkeypatch.setattr("data_sources.history.names.MOST_SKETCHES", 20)

    part = of_tasks_answer(run.reader, TaskNames(), SCOPES["all of it"])

    assert [note.text.split(" of one in ")[0] for note in part.notes if note.kind == "cut"] == ["Quantiles are"]
    assert not [note for note in whole.notes if note.kind == "cut"]
    exact = [name for name in whole.frame if not name.startswith(("wait", "runtime_p"))]
    pd.testing.assert_frame_equal(part.frame[exact], whole.frame[exact])
    measured = [name for name in whole.frame if name not in exact]
    pd.testing.assert_frame_equal(part.frame[measured], whole.frame[measured], rtol=0.3)
    assert not part.frame[measured].equals(whole.frame[measured])


@each
@which
def test_the_bars_and_what_there_is_to_choose_from_add_up_to_the_list(run: Run, where: str, what: str) -> None:
    filter, matches = FILTERS[what]
    scope = SCOPES[where]
    truth = run.within(scope, matches)

    bars = of_tasks_answer(run.reader, Histogram(filter), scope)
    facets = of_tasks_answer(run.reader, Facets(filter), scope)
    listed = tasks_answer(run.reader, Tasks(filter, limit=10_000), scope).frame

    assert bars.window
    step = bars.window.step
    counted = Counter(
        (moment(task.last_us) - (moment(task.last_us) - EPOCH) % step + step, task.state) for task in truth
    )
    drawn = {(row["time"], row["state"]): row["value"] for row in bars.frame.to_dict("records") if row["value"]}
    assert drawn == counted
    assert len(listed) == len(truth) == facets.totals["tasks"]
    states = facets.frame[facets.frame["facet"] == "state"]
    assert dict(zip(states["value"], states["count"], strict=True)) == Counter(task.state for task in truth)


def test_failures_are_told_by_what_they_are_and_lead_to_exactly_those_tasks(run: Run) -> None:
    scope = SCOPES["cut minutes"]
    end_us = END_US - 3_210_987_654

    frame = of_tasks_answer(run.reader, Failures(TaskFilter(workers=("one@shop",))), scope).frame

    assert len(frame) == len(EXCEPTIONS)
    for row in frame.to_dict("records"):
        kind = row["exception"].partition("(")[0].partition(":")[0]
        for span, hours in (("1h", 1), ("3h", 3), ("24h", 24), ("7d", 168)):
            since_us = end_us - hours * HOUR_US
            truth = [
                number
                for number, task in enumerate(run.tasks)
                if (task.exception or "").startswith(kind)
                and task.worker == "one@shop"
                and since_us <= task.last_us <= end_us
            ]
            linked: Any = Scope(range=Range(start=moment(since_us), end=moment(end_us)))
            filter = TaskFilter(workers=("one@shop",), failure=row["failure"])
            listed = tasks_answer(run.reader, Tasks(filter, limit=10_000), linked).frame
            assert row[f"last_{span}"] == len(truth)
            assert set(listed["id"]) == {f"{number:08}" for number in truth}
