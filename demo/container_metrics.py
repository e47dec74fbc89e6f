"""What cAdvisor would say of the demo's workers if they ran in containers.

A "container" here is a worker's process and all below it. Metric and label names are cAdvisor's
(lib/metrics/prometheus.go), so the same PromQL serves both; the values are measured on the real processes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping

import psutil
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from demo.workers import Worker

LABELS = ("id", "name", "image", "container_label_com_docker_compose_service")
STAND_IN = "Stands in for cAdvisor where there is no Docker: a worker's process and all below it."


class ContainerMetrics(Collector):
    """Measures the process trees of `workers` (each with its main pid) when asked; one that ended has no sample."""

    def __init__(self, workers: Mapping[Worker, int]) -> None:
        self._workers = workers

    def collect(self) -> Iterable[Metric]:
        usage = GaugeMetricFamily(
            "container_memory_usage_bytes", f"Memory; page cache is not counted. {STAND_IN}", labels=LABELS
        )
        working_set = GaugeMetricFamily(
            "container_memory_working_set_bytes", f"As usage, which holds no page cache here. {STAND_IN}", labels=LABELS
        )
        limit = GaugeMetricFamily(
            "container_spec_memory_limit_bytes", f"As the demo declares it; not enforced. {STAND_IN}", labels=LABELS
        )
        cpu = CounterMetricFamily(
            "container_cpu_usage_seconds", f"Processor time, user and system. {STAND_IN}", labels=[*LABELS, "cpu"]
        )
        for worker, pid in self._workers.items():
            labels = [f"/demo/{worker.container}", worker.container, "celery-notebook-demo", worker.service]
            with contextlib.suppress(psutil.NoSuchProcess):
                tree = process_tree(pid)
                memory_bytes = sum(map(memory_of, tree))
                usage.add_metric(labels, memory_bytes)
                working_set.add_metric(labels, memory_bytes)
                limit.add_metric(labels, worker.memory_limit_bytes)
                cpu.add_metric([*labels, "total"], sum(map(cpu_seconds_of, tree)))
        return [usage, working_set, limit, cpu]

    def describe(self) -> Iterator[Metric]:
        """Nothing: else registering would measure once before there is anything to measure."""
        return iter(())


def process_tree(pid: int) -> list[psutil.Process]:
    """The process and its descendants; raises NoSuchProcess when it has ended, also when it is a zombie yet."""
    root = psutil.Process(pid)
    if root.status() == psutil.STATUS_ZOMBIE:
        raise psutil.NoSuchProcess(pid)
    return [root, *root.children(recursive=True)]


def memory_of(process: psutil.Process) -> int:
    """Bytes: proportional set size where the kernel tells it (a page shared by n processes counts 1/n to each, so
    that the sum counts it once, as a cgroup does), else what is the process's own.
    """
    try:
        memory = process.memory_full_info()
    except psutil.NoSuchProcess:
        return 0
    return int(getattr(memory, "pss", memory.uss))


def cpu_seconds_of(process: psutil.Process) -> float:
    """Seconds, those of children that ended included, so that the sum over a tree only grows (on Linux)."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
