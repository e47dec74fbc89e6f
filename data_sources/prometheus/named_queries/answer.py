"""The library as a frame: which of its queries have something to read here, and what would give the others theirs."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from data_sources.prometheus.client import PrometheusClient
from data_sources.prometheus.named_queries.celery import of_celery, of_flower, of_recorder
from data_sources.prometheus.named_queries.machines import of_containers, of_hosts, of_targets
from data_sources.prometheus.named_queries.named import Named
from data_sources.prometheus.promql import NOT_RECORDER, RECORDER, any_of

LIBRARY: tuple[Named, ...] = (
    *of_celery("recorder"),
    *of_recorder(),
    *of_celery("celery-exporter"),
    *of_flower(),
    *of_containers(),
    *of_hosts(),
    *of_targets(),
)

GIVEN_BY = {
    "recorder": "our own /metrics: have Prometheus scrape this address",
    "celery-exporter": "celery-exporter, scraped by Prometheus",
    "flower": "Flower's /metrics, scraped by Prometheus",
    "cAdvisor": "cAdvisor, or the kubelet's /metrics/cadvisor, scraped by Prometheus",
    "node-exporter": "node-exporter on each host, scraped by Prometheus",
    "Prometheus": "any target that Prometheus scrapes",
}

# `there`: whether the metric it needs has samples in the range. `given_by`: what gives that metric.
LIBRARY_COLUMNS = {
    "family": "str",
    "name": "str",
    "title": "str",
    "query": "str",
    "unit": "str",
    "advice": "str",
    "needs": "str",
    "there": "bool",
    "given_by": "str",
}


def library_frame(client: PrometheusClient, start: datetime, end: datetime, seconds: float) -> pd.DataFrame:
    """A row a query, see LIBRARY_COLUMNS. Raises SourceError."""
    needed = any_of(sorted({one.needs for one in LIBRARY}))

    def metrics(whose: str) -> set[str]:
        selectors = [f"{{__name__=~{needed},{whose}}}"]
        return {*client.label_values("__name__", selectors, since=start, until=end, deadline_seconds=seconds / 2)}

    # Our recorder has celery-exporter's names: whose series they are, its label tells.
    own, others = metrics(RECORDER), metrics(NOT_RECORDER)
    rows = [
        (
            one.family,
            one.name,
            one.title,
            one.text,
            one.unit,
            one.advice,
            one.needs,
            one.needs in (own if one.family == "recorder" else others),
            GIVEN_BY[one.family],
        )
        for one in LIBRARY
    ]
    return pd.DataFrame(rows, columns=list(LIBRARY_COLUMNS)).astype(LIBRARY_COLUMNS)
