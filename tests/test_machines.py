"""What is measured of containers and hosts, asked of a real Prometheus whose samples are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from data_sources.prometheus.client import PrometheusClient
from data_sources.prometheus.containers import restarts
from data_sources.prometheus.promql import missing, signal
from data_sources.prometheus.whose import Whose
from tests.blocks import client_of, series

START = datetime(2026, 1, 5, tzinfo=UTC)
NOW = START + timedelta(minutes=10)
EVERY = timedelta(seconds=15)
POINTS = 41
JOBS = ("cadvisor", "again")  # scraped twice
DOCKER = {"id": "/docker/1", "name": "mailer"}
POD = {"namespace": "prod", "pod": "w-1", "container": "worker"}


def all_along(metric: str, labels: dict[str, str], values: Sequence[float | None]) -> str:
    return "".join(series(metric, {**labels, "job": job}, values, START, EVERY) for job in JOBS)


def grown(each: float) -> list[float]:
    """A counter's samples; one that begins near 0 is not extrapolated before its beginning."""
    return [1000 + each * place for place in range(POINTS)]


def samples() -> str:
    """Two processors used by a container in two halves; a pod's container that was started again; a host of 2 cores."""
    cpu, received = "container_cpu_usage_seconds_total", "container_network_receive_bytes_total"
    began = "container_start_time_seconds"
    first: list[float | None] = [1000.0] * 20 + [None] * 21
    second: list[float | None] = [None] * 20 + [2000.0] * 21
    return "".join(
        [
            "# TYPE container_cpu_usage_seconds counter\n",
            *(all_along(cpu, {**DOCKER, "cpu": core}, grown(15)) for core in ("cpu00", "cpu01")),
            "# TYPE container_network_receive_bytes counter\n",
            *(all_along(received, {**DOCKER, "interface": one}, grown(1500)) for one in ("eth0", "eth1")),
            f"# TYPE {began} gauge\n",
            all_along(began, {**POD, "id": "/kubepods/1"}, first),
            all_along(began, {**POD, "id": "/kubepods/2"}, second),
            all_along(began, DOCKER, [500.0] * POINTS),
            "# TYPE node_cpu_seconds counter\n",
            *(
                all_along("node_cpu_seconds_total", {"instance": "a:9100", "cpu": core, "mode": "idle"}, grown(15))
                for core in ("0", "1")
            ),
            *(
                text
                for metric, value in (
                    ("node_load5", 3.0),
                    ("node_memory_MemAvailable_bytes", 2e9),
                    ("node_memory_MemTotal_bytes", 8e9),
                )
                for text in (f"# TYPE {metric} gauge\n", all_along(metric, {"instance": "a:9100"}, [value] * POINTS))
            ),
        ]
    )


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusClient]:
    with client_of(samples(), tmp_path_factory.mktemp("machines")) as client:
        yield client


def told(client: PrometheusClient, text: str, by: str) -> dict[str, float]:
    frame = client.query(text, NOW, labels=(by,)).frame
    assert list(frame.columns) == ["time", by, "value"]
    return {str(name): round(value, 9) for name, value in zip(frame[by], frame["value"], strict=True)}


@pytest.mark.parametrize(
    ("name", "by", "expected"),
    [
        ("cpu", "container", {"mailer": 2.0}),
        ("received", "container", {"mailer": 200.0}),
        ("host_load", "instance", {"a:9100": 1.5}),
        ("host_memory_left", "instance", {"a:9100": 0.25}),
    ],
)
def test_containers_and_hosts_are_measured_once_however_often_they_are_scraped(
    prometheus: PrometheusClient, name: str, by: str, expected: dict[str, float]
) -> None:
    named = signal(name, by, "none", timedelta(minutes=4))
    assert named
    assert told(prometheus, named.text, by) == expected


def test_a_restart_is_seen_though_kubernetes_starts_another_container(prometheus: PrometheusClient) -> None:
    assert told(prometheus, restarts(()), "container") == {"prod/w-1/worker": 1, "mailer": 0}


def test_hosts_belong_to_no_cluster() -> None:
    whose = Whose((("namespace", "shop"),))
    load = signal("host_load", "instance", "none", timedelta(minutes=4), whose)
    assert load
    assert "namespace" not in load.text
    assert missing("host_load", whose=whose) == (
        "Prometheus has no host load here; it would come from node-exporter, scraped by Prometheus"
    )
