"""Whose series these are, where one Prometheus has those of several Celery clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from data_sources.config import Cluster
from data_sources.prometheus.selectors import equal

RECORDER = 'recorder="celery-notebook"'
NOT_RECORDER = 'recorder=""'
SHARED = ("node-exporter", "Prometheus")  # hosts and targets belong to no cluster


@dataclass(frozen=True)
class Whose:
    """What a cluster's series have that those of others lack.

    `labels`: of what exporters give. `cluster`: as our recorder calls it, where it serves several. `mixed`: others ask
    the same Prometheus, and nothing tells their series from its own.
    """

    labels: tuple[tuple[str, str], ...] = ()
    cluster: str = ""
    mixed: bool = False

    @classmethod
    def of(cls, cluster: Cluster, clusters: Sequence[Cluster]) -> Self:
        others = [one for one in clusters if one.name != cluster.name]
        mixed = any(
            one.prometheus == cluster.prometheus and (not labels_of(cluster) or labels_of(one) == labels_of(cluster))
            for one in others
            if cluster.prometheus
        )
        return cls(labels_of(cluster), cluster.name if others else "", mixed)

    def matchers(self, family: str) -> tuple[str, ...]:
        """What selects its own of a family's series."""
        if family == "recorder":
            return (RECORDER, *([equal("cluster", [self.cluster])] if self.cluster else []))
        labels = () if family in SHARED else tuple(equal(name, [text]) for name, text in self.labels)
        return (NOT_RECORDER, *labels) if family == "celery-exporter" else labels

    @property
    def where(self) -> str:
        """As a sentence goes on: ` with namespace="shop"`; nothing without labels."""
        return f" with {' and '.join(self.matchers('flower'))}" if self.labels else ""


ANYBODY = Whose()  # where there is one cluster


def labels_of(cluster: Cluster) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(cluster.prometheus_labels.items()))
