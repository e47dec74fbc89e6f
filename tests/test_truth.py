"""What Tasks, Task and the tasks of a Queue say of a run of 5,000 tasks, on the page and in a file, is what is true of
it: the script's own numbers, counted here.

What task events do not tell is compared elsewhere, with real servers in known states and with fewer cases: queues
(test_queues_truth, test_redis_broker, test_rabbitmq_broker), workers (test_worker_verdicts, test_worker_pages), a
schedule (test_schedule_beat), Prometheus's series (test_ask, tests/browser/test_overview). Sentences but those of Tasks
and Task are held against values of a test's own making.

Events go through a real Redis and a real recorder, questions through /export.csv, when a part of the run, and mostly
not all of it, has been rolled up.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import pytest

import headlines.task
import headlines.tasks
from cells.views import tasks as tables
from cells.views.task import timeline
from data_sources.history.family import chords
from data_sources.history.task_run import TaskRun
from data_sources.query import History, Query, Workers
from data_sources.run_query import Runs
from data_sources.scope import Range
from data_sources.task_query import SORTS, Facets, Failures, Family, Histogram, Task, TaskFilter, TaskNames, Tasks
from headlines.headline import Part, Words
from tests.exports import Row
from tests.recorded_run import STEP_SECONDS, Run, moment, recorded_run
from tests.scripted_run import CAUSES, NAMES, SPAN_SECONDS, TASKS, Chord, Told

ACCURACY = 0.0101  # of a quantile: that of the sketches (1 %), and of the decimals in a file


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with recorded_run(tmp_path_factory.mktemp("truth")) as run:
        yield run


# --- what one task did ------------------------------------------------------------------------------------------


def test_every_task_is_listed_with_all_that_is_true_of_it(run: Run) -> None:
    rows = run.rows(Tasks(limit=10_000))
    assert len(rows) == TASKS
    told = {task.id: true_of(task) for task in run.tasks}
    assert [(row, told[row["id"]]) for row in rows if read(row) != told[row["id"]]] == []


def test_one_task_is_told_as_the_list_tells_it(run: Run) -> None:
    for task in run.tasks[:: TASKS // 10]:
        assert [read(row) for row in run.rows(Task(task.id))] == [true_of(task)]


TEXTS = ("id", "name", "state", "worker", "queue", "exception", "root", "parent")
TIMES = ("sent", "received", "started", "finished", "last", "eta")
NUMBERS = ("wait", "runtime", "retries")


def true_of(task: Told) -> dict[str, object]:
    times = {name: None if getattr(task, name) is None else moment(getattr(task, name)) for name in TIMES}
    return {**{name: getattr(task, name) for name in (*TEXTS, *NUMBERS)}, **times}


def read(row: Row) -> dict[str, object]:
    times = {name: datetime.fromisoformat(row[name]) if row[name] else None for name in TIMES}
    return {**{name: row[name] or None for name in TEXTS}, **{name: number(row[name]) for name in NUMBERS}, **times}


# --- lists and counts -------------------------------------------------------------------------------------------

FILTERS: dict[str, tuple[TaskFilter, Callable[[Told], bool]]] = {
    "all": (TaskFilter(), lambda task: True),
    "failed": (TaskFilter(states=("FAILURE",)), lambda task: task.state == "FAILURE"),
    "not ended": (
        TaskFilter(states=("PENDING", "RECEIVED", "STARTED", "RETRY")),
        lambda task: task.finished is None,
    ),
    "revoked": (TaskFilter(states=("REVOKED",)), lambda task: task.state == "REVOKED"),
    "name": (TaskFilter(names=("shop.pay",)), lambda task: task.name == "shop.pay"),
    "two names on a worker": (
        TaskFilter(names=("shop.pay", "shop.resize"), workers=("mail@two",)),
        lambda task: task.name in ("shop.pay", "shop.resize") and task.worker == "mail@two",
    ),
    "failed of a queue": (
        TaskFilter(queues=("slow",), states=("FAILURE",)),
        lambda task: task.queue == "slow" and task.state == "FAILURE",
    ),
    "text": (TaskFilter(search='exception:"10.0.9.7 refused"'), lambda task: "10.0.9.7 ref" in (task.exception or "")),
    "search": (
        TaskFilter(search="(name:resize OR queue:money) NOT state:SUCCESS"),
        lambda task: (task.name == "shop.resize" or task.queue == "money") and task.state != "SUCCESS",
    ),
}
some_filter = pytest.mark.parametrize("filtered", FILTERS)


@some_filter
def test_a_filter_lists_the_tasks_that_it_means(run: Run, filtered: str) -> None:
    filter, means = FILTERS[filtered]
    rows = run.rows(Tasks(filter, limit=10_000))
    assert sorted(row["id"] for row in rows) == sorted(task.id for task in run.tasks if means(task))


@some_filter
def test_facets_count_the_tasks_of_a_filter(run: Run, filtered: str) -> None:
    filter, means = FILTERS[filtered]
    told = [task for task in run.tasks if means(task)]
    found = defaultdict[str, Counter[str]](Counter)
    for row in run.rows(Facets(filter)):
        found[row["facet"]][row["value"]] = int(row["count"])
    assert found == {
        facet: Counter(getattr(task, facet) or "" for task in told) for facet in ("state", "name", "queue", "worker")
    }


@pytest.mark.parametrize("descending", ["", "-"])
@pytest.mark.parametrize("sort", SORTS)
def test_a_list_is_in_the_order_that_was_asked_for_page_after_page(run: Run, sort: str, descending: str) -> None:
    told = {task.id: value for task in run.tasks if (value := getattr(task, sort)) is not None}
    first = run.rows(Tasks(sort=f"{descending}{sort}", limit=300))
    assert [told[row["id"]] for row in first] == sorted(told.values(), reverse=bool(descending))[:300]
    failed = [task.id for task in run.tasks if task.state == "FAILURE"]
    query: Query | None = Tasks(TaskFilter(states=("FAILURE",)), f"{descending}{sort}", limit=100)
    listed = list[str]()
    while query is not None:
        answer = run.ask(query)
        listed, query = listed + answer.frame["id"].tolist(), answer.next
    assert sorted(listed) == sorted(failed)
    assert [told[id] for id in listed] == sorted((told[id] for id in failed), reverse=bool(descending))


def test_a_range_is_kept_to_the_microsecond(run: Run) -> None:
    """Both ends included, wherever the minute is cut."""
    moments = sorted(task.last for task in run.tasks)
    start, end = moments[700], moments[4_100]
    inside = [task for task in run.tasks if start <= task.last <= end]
    range = Range(start=moment(start), end=moment(end))
    assert len(run.rows(Tasks(limit=10_000), range)) == len(inside)
    names = {row["value"]: int(row["count"]) for row in run.rows(Facets(), range) if row["facet"] == "name"}
    assert names == Counter(task.name for task in inside)


# --- over time --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [10, 60])
@pytest.mark.parametrize("by", ["", "name", "queue", "worker"])
@pytest.mark.parametrize("name", ["throughput", "failures"])
def test_a_chart_counts_the_tasks_that_ended_before_each_of_its_points(run: Run, name: str, by: str, step: int) -> None:
    counted = ("SUCCESS", "FAILURE") if name == "throughput" else ("FAILURE",)
    told = Counter(point(task, by, step) for task in run.tasks if task.state in counted)
    known = {at: value * step for at, value in run.series(name, by, step).items() if value and run.is_over(at[0])}
    assert known == pytest.approx({at: count for at, count in told.items() if run.is_over(at[0])})


@pytest.mark.parametrize("step", [10, 60])
@pytest.mark.parametrize("percent", [50, 95, 99])
@pytest.mark.parametrize("measure", ["wait", "runtime"])
def test_a_quantile_is_that_of_the_tasks_which_ended_then(run: Run, measure: str, percent: int, step: int) -> None:
    told = defaultdict[tuple[str, str], list[float]](list)
    for task in run.tasks:
        if task.finished is not None and (value := getattr(task, measure)) is not None:
            told[point(task, "name", step)].append(value)
    expected = {at: quantile(values, percent) for at, values in told.items()}
    assert run.series(f"{measure}_p{percent}", "name", step) == pytest.approx(expected, rel=ACCURACY)


@some_filter
def test_a_histogram_counts_each_task_of_a_filter_once(run: Run, filtered: str) -> None:
    filter, means = FILTERS[filtered]
    bars = Counter[str]()
    for row in run.rows(Histogram(filter)):
        bars[row["state"]] += int(float(row["value"]))
    assert bars == Counter(task.state for task in run.tasks if means(task))


def point(task: Told, by: str, step: int) -> tuple[str, str]:
    """The point of a chart that tells of the time in which a task ended, and its label there."""
    assert task.finished is not None
    return stamp(task.finished // step * step + step), (getattr(task, by) or "") if by else ""


# --- by name, and by exception ----------------------------------------------------------------------------------


@pytest.mark.parametrize("filtered", FILTERS)
def test_each_name_has_its_counts_its_quantiles_and_what_it_cost(run: Run, filtered: str) -> None:
    filter, means = FILTERS[filtered]
    rows = {row["name"]: row for row in run.rows(TaskNames(filter))}
    assert set(rows) == {task.name for task in run.tasks if means(task)}
    for name, row in rows.items():
        tasks = [task for task in run.tasks if means(task) and task.name == name]
        ended = [task for task in tasks if task.finished is not None]
        failed = sum(task.state == "FAILURE" for task in tasks)
        counted = failed + sum(task.state == "SUCCESS" for task in tasks)
        assert (int(row["count"]), int(row["failures"])) == (len(tasks), failed)
        by_outcome = filter.states or filter.search
        assert number(row["failure_ratio"]) == pytest.approx(failed / counted if counted and not by_outcome else None)
        runtimes = [task.runtime for task in ended if task.runtime is not None]
        waits = [task.wait for task in ended if task.wait is not None]
        assert number(row["runtime_total"]) == pytest.approx(sum(runtimes) if runtimes else None)
        for measure, values in (("wait", waits), ("runtime", runtimes)):
            for percent in (50, 95, 99):
                expected = pytest.approx(quantile(values, percent), rel=ACCURACY) if values else None
                assert number(row[f"{measure}_p{percent}"]) == expected


def test_a_rate_is_of_the_time_that_was_asked_for(run: Run) -> None:
    seconds = SPAN_SECONDS + STEP_SECONDS
    range = Range(start=moment(run.script.began), end=moment(run.script.began + seconds))
    ended = Counter(task.name for task in run.tasks if task.state in ("SUCCESS", "FAILURE"))
    rates = {row["name"]: float(row["rate"]) for row in run.rows(TaskNames(), range)}
    assert rates == pytest.approx({name: count / seconds for name, count in ended.items()}, rel=1e-5)


def test_retries_are_counted_by_name(run: Run) -> None:
    told = Counter[str]()
    for task in run.tasks:
        told[task.name] += task.retries
    assert {row["name"]: int(row["retries"]) for row in run.rows(TaskNames())} == told


def test_failures_are_grouped_by_what_made_them_fail(run: Run) -> None:
    """And each group's filter lists exactly those that are counted."""
    groups = run.rows(Failures())
    causes = Counter(task.cause for task in run.tasks if task.cause is not None)
    assert len(causes) == len(CAUSES)
    assert sorted(int(group["last_1h"]) for group in groups) == sorted(causes.values())
    cause_of = {task.id: task.cause for task in run.tasks}
    for group in groups:
        listed = run.rows(Tasks(TaskFilter(failure=group["failure"]), limit=10_000))
        [cause] = {cause_of[row["id"]] for row in listed}
        failed = [task for task in run.tasks if task.cause == cause]
        assert len(listed) == int(group["last_1h"]) == int(group["last_7d"]) == len(failed)
        assert (group["first"], group["last"]) == tuple(stamp(f(task.last for task in failed)) for f in (min, max))


