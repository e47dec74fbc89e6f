"""Every PromQL text we ask, by name, with its labels, its unit and what to conclude from it.

Which metrics there are depends on the exporter, its `Family`: a query reads one family and no other, since two
exporters count the same task twice. Several replicas of one exporter are folded into one before anything is summed.
The texts are shown to users ("take the query"), so they are written to be read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args

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
RECORDER = 'recorder="celery-notebook"'  # and `cluster` where one recorder serves several
NOT_RECORDER = 'recorder=""'

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


def signal(name: str, by: str, family: Family, rate_window: timedelta, cluster: str | None = None) -> NamedQuery | None:
    """The measurement `name` of `query.SIGNALS`, split `by` one of its labels; None when `family` cannot give it.

    `cluster`: which one of those that our recorder tells apart, when it is configured with several.
    """
    if by not in SIGNALS[name]:
        return None
    window = format_duration(rate_window)
    text = MEMORY.get(name)
    match family:
        case "flower":
            text = text or split(flower(name, window), by, FLOWER_LABELS)
        case "celery-exporter":
            text = text or split(celery(name, NOT_RECORDER, window), by, CELERY_LABELS)
        case "recorder":
            whose = RECORDER if cluster is None else f"{RECORDER},cluster={quote(cluster)}"
            text = text or split(celery(name, whose, window), by, RECORDER_LABELS)
    if text is None:
        return None
    return NamedQuery(name, by, text, (by,) if by else (), UNITS.get(name, ""), ADVICE[name])


UNITS = {"throughput": "1/s", "failures": "1/s", "memory": "bytes", "memory_limit": "bytes"}

ADVICE = {
    "throughput": "Tasks that ended, well or not. A line that falls while the queue grows is the task to look at.",
    "failures": "Tasks that failed for good; retries are not in it.",
    "depth": "Messages ready, without those a worker holds. A queue that only grows is not consumed fast enough.",
    "busy_slots": "Tasks being run. Workers of one host share a line in celery-exporter, which knows hosts alone.",
    "memory": "Page cache included, as the limit counts it. Containers of one name show as the largest of them.",
    "memory_limit": "A container at its limit is killed. Containers without a limit have no line.",
}

# what in Prometheus would give a measurement
GIVEN_BY = {
    "throughput": "celery-exporter or Flower",
    "failures": "celery-exporter or Flower",
    "depth": "celery-exporter",
    "busy_slots": "celery-exporter or Flower",
    "memory": "cAdvisor",
    "memory_limit": "cAdvisor",
}


def missing(name: str, has_prometheus: bool = True) -> str:
    """Why there is no `name`, and what would give it."""
    measurement = name.replace("_", " ")
    if name not in GIVEN_BY:
        return f"No exporter we know gives {measurement} to Prometheus"
    if not has_prometheus:
        return f"For {measurement} name a Prometheus (PROMETHEUS_URL) that scrapes {GIVEN_BY[name]}"
    return f"Prometheus has no {measurement} here; it would come from {GIVEN_BY[name]}, scraped by Prometheus"


# Replicas differ in these alone. Of counters, first the rate, then the fold: each replica restarts by itself.
FOLD = "max without (job, instance, pod)"

ENDS = ("succeeded", "failed")
CELERY_LABELS = {"name": "name", "queue": "queue_name", "worker": "hostname"}
RECORDER_LABELS = {**CELERY_LABELS, "worker": "worker"}
FLOWER_LABELS = {"name": "task", "worker": "worker"}


def split(inner: str | None, by: str, labels: Mapping[str, str]) -> str | None:
    """The sum of `inner`, in all or by one of our labels, given how its exporter names them."""
    if inner is None or by not in {"", *labels}:
        return None
    if not by:
        return f"sum (\n{indented(inner)}\n)"
    if labels[by] != by:
        inner = f'label_join(\n{indented(inner)},\n  "{by}", "", "{labels[by]}"\n)'
    return f"sum by ({by}) (\n{indented(inner)}\n)"


def indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def celery(name: str, whose: str, window: str) -> str | None:
    """celery-exporter's series of `name`, replicas folded. Its `hostname` is what follows the @ in a worker's name."""
    match name:
        case "throughput":
            # `+` would drop a task that never failed; `or` needs the two told apart, as their labels may be equal
            succeeded, failed = (f"{FOLD} (rate(celery_task_{end}_total{{{whose}}}[{window}]))" for end in ENDS)
            return f"{marked(succeeded, 'SUCCESS')}\nor\n{marked(failed, 'FAILURE')}"
        case "failures":
            return f"{FOLD} (rate(celery_task_failed_total{{{whose}}}[{window}]))"
        case "depth":
            return f"{FOLD} (celery_queue_length{{{whose}}})"
        case "busy_slots":
            # the count of a worker that died stands still for ten minutes
            return f"{FOLD} (celery_worker_tasks_active{{{whose}}} unless celery_worker_up == 0)"
    return None


def marked(inner: str, state: str) -> str:
    return f'label_replace(\n{indented(inner)},\n  "state", "{state}", "", ""\n)'


def flower(name: str, window: str) -> str | None:
    """Flower's series of `name`, replicas folded. It knows no queues."""
    match name:
        case "throughput":
            return f'{FOLD} (rate(flower_events_total{{type=~"task-succeeded|task-failed"}}[{window}]))'
        case "failures":
            return f'{FOLD} (rate(flower_events_total{{type="task-failed"}}[{window}]))'
        case "busy_slots":
            # the count of a worker that went offline stands still
            return f"{FOLD} (flower_worker_number_of_currently_executing_tasks unless flower_worker_online == 0)"
    return None


def by_container(metric: str, real: str = "", of: str = "{}") -> str:
    """A metric of cAdvisor by container: Docker's name, or Kubernetes' namespace/pod/container.

    `of` is what is made of its series, such as a rate. Kubernetes' pause containers (POD) and pod totals (an empty
    name) are left out, and what is scraped twice is folded.
    """
    docker = of.format(f'{metric}{{name!="", pod=""}}')
    kubernetes = of.format(f'{metric}{{pod!="", container!="", container!="POD"}}')
    return f"""\
max by (container) (
  label_join(
    {docker}{real},
    "container", "", "name"
  )
  or
  label_join(
    {kubernetes}{real},
    "container", "/", "namespace", "pod", "container"
  )
)"""


MEMORY = {
    "memory": by_container("container_memory_usage_bytes"),
    # no limit is 0 in one cgroup version and about 9e18 in the other
    "memory_limit": by_container("container_spec_memory_limit_bytes", " > 0 < 1e15"),
}


def quote(text: str) -> str:
    """`text` as a PromQL string: the one way of a name from outside into a query."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def any_of(texts: Iterable[str]) -> str:
    """A quoted regular expression that matches exactly these texts, for `=~`."""
    return quote("|".join(map(re.escape, texts)))


def selector(labels: Mapping[str, str]) -> str:
    """The selector of one series, labels sorted: `up{job="a"}`, `{name="a\\"b"}`, `{}`."""
    metric = labels.get("__name__", "")
    if metric and not re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", metric, re.ASCII):
        metric, first = "", [quote(metric)]  # Prometheus 3: {"any name", job="a"}
    else:
        first = []
    rest = [f"{label_name(name)}={quote(labels[name])}" for name in sorted(labels) if name != "__name__"]
    pairs = ",".join(first + rest)
    return f"{metric}{{{pairs}}}" if pairs or not metric else metric


def label_name(name: str) -> str:
    return name if re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name, re.ASCII) else quote(name)
