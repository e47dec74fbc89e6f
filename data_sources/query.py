"""Questions as values: each can be written into a URL and read back.

The kinds are the URL's `source=`; `from_fields` is the one way in. A query says what is asked, the `Scope`
where and when.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, Self, get_args

from data_sources.audit_query import Audit
from data_sources.errors import BadParameter
from data_sources.fields import Fields, Params, names, one
from data_sources.promql_query import (
    Explained,
    Formatted,
    LabelNames,
    LabelValues,
    Library,
    Metrics,
    promql_text,
)
from data_sources.queue_query import Leftovers, Xray
from data_sources.run_query import Compared, Held, Runs
from data_sources.schedule_query import Schedule, ScheduledLoad
from data_sources.setup_query import Recording, Setup
from data_sources.task_query import Facets, Failures, Family, Histogram, Task, TaskNames, Tasks

# What a worker may be asked. A request named `shutdown` sent the same way stops it, and `hello`, `objgraph`
# and `memdump` change it, so the list is closed.
METHODS = (
    "ping",
    "clock",
    "stats",
    "active",
    "reserved",
    "scheduled",
    "revoked",
    "registered",
    "active_queues",
    "conf",
    "report",
    "query_task",
)


class Query(Protocol):
    kind: ClassVar[str]

    def to_params(self) -> Params:
        """The query as URL parameters, `source` first; `from_fields` reads them back to an equal query."""
        ...

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        ...


@dataclass(frozen=True)
class PromQL:
    """A PromQL expression over the scope's window or, `instant`, at its end."""

    kind: ClassVar[str] = "promql"
    text: str
    instant: bool = False

    def to_params(self) -> Params:
        return [("source", self.kind), ("q", self.text), *([("instant", "1")] if self.instant else [])]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls(promql_text(fields, "q"), one(fields, "instant") == "1")


@dataclass(frozen=True)
class Inspect:
    """One inspect method of every worker (or of `workers`); `ids` for `query_task`."""

    kind: ClassVar[str] = "inspect"
    method: str
    workers: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    def to_params(self) -> Params:
        many = [("worker", name) for name in self.workers] + [("id", task_id) for task_id in self.ids]
        return [("source", self.kind), ("q", self.method), *many]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        method = one(fields, "q")
        if method not in METHODS:
            raise BadParameter("q", f"must be one of {', '.join(METHODS)}")
        ids = names(fields, "id")
        if (method == "query_task") != bool(ids):
            raise BadParameter("id", "names the tasks of query_task, and of nothing else")
        return cls(method, names(fields, "worker"), ids)


@dataclass(frozen=True)
class Workers:
    """Every worker that answers or was seen, as sampled last; of `queues`, those that consume one of them."""

    kind: ClassVar[str] = "workers"
    workers: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()

    def to_params(self) -> Params:
        many = [("worker", name) for name in self.workers] + [("queue", name) for name in self.queues]
        return [("source", self.kind), *many]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls(names(fields, "worker"), names(fields, "queue"))


@dataclass(frozen=True)
class Depths:
    """Every queue with what waits in it and what is held unacknowledged, as sampled last."""

    kind: ClassVar[str] = "queues"
    queues: tuple[str, ...] = ()

    def to_params(self) -> Params:
        return [("source", self.kind), *[("queue", name) for name in self.queues]]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls(names(fields, "queue"))


@dataclass(frozen=True)
class Sources:
    """The state of each source: connected or not, since when, how fast, what version."""

    kind: ClassVar[str] = "sources"

    def to_params(self) -> Params:
        return [("source", self.kind)]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls()


# measurement -> the labels it can be split by; "" is the total
SIGNALS: dict[str, tuple[str, ...]] = {
    "throughput": ("name", "queue", "worker", ""),
    "failures": ("name", "queue", "worker", ""),
    **{
        f"{measure}_p{percent}": ("name", "queue", "worker", "")
        for measure in ("wait", "runtime")
        for percent in (50, 95, 99)
    },
    "depth": ("queue", ""),
    "unacked": ("queue", ""),
    "busy_slots": ("worker", ""),
    "slots": ("worker", ""),
    "memory": ("container", "hostname"),
    "memory_limit": ("container",),
    "cpu": ("container",),
    "received": ("container",),
    "host_load": ("instance",),
    "host_memory_left": ("instance",),
}


@dataclass(frozen=True)
class Signal:
    """A named measurement over time, from whichever source knows it best (`ask` resolves it).

    `by` splits it by a label, `of` are the values of that label to look at; none: all.
    """

    kind: ClassVar[str] = "signal"
    name: str
    by: str = ""
    of: tuple[str, ...] = ()

    def to_params(self) -> Params:
        split = [("by", self.by)] if self.by else []
        return [("source", self.kind), ("q", self.name), *split, *((self.by, one) for one in self.of)]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        name, by = one(fields, "q"), one(fields, "by")
        if name not in SIGNALS:
            raise BadParameter("q", f"must be one of {', '.join(SIGNALS)}")
        if by not in SIGNALS[name]:
            raise BadParameter("by", f"of {name} must be one of {', '.join(filter(None, SIGNALS[name]))}")
        return cls(name, by, names(fields, by) if by else ())


@dataclass(frozen=True)
class History(Signal):
    """The same, from what Celery Notebook recorded itself and from nothing else."""

    kind: ClassVar[str] = "history"


Kind = (
    PromQL
    | Metrics
    | LabelNames
    | LabelValues
    | Formatted
    | Explained
    | Library
    | Inspect
    | Workers
    | Depths
    | Sources
    | Setup
    | Recording
    | Signal
    | History
    | Tasks
    | Facets
    | TaskNames
    | Histogram
    | Failures
    | Task
    | Family
    | Runs
    | Compared
    | Held
    | Schedule
    | ScheduledLoad
    | Xray
    | Leftovers
    | Audit
)
KINDS: dict[str, type[Kind]] = {kind.kind: kind for kind in get_args(Kind)}


def from_fields(fields: Fields) -> Query:
    """The query a parsed query string asks for; raises BadParameter naming the field that is wrong."""
    source = one(fields, "source")
    if source not in KINDS:
        raise BadParameter("source", f"must be one of {', '.join(KINDS)}")
    return KINDS[source].from_fields(fields)
