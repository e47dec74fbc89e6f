"""/metrics, as the route and the recorder's own server give it, and as a real Prometheus takes it."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery import Celery
from starlette.requests import Request

import data_sources.ask
from data_sources.config import HttpEndpoint
from data_sources.errors import ConfigError, SourceUnreachable
from data_sources.events.celery_events import TaskEvent
from data_sources.failure import Failure
from data_sources.history.task_record import TaskRecord
from data_sources.latest import Row, depths_to_json, failure_to_json, workers_to_json
from data_sources.microseconds import microseconds
from data_sources.prometheus.client import PrometheusClient
from data_sources.prometheus.promql import signal
from data_sources.prometheus.whose import Whose
from data_sources.workers.worker_rows import WorkersReading
from demo.servers import Dashboard, Process, Prometheus, Redis, accepts, free_port, wait_until
from recorder.metrics import LatestReader, Recorders, exposition, host_and_port, known, serve
from routes import metrics
from tests.test_exposition import NOW, SECOND, counters, depths, of, samples, state
from tests.test_exposition import worker as worker_row
from tests.watching import NOTHING, ROOT, worker

EVERY = timedelta(seconds=1)  # between two scrapes
WINDOW = 4 * EVERY


class Rows:
    """A history's `latest`, as a test lays it out, written `seconds_ago`."""

    def __init__(self, at: datetime, seconds_ago: float = 1, failure: str | None = None) -> None:
        self.measured_us = microseconds(at) - round(seconds_ago * SECOND)
        self.failure = failure
        self.counters = counters()
        self.bodies = {
            "workers": workers_to_json(WorkersReading([worker_row("w1@h1")], 1, ())),
            "queues": depths_to_json(depths(unacked=3)),
            "recorder": state(events=5).to_json(),
        }

    def latest(self, kind: str) -> Row | None:
        body = self.counters.to_json() if kind == "counters" else self.bodies[kind]
        failure = self.failure if kind == "queues" else None
        return SimpleNamespace(measured_us=self.measured_us, took_us=0, failure=failure, body=body)


class Nothing:
    def latest(self, kind: str) -> Row | None:
        return None


class Away:
    def latest(self, kind: str) -> Row | None:
        raise SourceUnreachable("History", "/var/lib/shop.db is not there", "The recorder makes it")


class Spoiled(Rows):
    def latest(self, kind: str) -> Row | None:
        return SimpleNamespace(measured_us=0, took_us=0, failure=None, body='{"cells": 1}')


def test_what_the_recorder_wrote_is_read_back_whole() -> None:
    refused = failure_to_json(Failure("Redis", "unreachable", "refused the connection", "", NOW, NOW))
    found = samples(known(Rows(NOW, 5, refused), NOW))

    assert sum(of(found, "celery_task_succeeded_total").values()) == 1
    assert of(found, "celery_worker_up") == {"hostname=h1, worker=w1@h1": 1}
    assert of(found, "celery_queue_length") == {"queue_name=mail": 7}
    assert of(found, "celery_notebook_recorder_events_total") == {"": 5}
    assert of(found, "celery_notebook_source_up") == {"source=workers": 1, "source=queues": 0}


@pytest.mark.parametrize("reader", [Rows(NOW, 60), Nothing()], ids=["it died", "nothing was written yet"])
def test_a_recorder_that_says_nothing_new_is_down_and_nothing_else_is_told(reader: LatestReader) -> None:
    assert samples(known(reader, NOW)) == {"celery_notebook_recorder_up": 0}


def test_one_history_of_several_that_is_away_is_a_recorder_that_is_down() -> None:
    text, _ = exposition(Recorders({"shop": Rows(datetime.now(UTC)), "mail": Away()}).collect(), "")

    assert 'celery_notebook_recorder_up{cluster="mail",recorder="celery-notebook"} 0.0' in text.decode()
    assert 'celery_queue_length{cluster="shop",queue_name="mail",recorder="celery-notebook"} 7.0' in text.decode()


