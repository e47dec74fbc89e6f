"""Asking: a real Redis, real workers and a real Prometheus whose samples are known."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from celery import Celery
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import data_sources.ask
import data_sources.fetches
import recorder.sampler
from data_sources.answer import Answer
from data_sources.ask import Desk, covers
from data_sources.blank import blank_frame
from data_sources.note import Note
from data_sources.promql_query import Explained, Formatted, LabelNames, LabelValues, Library, Metrics
from data_sources.query import METHODS, SIGNALS, Depths, History, Inspect, PromQL, Query, Signal, Sources, Workers
from data_sources.scope import Range, Scope, Window
from data_sources.task_query import Facets, Family, Task, TaskFilter, Tasks
from data_sources.workers import celery_inspect
from demo.servers import Prometheus, Redis, free_port, wait_until
from tests.blocks import prometheus_with, series
from tests.messages import send
from tests.watching import LIVE, Clock, unwatched, watching, worker

EVERY = timedelta(seconds=15)
POINTS = 240
BEGAN = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10) - EVERY * POINTS
PAST = Range(start=BEGAN + timedelta(minutes=20), end=BEGAN + timedelta(minutes=30))  # known to the last digit

TASK = {"hostname": "shop", "queue_name": "mail", "name": "shop.mail", "job": "celery", "instance": "a:1"}
BOX = {"name": "shop-1", "image": "shop", "job": "cadvisor"}
CELERY = "".join(
    f"# TYPE {name} counter\n" + series(f"{name}_total", TASK, [30.0 * k for k in range(POINTS)], BEGAN, EVERY)
    for name in ("celery_task_received", "celery_task_succeeded")
)
# What celery-exporter sees of three messages of three priorities, and of two busy slots on each of two workers.
SEEN = "".join(
    f"# TYPE {metric} gauge\n" + series(metric, labels, [value] * POINTS, BEGAN, EVERY)
    for metric, labels, value in (
        ("celery_queue_length", {"queue_name": "forgotten", "job": "celery"}, 1.0),
        ("celery_worker_tasks_active", {"hostname": "shop", "job": "celery"}, 2.0),
    )
)
MEMORY = "# TYPE container_memory_usage_bytes gauge\n" + series(
    "container_memory_usage_bytes", BOX, [200e6 + 1e5 * k for k in range(POINTS)], BEGAN, EVERY
)


@dataclass(frozen=True)
class Shop:
    redis: Redis
    prometheus: Prometheus
    desk: Desk

    def until(self, query: Query, ready: Callable[[Answer], bool], scope: Scope = LIVE) -> Answer:
        """The first answer that is `ready`."""
        answers: list[Answer] = []

        def look() -> bool:
            answers.append(self.desk.ask(query, scope))
            return ready(answers[-1])

        wait_until(look, f"{query}")
        return answers[-1]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One worker with two slots that consumes `mail` and `bulk`, sampled each half second."""
    folder = tmp_path_factory.mktemp("shop")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(recorder.sampler, "EVERY_SECONDS", 0.5)
        patch.setattr(data_sources.fetches, "INSPECT_SECONDS", 10.0)
        patch.setattr(data_sources.fetches, "DEADLINE_SECONDS", 60.0)
        patch.setattr(celery_inspect, "SPARE_SECONDS", 2.0)
        redis = stack.enter_context(Redis(folder / "redis"))
        prometheus = stack.enter_context(prometheus_with(CELERY + SEEN + MEMORY, folder / "prometheus"))
        stack.enter_context(worker(redis, "w1@shop", folder, "--concurrency", "2", "-Q", "mail,bulk"))
        send(redis.url, "forgotten", (0, 3, 9))
        env = {"CELERY_BROKER_URL": redis.url, "PROMETHEUS_URL": prometheus.url}
        desk = stack.enter_context(watching(env))
        shop = Shop(redis, prometheus, desk)
        shop.until(Workers(), lambda answer: len(answer.frame) == 1)
        shop.until(Depths(), lambda answer: len(answer.frame) > 0)
        shop.until(Sources(), lambda answer: set(answer.frame["state"]) == {"ok"})
        yield shop


