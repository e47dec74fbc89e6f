"""The library as a frame: which of its queries have something to read here, and what would give the others theirs."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

import pandas as pd

from data_sources.prometheus.client import PrometheusClient
from data_sources.prometheus.named_queries.celery import of_celery, of_flower, of_recorder
from data_sources.prometheus.named_queries.machines import of_containers, of_hosts, of_targets
from data_sources.prometheus.named_queries.named import Named
from data_sources.prometheus.selectors import any_of, selected
from data_sources.prometheus.whose import ANYBODY, Whose

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


@lru_cache
def library(whose: Whose = ANYBODY) -> tuple[Named, ...]:
    """All of them, each asking for the series of one cluster."""
    return (
        *of_celery("recorder", whose),
        *of_recorder(whose),
        *of_celery("celery-exporter", whose),
        *of_flower(whose),
        *of_containers(whose),
        *of_hosts(),
        *of_targets(),
    )


def library_frame(client: PrometheusClient, start: datetime, end: datetime, seconds: float) -> pd.DataFrame:
    """A row a query, see LIBRARY_COLUMNS. Raises SourceError."""
    queries, whose = library(client.whose), client.whose
    needed = f"__name__=~{any_of(sorted({one.needs for one in queries}))}"
    asked = {whose.matchers(one.family) for one in queries}

    def metrics(matchers: tuple[str, ...]) -> set[str]:
        selectors = [selected("", [needed, *matchers])]
        each = seconds / len(asked)
        return {*client.label_values("__name__", selectors, since=start, until=end, deadline_seconds=each)}

    # Our recorder has celery-exporter's names: whose series they are, its label tells.
    there = {matchers: metrics(matchers) for matchers in asked}
    rows = [
        (
            one.family,
            one.name,
            one.title,
            one.text,
            one.unit,
            one.advice,
            one.needs,
            one.needs in there[whose.matchers(one.family)],
            GIVEN_BY[one.family],
        )
        for one in queries
    ]
    return pd.DataFrame(rows, columns=list(LIBRARY_COLUMNS)).astype(LIBRARY_COLUMNS)
