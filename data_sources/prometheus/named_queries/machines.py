"""What there is to ask of containers, by cAdvisor, of hosts, by node-exporter, and of Prometheus itself."""

from __future__ import annotations

from data_sources.prometheus import containers
from data_sources.prometheus.machines import LOAD, MEMORY_LEFT
from data_sources.prometheus.named_queries.named import Named
from data_sources.prometheus.promql import ADVICE
from data_sources.prometheus.whose import Whose


def of_containers(whose: Whose) -> list[Named]:
    matchers = whose.matchers("cAdvisor")
    memory, limit = containers.memory(matchers), containers.memory_limit(matchers)

    def by_container(metric: str, real: str = "", of: str = "{}") -> str:
        return containers.by_container(f"container_{metric}", matchers, real, of)

    rate, growth = "rate({}[5m])", "deriv({}[1h])"
    throttled = by_container("cpu_cfs_throttled_periods_total", of=rate)
    periods = by_container("cpu_cfs_periods_total", of=rate)
    limited = f"{memory}\n/\n{limit}"
    grown = f"3600 * {by_container('memory_working_set_bytes', of=growth)}"
    return [
        Named("cAdvisor", name, title, text, unit, advice, f"container_{needs}")
        for name, title, text, unit, advice, needs in (
            ("memory", "Memory, by container", memory, "bytes", ADVICE["memory"], "memory_usage_bytes"),
            ("memory_share", "Memory as a share of its limit", limited, "",
             "At 1 a container is killed, and so are the tasks in it.", "spec_memory_limit_bytes"),
            ("working_set", "Working set, by container", by_container("memory_working_set_bytes"), "bytes",
             "Without what can be given back at once: what Kubernetes kills by.", "memory_working_set_bytes"),
            ("memory_growth", "Growth of the working set an hour", grown, "bytes",
             "Above 0 for long is a leak: worker_max_tasks_per_child or worker_max_memory_per_child bounds it.",
             "memory_working_set_bytes"),
            ("cpu", "Processors used, by container",
             containers.cpu(matchers, "5m"), "", ADVICE["cpu"], "cpu_usage_seconds_total"),
            ("throttled", "Share of time it was throttled", f"{throttled}\n/\n{periods}", "",
             "Its CPU limit holds it up: tasks are slow though the host is idle.", "cpu_cfs_periods_total"),
            ("killed", "Killed for memory in the last hour",
             by_container("oom_events_total", " > 0", "increase({}[1h])"), "",
             "The tasks that ran in it run again, or are lost.", "oom_events_total"),
            ("restarted", "Restarts in the last hour",
             f"{containers.restarts(matchers)} > 0", "",
             "After no deploy: look at its memory, and at why it ended.", "start_time_seconds"),
            ("received", "Bytes received a second",
             containers.received(matchers, "5m"), "bytes", ADVICE["received"], "network_receive_bytes_total"),
        )
    ]  # fmt: skip


def of_hosts() -> list[Named]:
    disks = '{fstype!~"tmpfs|overlay|squashfs|ramfs"}'
    return [
        Named("node-exporter", name, title, text, unit, advice, f"node_{needs}")
        for name, title, text, unit, advice, needs in (
            ("cpu", "Share of processors that is busy",
             '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))', "",
             "Near 1 more slots make tasks slower, not more of them.", "cpu_seconds_total"),
            ("memory", "Share of memory that is left",
             MEMORY_LEFT, "", ADVICE["host_memory_left"], "memory_MemAvailable_bytes"),
            ("killed", "Processes killed for memory in the last hour", "increase(node_vmstat_oom_kill[1h]) > 0", "",
             "A worker's child among them shows as WorkerLostError.", "vmstat_oom_kill"),
            ("waiting_for_disk", "Share of time that waits for a disk",
             'avg by (instance) (rate(node_cpu_seconds_total{mode="iowait"}[5m]))', "",
             "Tasks are slow and processors idle: it is the disk.", "cpu_seconds_total"),
            ("disk", "Share of each disk that is free",
             f"min by (instance, mountpoint) (\n  node_filesystem_avail_bytes{disks}\n  /\n"
             f"  node_filesystem_size_bytes{disks}\n)", "", "A full disk stops a broker.", "filesystem_avail_bytes"),
            ("disk_full", "Disks that are full within a day",
             f"predict_linear(node_filesystem_avail_bytes{disks}[6h], 86400) < 0", "bytes",
             "If it goes on as in the last 6 hours.", "filesystem_avail_bytes"),
            ("load", "Load for each processor",
             LOAD, "", ADVICE["host_load"], "load5"),
        )
    ]  # fmt: skip


def of_targets() -> list[Named]:
    return [
        Named("Prometheus", "targets", "Targets that answer, by job", "sum by (job) (up)", "",
              "A line that ends is a job that was taken out.", "up"),
        Named("Prometheus", "targets_down", "Targets that do not answer", "up == 0", "",
              "What they tell is missing since then.", "up"),
    ]  # fmt: skip