def work(redis: Redis, until: Path, count: int = 1) -> list[str]:
    """The ids of tasks that run until the file `until` is there."""
    with Celery(broker=redis.url, set_as_current=False) as app:
        return [str(app.send_task("shop.wait_for", (str(until),), queue="mail").id) for _ in range(count)]


# --- what is there now ------------------------------------------------------------------------------------------


def test_a_worker_is_shown_with_its_pool_its_slots_and_its_queues(shop: Shop) -> None:
    idle = {"worker": "w1@shop", "verdict": "idle", "pool": "threads", "concurrency": 2, "active": 0}
    answer = shop.until(Workers(), lambda answer: answer.frame[[*idle]].to_dict("records") == [idle])
    assert sorted(answer.frame["queues"][0]) == ["bulk", "mail"]
    assert (answer.totals, answer.failure, answer.window) == ({"answered": 1}, None, None)
    assert answer.origin == f"Celery at 127.0.0.1:{shop.redis.port}/0"


def test_running_tasks_make_a_worker_work_and_finished_ones_are_counted(shop: Shop, tmp_path: Path) -> None:
    before = shop.desk.ask(Workers(), LIVE).frame["processed"][0]
    work(shop.redis, tmp_path / "done", 2)
    shop.until(Workers(), lambda answer: answer.frame["verdict"][0] == "working" and answer.frame["active"][0] == 2)
    shop.until(History("busy_slots"), lambda answer: answer.frame["value"].max() == 2)
    (tmp_path / "done").touch()
    answer = shop.until(Workers(), lambda answer: answer.frame["verdict"][0] == "idle")
    assert answer.frame["processed"][0] == before + 2
    slots = shop.desk.ask(History("slots", "worker"), LIVE, wait_seconds=60).frame
    assert set(slots["worker"]) == {"w1@shop"}
    assert set(slots["value"]) == {2.0}
    accepted = shop.until(History("throughput", "name"), lambda answer: bool(answer.frame["value"].max() > 0))
    assert accepted.units == {"value": "1/s"}
    assert [note.text for note in accepted.notes if note.kind == "info"] == [
        "Accepted by workers, not finished: from the differences of their totals"
    ]


def test_queues_are_counted_and_their_consumers_are_the_workers_that_say_so(shop: Shop) -> None:
    def consumers(answer: Answer) -> int:
        """Of `mail`, as far as is known."""
        frame = answer.frame
        return int(frame.loc[frame["queue"] == "mail", "consumers"].fillna(-1).sum())

    answer = shop.until(Depths(), lambda answer: consumers(answer) == 1)
    frame = answer.frame.set_index("queue")
    assert frame.loc["forgotten", "ready"] == 3
    assert json.loads(frame.loc["forgotten", "priorities"]) == {"0": 1, "3": 1, "6": 0, "9": 1}
    assert frame.loc["forgotten", "consumers"] == 0
    assert str(frame["consumers"].dtype) == "Int64"
    assert answer.totals["ready"] == 3
    assert answer.units["oldest"] == "s"


def test_until_there_is_a_newer_one_an_answer_is_the_same_frame_to_all(shop: Shop) -> None:
    watch = shop.desk._watches["default"]

    def is_kept() -> bool:
        before, after = watch._look(), watch._look()  # a new round may lie between
        kept = (before.workers.value is after.workers.value, before.queues.value is after.queues.value)
        return kept == (True, True) and before.workers.value is not None

    wait_until(is_kept, "two looks at one round")


