"""The named queries, asked of a real Prometheus whose samples are known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.prometheus.client import PrometheusClient
from data_sources.prometheus.promql import (
    BUILD_INFO,
    FAMILIES,
    Family,
    detect,
    doubts,
    missing,
    rate_window,
    signal,
)
from data_sources.prometheus.selectors import any_of, quote, selector
from data_sources.prometheus.whose import ANYBODY, Whose
from data_sources.query import SIGNALS
from tests.blocks import client_of, series

START = datetime(2026, 1, 5, tzinfo=UTC)
NOW = START + timedelta(minutes=10)
EVERY = timedelta(seconds=15)
WINDOW = timedelta(minutes=4)
UNITS = {"throughput": "1/s", "failures": "1/s", "memory": "bytes", "memory_limit": "bytes", "received": "bytes"}

HOSTILE = 'say "hi"\\ $1 {a=~".*"}'
REPLICAS = ({"job": "a", "instance": "one:9808"}, {"job": "b", "instance": "two:9808", "pod": "exporter-2"})

# finished tasks in 15 s by name, host, queue and exception ("" succeeded)
DONE = (
    ("mail", "h1", "celery", "", 6),
    ("mail", "h1", "celery", "ValueError", 3),
    ("mail", "h2", "celery", "", 3),
    ("broken", "h2", "slow", "KeyError", 3),
    ("broken", "h2", "slow", "", 0),
    (HOSTILE, "h1", 'q"\\', "", 15),
)


def counter(metric: str, labels: dict[str, str], each: int) -> str:
    """40 samples from 1,000 on: a counter that begins near 0 is not extrapolated before its beginning."""
    return series(metric, labels, [1000 + each * n for n in range(41)], START, EVERY)


def gauge(metric: str, labels: dict[str, str], value: float) -> str:
    return series(metric, labels, [value] * 41, START, EVERY)


def celery_tasks(more: dict[str, str], scale: int = 1) -> dict[bool, str]:
    """Samples of the succeeded and (True) of the failed tasks, as celery-exporter gives them."""
    lines = {False: "", True: ""}
    for name, host, queue, exception, each in DONE:
        labels = {"name": name, "hostname": host, "queue_name": queue, **more}
        metric = f"celery_task_{'failed' if exception else 'succeeded'}_total"
        lines[bool(exception)] += counter(
            metric, {**labels, "exception": exception} if exception else labels, each * scale
        )
    return lines


def flower_events(more: dict[str, str]) -> str:
    return "".join(
        counter(
            "flower_events_total",
            {"task": name, "worker": f"celery@{host}", "type": kind, **more},
            sum(each for n, h, _, e, each in DONE if (n, h, bool(e)) == (name, host, failed)),
        )
        for name, host in sorted({(name, host) for name, host, *_ in DONE})
        for kind, failed in (("task-succeeded", False), ("task-failed", True), ("task-received", False))
        if any((n, h, bool(e)) == (name, host, failed) for n, h, _, e, _ in DONE)
    )


def samples() -> str:
    """Two replicas of celery-exporter, two of Flower, and our recorder, which counts ten times as much."""
    told = [celery_tasks(replica) for replica in REPLICAS]
    told.append(celery_tasks({"recorder": "celery-notebook", "job": "notebook"}, scale=10))
    docker = {"id": f"/docker/{'3f9a' * 16}", "name": "mailer", "image": "app"}
    pod = {"id": f"/kubepods/pod1/{'7b01' * 16}", "namespace": "prod", "image": "app"}
    lines = [*(one[False] for one in told), *(one[True] for one in told), *(flower_events(more) for more in REPLICAS)]
    for replica in REPLICAS:
        lines += [
            gauge("celery_queue_length", {"queue_name": queue, **replica}, n) for queue, n in (("mail", 7), ("slow", 2))
        ]
    for host, active in (("h1", 3), ("h2", 4), ("dead", 9)):
        lines += [gauge("celery_worker_tasks_active", {"hostname": host, **replica}, active) for replica in REPLICAS]
    for host, up in (("h1", 1), ("h2", 1), ("dead", 0)):
        lines += [gauge("celery_worker_up", {"hostname": host, **replica}, up) for replica in REPLICAS]
    flower = "flower_worker_number_of_currently_executing_tasks"
    lines += [
        gauge(flower, {"worker": f"celery@{host}", "job": "f"}, n) for host, n in (("h1", 3), ("h2", 4), ("dead", 9))
    ]
    lines += [
        gauge("flower_worker_online", {"worker": f"celery@{host}", "job": "f"}, n)
        for host, n in (("h1", 1), ("dead", 0))
    ]
    memory = "container_memory_usage_bytes"
    lines += [gauge(memory, {**docker, "job": job}, 5e8) for job in ("cadvisor", "again")]
    lines.append(gauge(memory, {"id": "/system.slice"}, 9e9))
    lines.append(gauge(memory, {"id": f"/system.slice/docker-{'c0de' * 16}.scope", "name": "beat"}, 2e8))
    lines.append(gauge(memory, {"id": f"/docker/{'ab12' * 16}/init"}, 1e8))
    lines += [
        gauge(memory, {**pod, "name": name, "pod": "w-1", "container": name}, n)
        for name, n in (("worker", 3e8), ("POD", 1e6))
    ]
    lines.append(gauge(memory, {**pod, "pod": "w-1", "name": "", "container": ""}, 3.01e8))
    limit = "container_spec_memory_limit_bytes"
    lines.append(gauge(limit, docker, 1e9))
    lines += [gauge(limit, {**docker, "name": name}, n) for name, n in (("free", 0), ("vast", 1.8446744073709552e19))]
    return "".join(lines)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusClient]:
    with client_of(samples(), tmp_path_factory.mktemp("promql")) as client:
        yield client


def ask(
    client: PrometheusClient, name: str, by: str, family: Family, whose: Whose = ANYBODY, of: tuple[str, ...] = ()
) -> dict[str, float]:
    """The measurement's values at NOW by label; {"": total}."""
    named = signal(name, by, family, WINDOW, whose, of)
    assert named
    frame = client.query(named.text, NOW, labels=named.labels).frame
    assert list(frame.columns) == ["time", *named.labels, "value"]
    keys = frame[by] if by else [""] * len(frame)
    return {str(key): round(value, 9) for key, value in zip(keys, frame["value"], strict=True)}


