"""What is measured of containers, by cAdvisor, and of hosts, by node-exporter."""

from __future__ import annotations

from collections.abc import Sequence

from data_sources.prometheus.containers import (
    cpu,
    memory,
    memory_by_hostname,
    memory_limit,
    received,
)

OF_HOSTS = ("host_load", "host_memory_left")

# Each twice grouped, so that a host that is scraped twice counts once.
LOAD = """\
max by (instance) (node_load5)
/
count by (instance) (
  count by (instance, cpu) (node_cpu_seconds_total{mode="idle"})
)"""
MEMORY_LEFT = "min by (instance) (node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)"


def of_machine(name: str, by: str, matchers: Sequence[str], window: str) -> str | None:
    """The PromQL of a measurement; `matchers` select containers, as hosts belong to no cluster. None for others."""
    match name, by:
        case "memory", "container":
            return memory(matchers)
        case "memory", "hostname":
            return memory_by_hostname(matchers)
        case "memory_limit", "container":
            return memory_limit(matchers)
        case "cpu", "container":
            return cpu(matchers, window)
        case "received", "container":
            return received(matchers, window)
        case "host_load", "instance":
            return LOAD
        case "host_memory_left", "instance":
            return MEMORY_LEFT
    return None