def test_only_the_named_queues_and_workers_are_in_the_answer(shop: Shop) -> None:
    assert shop.desk.ask(Depths(("bulk", "nowhere")), LIVE).frame["queue"].tolist() == ["bulk"]
    assert shop.desk.ask(Workers(("w1@shop",)), LIVE).frame["worker"].tolist() == ["w1@shop"]
    assert shop.desk.ask(Workers(("nobody@shop",)), LIVE).frame["worker"].tolist() == []


def test_each_source_is_listed_with_its_state_and_version(shop: Shop) -> None:
    frame = shop.until(Sources(), lambda answer: answer.frame["state"].tolist() == ["ok"] * 4).frame
    assert frame["source"].tolist() == ["redis", "workers", "prometheus", "recorder"]
    assert frame["version"][0].startswith("Redis ")
    assert frame["version"][2].startswith("Prometheus ")
    assert frame["version"][3].startswith("Celery Notebook ")
    assert (frame["latency_ms"][:3] > 0).all()


@pytest.mark.parametrize("method", [method for method in METHODS if method != "query_task"])
def test_every_method_can_be_asked(shop: Shop, method: str) -> None:
    answer = shop.desk.ask(Inspect(method), LIVE, wait_seconds=60)
    assert (answer.failure, answer.notes) == (None, ())
    assert list(answer.frame.columns) == list(blank_frame(Inspect(method)).columns)
    assert set(answer.frame["worker"]) <= {"w1@shop"}


def test_a_task_is_found_in_the_worker_that_runs_it(shop: Shop, tmp_path: Path) -> None:
    [task_id] = work(shop.redis, tmp_path / "done")
    soon = replace(LIVE, max_age=timedelta(seconds=0.1))
    shop.until(Inspect("query_task", ids=(task_id,)), lambda answer: task_id in answer.frame["id"].tolist(), soon)
    (tmp_path / "done").touch()


def test_a_worker_that_is_asked_and_does_not_answer_is_named(shop: Shop) -> None:
    answer = shop.desk.ask(Inspect("ping", ("nobody@shop",)), LIVE, wait_seconds=60)
    assert [note.text for note in answer.notes] == ["nobody@shop did not answer", "No worker answered"]
    assert answer.frame.empty
    assert answer.failure is None


def test_a_viewer_who_waits_for_a_worker_that_is_not_there_does_not_hold_up_the_sampling(shop: Shop) -> None:
    fresh = replace(LIVE, max_age=timedelta(seconds=0.1))

    def sampled_meanwhile() -> bool:
        """Held up, there is a sample before and perhaps one at the end."""
        asking = threading.Thread(target=shop.desk.ask, args=(Inspect("clock", ("nobody@shop",)), fresh, 60))
        asking.start()
        measured = set()
        while asking.is_alive():
            answer = shop.desk.ask(Workers(), LIVE)
            if answer.failure is None:
                measured.add(answer.measured_at)
            time.sleep(0.05)
        return len(measured) > 2

    wait_until(sampled_meanwhile, "samples while it waits")


# --- over time --------------------------------------------------------------------------------------------------


def test_promql_over_a_frozen_range_is_exact(shop: Shop) -> None:
    scope = Scope(range=PAST, step=EVERY)
    answer = shop.desk.ask(PromQL("container_memory_usage_bytes"), scope, wait_seconds=60)
    assert answer.failure is None
    assert answer.frame["value"].tolist() == [200e6 + 1e5 * k for k in range(80, 121)]
    assert answer.window
    assert (answer.window.start, answer.window.end, answer.window.step) == (PAST.start, PAST.end, EVERY)
    assert answer.origin.startswith("Prometheus ")
    assert not answer.pending


def test_an_instant_is_taken_at_the_end_of_the_range(shop: Shop) -> None:
    answer = shop.desk.ask(PromQL("container_memory_usage_bytes", instant=True), Scope(range=PAST), wait_seconds=60)
    assert answer.frame["value"].tolist() == [200e6 + 1e5 * 120]
    assert answer.window is None


