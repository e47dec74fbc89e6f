"""What the URL of an export asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from data_sources import ask as desk
from data_sources.errors import BadParameter
from data_sources.fields import Fields, ReadFields, one
from data_sources.promql_query import OfPrometheus
from data_sources.query import PromQL, Query, Signal, from_fields
from data_sources.schedule_query import Schedule
from data_sources.scope import Range, Scope, parse_duration
from data_sources.task_query import MAX_ROWS, Histogram, Listing, Tasks
from routes.export_pages import read_progress_id

SHAPES = ("tidy", "wide")


@dataclass(frozen=True)
class Export:
    """What the URL of an export asks for."""

    query: Query
    scope: Scope
    shape: str
    whole: bool  # all pages in one file
    progress: str
    ignored: tuple[str, ...]
    described: str = ""  # of SQL, which no parameters ask for: the address of what is to be known of it

    @classmethod
    def from_fields(cls, fields: ReadFields) -> Export:
        """Raises BadParameter."""
        query = from_fields(fields)
        scope = Scope(cluster=cluster_of(fields), snapshot=one(fields, "snapshot"))
        shape = one(fields, "shape") or "tidy"
        if shape not in SHAPES or (shape == "wide" and not has_time_axis(query)):
            raise BadParameter("shape", "must be tidy, or wide where there is a time axis")
        if isinstance(query, PromQL | OfPrometheus | Signal | Listing | Schedule):
            times = {name: one(fields, name) for name in ("range", "from", "to")}
            scope = replace(scope, range=Range.from_params(times))
        if isinstance(query, PromQL | Signal):
            step = one(fields, "step")
            scope = replace(scope, step=parse_duration(step, "step") if step else None)
            scope.range.resolve(datetime.now(UTC), step=scope.step)  # refuses a step too small for the range
        whole, progress = False, ""
        if isinstance(query, Tasks) and (whole := one(fields, "rows") == "all"):
            query, scope = replace(query, limit=MAX_ROWS), replace(scope, range=held_still(scope.range))
            progress = read_progress_id(one(fields, "progress"))
        return cls(query, scope, shape, whole, progress, tuple(fields.ignored))


def cluster_of(fields: Fields) -> str:
    known = desk.clusters()
    name = one(fields, "cluster") or known[0]
    if name not in known:
        raise BadParameter("cluster", f"must be one of {', '.join(known)}")
    return name


def held_still(range: Range) -> Range:
    """All pages of a file are of one stretch of time."""
    now = datetime.now(UTC)
    return range if range.end else Range(start=now - range.length, end=now)


def has_time_axis(query: Query) -> bool:
    return isinstance(query, Signal | Histogram) or (isinstance(query, PromQL) and not query.instant)
