"""GET /export.csv and /export.json: any query of the pages, with the same parameters, as a file.

    source=     which kind of query, see data_sources.query; with q=, by=, worker=, queue=, id= as that kind reads them
    range=      how far back, ending now: 6h; or from= and to=: ISO 8601 or unix seconds
    step=       15s, 5m ...; planned as for a plot when it is left out
    cluster=    the first one configured when it is left out
    shape=      tidy (one row a point) or wide (one column a series), of what has a time axis

Of tasks a file holds `limit=` rows. Where there are more, the header `Link` has the address of the next file,
`rel="next"` (and the JSON's `meta.next` its parameters).

A parameter of another name, or one the query does not read, changes nothing and is named in the header
`X-Ignored-Parameters` (and in the JSON's `meta.ignored`): the links of pages carry theirs along.

    400  {"error": {"parameter": "range", "message": "..."}}                              the question cannot be asked
    403  {"error": {"message": "..."}}                                          the audit is asked for by no operator
    502  {"error": {"source": "Prometheus", "kind": "unreachable", "what": ..., "hint": ...}}     there is no answer

A file is written from an answer that is complete. Should writing it fail, the connection is cut, not closed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pandas as pd
from anyio import CapacityLimiter, move_on_after
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from data_sources import ask as desk
from data_sources.answer import Answer
from data_sources.audit_query import Audit
from data_sources.errors import BadParameter
from data_sources.fields import Params, one
from data_sources.query import Inspect, PromQL, Query, Signal, from_fields
from data_sources.range_frame import wide_frame
from data_sources.schedule_query import Schedule
from data_sources.scope import Range, Scope, iso, parse_duration
from data_sources.task_query import Histogram, Listing
from identity import of_headers
from routes.csv_text import csv_chunks
from routes.json_text import json_chunks

WAIT_SECONDS = 10.0
LANES = CapacityLimiter(8)  # threads that wait for answers; the server's own stay free for pages and files
SHAPES = ("tidy", "wide")


class ReadFields(Mapping[str, Sequence[str]]):
    """A query string, parsed, that remembers which of its names were read."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> Sequence[str]:
        self._read.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def ignored(self) -> list[str]:
        return [name for name in self._values if name not in self._read]


@dataclass(frozen=True)
class Export:
    """What the URL of an export asks for."""

    query: Query
    scope: Scope
    shape: str
    ignored: tuple[str, ...]

    @classmethod
    def from_fields(cls, fields: ReadFields) -> Export:
        """Raises BadParameter."""
        query = from_fields(fields)
        scope = Scope(cluster=cluster_of(fields))
        shape = one(fields, "shape") or "tidy"
        if shape not in SHAPES or (shape == "wide" and not has_time_axis(query)):
            raise BadParameter("shape", "must be tidy, or wide where there is a time axis")
        if isinstance(query, PromQL | Signal | Listing | Schedule):
            times = {name: one(fields, name) for name in ("range", "from", "to")}
            scope = replace(scope, range=Range.from_params(times))
        if isinstance(query, PromQL | Signal):
            step = one(fields, "step")
            scope = replace(scope, step=parse_duration(step, "step") if step else None)
            scope.range.resolve(datetime.now(UTC), step=scope.step)  # refuses a step too small for the range
        return cls(query, scope, shape, tuple(fields.ignored))


def cluster_of(fields: ReadFields) -> str:
    known = desk.clusters()
    name = one(fields, "cluster") or known[0]
    if name not in known:
        raise BadParameter("cluster", f"must be one of {', '.join(known)}")
    return name


def has_time_axis(query: Query) -> bool:
    return isinstance(query, Signal | Histogram) or (isinstance(query, PromQL) and not query.instant)


async def export_csv(request: Request) -> Response:
    return await export(request, "csv")


async def export_json(request: Request) -> Response:
    return await export(request, "json")


async def export(request: Request, kind: str) -> Response:
    try:
        asked = Export.from_fields(ReadFields(request.query_params.multi_items()))
    except BadParameter as error:
        return refused(error.name, error.message)
    if isinstance(asked.query, Audit) and not of_headers(request.headers).controls:
        return JSONResponse({"error": {"message": "The audit is for operators"}}, 403)
    deadline = time.monotonic() + WAIT_SECONDS
    with move_on_after(WAIT_SECONDS):
        return await run_sync(partial(respond, request.method, asked, kind, deadline), limiter=LANES)
    return failed(source="Celery Notebook", kind="unreachable", what="is busy with other exports", hint="Try again.")