def test_a_signal_is_taken_from_the_exporter_and_says_how(shop: Shop) -> None:
    scope = Scope(range=PAST)
    throughput = shop.desk.ask(Signal("throughput", "name"), scope, wait_seconds=60)
    assert isinstance(throughput.query, PromQL)
    assert "celery_task_succeeded_total" in throughput.query.text
    assert throughput.units == {"value": "1/s"}
    assert set(throughput.frame["name"]) == {"shop.mail"}
    assert throughput.frame["value"].tolist() == pytest.approx([2.0] * len(throughput.frame))
    memory = shop.desk.ask(Signal("memory", "container"), scope, wait_seconds=60)
    assert set(memory.frame["container"]) == {"shop-1"}
    assert memory.units == {"value": "bytes"}


RECENT = Scope(range=Range(span=timedelta(seconds=10)))  # soon it is all recorded


def test_what_an_exporter_counts_in_part_is_taken_from_the_history_where_that_covers_the_window(shop: Shop) -> None:
    for name, by in (("depth", "queue"), ("depth", ""), ("busy_slots", "worker"), ("busy_slots", "")):
        shop.until(Signal(name, by), lambda answer: isinstance(answer.query, History), RECENT)
    depth = shop.until(Signal("depth", "queue", ("forgotten",)), lambda answer: not answer.frame.empty, RECENT)
    assert depth.query == History("depth", "queue", ("forgotten",))
    assert set(depth.frame["value"]) == {3.0}
    assert isinstance(shop.desk.ask(Signal("throughput"), RECENT, wait_seconds=60).query, PromQL)


@pytest.mark.parametrize(
    ("silences", "enough"),
    [
        ([], True),
        ([(0, 50)], True),
        ([(0, 51)], False),
        ([(0, 30), (35, 65), (70, 100)], False),  # each less than half, all together nearly the whole
        ([(0, 40), (10, 45), (5, 30)], True),  # what two tell of is silent once
        ([(-100, 30), (90, 300)], True),
        ([(-100, None)], False),
        ([(None, 60)], False),
    ],
)
def test_a_recording_covers_a_window_when_all_its_gaps_together_are_no_more_than_half(
    silences: list[tuple[int | None, int | None]], enough: bool
) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    moments = [[None if at is None else start + timedelta(seconds=at) for at in one] for one in silences]
    window = Window(start, start + timedelta(seconds=100), timedelta(seconds=5))
    notes = tuple(Note("silent", "gap", *one) for one in moments)
    one_value = pd.DataFrame({"time": [start], "value": [1.0]})
    answer = Answer(one_value, History("depth"), window=window, measured_at=window.end, notes=notes)
    assert covers(answer, window) == enough
    assert not covers(replace(answer, frame=one_value.iloc[:0]), window)
    assert not covers(replace(answer, measured_at=start + timedelta(seconds=40), notes=()), window)


def test_before_it_was_recorded_it_is_the_exporters_which_says_what_it_does_not_count(shop: Shop) -> None:
    before = Scope(range=PAST)
    for name, by, value, said in (
        ("depth", "queue", 1.0, "celery-exporter counts one of a queue's priorities on Redis"),
        ("busy_slots", "", 2.0, "celery-exporter keeps one number a host"),
    ):
        answer = shop.desk.ask(Signal(name, by), before, wait_seconds=60)
        assert isinstance(answer.query, PromQL)
        assert set(answer.frame["value"]) == {value}
        assert [note.text.startswith(said) for note in answer.notes if note.kind == "warning"] == [True]


def test_where_nothing_is_recorded_the_exporter_is_taken(shop: Shop) -> None:
    desk = unwatched({"CELERY_BROKER_URL": shop.redis.url, "PROMETHEUS_URL": shop.prometheus.url})
    desk.start()
    try:
        wait_until(lambda: not desk.ask(Signal("depth"), Scope(range=PAST)).frame.empty, "the exporter's depth")
        assert isinstance(desk.ask(Signal("depth"), Scope(range=PAST)).query, PromQL)
    finally:
        desk.stop()