# --- families ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_chord_is_one_family_and_a_part_that_is_missing_is_told(run: Run, number: int) -> None:
    chord: Chord = run.script.chords[number]
    for member in (chord.parent, chord.parts[0]):
        rows = run.rows(Family(member.id))
        assert {row["id"]: (row["root"], row["parent"]) for row in rows} == {
            task.id: (task.root or "", task.parent or "") for task in chord.family
        }
    answer = run.ask(Family(chord.parent.id))
    waiting = chords(TaskRun.all_of(answer.frame))
    missing = [task.id for task in chord.parts if task.finished is None]
    assert [part.id for found in waiting for part in found.missing] == missing
    assert bool(missing) == (chord.body is None)


# --- what pages make of it --------------------------------------------------------------------------------------


def test_each_number_of_a_table_leads_to_as_many_tasks(run: Run) -> None:
    for query, view in ((TaskNames(), tables.names), (Failures(), tables.failures)):
        answer = run.ask(query)
        table = view(answer.frame, {"rows": answer})
        counts = [place for place, column in enumerate(table.columns) if column.kind == "number"]
        linked = [row[place] for row in table.rows for place in counts if isinstance(row[place], dict)]
        assert len(linked) >= len(table.rows) * 2
        for number in linked:
            fields = parse_qs(urlsplit(number["href"]).query)
            params = {name: values[0] for name, values in fields.items()}
            range = Range.from_params(params) if "from" in params else run.range
            listed = run.rows(replace(Tasks.from_fields(fields), limit=10_000), range)
            assert (len(listed), number["href"]) == (number["value"], number["href"])