@pytest.mark.parametrize(
    ("name", "by", "expected"),
    [
        ("throughput", "name", {"mail": 0.8, "broken": 0.2, HOSTILE: 1.0}),
        ("throughput", "queue", {"celery": 0.8, "slow": 0.2, 'q"\\': 1.0}),
        ("throughput", "worker", {"h1": 1.6, "h2": 0.4}),
        ("throughput", "", {"": 2.0}),
        ("failures", "name", {"mail": 0.2, "broken": 0.2}),
        ("failures", "queue", {"celery": 0.2, "slow": 0.2}),
        ("failures", "worker", {"h1": 0.2, "h2": 0.2}),
        ("failures", "", {"": 0.4}),
        ("depth", "queue", {"mail": 7, "slow": 2}),
        ("depth", "", {"": 9}),
        ("busy_slots", "worker", {"h1": 3, "h2": 4}),
        ("busy_slots", "", {"": 7}),
    ],
)
def test_two_exporters_of_the_same_tasks_are_counted_once(
    prometheus: PrometheusClient, name: str, by: str, expected: dict[str, float]
) -> None:
    assert ask(prometheus, name, by, "celery-exporter") == expected


@pytest.mark.parametrize(
    ("name", "by", "expected"),
    [
        ("throughput", "worker", {"celery@h1": 1.6, "celery@h2": 0.4}),
        ("failures", "worker", {"celery@h1": 0.2, "celery@h2": 0.2}),
        ("busy_slots", "worker", {"celery@h1": 3, "celery@h2": 4}),
        ("busy_slots", "", {"": 7}),
    ],
)
def test_flower_names_workers_in_full(
    prometheus: PrometheusClient, name: str, by: str, expected: dict[str, float]
) -> None:
    assert ask(prometheus, name, by, "flower") == expected


@pytest.mark.parametrize(("name", "by"), [(name, by) for name in ("throughput", "failures") for by in ("name", "")])
def test_flower_and_celery_exporter_give_the_same_numbers(prometheus: PrometheusClient, name: str, by: str) -> None:
    assert ask(prometheus, name, by, "flower") == ask(prometheus, name, by, "celery-exporter")


def test_the_recorder_is_read_alone_though_it_shares_celery_exporters_names(prometheus: PrometheusClient) -> None:
    assert ask(prometheus, "throughput", "name", "recorder") == {"mail": 8.0, "broken": 2.0, HOSTILE: 10.0}