def test_where_clusters_share_a_prometheus_and_no_labels_part_them_what_is_recorded_is_taken(
    shop: Shop, tmp_path: Path
) -> None:
    file = tmp_path / "clusters.toml"
    urls = f'celery_broker_url = "{shop.redis.url}"\nprometheus_url = "{shop.prometheus.url}"\n'
    file.write_text("".join(f'[clusters.{name}]\n{urls}alertmanager_url = ""\n' for name in ("shop", "mail")))
    with watching({"CELERY_NOTEBOOK_CONFIG": str(file)}) as desk:
        asked, scope = Signal("throughput"), replace(RECENT, cluster="shop")
        before = replace(scope, range=PAST)  # it was recorded
        wait_until(lambda: isinstance(desk.ask(asked, before).query, PromQL), "the exporter")
        wait_until(lambda: isinstance(desk.ask(asked, scope).query, History), "the history")


def test_what_the_exporter_does_not_give_is_taken_from_the_history(shop: Shop) -> None:
    answer = shop.until(Signal("slots"), lambda answer: not answer.frame.empty)
    assert answer.query == History("slots")
    assert answer.origin.startswith("History default-")
    assert set(answer.frame["value"]) == {2.0}


def test_what_prometheus_has_of_our_own_is_taken_from_the_history_and_the_rest_from_prometheus(
    shop: Shop, tmp_path: Path
) -> None:
    ours = {**TASK, "worker": "w1@shop", "recorder": "celery-notebook"}
    build = {"version": "0.1.0", "recorder": "celery-notebook"}
    samples = [1.0] * POINTS
    info = "# TYPE celery_notebook_build_info gauge\n" + series(
        "celery_notebook_build_info", build, samples, BEGAN, EVERY
    )
    ended = "# TYPE celery_task_succeeded counter\n" + series(
        "celery_task_succeeded_total", ours, samples, BEGAN, EVERY
    )
    with prometheus_with(info + ended + MEMORY, tmp_path) as copy:
        env = {"CELERY_BROKER_URL": shop.redis.url, "PROMETHEUS_URL": copy.url}
        with watching(env) as desk:
            wait_until(lambda: desk.ask(Sources(), LIVE).frame["state"].tolist() == ["ok"] * 4, "the sources")
            for name, by in (("throughput", "name"), ("depth", "queue"), ("busy_slots", "")):
                assert desk.ask(Signal(name, by), LIVE, wait_seconds=60).query == History(name, by)
            memory = desk.ask(Signal("memory", "container"), Scope(range=PAST), wait_seconds=60)
            assert isinstance(memory.query, PromQL)
            assert set(memory.frame["container"]) == {"shop-1"}


def test_before_the_first_sample_there_is_a_gap_and_it_is_said_where_it_ends(shop: Shop) -> None:
    hour = Scope(range=Range(span=timedelta(hours=1)))
    answer = shop.until(History("depth", "queue"), lambda answer: not answer.frame.empty, hour)
    (gap,) = [note for note in answer.notes if note.kind == "gap" and note.start is None]
    assert gap.end
    assert answer.frame["time"].min() >= gap.end - timedelta(seconds=10)


def test_without_a_prometheus_the_history_is_taken_and_what_is_missing_says_what_would_give_it(shop: Shop) -> None:
    with watching({"CELERY_BROKER_URL": shop.redis.url}) as desk:
        desk.ask(Workers(), LIVE, wait_seconds=60)
        assert desk.ask(Signal("throughput"), LIVE).query == History("throughput")
        memory = desk.ask(Signal("memory", "container"), LIVE)
        assert list(memory.frame.columns) == ["time", "container", "value"]
        assert not memory.pending
        assert memory.failure is None
        assert "cAdvisor" in memory.notes[0].text
        assert desk.ask(Sources(), LIVE).frame["state"].tolist()[2] == "off"
        failure = desk.ask(PromQL("up"), LIVE).failure
        assert failure
        assert (failure.kind, failure.parameter) == ("rejected", "source")


