"""What there is to ask, asked of a real Prometheus: metrics, labels, the library, and where series go missing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from data_sources.config import HttpEndpoint
from data_sources.errors import QueryRejected, SourceError
from data_sources.prometheus.answers import COLUMNS, MOST_VALUES, about_answer, meaning, one_column, values_answer
from data_sources.prometheus.client import BuildInfo, Metadata, PrometheusClient
from data_sources.prometheus.explained import MOST_PARTS
from data_sources.prometheus.named_queries.answer import GIVEN_BY, LIBRARY_COLUMNS, library
from data_sources.prometheus.promql import FAMILIES
from data_sources.prometheus.tree import prettified
from data_sources.promql_query import Explained, Formatted, LabelNames, LabelValues, Library, Metrics, OfPrometheus
from data_sources.query import PromQL
from data_sources.scope import Window
from tests.blocks import prometheus_with, series

START = datetime(2026, 1, 5, tzinfo=UTC)
EVERY = timedelta(seconds=15)
WINDOW = Window(START, START + timedelta(minutes=10), EVERY)
AFTER = Window(START + timedelta(days=2), START + timedelta(days=2, minutes=10), EVERY)
SECONDS = 30.0


def counter(metric: str, **labels: str) -> str:
    return series(metric, labels, [10.0 * k for k in range(41)], START, EVERY)


SAMPLES = "".join(
    [
        "# HELP celery_task_failed Tasks that failed.\n# TYPE celery_task_failed counter\n",
        counter("celery_task_failed_total", name="mail", queue_name="q1", hostname="h1", exception="KeyError"),
        "# TYPE celery_task_succeeded counter\n",
        counter("celery_task_succeeded_total", name="mail", queue_name="q1", hostname="h1"),
        counter("celery_task_succeeded_total", name="<b>report</b>", queue_name="q2", hostname="h2"),
        "# TYPE celery_queue_length gauge\n",
        counter("celery_queue_length", queue_name="q1", recorder="celery-notebook"),
    ]
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusClient]:
    with prometheus_with(SAMPLES, tmp_path_factory.mktemp("prometheus")) as server:
        client = PrometheusClient(HttpEndpoint(server.url))
        yield client
        client.close()


def rows(client: PrometheusClient, query: OfPrometheus, window: Window = WINDOW) -> list[tuple[object, ...]]:
    frame = about_answer(client, query, window, SECONDS).frame
    assert list(frame.columns) == list(COLUMNS[type(query)])
    return list(frame.astype(object).itertuples(index=False, name=None))


def explained(client: PrometheusClient, text: str) -> dict[str, tuple[int | None, list[str], str]]:
    """Of each part its series, the labels that vanish in it, and what is said of it."""
    frame = about_answer(client, Explained(text), WINDOW, SECONDS).frame
    told = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return {row["part"]: (row["series"], row["lost"], row["says"]) for row in told}


def test_metrics_labels_and_values_are_those_of_the_range(client: PrometheusClient) -> None:
    assert [row[0] for row in rows(client, Metrics())] == [
        "celery_queue_length", "celery_task_failed_total", "celery_task_succeeded_total",
    ]  # fmt: skip
    assert rows(client, Metrics(), AFTER) == []
    assert rows(client, LabelNames("celery_queue_length")) == [("__name__",), ("queue_name",), ("recorder",)]
    assert ("exception",) in rows(client, LabelNames())
    assert rows(client, LabelValues("name")) == [("<b>report</b>",), ("mail",)]
    assert rows(client, LabelValues("name", 'celery_task_succeeded_total{queue_name="q1"}')) == [("mail",)]
    assert rows(client, LabelValues("no_such_label")) == []


def test_what_is_said_of_a_metric_is_found_without_the_endings_of_its_samples() -> None:
    told = {"a": Metadata("histogram", "A.", "s"), "b_total": Metadata("counter", "B.", "")}
    assert [meaning(name, told).help for name in ("a_bucket", "a_sum", "a", "b_total", "c_total")] == [
        "A.", "A.", "A.", "B.", "",
    ]  # fmt: skip


def test_a_list_that_is_cut_says_so() -> None:
    frame, notes = one_column("value", map(str, range(MOST_VALUES + 1)), MOST_VALUES)
    assert (len(frame), [note.kind for note in notes]) == (MOST_VALUES, ["cut"])


def test_prometheus_lays_an_expression_out_itself_and_refuses_with_a_place(client: PrometheusClient) -> None:
    assert rows(client, Formatted("sum(rate(a[5m]))by(b)")) == [("sum by (b) (rate(a[5m]))",)]
    assert prettified("sum(rate(a[5m]))by(b)") == "sum by (b) (rate(a[5m]))"
    for query in (Formatted("sum("), Explained("sum(")):
        with pytest.raises(QueryRejected, match="1:5: parse error") as error:
            about_answer(client, query, WINDOW, SECONDS)
        assert error.value.parameter == "q"


def test_what_a_query_cost_is_told_as_the_server_tells_it(client: PrometheusClient) -> None:
    for query in (PromQL("celery_queue_length"), PromQL("celery_queue_length", instant=True)):
        answer = values_answer(client, query, WINDOW, SECONDS, None)
        assert answer.totals["samples"] == (41 if not query.instant else 1)
        assert {"peak", "microseconds"} < answer.totals.keys()


def test_it_shows_where_labels_vanish(client: PrometheusClient) -> None:
    assert explained(client, "sum by (name) (rate(celery_task_succeeded_total[5m]))") == {
        "sum by (name) (rate(celery_task_succeeded_total[5m]))": (2, ["hostname", "queue_name"], ""),
        "rate(celery_task_succeeded_total[5m])": (2, [], ""),
        "celery_task_succeeded_total[5m]": (2, [], ""),
    }


@pytest.mark.parametrize(
    ("text", "part", "says"),
    [
        (
            'rate(celery_task_succeeded_total{name="nope",queue_name="q1"}[5m])',
            'celery_task_succeeded_total{name="nope",queue_name="q1"}[5m]',
            'no series has name="nope"; 2 have another',
        ),
        (
            'celery_task_succeeded_total{hostname="h2",queue_name="q1"}',
            'celery_task_succeeded_total{hostname="h2",queue_name="q1"}',
            "each matcher finds some, no series fits them all",
        ),
        ("celery_task_succeded_total + 1", "celery_task_succeded_total", "there is no such metric at this moment"),
        ("celery_queue_length > 1e9", "celery_queue_length > 1000000000", "nothing of what comes in passes"),
        (
            "celery_task_failed_total / celery_task_succeeded_total",
            "celery_task_failed_total / celery_task_succeeded_total",
            "no series of both sides match; the left alone has exception",
        ),
    ],
)
def test_it_says_why_nothing_is_found(client: PrometheusClient, text: str, part: str, says: str) -> None:
    told = explained(client, text)
    assert told[part] == (0, [], says)
    assert [one for one, (_, _, said) in told.items() if said] == [part]


def test_numbers_are_not_counted_and_many_parts_are_cut(client: PrometheusClient) -> None:
    assert explained(client, "time() - 3") == {"time() - 3": (None, [], ""), "time()": (None, [], "")}
    answer = about_answer(client, Explained("+".join(["celery_queue_length"] * 40)), WINDOW, SECONDS)
    assert (len(answer.frame), [note.kind for note in answer.notes]) == (MOST_PARTS, ["cut"])


def test_a_part_for_which_no_time_is_left_is_not_known(
    client: PrometheusClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_sources.prometheus.explained.LEAST_SECONDS", 60.0)
    answer = about_answer(client, Explained("celery_queue_length + 1"), WINDOW, 59.0)
    assert answer.frame["series"].isna().all()
    assert set(answer.frame["says"]) == {"not asked: no time was left"}


def test_the_library_knows_what_is_there_and_whose_it_is(client: PrometheusClient) -> None:
    there = {(row[0], row[1]) for row in rows(client, Library()) if row[list(LIBRARY_COLUMNS).index("there")]}
    assert ("celery-exporter", "throughput_by_name") in there
    assert ("recorder", "depth_by_queue") in there
    assert ("recorder", "throughput_by_name") not in there  # those series are celery-exporter's
    assert {family for family, _ in there} == {"celery-exporter", "recorder"}
    assert len(rows(client, Library())) == len(library())


def test_every_query_of_the_library_is_one(client: PrometheusClient) -> None:
    assert len({(one.family, one.name) for one in library()}) == len(library())
    assert {one.family for one in library()} == GIVEN_BY.keys()
    assert {*FAMILIES} - {"none"} < GIVEN_BY.keys()
    for one in library():
        assert one.needs in one.text
        assert one.advice.endswith(".")
        values_answer(client, PromQL(one.text), WINDOW, SECONDS, None)
        assert prettified(one.text)


def test_an_engine_without_metadata_still_tells_its_metrics(
    client: PrometheusClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> dict[str, Metadata]:
        raise SourceError("Prometheus", "keeps none")

    monkeypatch.setattr(client, "metadata", none)
    answer = about_answer(client, Metrics(), WINDOW, SECONDS)
    assert len(answer.frame) == 3
    assert [note.text for note in answer.notes] == ["What each metric means is not known: keeps none"]
    assert str(BuildInfo("Prometheus", "")) in answer.origin
