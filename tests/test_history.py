"""The past read back, on SQLite and on PostgreSQL: what is counted adds up, what is listed is listed once."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from data_sources.errors import QueryRejected, SourceUnreachable
from data_sources.history import order
from data_sources.history.answers import of_tasks_answer, series_answer, task_answer, tasks_answer
from data_sources.history.facets import read_facets
from data_sources.history.grid import rows_expected
from data_sources.history.place import SqlitePlace
from data_sources.history.reader import HistoryReader, LatestRow
from data_sources.history.rows import ONE_TASK_COLUMNS, TASK_COLUMNS
from data_sources.history.series import MEASURED, OUTCOMES, PARTLY_ACCEPTED, SAMPLED
from data_sources.query import SIGNALS, History
from data_sources.schema import rollups
from data_sources.scope import EPOCH, Window
from data_sources.task_query import SORTS, Facets, Family, Histogram, Task, TaskFilter, TaskNames, Tasks
from tests.past import SECOND, START, Past, scope, sqlite_past, window

CONTRACT = (
    "id name state worker queue sent received started finished wait runtime retries exception".split()  # noqa: SIM905
)
DAY = 86_400
quick = settings(max_examples=15)


names = st.sampled_from([None, "shop.mail", "shop.report", "shop.über"])
workers = st.sampled_from([None, "celery@a", "celery@b"])
states = st.sampled_from(["SUCCESS", "SUCCESS", "FAILURE", "REVOKED", "STARTED", "RECEIVED", "RETRY"])
moments = st.integers(0, 3 * 3600 - 1) | st.sampled_from([0, 59, 60, 3599, 3600, 7199, 7200])  # ties among them
tasks = st.lists(
    st.fixed_dictionaries(
        {"last": moments, "state": states, "name": names, "worker": workers, "queue": st.sampled_from([None, "q"])},
        optional={"wait": st.integers(0, 5), "runtime": st.integers(0, 5)},
    ),
    max_size=40,
).map(lambda found: [{"seq": seq, **task} for seq, task in enumerate(found, 1)])
rolled = st.lists(st.integers(0, 179), max_size=180, unique=True).map(lambda ms: [START + 60 * m for m in ms])


def remake(past: Past, found: list[dict[str, Any]], minutes: list[int], hours: list[int]) -> None:
    """The tasks: those of even number rolled up, the others only in the minutes, and then the hours, that are given."""
    past.empty()
    for later in (False, True):
        if some := [task for task in found if task["seq"] % 2 == later]:
            past.add(some)
        past.roll_up(minutes if later else None, hours if later else [START, START + 3600, START + 7200])


@quick
@given(found=tasks, minutes=rolled, hours=st.sets(st.integers(0, 2)), step=st.sampled_from([10, 30, 60, 600, 3600]))
def test_a_chart_counts_every_task_once_whatever_is_rolled_up(
    past: Past, reader: HistoryReader, found: list[dict[str, Any]], minutes: list[int], hours: set[int], step: int
) -> None:
    remake(past, found, minutes, [START + 3600 * hour for hour in hours])
    asked = window(step, 3 * 3600, step)

    for name, wanted in (("throughput", {"SUCCESS", "FAILURE"}), ("failures", {"FAILURE"})):
        expected = Counter(
            (START + task["last"] // step * step + step, task["name"]) for task in found if task["state"] in wanted
        )
        frame = series_answer(reader, History(name, "name"), asked).frame
        at = (frame["time"] - EPOCH) // timedelta(seconds=1)
        counts = (frame["value"] * step).round(6)
        got = {
            (second, label if isinstance(label, str) else None): count
            for second, label, count in zip(at, frame["name"], counts, strict=True)
            if count
        }
        assert got == expected
        two = ("shop.mail", "shop.über")
        some = series_answer(reader, History(name, "name", two), asked).frame.astype({"name": "str"})
        assert some.equals(frame[frame["name"].isin(two)].reset_index(drop=True).astype({"name": "str"}))
        total = series_answer(reader, History(name), asked).frame["value"].sum() * step
        assert round(float(total), 6) == expected.total()


@quick
@given(
    found=tasks,
    minutes=rolled,
    hours=st.sets(st.integers(0, 2)),
    start=st.integers(0, 2 * 3600),
    length=st.integers(1, 3 * 3600),
    filter=st.builds(
        TaskFilter,
        names=st.sampled_from([(), ("shop.mail",), ("shop.mail", "shop.über"), ("nobody",)]),
        states=st.sampled_from([(), ("FAILURE",), ("STARTED", "SUCCESS"), ("RETRY",)]),
        workers=st.sampled_from([(), ("celery@a",)]),
        search=st.sampled_from(["", "", "MAIL"]),
    ),
)
def test_facets_count_what_the_list_lists(
    past: Past,
    reader: HistoryReader,
    found: list[dict[str, Any]],
    minutes: list[int],
    hours: set[int],
    start: int,
    length: int,
    filter: TaskFilter,
) -> None:
    remake(past, found, minutes, [START + 3600 * hour for hour in hours])
    asked = scope(start, start + length)
    expected = [
        task
        for task in found
        if start <= task["last"] <= start + length
        and (not filter.names or task["name"] in filter.names)
        and (not filter.states or task["state"] in filter.states)
        and (not filter.workers or task["worker"] in filter.workers)
        and (filter.search.casefold() in (task["name"] or "").casefold())
    ]

    facets = of_tasks_answer(reader, Facets(filter), asked)
    listed = tasks_answer(reader, Tasks(filter, limit=10_000), asked).frame

    assert set(listed["id"]) == {f"id-{task['seq']}" for task in expected}
    assert facets.totals == {"tasks": len(expected)}
    for facet in ("state", "name", "queue", "worker"):
        rows = facets.frame[facets.frame["facet"] == facet]
        values = [value if isinstance(value, str) else None for value in rows["value"]]
        assert dict(zip(values, rows["count"], strict=True)) == Counter(task[facet] for task in expected)


@quick
@given(
    found=tasks,
    minutes=rolled,
    sort=st.sampled_from([*SORTS, *(f"-{sort}" for sort in SORTS)]),
    filter=st.sampled_from([TaskFilter(), TaskFilter(names=("shop.mail", "shop.report")), TaskFilter(search="shop")]),
    limit=st.integers(1, 7),
    gathers=st.booleans(),
)
def test_pages_visit_every_task_once_and_in_order(
    past: Past,
    reader: HistoryReader,
    found: list[dict[str, Any]],
    minutes: list[int],
    sort: str,
    filter: TaskFilter,
    limit: int,
    gathers: bool,
) -> None:
    remake(past, found, minutes, [START])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "LOOKUP", -(10**9) if gathers else 10**9)
        patch.setattr(order, "NEAR", 60 * SECOND)
        query: Any = Tasks(filter, sort, limit)
        pages, added = [], 0
        while query is not None:
            answer = tasks_answer(reader, query, scope())
            assert (answer.next is not None) == any(note.kind == "cut" for note in answer.notes)
            pages.append(answer.frame)
            query = answer.next
            if len(pages) == 1:  # comes in while somebody reads, before the first of the list or after all of it
                added = 1
                ahead = {"seq": 10_001, "last": DAY - 1, "name": "shop.mail", "wait": 9e6, "runtime": 9e6}
                past.add([ahead | {"state": "SUCCESS"}])
            assert len(pages) <= 60

    seen = [one for page in pages for one in page["id"] if one != "id-10001"]
    key = sort.removeprefix("-")
    matching = [
        task
        for task in found
        if (
            key in ("last",)
            or (key == "finished" and task["state"] in ("SUCCESS", "FAILURE", "REVOKED"))
            or key in task
        )
        and (
            not (filter.names or filter.search)
            or task["name"] in (filter.names or ("shop.mail", "shop.report", "shop.über"))
        )
    ]
    by = "last" if key == "finished" else key
    expected = sorted(matching, key=lambda task: (task[by], task["seq"]), reverse=sort.startswith("-"))
    assert added
    assert seen == [f"id-{task['seq']}" for task in expected]


@quick
@given(found=tasks, minutes=rolled, step=st.sampled_from([5, 60, 600]), of=st.sampled_from(["wait", "runtime"]))
def test_a_quantile_is_within_one_percent_of_the_task_of_its_rank(
    past: Past, reader: HistoryReader, found: list[dict[str, Any]], minutes: list[int], step: int, of: str
) -> None:
    remake(past, found, minutes, [])
    asked = window(0, 3 * 3600, step)
    width = max(step, 10)
    for percent in (50, 95, 99):
        frame = series_answer(reader, History(f"{of}_p{percent}", "worker"), asked).frame
        got = {
            (int(at.timestamp()) - START, label if isinstance(label, str) else None): value
            for at, label, value in zip(frame["time"], frame["worker"], frame["value"], strict=True)
        }
        expected = {}
        for at in range(0, 3 * 3600 + 1, step):
            high = at // width * width
            for worker in {task["worker"] for task in found}:
                values = sorted(
                    task[of]
                    for task in found
                    if of in task
                    and task["worker"] == worker
                    and task["state"] in ("SUCCESS", "FAILURE", "REVOKED")
                    and high - width <= task["last"] < high
                )
                if values:
                    expected[at, worker] = values[int(percent / 100 * (len(values) - 1))]
        assert got == pytest.approx(expected, rel=0.0101)
        chosen = tuple(sorted({worker for _, worker in expected if worker})[:2])
        some = series_answer(reader, History(f"{of}_p{percent}", "worker", chosen), asked).frame
        assert len(some) == sum(not chosen or worker in chosen for _, worker in expected)


def test_nothing_is_known_before_the_first_recording_in_a_gap_nor_after_the_last_sign_of_life(
    past: Past, reader: HistoryReader
) -> None:
    past.set_meta("began_us", START + 600)
    past.add([{"seq": 1, "last": 700, "name": "shop.mail"}])
    gap = {"source": "events", "reason": "the broker was gone", "missed": 1200}
    past.put("gaps", {**gap, "start_us": (START + 1200) * SECOND, "end_us": (START + 1800) * SECOND})
    past.put("gaps", {**gap, "source": "queues", "start_us": START * SECOND, "end_us": None})
    with past.engine.begin() as connection:
        connection.execute(text(f"UPDATE latest SET measured_us = {(START + 2400) * SECOND}"))

    answer = series_answer(reader, History("throughput"), window(0, 3600, 60))

    at = ((answer.frame["time"] - EPOCH) // timedelta(seconds=1) - START).tolist()
    assert at == [*range(660, 1201, 60), *range(1860, 2401, 60)]
    assert answer.frame["value"].sum() * 60 == pytest.approx(1)
    assert [(note.kind, note.text) for note in answer.notes] == [
        ("gap", "Recording began at 2026-01-05 00:10 UTC; what was before is not known"),
        ("gap", "No task events recorded: the broker was gone; about 1,200 task events missed"),
    ]
    assert answer.measured_at == EPOCH + timedelta(seconds=START + 2400)


def test_without_task_events_throughput_is_what_workers_accepted_and_failures_are_unknown(
    past: Past, reader: HistoryReader
) -> None:
    past.put("series", {"id": 1, "measure": "accepted", "label": "name", "text": "shop.mail"})
    past.put("series", {"id": 2, "measure": "accepted", "label": "", "text": ""})
    for at in range(0, 600, 10):
        past.sample(10, at, {1: 20.0})
        past.sample(10, at, {2: 20.0})
    asked = window(300, 600, 60)

    accepted = series_answer(reader, History("throughput", "name"), asked)
    failures = series_answer(reader, History("failures", "name"), asked)

    assert accepted.frame["value"].tolist() == [2.0] * 6
    assert [note.text for note in accepted.notes] == [
        "Accepted by workers, not finished: from the differences of their totals"
    ]
    assert failures.frame.empty
    assert [note.kind for note in failures.notes] == ["absent"]
    assert series_answer(reader, History("throughput", "queue"), asked).frame.empty


def put_accepted(past: Past, times: Iterable[int]) -> None:
    """Two of shop.mail a second, accepted by one worker."""
    for id, label, name in ((1, "name", "shop.mail"), (2, "", "")):
        past.put("series", {"id": id, "measure": "accepted", "label": label, "text": name})
        for at in times:
            past.sample(10, at, {id: 20.0})


def per_minute(reader: HistoryReader, query: History, asked: Window) -> dict[int, float]:
    """The values of shop.mail, or of all, by the second since START."""
    frame = series_answer(reader, query, asked).frame
    if query.by:
        frame = frame[frame[query.by] == "shop.mail"]
    seconds = (frame["time"] - EPOCH) // timedelta(seconds=1) - START
    return dict(zip(seconds, frame["value"].round(6), strict=True))


@pytest.mark.parametrize("by", ["", "name"])
def test_where_events_stopped_throughput_is_what_workers_accepted_and_says_so(
    past: Past, reader: HistoryReader, by: str
) -> None:
    tasks = [{"seq": seq, "last": 30 + 60 * seq, "name": "shop.mail"} for seq in range(20) if not 5 <= seq < 15]
    past.add([*tasks, {"seq": 99, "last": 10}])  # one of no name
    reason = "w1@shop sends no events of tasks"
    gap = {"source": "events", "start_us": (START + 300) * SECOND, "end_us": (START + 900) * SECOND, "reason": reason}
    past.put("gaps", gap)
    put_accepted(past, range(0, 1200, 10))
    asked = window(60, 1200, 60)

    answer = series_answer(reader, History("throughput", by), asked)

    once = round(1 / 60, 6)
    expected = {at: 2.0 if 300 < at <= 900 else once for at in range(60, 1201, 60)}
    if not by:
        expected[60] = round(2 / 60, 6)
    assert per_minute(reader, History("throughput", by), asked) == expected
    assert answer.frame["time"].is_monotonic_increasing or by
    assert [(note.kind, note.text) for note in answer.notes] == [
        ("info", PARTLY_ACCEPTED.text),
        ("gap", f"No task events recorded: {reason}"),
    ]
    labels = {"time": "datetime64[ms, UTC]", **({by: "category"} if by else {}), "value": "float64"}
    assert answer.frame.dtypes.astype(str).to_dict() == labels
    assert not by or answer.frame[by].isna().sum() == 10  # those points at which events were heard
    for name in ("failures", "throughput"):
        known = series_answer(reader, History(name, "queue"), asked)
        times = set(((known.frame["time"] - EPOCH) // timedelta(seconds=1) - START).tolist())
        assert times <= {at for at in range(60, 1201, 60) if not 300 < at <= 900}
        assert [note.kind for note in known.notes] == ["gap"]


REASON = "w2@shop sends no events of tasks; workers send them with -E"


@pytest.fixture
def partly_silent(past: Past) -> Past:
    """An hour in which w1 ends a shop.mail each 10 s, and tells of it; of w2 nothing is heard from 5 to 55 minutes.

    Both accept shop.mail, two a second together, and w2 alone shop.quiet, one a second.
    """
    past.add(
        {"seq": at, "last": at, "name": "shop.mail", "worker": "w1@shop", "queue": "mail"} for at in range(5, 3600, 10)
    )
    gap = {"source": "senders", "start_us": (START + 300) * SECOND, "end_us": (START + 3300) * SECOND, "reason": REASON}
    past.put("gaps", gap)
    accepted = {
        "name": {"shop.mail": 20.0, "shop.quiet": 10.0},
        "worker": {"w1@shop": 0.5, "w2@shop": 29.5},
        "": {"": 30.0},
    }
    number = itertools.count(1)
    for label, counts in accepted.items():
        series = {next(number): name for name in counts}
        past.put(
            "series",
            *({"id": id, "measure": "accepted", "label": label, "text": name} for id, name in series.items()),
        )
        for at in range(0, 3600, 10):
            past.sample(10, at, {id: counts[name] for id, name in series.items()})
    return past


def test_rates_of_who_is_heard_are_of_all_the_time_though_another_worker_is_silent(
    partly_silent: Past, reader: HistoryReader
) -> None:
    names = of_tasks_answer(reader, TaskNames(TaskFilter()), scope(0, 3600))
    assert names.frame["rate"].tolist() == pytest.approx([0.1])
    assert [(note.kind, note.text) for note in names.notes] == [("gap", f"Not all task events recorded: {REASON}")]

    asked = window(60, 3600, 60)
    for name, by, rate in (("throughput", "queue", 0.1), ("failures", "", 0.0)):
        known = series_answer(reader, History(name, by), asked)
        assert known.frame["value"].tolist() == pytest.approx([rate] * 60)
        assert [note.text for note in known.notes] == [f"Not all task events recorded: {REASON}"]
    bars = of_tasks_answer(reader, Histogram(TaskFilter()), scope(0, 3600)).frame
    assert bars["value"].sum() == 360


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("", {None: 3.0}),
        ("name", {"shop.mail": 2.0, "shop.quiet": 1.0}),
        ("worker", {"w1@shop": 0.1, "w2@shop": 2.95}),
    ],
)
def test_while_some_workers_are_silent_throughput_is_the_totals_where_these_tell_of_more(
    partly_silent: Past, reader: HistoryReader, by: str, expected: dict[str | None, float]
) -> None:
    answer = series_answer(reader, History("throughput", by), window(60, 3600, 60))

    inside = answer.frame[answer.frame["time"] > EPOCH + timedelta(seconds=START + 330)]
    inside = inside[inside["time"] <= EPOCH + timedelta(seconds=START + 3300)]
    for label, rate in expected.items():
        line = inside if label is None else inside[inside[by] == label]
        assert line["value"].tolist() == pytest.approx([rate] * 50)
    before = answer.frame[answer.frame["time"] <= EPOCH + timedelta(seconds=START + 300)]
    assert before["value"].tolist() == pytest.approx([0.1] * 5)
    assert [note.kind for note in answer.notes] == ["info", "gap"]
    assert str(answer.frame.dtypes["time"]) == "datetime64[ms, UTC]"


def test_before_workers_began_to_send_events_throughput_is_what_they_accepted(
    past: Past, reader: HistoryReader
) -> None:
    past.add([{"seq": seq, "last": 630 + 60 * seq, "name": "shop.mail"} for seq in range(10)])
    put_accepted(past, range(0, 1200, 10))
    asked = window(60, 1200, 60)

    values = per_minute(reader, History("throughput"), asked)
    failures = series_answer(reader, History("failures"), asked)

    assert values == {at: 2.0 if at <= 600 else round(1 / 60, 6) for at in range(60, 1201, 60)} | {660: values[660]}
    assert failures.frame["time"].min() >= EPOCH + timedelta(seconds=START + 660)
    assert [note.text for note in failures.notes] == ["No task events recorded: until then workers sent none"]


def test_a_task_that_takes_long_has_not_ended_where_it_was_accepted(past: Past, reader: HistoryReader) -> None:
    long = {"last": 3000, "received_us": (START + 300) * SECOND, "started_us": (START + 300) * SECOND}
    past.add([{"seq": 1, "last": 130, "name": "shop.mail"}, {"seq": 2, "name": "shop.mail", **long}])
    put_accepted(past, [300])

    values = per_minute(reader, History("throughput"), window(120, 2400, 60))

    assert values == dict.fromkeys(range(120, 2401, 60), 0.0) | {180: round(1 / 60, 6)}


def test_what_clients_tell_is_not_what_workers_did(past: Past, reader: HistoryReader) -> None:
    past.add([{"seq": seq, "last": 60 * seq, "state": "PENDING", "name": "shop.mail"} for seq in range(20)])
    put_accepted(past, range(0, 1200, 10))

    assert set(per_minute(reader, History("throughput"), window(300, 1200, 60)).values()) == {2.0}


def test_how_much_there_is_to_read_is_seen_though_it_is_quiet_at_the_end(past: Past, reader: HistoryReader) -> None:
    none = dict.fromkeys(("retries", "waits", "wait_us", "runtimes", "runtime_us"), 0)
    busy = [
        {"level": 60, "at": START + at, "cell": cell, "count": 1} for at in range(0, 3600, 60) for cell in range(50)
    ]
    past.put("rollups", *(row | none for row in busy))

    with reader.reading() as connection:
        expected = rows_expected(connection, rollups, 60, START, START + 7_200)

    assert expected == pytest.approx(len(busy), rel=0.1)


def test_an_idle_time_is_zero_where_task_events_come_in(past: Past, reader: HistoryReader) -> None:
    past.add([{"seq": 1, "last": 10, "name": "shop.mail"}])

    idle = series_answer(reader, History("throughput"), window(20_000, 21_000, 100)).frame

    assert idle["value"].tolist() == [0.0] * 11


def test_samples_read_back_at_every_thinness_and_a_hole_stays_a_hole(past: Past, reader: HistoryReader) -> None:
    past.put("series", {"id": 1, "measure": "depth", "label": "queue", "text": "mail"})
    thin = [(600, 0, 7.0), (60, 600, 5.0), (60, 660, 6.0), (10, 720, 3.0), (10, 730, 0.0)]
    for level, at, value in thin:
        past.sample(level, at, {1: value})

    answer = series_answer(reader, History("depth", "queue"), window(600, 1200, 60))

    assert answer.frame["value"].tolist() == [5, 6, 3, 0, 0, 0]
    for of, count in ((("mail",), 6), (("images",), 0), (("images", "mail"), 6)):
        assert len(series_answer(reader, History("depth", "queue", of), window(600, 1200, 60)).frame) == count
    assert list(answer.frame.columns) == ["time", "queue", "value"]


@pytest.mark.parametrize(("name", "by"), [(name, by) for name, splits in SIGNALS.items() for by in splits])
def test_an_empty_history_answers_everything_with_its_columns(
    past: Past, reader: HistoryReader, name: str, by: str
) -> None:
    if name not in {*OUTCOMES, *MEASURED, *SAMPLED}:
        return
    answer = series_answer(reader, History(name, by), window(0, 600, 60))
    assert list(answer.frame.columns) == ["time", *filter(None, [by]), "value"]
    assert answer.frame.empty


def test_a_list_has_the_columns_of_the_contract_and_unknown_is_not_zero(past: Past, reader: HistoryReader) -> None:
    empty = tasks_answer(reader, Tasks(), scope()).frame
    past.add([{"seq": 1, "last": 5, "state": "STARTED", "name": "shop.mail"}])
    frame = tasks_answer(reader, Tasks(), scope()).frame

    assert list(frame.columns)[: len(CONTRACT)] == CONTRACT
    assert [str(kind) for kind in empty.dtypes] == [str(kind) for kind in frame.dtypes]
    assert list(empty.columns) == list(TASK_COLUMNS)
    unknown = ["worker", "queue", "sent", "received", "started", "finished", "wait", "runtime", "retries", "exception"]
    assert frame.loc[0, unknown].isna().all()
    assert frame.loc[0, ["id", "name", "state"]].tolist() == ["id-1", "shop.mail", "STARTED"]


def test_one_task_comes_with_its_texts_and_their_true_lengths_and_its_family(past: Past, reader: HistoryReader) -> None:
    past.add(
        [
            {"seq": 1, "id": "root", "last": 1, "sent_us": 1, "args": "(1,)", "cut": '{"args": 70000}'},
            {"seq": 2, "id": "child", "last": 2, "sent_us": 3, "root": "root", "parent": "root"},
            {"seq": 3, "id": "grandchild", "last": 3, "sent_us": 2, "root": "root", "parent": "child"},
            {"seq": 4, "id": "stranger", "last": 4},
        ]
    )

    one = task_answer(reader, Task("root")).frame
    assert list(one.columns) == list(ONE_TASK_COLUMNS)
    assert (one.loc[0, "args"], one.loc[0, "cut"]) == ("(1,)", {"args": 70_000})
    for member in ("root", "child", "grandchild"):
        assert task_answer(reader, Family(member)).frame["id"].tolist() == ["root", "grandchild", "child"]
    nobody = task_answer(reader, Task("nobody"))
    assert nobody.frame.empty
    assert [note.kind for note in nobody.notes] == ["absent"]


def test_words_are_searched_as_they_stand_and_in_whatever_case(past: Past, reader: HistoryReader) -> None:
    past.add(
        [
            {"seq": 1, "last": 1, "name": "shop.mail", "args": "('100%',)"},
            {"seq": 2, "last": 2, "name": "shop.mail", "kwargs": "{'a': '1000'}", "exception": "ValueError: a_b"},
            {"seq": 3, "last": 3, "name": "shop.report", "result": "AxB"},
        ]
    )

    def found(search: str) -> set[str]:
        return set(tasks_answer(reader, Tasks(TaskFilter(search=search)), scope()).frame["id"])

    assert found("100%") == {"id-1"}
    assert found("valueerror MAIL") == {"id-2"}
    assert found("a_b") == {"id-2"}
    assert found("report axb") == {"id-3"}
    assert found("mail axb") == set()


def test_more_matches_than_are_searched_are_said(
    past: Past, reader: HistoryReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_sources.history.search.NEWEST", 2)
    past.add([{"seq": seq, "last": seq, "args": "x"} for seq in (1, 2, 3)])

    for answer in (
        tasks_answer(reader, Tasks(TaskFilter(search="x")), scope()),
        of_tasks_answer(reader, Facets(TaskFilter(search="x")), scope()),
    ):
        assert [note.kind for note in answer.notes] == ["cut"]
        assert "the newest 2 of the tasks" in answer.notes[0].text
    assert of_tasks_answer(reader, Facets(TaskFilter(search="x")), scope()).totals == {"tasks": 2}


def test_what_is_purged_is_neither_listed_nor_counted(past: Past, reader: HistoryReader) -> None:
    past.add([{"seq": 1, "last": 10}, {"seq": 2, "last": 4000}])
    past.roll_up(hours=[START, START + 3600])
    past.set_meta("kept_from_us", START + 3600)

    assert tasks_answer(reader, Tasks(), scope()).frame["id"].tolist() == ["id-2"]
    assert of_tasks_answer(reader, Facets(), scope()).totals == {"tasks": 1}
    counts = series_answer(reader, History("throughput"), window(3600, 7200, 3600)).frame["value"] * 3600
    assert counts.tolist() == [1, 1]


def test_the_answer_of_the_moment(past: Past, reader: HistoryReader) -> None:
    past.put("latest", {"kind": "workers", "measured_us": 5, "took_us": 7, "failure": None, "body": "{}"})

    assert reader.latest("workers") == LatestRow("workers", 5, 7, None, "{}")
    assert reader.latest("queues") is None


def test_what_takes_too_long_is_refused_and_says_what_to_do(
    past: Past, reader: HistoryReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_sources.history.reader.READ_SECONDS", 0.05)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    if not isinstance(past.place, SqlitePlace):
        endless = "SELECT set_config('statement_timeout', '50', true); SELECT pg_sleep(60)"

    with pytest.raises(QueryRejected) as caught, reader.reading() as connection:
        connection.execute(text(endless))

    assert caught.value.hint == "Narrow the time or the filter"
    assert reader.latest("recorder") is not None  # the connection is as good as before


def test_a_history_that_is_not_there_is_unreachable_and_read_when_it_comes(tmp_path: Path) -> None:
    reader = HistoryReader(SqlitePlace("shop", "0123456789ab", tmp_path / "shop-0123456789ab.db"))
    with pytest.raises(SourceUnreachable):
        reader.latest("workers")

    sqlite_past(tmp_path)

    assert reader.latest("workers") is None
    reader.close()


@pytest.mark.parametrize(
    ("sort", "filter", "index"),
    [
        ("-last", TaskFilter(), "tasks_last"),
        ("last", TaskFilter(workers=("celery@a",)), "tasks_last"),
        ("-last", TaskFilter(names=("shop.mail",)), "tasks_name"),
        ("last", TaskFilter(states=("FAILURE",)), "tasks_unsuccessful"),
        ("-runtime", TaskFilter(), "tasks_runtime"),
        ("wait", TaskFilter(names=("shop.mail",)), "tasks_wait"),
    ],
)
def test_a_page_is_found_along_an_index_and_not_by_sorting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sort: str, filter: TaskFilter, index: str
) -> None:
    monkeypatch.setattr(order, "LOOKUP", 10**9)
    past = sqlite_past(tmp_path)
    task = {"runtime": 1, "wait": 1, "name": "shop.mail", "worker": "celery@a", "state": "FAILURE"}
    past.add([{**task, "seq": seq, "last": seq * 60} for seq in range(1, 100)])
    reader = HistoryReader(past.place)
    with reader.reading() as connection:
        raw: Any = connection.connection.dbapi_connection
    said: list[str] = []
    raw.set_trace_callback(said.append)
    tasks_answer(reader, Tasks(filter, sort, limit=5), scope())
    raw.set_trace_callback(None)
    plans = {row[3] for sql in said if "ORDER BY tasks" in sql for row in raw.execute(f"EXPLAIN QUERY PLAN {sql}")}
    reader.close()

    assert {plan for plan in plans if f"USING COVERING INDEX {index}" in plan}
    assert all(index in plan or plan == "USE TEMP B-TREE FOR RIGHT PART OF ORDER BY" for plan in plans)


def test_a_query_reads_one_moment_while_another_is_written(past: Past, reader: HistoryReader) -> None:
    past.add([{"seq": 1, "last": 10}])
    with reader.reading() as connection:
        before = read_facets(connection, TaskFilter(), START * SECOND, (START + 3600) * SECOND).total
        past.add([{"seq": 2, "last": 20}])
        past.roll_up()
        assert read_facets(connection, TaskFilter(), START * SECOND, (START + 3600) * SECOND).total == before == 1
    assert of_tasks_answer(reader, Facets(), replace(scope())).totals == {"tasks": 2}
    assert np.isclose(series_answer(reader, History("throughput"), window(60, 60, 60)).frame["value"], 2 / 60).all()


@quick
@given(
    found=tasks, search=st.sampled_from(["", "MAIL"]), sort=st.sampled_from([*SORTS, *(f"-{sort}" for sort in SORTS)])
)
def test_a_list_that_looks_no_further_than_it_says_is_right_as_far_as_that(
    past: Past, reader: HistoryReader, found: list[dict[str, Any]], search: str, sort: str
) -> None:
    found = [{**task, "received_us": (START + task["last"]) * SECOND} for task in found]
    remake(past, found, [], [])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("FEW", 2), ("MANY", 3), ("NEWEST", 7)):
            patch.setattr(f"data_sources.history.search.{name}", value)
        answer = tasks_answer(reader, Tasks(TaskFilter(search=search), sort, limit=3), scope())

    key = {"received": "last", "finished": "last"}.get(sort.removeprefix("-"), sort.removeprefix("-"))
    said = [note.text for note in answer.notes if "back to 2026-01-05" in note.text]
    ended = [task for task in found if "finished" not in sort or task["state"] in ("SUCCESS", "FAILURE", "REVOKED")]
    newest = sorted(ended, key=lambda task: (task["last"], task["seq"]), reverse=True)
    looked_at = newest[: int(said[0].split("newest ")[1].split(" ")[0])] if said else newest
    matching = [task for task in looked_at if key in task and (not search or task["name"] == "shop.mail")]
    expected = sorted(matching, key=lambda task: (task[key], task["seq"]), reverse=sort.startswith("-"))[:3]
    assert answer.frame["id"].tolist() == [f"id-{task['seq']}" for task in expected]