def test_a_prometheus_without_our_metrics_leaves_the_history_and_says_what_it_lacks(shop: Shop, tmp_path: Path) -> None:
    with Prometheus(tmp_path) as empty:
        env = {"CELERY_BROKER_URL": shop.redis.url, "PROMETHEUS_URL": empty.url}
        with watching(env) as desk:
            wait_until(lambda: desk.ask(Sources(), LIVE).frame["state"].tolist() == ["ok"] * 4, "the sources")
            assert desk.ask(Signal("throughput", "name"), LIVE).query == History("throughput", "name")
            memory = desk.ask(Signal("memory", "container"), LIVE, wait_seconds=60)
            assert isinstance(memory.query, PromQL)
            assert memory.frame.empty
            assert "cAdvisor" in memory.notes[-1].text


def test_with_a_prometheus_that_is_down_from_the_start_the_history_is_there_and_the_rest_is_a_failure(
    shop: Shop,
) -> None:
    env = {"CELERY_BROKER_URL": shop.redis.url, "PROMETHEUS_URL": f"http://127.0.0.1:{free_port()}"}
    with watching(env) as desk:
        wait_until(lambda: "failing" in desk.ask(Sources(), LIVE).frame["state"].tolist(), "the failure")
        desk.ask(Workers(), LIVE, wait_seconds=60)
        throughput = desk.ask(Signal("throughput"), LIVE)
        assert (throughput.query, throughput.failure) == (History("throughput"), None)
        memory = desk.ask(Signal("memory", "container"), LIVE).failure
        assert memory
        assert (memory.kind, memory.source) == ("unreachable", "Prometheus")


def test_all_cells_of_a_page_agree_on_the_window(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_sources.ask, "datetime", Clock)  # the moment that a page is drawn
    live = Scope(range=Range(span=timedelta(minutes=7)))  # that nobody has asked for at another time
    for scope in (live, replace(live, step=timedelta(seconds=7)), Scope(range=PAST)):
        window = shop.desk.window(scope)
        asked = (PromQL("vector(1)"), Signal("throughput", "queue"), Signal("slots"), History("depth", "queue"))
        assert {shop.desk.ask(query, scope, wait_seconds=60).window for query in asked} == {window}


def test_the_step_is_no_finer_than_the_samples_unless_it_is_asked_for(shop: Shop) -> None:
    narrow = Scope(range=Range(span=timedelta(seconds=60)))
    assert shop.desk.window(narrow).step == timedelta(seconds=5)  # as often as workers and queues are asked
    assert shop.desk.window(replace(narrow, step=timedelta(milliseconds=500))).step == timedelta(milliseconds=500)


# --- what cannot be answered ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "scope", "parameter"),
    [
        (PromQL("sum("), LIVE, "q"),
        (PromQL("up"), replace(LIVE, step=timedelta(milliseconds=1)), "step"),
        (Signal("throughput"), replace(LIVE, step=timedelta(milliseconds=1)), "step"),
        (History("throughput"), replace(LIVE, step=timedelta(milliseconds=1)), "step"),
        (History("memory", "container"), LIVE, "q"),
        (Signal("weather"), LIVE, "q"),
        (Signal("depth", "worker"), LIVE, "q"),
        (Workers(), replace(LIVE, cluster="nowhere"), "cluster"),
        (Depths(), replace(LIVE, cluster="nowhere"), "cluster"),
    ],
)
def test_a_question_that_cannot_be_asked_names_what_is_wrong_with_it(
    shop: Shop, query: Query, scope: Scope, parameter: str
) -> None:
    answer = shop.desk.ask(query, scope, wait_seconds=60)
    assert answer.failure
    assert (answer.failure.kind, answer.failure.parameter) == ("rejected", parameter)
    assert answer.frame.empty