def test_the_sentence_of_the_tasks_page_names_what_fails_most(run: Run) -> None:
    failed = Counter(task.name for task in run.tasks if task.state == "FAILURE")
    [(worst, count)] = failed.most_common(1)
    ended = sum(task.name == worst and task.state in ("SUCCESS", "FAILURE") for task in run.tasks)
    told = headlines.tasks.tasks({"names": run.ask(TaskNames()), "failures": run.ask(Failures())})
    assert said(told.sentence).startswith(f"{worst} fails {count / ended:.0%} of the time")


def test_the_page_of_a_task_tells_how_long_it_waited_and_ran(run: Run) -> None:
    """Its timeline, whose waiting begins at its ETA where it has one, and its sentence."""
    for told in run.tasks[:: TASKS // 40]:
        answer = run.ask(Task(told.id))
        parts = timeline(answer.frame, {"rows": answer}).parts
        ready = (told.eta or 0) * 1000
        waits = [part.seconds for part in parts if part.kind in WAITING and (part.start or 0) >= ready]
        runs = [part.seconds for part in parts if part.kind == "run"]
        if told.wait is not None:
            assert sum(seconds for seconds in waits if seconds) == pytest.approx(told.wait)
        if told.runtime is not None:
            assert runs == pytest.approx([told.runtime])
        if told.state in ("SUCCESS", "FAILURE"):
            beside = {"task": answer, "workers": run.ask(Workers()), "runs": run.ask(Runs(told.id))}
            sentence = headlines.task.task(beside).sentence
            assert told.runtime in [part.seconds for part in sentence if isinstance(part, Part)]
            assert (f"the {told.retries + 1}" in said(sentence)) == bool(told.retries)


@pytest.mark.parametrize("queue", sorted({queue for queue, _ in NAMES.values()}))
def test_the_page_of_a_queue_tells_of_its_own_tasks_alone(run: Run, queue: str) -> None:
    own = [task for task in run.tasks if task.queue == queue]
    ran = TaskFilter(queues=(queue,))
    assert {row["name"]: int(row["count"]) for row in run.rows(TaskNames(ran))} == Counter(task.name for task in own)
    ended = sum(task.state in ("SUCCESS", "FAILURE") for task in own)
    points = run.rows(History("throughput", "queue", (queue,)), step=f"{STEP_SECONDS}s")
    assert {row["queue"] for row in points} == {queue}
    known = [float(row["value"]) * STEP_SECONDS for row in points if run.is_over(row["time"])]
    assert sum(known) == pytest.approx(ended)


WAITING = ("queue", "worker", "wait")


def said(words: Words) -> str:
    return "".join(word if isinstance(word, str) else word.text for word in words)


# --- how a file says it -----------------------------------------------------------------------------------------


def quantile(values: Iterable[float], percent: int) -> float:
    in_order = sorted(values)
    return in_order[math.floor(percent / 100 * (len(in_order) - 1))]


def stamp(at: float) -> str:
    return moment(at).isoformat()


def number(text: str) -> float | None:
    return float(text) if text else None
