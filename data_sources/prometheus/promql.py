"""Every PromQL text we ask, by name, with its labels, its unit and what to conclude from it.

Which metrics there are depends on the exporter, its `Family`: a query reads one family and no other, since two
exporters count the same task twice. Several replicas of one exporter are folded into one before anything is summed.
The texts are shown to users ("take the query"), so they are written to be read.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args

from data_sources.note import Note
from data_sources.prometheus.machines import OF_HOSTS, of_machine
from data_sources.prometheus.selectors import equal, selected
from data_sources.prometheus.whose import ANYBODY, Whose
from data_sources.query import SIGNALS
from data_sources.scope import format_duration

Family = Literal["celery-exporter", "flower", "recorder", "none"]
FAMILIES: tuple[Family, ...] = get_args(Family)

# Names by which a family is known. Ours has celery-exporter's names beside its own, and the label `recorder` on
# each of its series, so that neither family is taken for the other where both are scraped.
BUILD_INFO = "celery_notebook_build_info"
TELLING: Mapping[str, Family] = {
    BUILD_INFO: "recorder",
    "celery_worker_up": "celery-exporter",
    "celery_task_received_total": "celery-exporter",
    "flower_events_total": "flower",
}

SCRAPE_INTERVAL = timedelta(minutes=1)  # Prometheus's default, taken when the real one is not known


@dataclass(frozen=True)
class NamedQuery:
    """A PromQL expression whose series carry exactly the labels `labels`. `unit`: "1/s", "bytes", or "" for a count."""

    name: str
    by: str
    text: str
    labels: tuple[str, ...]
    unit: str
    advice: str


def detect(metric_names: Collection[str]) -> Family:
    """The family to ask, when several are there the first of: the recorder, celery-exporter, Flower."""
    return next((family for name, family in TELLING.items() if name in metric_names), "none")


def rate_window(step: timedelta, scrape_interval: timedelta | None) -> timedelta:
    """The `[5m]` of a rate: no shorter than `step`, so that every event counts in some point of a plot, nor than
    four scrapes: Prometheus 3 leaves the left end out, and one scrape may fail (its migration guide says four).
    """
    longest = max(4 * (scrape_interval or SCRAPE_INTERVAL), step)
    return timedelta(seconds=math.ceil(longest.total_seconds()))


def signal(
    name: str, by: str, family: Family, rate_window: timedelta, whose: Whose = ANYBODY, of: Collection[str] = ()
) -> NamedQuery | None:
    """The measurement `name` of `query.SIGNALS`, split `by` one of its labels; None when `family` cannot give it.

    `of`: which values of that label, or all; containers are chosen from the answer.
    """
    if by not in SIGNALS[name]:
        return None
    labels, window = LABELS[family], format_duration(rate_window)
    text = of_machine(name, by, whose.matchers("cAdvisor"), window)
    if text is None and by in {"", *labels} and not (of and labels[by] == "hostname"):  # a host is no worker's name
        matchers = [*whose.matchers(family), *([equal(labels[by], of)] if of else [])]
        text = split((flower if family == "flower" else celery)(name, matchers, window), by, labels)
    if text is None:
        return None
    return NamedQuery(name, by, text, (by,) if by else (), UNITS.get(name, ""), ADVICE[name])


UNITS = {"throughput": "1/s", "failures": "1/s", "memory": "bytes", "memory_limit": "bytes", "received": "bytes"}

ADVICE = {
    "throughput": "Tasks that ended, well or not. A line that falls while the queue grows is the task to look at.",
    "failures": "Tasks that failed for good; retries are not in it.",
    "depth": "Messages ready, without those a worker holds. A queue that only grows is not consumed fast enough.",
    "busy_slots": "Tasks being run. celery-exporter knows hosts alone: of several workers on one it counts the last.",
    "memory": "Page cache included, as the limit counts it. Containers of one name show as the largest of them.",
    "memory_limit": "A container at its limit is killed. Containers without a limit have no line.",
    "cpu": "1 is one processor, whole.",
    "received": "A second. Of Docker by container; Kubernetes counts pods.",
    "host_load": "For each processor. Above 1 processes wait for a processor, or for a disk.",
    "host_memory_left": "A share. Under a tenth the next worker may be the one that is killed.",
}

# what in Prometheus would give a measurement
EXPORTER_OF = {
    "throughput": "celery-exporter or Flower",
    "failures": "celery-exporter or Flower",
    "depth": "celery-exporter",
    "busy_slots": "celery-exporter or Flower",
    **dict.fromkeys(("memory", "memory_limit", "cpu", "received"), "cAdvisor"),
    **dict.fromkeys(OF_HOSTS, "node-exporter"),
}

# what celery-exporter misses of a measurement: it asks how long a queue's first list is, and keeps one number a host
UNSEEN = {
    "depth": "celery-exporter counts one of a queue's priorities on Redis; what waits in the others is not in it",
    "busy_slots": "celery-exporter keeps one number a host; of several workers on one only the last is in it",
}
MIXED = "Several clusters share this Prometheus, and all of them may be in it: PROMETHEUS_LABELS tells them apart"


def doubts(name: str, family: Family, transport: str, whose: Whose) -> tuple[Note, ...]:
    """What a measurement that was asked of `family` may lack, or hold of others."""
    unseen = family == "celery-exporter" and name in UNSEEN and (name != "depth" or transport == "redis")
    said = ([UNSEEN[name]] if unseen else []) + ([MIXED] if whose.mixed and name not in OF_HOSTS else [])
    return tuple(Note(text, "warning") for text in said)


def missing(name: str, has_prometheus: bool = True, whose: Whose = ANYBODY) -> str:
    """Why there is no `name`, and what would give it."""
    measurement = name.replace("_", " ")
    if name not in EXPORTER_OF:
        return f"No exporter we know gives {measurement} to Prometheus"
    if not has_prometheus:
        return f"For {measurement} name a Prometheus (PROMETHEUS_URL) that scrapes {EXPORTER_OF[name]}"
    where = " here" if name in OF_HOSTS else whose.where or " here"
    return f"Prometheus has no {measurement}{where}; it would come from {EXPORTER_OF[name]}, scraped by Prometheus"


# Replicas differ in these alone. Of counters, first the rate, then the fold: each replica restarts by itself.
FOLD = "max without (job, instance, pod)"

ENDS = ("succeeded", "failed")
LABELS: Mapping[Family, Mapping[str, str]] = {
    "celery-exporter": {"name": "name", "queue": "queue_name", "worker": "hostname"},
    "recorder": {"name": "name", "queue": "queue_name", "worker": "worker"},
    "flower": {"name": "task", "worker": "worker"},
    "none": {},
}


def split(inner: str | None, by: str, labels: Mapping[str, str]) -> str | None:
    """The sum of `inner`, in all or by one of our labels, given how its exporter names them."""
    if inner is None:
        return None
    if not by:
        return f"sum (\n{indented(inner)}\n)"
    if labels[by] != by:
        inner = f'label_join(\n{indented(inner)},\n  "{by}", "", "{labels[by]}"\n)'
    return f"sum by ({by}) (\n{indented(inner)}\n)"


def indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def celery(name: str, matchers: Sequence[str], window: str) -> str | None:
    """celery-exporter's series of `name`, replicas folded. Its `hostname` is what follows the @ in a worker's name."""
    match name:
        case "throughput":
            # `+` would drop a task that never failed; `or` needs the two told apart, as their labels may be equal
            ended = (selected(f"celery_task_{end}_total", matchers) for end in ENDS)
            succeeded, failed = (f"{FOLD} (rate({one}[{window}]))" for one in ended)
            return f"{marked(succeeded, 'SUCCESS')}\nor\n{marked(failed, 'FAILURE')}"
        case "failures":
            return f"{FOLD} (rate({selected('celery_task_failed_total', matchers)}[{window}]))"
        case "depth":
            return f"{FOLD} ({selected('celery_queue_length', matchers)})"
        case "busy_slots":
            # the count of a worker that died stands still for ten minutes
            active, up = (selected(f"celery_worker_{one}", matchers) for one in ("tasks_active", "up"))
            return f"{FOLD} ({active} unless {up} == 0)"
    return None


def marked(inner: str, state: str) -> str:
    return f'label_replace(\n{indented(inner)},\n  "state", "{state}", "", ""\n)'


def flower(name: str, matchers: Sequence[str], window: str) -> str | None:
    """Flower's series of `name`, replicas folded. It knows no queues."""
    match name:
        case "throughput" | "failures":
            types = 'type=~"task-succeeded|task-failed"' if name == "throughput" else 'type="task-failed"'
            return f"{FOLD} (rate({selected('flower_events_total', [types, *matchers])}[{window}]))"
        case "busy_slots":
            # the count of a worker that went offline stands still
            running = selected("flower_worker_number_of_currently_executing_tasks", matchers)
            return f"{FOLD} ({running} unless {selected('flower_worker_online', matchers)} == 0)"
    return None
