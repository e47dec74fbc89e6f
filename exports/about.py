"""What is to be known of a file: what was asked, of when, by whom it was answered, and what that leaves open."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from data_sources.answer import Answer
from data_sources.fields import Params
from data_sources.promql_query import OfPrometheus
from data_sources.query import Inspect, PromQL, Query, Signal
from data_sources.schedule_query import Schedule
from data_sources.scope import Scope, format_duration, iso
from data_sources.task_query import Listing
from data_sources.version import VERSION


def about(answer: Answer, scope: Scope, shape: str = "tidy", whole: bool = False) -> dict[str, Any]:
    """The head of a JSON file, and the sidecar of a CSV. `whole`: the file has the pages after this one too."""
    window, goes_on = answer.window, whole and answer.next is not None
    start, end = (window.start, window.end) if window else (scope.range.start, scope.range.end)
    span = scope.range.span if window or is_listed(answer.query) else None
    return {
        "query": urlencode(answer.query.to_params()),
        "next": urlencode(next_params(answer.next, scope)) if answer.next and not whole else None,
        "cluster": scope.cluster,
        "range": format_duration(span) if span else None,
        "from": iso(start) if start else None,
        "to": iso(end) if end else None,
        "step": window.step.total_seconds() if window else None,
        "shape": shape,
        "rows": None if goes_on or shape == "wide" else len(answer.frame),
        "origin": answer.origin,
        "measured_at": iso(answer.measured_at) if answer.measured_at else None,
        "took": answer.took.total_seconds(),
        "units": answer.units,
        "totals": answer.totals,
        "notes": [
            {"kind": note.kind, "text": note.text} for note in answer.notes if not (goes_on and note.kind == "cut")
        ],
        "version": VERSION,
    }


def next_params(query: Query, scope: Scope) -> Params:
    """Of the file after this one; a range that ends now goes on to end when it is asked for."""
    return [*query.to_params(), *scope.range.to_params().items(), *place_params(scope)]


def place_params(scope: Scope) -> Params:
    """Where it was asked: of a cluster, or of what was kept of it."""
    return [("cluster", scope.cluster), *([("snapshot", scope.snapshot)] if scope.snapshot else [])]


def file_link(kind: str, answer: Answer, scope: Scope, **more: str) -> str:
    """The address of this very answer as a file: with absolute times, so that for a closed window its bytes repeat.

    `kind` is csv, json or meta.json.
    """
    params = [*answer.query.to_params(), *place_params(scope)]
    if is_listed(answer.query):
        params += scope.range.to_params().items()
    elif answer.window:
        step = format_duration(answer.window.step)
        params += [("from", iso(answer.window.start)), ("to", iso(answer.window.end)), ("step", step)]
    return f"/export.{kind}?{urlencode([*params, *more.items()])}"


def is_listed(query: Query) -> bool:
    """Whether it is of a stretch of time to the very second, or of its end, and not on the grid of a chart."""
    return isinstance(query, Listing | Schedule | OfPrometheus) or (isinstance(query, PromQL) and query.instant)


def file_name(answer: Answer, scope: Scope) -> str:
    """`default-promql-20260301T100000Z`, safe on any system whatever the query says."""
    words = [scope.cluster, answer.query.kind]
    match answer.query:
        case Inspect(method=name) | Signal(name=name):
            words.append(name)
    return "-".join([*words, f"{answer.measured_at:%Y%m%dT%H%M%SZ}"])