def respond(method: str, asked: Export, kind: str, deadline: float) -> Response:
    answer = desk.ask(asked.query, asked.scope, wait_seconds=max(0.0, deadline - time.monotonic()))
    if problem := problem_with(answer):
        return problem
    try:
        frame = wide(answer.frame) if asked.shape == "wide" else answer.frame
    except BadParameter as error:
        return refused(error.name, error.message)
    nan_is_data = isinstance(asked.query, PromQL | Signal)
    if kind == "csv":
        chunks, media_type = csv_chunks(frame, nan_is_data=nan_is_data), "text/csv"
    else:
        chunks, media_type = json_chunks(meta(asked, answer), frame, nan_is_data=nan_is_data), "application/json"
    headers = {
        "Content-Disposition": f'attachment; filename="{file_name(asked, answer)}.{kind}"',
        "Cache-Control": "no-store",
    }
    if answer.next:
        headers["Link"] = f'</export.{kind}?{urlencode(next_params(asked, answer.next))}>; rel="next"'
    if asked.ignored:
        names = (re.sub(r"[^\w.-]", "?", name, flags=re.ASCII) for name in asked.ignored)
        headers["X-Ignored-Parameters"] = ", ".join(names)[:1000]
    return StreamingResponse(() if method == "HEAD" else chunks, headers=headers, media_type=media_type)


def problem_with(answer: Answer) -> JSONResponse | None:
    """The error response for an answer that is none; a stale one is none either."""
    failure = answer.failure
    if failure and failure.parameter:
        return refused(failure.parameter, ". ".join(filter(None, (failure.what, failure.hint))))
    if failure:
        return failed(source=failure.source, kind=failure.kind, what=failure.what, hint=failure.hint)
    if answer.pending:
        what = f"gave no answer within {WAIT_SECONDS:.0f} s"
        return failed(source=answer.origin, kind="unreachable", what=what, hint="Try again.")
    return None


def refused(parameter: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"parameter": parameter, "message": message}}, 400)


def failed(**error: str) -> JSONResponse:
    return JSONResponse({"error": error}, 502)


def wide(tidy: pd.DataFrame) -> pd.DataFrame:
    """One column a series, a hole NA. A wide frame has NaN for it, as for a value that is NaN: where one of the same
    points, all of them 1, has NaN, there is a hole."""
    values, points = wide_frame(tidy), wide_frame(tidy.assign(value=1.0))
    columns = {
        name: pd.arrays.FloatingArray(values[name].to_numpy(), points[name].isna().to_numpy())
        for name in values.columns[1:]
    }
    return pd.DataFrame({"time": values["time"], **columns})


def file_name(asked: Export, answer: Answer) -> str:
    """`default-promql-20260301T100000Z`, safe on any system whatever the query says."""
    match asked.query:
        case Inspect(method=name) | Signal(name=name):
            words = [asked.scope.cluster, asked.query.kind, name]
        case _:
            words = [asked.scope.cluster, asked.query.kind]
    return "-".join([*words, f"{answer.measured_at:%Y%m%dT%H%M%SZ}"])


def next_params(asked: Export, query: Query) -> Params:
    """Of the file after this one; a range that ends now goes on to end when it is asked for."""
    return [*query.to_params(), *asked.scope.range.to_params().items(), ("cluster", asked.scope.cluster)]


def meta(asked: Export, answer: Answer) -> dict[str, Any]:
    window = answer.window
    return {
        "query": urlencode(asked.query.to_params()),
        "next": urlencode(next_params(asked, answer.next)) if answer.next else None,
        "cluster": asked.scope.cluster,
        "from": iso(window.start) if window else None,
        "to": iso(window.end) if window else None,
        "step": window.step.total_seconds() if window else None,
        "origin": answer.origin,
        "measured_at": iso(answer.measured_at) if answer.measured_at else None,
        "took": answer.took.total_seconds(),
        "units": answer.units,
        "totals": answer.totals,
        "notes": [{"kind": note.kind, "text": note.text} for note in answer.notes],
        "ignored": asked.ignored,
    }


routes = [Route("/export.csv", export_csv), Route("/export.json", export_json)]