def test_the_recorder_tells_workers_apart_and_clusters_when_it_has_several() -> None:
    named = signal("busy_slots", "worker", "recorder", WINDOW, Whose((("namespace", "shop"),), cluster=HOSTILE))

    assert named
    whose = f'{{recorder="celery-notebook", cluster={quote(HOSTILE)}}}'
    active = f"celery_worker_tasks_active{whose} unless celery_worker_up{whose} == 0"
    assert named.text == f"sum by (worker) (\n  max without (job, instance, pod) ({active})\n)"


@pytest.mark.parametrize("family", ["celery-exporter", "flower"])
def test_a_cluster_is_asked_for_by_its_labels_and_a_measurement_by_several_names(
    prometheus: PrometheusClient, family: Family
) -> None:
    one, none = Whose((("job", "a"), ("instance", "one:9808"))), Whose((("job", 'a"} or up{job="b'),))
    assert ask(prometheus, "failures", "name", family, one) == {"mail": 0.2, "broken": 0.2}
    assert ask(prometheus, "failures", "name", family, none) == {}
    assert ask(prometheus, "throughput", "name", family, one, ("mail", HOSTILE)) == {"mail": 0.8, HOSTILE: 1.0}
    assert ask(prometheus, "throughput", "name", family, ANYBODY, (HOSTILE,)) == {HOSTILE: 1.0}
    assert ask(prometheus, "memory", "container", family, Whose((("namespace", "prod"),))) == {"prod/w-1/worker": 3e8}


def test_celery_exporter_cannot_be_asked_for_a_worker_by_name() -> None:
    assert signal("throughput", "worker", "celery-exporter", WINDOW, of=("w1@h1",)) is None
    assert signal("throughput", "worker", "flower", WINDOW, of=("w1@h1",))


def test_what_an_exporter_does_not_count_is_said() -> None:
    def said(name: str, family: Family, transport: str, whose: Whose = ANYBODY) -> list[str]:
        return [note.text.split(";")[0].split(",")[0] for note in doubts(name, family, transport, whose)]

    priorities = "celery-exporter counts one of a queue's priorities on Redis"
    assert said("depth", "celery-exporter", "redis") == [priorities]
    assert said("depth", "celery-exporter", "amqp") == []
    assert said("busy_slots", "celery-exporter", "amqp") == ["celery-exporter keeps one number a host"]
    assert said("busy_slots", "flower", "redis") == said("throughput", "celery-exporter", "redis") == []
    assert said("memory", "none", "redis", Whose(mixed=True)) == ["Several clusters share this Prometheus"]


@pytest.mark.parametrize("family", FAMILIES)
def test_container_memory_is_known_whatever_counts_the_tasks(prometheus: PrometheusClient, family: Family) -> None:
    assert ask(prometheus, "memory", "container", family) == {"mailer": 5e8, "beat": 2e8, "prod/w-1/worker": 3e8}
    assert ask(prometheus, "memory", "hostname", family) == {"3f9a3f9a3f9a": 5e8, "c0dec0dec0de": 2e8}
    assert ask(prometheus, "memory_limit", "container", family) == {"mailer": 1e9}  # 0 and 2**64 are no limits


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("name", "by"), [(name, by) for name, bys in SIGNALS.items() for by in bys])
def test_every_named_query_has_its_unit_its_advice_and_exactly_its_labels(
    prometheus: PrometheusClient, name: str, by: str, family: Family
) -> None:
    named = signal(name, by, family, WINDOW)
    if named is None:
        assert missing(name)
        return
    assert named.labels == ((by,) if by else ())
    assert named.unit == UNITS.get(name, "")
    assert named.advice.endswith(".")
    result = prometheus.query(named.text, NOW)
    assert result.warnings == ()
    assert set(result.frame.columns) <= {"time", by, "value"}


@pytest.mark.parametrize(
    ("name", "by", "family"),
    [
        ("throughput", "name", "none"),
        ("throughput", "queue", "flower"),
        ("depth", "queue", "flower"),
        ("depth", "worker", "celery-exporter"),
        ("unacked", "queue", "celery-exporter"),
        ("slots", "worker", "celery-exporter"),
        ("memory", "", "celery-exporter"),
    ],
)
def test_what_a_family_cannot_give_is_not_made_up(name: str, by: str, family: Family) -> None:
    assert signal(name, by, family, WINDOW) is None


