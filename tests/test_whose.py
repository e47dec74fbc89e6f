"""Two clusters on one Prometheus: whose series a page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data_sources import settings
from data_sources.answer import Answer
from data_sources.ask import Desk
from data_sources.config import Cluster, HttpEndpoint
from data_sources.prometheus.named_queries.answer import library
from data_sources.prometheus.whose import SHARED, Whose
from data_sources.promql_query import Library
from data_sources.query import PromQL, Query, Signal
from data_sources.scope import Range, Scope
from demo.servers import Prometheus, free_port, wait_until
from tests.blocks import prometheus_with, series

EVERY = timedelta(seconds=15)
POINTS = 60
BEGAN = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=30)
SCOPE = Scope("shop", Range(start=BEGAN + timedelta(minutes=5), end=BEGAN + timedelta(minutes=10)))
SHOP, MAIL = {"namespace": "shop", "job": "celery"}, {"namespace": "mail", "job": "celery"}
LABELS = 'prometheus.labels = {{ namespace = "{name}" }}'


def counted(metric: str, labels: dict[str, str], each: int) -> str:
    return series(metric, labels, [float(1000 + each * place) for place in range(POINTS)], BEGAN, EVERY)


# The shop has celery-exporter, which counts 2 tasks a second, mail has it too and counts 10; and a container each.
SAMPLES = "".join(
    (
        "# TYPE celery_task_succeeded counter\n",
        counted("celery_task_succeeded_total", {"name": "send", "hostname": "a", **SHOP}, 30),
        counted("celery_task_succeeded_total", {"name": "send", "hostname": "b", **MAIL}, 150),
        "# TYPE celery_worker_up gauge\n",
        *(counted("celery_worker_up", {"hostname": "a", **labels}, 0) for labels in (SHOP, MAIL)),
        "# TYPE container_memory_usage_bytes gauge\n",
        *(
            counted("container_memory_usage_bytes", {"pod": "w-1", "container": "worker", **labels}, 0)
            for labels in (SHOP, MAIL)
        ),
        "# TYPE node_load5 gauge\n",
        counted("node_load5", {"instance": "host:9100"}, 0),
    )
)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with prometheus_with(SAMPLES, tmp_path_factory.mktemp("shared")) as server:
        yield server


@contextmanager
def desk_of(prometheus: Prometheus, folder: Path, labels: str) -> Iterator[Desk]:
    """A desk of `shop` and `mail` on that Prometheus, where nothing is recorded."""
    file = folder / "clusters.toml"
    off = {"alertmanager": "", "rabbitmq_management": ""}
    tables = [
        f'[clusters.{name}]\ncelery_broker_url = "redis://127.0.0.1:{free_port()}"\n'
        f'prometheus.url = "{prometheus.url}"\n{labels.format(name=name)}\n'
        + "".join(f'{api}_url = "{url}"\n' for api, url in off.items())
        for name in ("shop", "mail")
    ]
    file.write_text(f'history_url = "sqlite://{folder}"\n' + "\n".join(tables))
    desk = Desk(settings.load({}, file))
    desk.start()
    try:
        yield desk
    finally:
        desk.stop()


def told(desk: Desk, query: Query, scope: Scope = SCOPE) -> Answer:
    wait_until(lambda: not desk.ask(query, scope).frame.empty, f"{query}")
    return desk.ask(query, scope)


def test_a_cluster_shows_the_series_with_its_labels_and_no_others(prometheus: Prometheus, tmp_path: Path) -> None:
    with desk_of(prometheus, tmp_path, LABELS) as desk:
        for name, rate in (("shop", 2.0), ("mail", 10.0)):
            scope = replace(SCOPE, cluster=name)
            throughput = told(desk, Signal("throughput", "name"), scope)
            assert throughput.frame["value"].tolist() == pytest.approx([rate] * len(throughput.frame))
            assert [note.text for note in throughput.notes if note.kind == "warning"] == []
            assert set(told(desk, Signal("memory", "container"), scope).frame["container"]) == {f"{name}/w-1/worker"}
        every = told(desk, PromQL("container_memory_usage_bytes"))
        assert set(every.frame["namespace"]) == {"shop", "mail"}  # what a person asks is asked as it stands


def test_what_is_not_there_with_these_labels_is_named_with_them(prometheus: Prometheus, tmp_path: Path) -> None:
    with desk_of(prometheus, tmp_path, 'prometheus.labels = {{ namespace = "{name}s" }}') as desk:
        query = Signal("memory", "container")
        wait_until(lambda: desk.ask(query, SCOPE).notes != (), "the note")
        [note] = desk.ask(query, SCOPE).notes
        assert (note.kind, 'no memory with namespace="shops"' in note.text) == ("absent", True)


def test_clusters_that_nothing_tells_apart_are_said_to_be_mixed(prometheus: Prometheus, tmp_path: Path) -> None:
    with desk_of(prometheus, tmp_path, "") as desk:
        throughput = told(desk, Signal("throughput"))
        assert throughput.frame["value"].tolist() == pytest.approx([12.0] * len(throughput.frame))
        [note] = [note.text for note in throughput.notes if note.kind == "warning"]
        assert "Several clusters share this Prometheus" in note
        assert note in [one.text for one in told(desk, Library()).notes]
        assert "PROMETHEUS_LABELS" in note


def test_the_library_asks_for_the_clusters_own_and_for_all_hosts(prometheus: Prometheus, tmp_path: Path) -> None:
    with desk_of(prometheus, tmp_path, LABELS) as desk:
        rows = told(desk, Library()).frame
        there = rows[rows["there"]]
        assert {"celery-exporter", "cAdvisor", "node-exporter"} <= {*there["family"]}
        memory = there[(there["family"] == "cAdvisor") & (there["name"] == "memory")]["query"].item()
        answer = told(desk, PromQL(memory))
        assert set(answer.frame["container"]) == {"shop/w-1/worker"}
        assert answer.units == {"value": "bytes"}


def test_every_selector_of_the_library_says_whose_series_it_wants() -> None:
    whose = Whose((("namespace", 'a "shop"'),), "shop")
    for one in library(whose):
        own = whose.matchers(one.family)
        metrics = re.findall(r"\b(?:celery|flower|container|node)_\w+", one.text)
        assert metrics or one.family in SHARED
        for matcher in own:
            assert one.text.count(matcher) == len(metrics)
        assert bool(own) != (one.family in SHARED)


@pytest.mark.parametrize(
    ("own", "others", "mixed"),
    [
        ({}, {}, True),
        ({"namespace": "shop"}, {}, False),
        ({}, {"namespace": "mail"}, True),
        ({"namespace": "shop"}, {"namespace": "mail"}, False),
        ({"namespace": "shop"}, {"namespace": "shop"}, True),
    ],
)
def test_clusters_are_mixed_where_labels_do_not_part_them(
    own: dict[str, str], others: dict[str, str], mixed: bool
) -> None:
    prom = HttpEndpoint("http://prom")
    shop = Cluster("shop", prometheus=prom, prometheus_labels=own)
    mail = Cluster("mail", prometheus=prom, prometheus_labels=others)
    assert Whose.of(shop, [shop, mail]).mixed is mixed
    assert Whose.of(shop, [shop, replace(mail, prometheus=HttpEndpoint("http://other"))]).mixed is False
    assert Whose.of(shop, [shop]) == Whose(tuple(own.items()))