@pytest.mark.parametrize(
    "query",
    [
        Workers(),
        Depths(),
        Sources(),
        Inspect("active"),
        Signal("depth", "queue"),
        PromQL("up"),
        Metrics(),
        LabelNames("up"),
        LabelValues("job"),
        Formatted("up"),
        Explained("sum(up)"),
        Library(),
        Tasks(),
        Facets(),
        Task("1"),
        Family("1"),
    ],
)
def test_a_refused_answer_has_its_promised_columns_too(shop: Shop, query: Query) -> None:
    refused = shop.desk.ask(query, replace(LIVE, cluster="nowhere"))
    assert list(refused.frame.columns) == list(blank_frame(query).columns)
    good = shop.desk.ask(query, LIVE, wait_seconds=60)
    assert set(refused.frame.columns) <= {*good.frame.columns, "value", "time"}


names = st.text(max_size=8)
queries = st.one_of(
    st.builds(PromQL, names, st.booleans()),
    *(st.builds(kind, names) for kind in (Formatted, Explained, LabelNames)),
    st.builds(LabelValues, names, names),
    *(st.just(kind()) for kind in (Metrics, Library)),
    st.builds(Inspect, st.sampled_from(METHODS) | names, st.tuples(names) | st.just(())),
    st.builds(Workers, st.tuples(names) | st.just(())),
    st.builds(Depths, st.tuples(names) | st.just(())),
    st.just(Sources()),
    st.builds(Signal, st.sampled_from([*SIGNALS]) | names, st.sampled_from(["", "name", "queue"]) | names),
    st.builds(History, st.sampled_from([*SIGNALS]) | names, st.sampled_from(["", "name", "queue"]) | names),
    st.builds(Tasks, st.builds(TaskFilter, search=names)),
    st.builds(Facets, st.builds(TaskFilter, search=names)),
    st.builds(Task, names),
    st.builds(Family, names),
)
moments = st.integers(0, 253_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
spans = st.timedeltas(timedelta(microseconds=1), timedelta(days=366))
ranges = st.builds(lambda span: Range(span=span), spans) | st.builds(
    lambda start, span: Range(start=start, end=start + span), moments, spans
)
scopes = st.builds(
    Scope,
    st.sampled_from(["default", "default", "default", "nowhere"]) | names,
    ranges,
    st.none() | st.timedeltas(timedelta(microseconds=1), timedelta(days=400)),
    st.timedeltas(timedelta(milliseconds=1), timedelta(days=1)),
)


@pytest.fixture(scope="module")
def deserted() -> Iterator[Desk]:
    """A desk at which nothing ever answers, and nothing is even sampled."""
    env = {
        "CELERY_BROKER_URL": f"redis://:S3cr3t@127.0.0.1:{free_port()}/0",
        "PROMETHEUS_URL": f"http://user:S3cr3t@127.0.0.1:{free_port()}",
    }
    desk = unwatched(env)
    yield desk
    desk.stop()


@given(queries, scopes)
@hypothesis_settings(max_examples=200)
def test_asking_never_raises(deserted: Desk, query: Query, scope: Scope) -> None:
    answer = deserted.ask(query, scope)
    assert answer.frame.empty or isinstance(query, Sources)
    assert "S3cr3t" not in repr(answer)


@pytest.mark.parametrize(
    "query", [Workers(), Depths(), Sources(), History("depth", "queue"), Signal("memory", "container")]
)
def test_before_the_first_sample_an_answer_is_pending_and_has_its_columns(deserted: Desk, query: Query) -> None:
    answer = deserted.ask(query, LIVE)
    assert answer.pending or answer.failure is not None  # which may be known already, of a history that is not there
    assert list(answer.frame.columns) == list(blank_frame(query).columns)