def test_a_query_reads_well_when_it_is_taken() -> None:
    named = signal("throughput", "queue", "celery-exporter", timedelta(minutes=5))
    assert named
    assert named.text == (
        """\
sum by (queue) (
  label_join(
    label_replace(
      max without (job, instance, pod) (rate(celery_task_succeeded_total{recorder=""}[5m])),
      "state", "SUCCESS", "", ""
    )
    or
    label_replace(
      max without (job, instance, pod) (rate(celery_task_failed_total{recorder=""}[5m])),
      "state", "FAILURE", "", ""
    ),
    "queue", "", "queue_name"
  )
)"""
    )


@pytest.mark.parametrize(
    ("names", "family"),
    [
        ([], "none"),
        (["up", "celery_something"], "none"),
        (["flower_events_total"], "flower"),
        (["celery_worker_up"], "celery-exporter"),
        (["celery_task_received_total", "flower_events_total"], "celery-exporter"),
        (["flower_events_total", "celery_worker_up", BUILD_INFO], "recorder"),
    ],
)
def test_a_family_is_known_by_telling_names(names: list[str], family: Family) -> None:
    assert detect(names) == family


@pytest.mark.parametrize(
    ("step", "scrape_interval", "expected"),
    [
        (timedelta(seconds=15), timedelta(seconds=15), timedelta(minutes=1)),
        (timedelta(minutes=10), timedelta(seconds=15), timedelta(minutes=10)),
        (timedelta(seconds=2), None, timedelta(minutes=4)),
        (timedelta(seconds=0.5), timedelta(seconds=0.3), timedelta(seconds=2)),
    ],
)
def test_a_rate_spans_four_scrapes_and_a_step(
    step: timedelta, scrape_interval: timedelta | None, expected: timedelta
) -> None:
    assert rate_window(step, scrape_interval) == expected


characters = st.characters(exclude_categories=["Cs"])


@settings(max_examples=50)
@given(st.text(characters, max_size=20))
def test_prometheus_reads_a_quoted_text_as_it_was(prometheus: PrometheusClient, text: str) -> None:
    assert list(prometheus.query(quote(text), NOW).frame["value"]) == [text]


@settings(max_examples=50)
@given(st.text(characters, min_size=1, max_size=20), st.text(characters, min_size=1, max_size=20))
def test_a_regular_expression_of_names_matches_those_and_no_other(
    prometheus: PrometheusClient, text: str, other: str
) -> None:
    matching = f"label_replace(vector(1), 'a', {quote(text.replace('$', '$$'))}, '', '')"
    # a matcher selects stored series alone; label_replace matches its source in the same way, at both ends
    asked = f"label_replace({matching}, 'found', 'yes', 'a', {any_of([text, other])})"
    assert list(prometheus.query(asked, NOW).frame["found"]) == ["yes"]
    if text != other:
        assert "found" not in prometheus.query(asked.replace(any_of([text, other]), any_of([other])), NOW).frame


def test_names_from_outside_select_just_their_series(prometheus: PrometheusClient) -> None:
    for matcher in (f"={quote(HOSTILE)}", f"=~{any_of([HOSTILE, 'no|such.*'])}"):
        frame = prometheus.query(f"celery_task_succeeded_total{{recorder='', name{matcher}}}", NOW).frame
        assert list(frame["name"]) == [HOSTILE, HOSTILE]
    assert prometheus.query(f"celery_task_succeeded_total{{name=~{any_of(['.*'])}}}", NOW).frame.empty


def label_sets(client: PrometheusClient, text: str) -> list[dict[str, str]]:
    rows = client.query(text, NOW).frame.drop(columns=["time", "value"]).to_dict("records")
    return [{str(label): text for label, text in row.items() if isinstance(text, str)} for row in rows]


def test_a_selector_finds_the_series_it_names(prometheus: PrometheusClient) -> None:
    every = label_sets(prometheus, "{__name__=~'celery_task_.*|container_.*'}")
    assert len(every) == 29
    for labels in every:
        assert labels in label_sets(prometheus, selector(labels))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, "{}"),
        ({"__name__": "up"}, "up"),
        ({"b": "2", "__name__": "job:up:sum", "a": '1"\n'}, 'job:up:sum{a="1\\"\\n",b="2"}'),
        ({"__name__": "my.metric", "my.label": "x"}, '{"my.metric","my.label"="x"}'),
    ],
)
def test_selectors(labels: dict[str, str], expected: str) -> None:
    assert selector(labels) == expected