def asked(
    readers: Mapping[str, LatestReader], monkeypatch: pytest.MonkeyPatch, accept: str = ""
) -> tuple[int, str, str]:
    """Status, content type and body of the route's answer."""
    monkeypatch.setattr(data_sources.ask, "desk", lambda: SimpleNamespace(histories=lambda: readers))
    request = Request({"type": "http", "headers": [(b"accept", accept.encode())]})
    response = asyncio.run(metrics.metrics(request))
    return response.status_code, response.headers["content-type"], bytes(response.body).decode()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ],
)
def test_the_route_answers_in_the_format_asked_for(
    accept: str, content_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, told, body = asked({"default": Rows(datetime.now(UTC))}, monkeypatch, accept)

    assert (status, told.split("; escaping")[0]) == (200, content_type)
    assert 'celery_queue_length{queue_name="mail",recorder="celery-notebook"} 7.0\n' in body
    assert body.endswith("# EOF\n") == ("openmetrics" in accept)


@pytest.mark.parametrize(
    ("reader", "what"),
    [(Away(), "/var/lib/shop.db is not there"), (Spoiled(NOW), "what the recorder wrote last cannot be read")],
)
def test_a_history_that_cannot_be_read_is_an_error_and_no_zeros(
    reader: LatestReader, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, _, body = asked({"default": reader}, monkeypatch)

    assert status == 502
    error = json.loads(body)["error"]
    assert (error["source"], error["what"]) == ("History", what)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1:9808", ("127.0.0.1", 9808)), (":9808", ("127.0.0.1", 9808)), ("[::1]:9808", ("::1", 9808))],
)
def test_the_address_of_the_recorders_own_server(address: str, expected: tuple[str, int]) -> None:
    assert host_and_port(address) == expected


@pytest.mark.parametrize(
    "address", ["", "9808", "localhost", "h:port", "h:99999", "u@h:9808", "h:9808/metrics", "[::1"]
)
def test_an_address_without_a_port_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="must be host:port"):
        host_and_port(address)


def test_a_port_that_is_taken_is_named() -> None:
    server = serve("127.0.0.1:0", {"default": Nothing()})
    try:
        with pytest.raises(ConfigError, match="Address already in use"):
            serve(f"127.0.0.1:{server.server_port}", {"default": Nothing()})
    finally:
        server.shutdown()
        server.server_close()


def test_the_recorders_server_gives_the_metrics_that_are_asked_for_by_name() -> None:
    server = serve("127.0.0.1:0", {"default": Rows(datetime.now(UTC))})
    try:
        status, text = page(server.server_port, path="/metrics?name[]=celery_queue_length&name[]=celery_worker_up")
    finally:
        server.shutdown()
        server.server_close()
    names = {line.split("{")[0] for line in text.splitlines() if not line.startswith("#")}
    assert (status, names) == (200, {"celery_queue_length", "celery_worker_up"})


class Working(Rows):
    """A recorder that counts a task more that succeeds, and one that fails, each time it is asked."""

    def latest(self, kind: str) -> Row | None:
        if kind == "counters":
            task = TaskRecord("1", name="shop.mail", queue="mail")
            events = [TaskEvent("succeeded", "1", 0, "w1@h1"), TaskEvent("failed", "1", 0, "w1@h1", exception="E()")]
            self.counters.absorb(events, [task])
        self.measured_us = time.time_ns() // 1000
        return super().latest(kind)


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusClient]:
    """A real Prometheus that scrapes two clusters' recorders each second; a scrape that is late is lost."""
    readers = {"shop": Working(datetime.now(UTC)), "mail": Working(datetime.now(UTC))}
    server = serve("127.0.0.1:0", readers)
    config = f"""
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: celery
    static_configs: [{{targets: ["127.0.0.1:{server.server_port}"]}}]
"""
    with Prometheus(tmp_path_factory.mktemp("metrics"), config) as prometheus:
        client = PrometheusClient(HttpEndpoint(prometheus.url))
        wait_until(lambda: rate(client, "throughput", "name") != {}, "a rate of tasks")
        yield client
        client.close()
    server.shutdown()
    server.server_close()


def rate(client: PrometheusClient, name: str, by: str, cluster: str = "shop") -> dict[str, float]:
    named = signal(name, by, "recorder", WINDOW, Whose(cluster=cluster))
    assert named
    rows = client.query(named.text, datetime.now(UTC)).frame.to_dict("records")
    return {row.get(by, ""): row["value"] for row in rows}


def test_prometheus_takes_it_and_knows_it_for_ours(scraped: PrometheusClient) -> None:
    assert scraped.facts().family == "recorder"


@pytest.mark.parametrize(
    ("name", "by", "label"),
    [
        ("throughput", "name", "shop.mail"),
        ("throughput", "worker", "w1@h1"),
        ("throughput", "queue", "mail"),
        ("throughput", "", ""),
        ("failures", "name", "shop.mail"),
        ("failures", "", ""),
    ],
)
def test_the_recorders_rates_are_read_back_by_cluster(
    scraped: PrometheusClient, name: str, by: str, label: str
) -> None:
    def is_known() -> bool:
        found = rate(scraped, name, by)
        return found.keys() == {label} and found[label] > 0

    wait_until(is_known, "the rate")
    assert rate(scraped, name, by, "another") == {}


def test_the_recorders_gauges_are_read_back_by_cluster(scraped: PrometheusClient) -> None:
    wait_until(lambda: rate(scraped, "depth", "queue") == {"mail": 7}, "the depth")
    wait_until(lambda: rate(scraped, "busy_slots", "worker") == {"w1@h1": 1}, "the busy slots")


def test_the_recorders_server_answers_an_error_when_no_history_can_be_read() -> None:
    server = serve("127.0.0.1:0", {"default": Away()})
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
        connection.request("GET", "/metrics")
        assert connection.getresponse().status == 500
    finally:
        connection.close()
        server.shutdown()
        server.server_close()


def page(port: int, host: str = "127.0.0.1", path: str = "/metrics") -> tuple[int, str]:
    """Status and text of /metrics."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_recorder_and_dashboard_tell_what_a_real_cluster_did(redis_server: Redis, tmp_path: Path) -> None:
    port = free_port()
    env = {**NOTHING, "CELERY_BROKER_URL": redis_server.url, "HISTORY_URL": f"sqlite://{tmp_path}/history"}
    command = [sys.executable, "-m", "recorder", "--metrics", f"127.0.0.1:{port}"]
    with Process("recorder", command, tmp_path, {**env, "PYTHONPATH": str(ROOT)}, ROOT) as recorder:
        recorder.wait_until(lambda: accepts(port) and "celery_notebook_build_info" in page(port)[1])
        with (
            worker(redis_server, "w1@h1", tmp_path, "-E"),
            Celery(broker=redis_server.url, set_as_current=False) as app,
            Dashboard(tmp_path, env) as dashboard,
        ):
            for seconds in (0.0, 0.0, 0.0, "no number"):
                app.send_task("shop.sleep", [seconds])
            where = 'hostname="h1",name="shop.sleep",recorder="celery-notebook",worker="w1@h1"'
            expected = {
                f"celery_task_received_total{{{where}}} 4.0",
                f"celery_task_succeeded_total{{{where}}} 3.0",
                f'celery_task_failed_total{{exception="TypeError",{where}}} 1.0',
                f"celery_task_runtime_count{{{where}}} 3.0",
                'celery_worker_up{hostname="h1",recorder="celery-notebook",worker="w1@h1"} 1.0',
                'celery_queue_length{queue_name="celery",recorder="celery-notebook"} 0.0',
            }

            wait_until(lambda: expected <= set(page(port)[1].splitlines()), "the recorder's counters")
            wait_until(lambda: expected <= set(page(dashboard.port)[1].splitlines()), "the dashboard's counters")
            assert page(dashboard.port, "elsewhere.example.com")[0] == 403

        down = 'celery_worker_up{hostname="h1",recorder="celery-notebook",worker="w1@h1"} 0.0'
        recorder.wait_until(lambda: down in page(port)[1].splitlines())  # it said that it goes
