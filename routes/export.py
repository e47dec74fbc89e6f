"""GET /export.csv and /export.json: any query of the pages, with the same parameters, as a file; and
/export.meta.json: what is to be known of the CSV of the same parameters (query, times, source, notes, version), which
its header `Link` leads to, `rel="describedby"`. In the JSON file the same stands as `meta`.

    source=     which kind of query, see data_sources.query; with q=, by=, worker=, queue=, id= as that kind reads them
    range=      how far back, ending now: 6h; or from= and to=: ISO 8601 or unix seconds
    step=       15s, 5m ...; planned as for a plot when it is left out
    cluster=    the first one configured when it is left out
    snapshot=   the id of what a page was answered once; then that is given, and no source is asked
    shape=      tidy (one row a point) or wide (one column a series), of what has a time axis

Of tasks a file holds `limit=` rows. Where there are more, the header `Link` has the address of the next file,
`rel="next"` (and the JSON's `meta.next` its parameters). With `rows=all` it holds all of them, however many, read page
by page while it is written: a task that goes on meanwhile did something after the file's end and may be missing.
`progress=` names it, so that /export.progress?id= tells how far it has come.

A parameter of another name, or one the query does not read, changes nothing and is named in the header
`X-Ignored-Parameters` (and in the JSON's `meta.ignored`): the links of pages carry theirs along.

    400  {"error": {"parameter": "range", "message": "..."}}                              the question cannot be asked
    403  {"error": {"message": "..."}}                                          the audit is asked for by no operator
    502  {"error": {"source": "Prometheus", "kind": "unreachable", "what": ..., "hint": ...}}     there is no answer

A file is written from an answer that is complete, or page by page. Should reading or writing it fail, the connection
is cut, not closed, so that no half of it passes for the whole.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlencode

import orjson
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
from data_sources.fields import ReadFields, one
from data_sources.promql_query import OfPrometheus
from data_sources.query import PromQL, Query, Signal, from_fields
from data_sources.range_frame import wide_frame
from data_sources.schedule_query import Schedule
from data_sources.scope import Range, Scope, parse_duration
from data_sources.task_query import MAX_ROWS, Histogram, Listing, Tasks
from exports.about import about, file_link, file_name, next_params
from exports.csv_text import csv_chunks
from exports.json_text import json_chunks
from exports.plain_values import plain
from identity import of_headers
from routes import export_pages
from routes.export_pages import pages_after, read_progress_id

WAIT_SECONDS = 10.0
LANES = CapacityLimiter(8)  # threads that wait for answers; the server's own stay free for pages and files
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


def cluster_of(fields: ReadFields) -> str:
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


async def export_csv(request: Request) -> Response:
    return await export(request, "csv")


async def export_json(request: Request) -> Response:
    return await export(request, "json")


async def export_meta(request: Request) -> Response:
    return await export(request, "meta.json")


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
    head = about(answer, asked.scope, asked.shape, asked.whole) | {"ignored": asked.ignored}
    name = file_name(answer, asked.scope)
    headers = headers_of(f"{name}.{kind}", kind, asked, answer)
    if kind == "meta.json":
        text = orjson.dumps(plain({"file": f"{name}.csv", **head}), option=orjson.OPT_INDENT_2)
        return Response(text, headers=headers, media_type="application/json")
    try:
        frame = wide(answer.frame) if asked.shape == "wide" else answer.frame
    except BadParameter as error:
        return refused(error.name, error.message)
    more = pages_after(answer, asked.scope, asked.progress) if asked.whole else ()
    nan_is_data = isinstance(asked.query, PromQL | Signal)
    if kind == "csv":
        chunks, media_type = csv_chunks(frame, nan_is_data=nan_is_data, more=more), "text/csv"
    else:
        chunks, media_type = json_chunks(head, frame, nan_is_data=nan_is_data, more=more), "application/json"
    return StreamingResponse(() if method == "HEAD" else chunks, headers=headers, media_type=media_type)


def headers_of(name: str, kind: str, asked: Export, answer: Answer) -> dict[str, str]:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    links = []
    if answer.next and not asked.whole:
        links.append(f'</export.{kind}?{urlencode(next_params(answer.next, asked.scope))}>; rel="next"')
    if kind == "csv":
        as_asked = {"shape": asked.shape} | ({"rows": "all"} if asked.whole else {})
        links.append(f'<{file_link("meta.json", answer, asked.scope, **as_asked)}>; rel="describedby"')
    if links:
        headers["Link"] = ", ".join(links)
    if asked.ignored:
        names = (re.sub(r"[^\w.-]", "?", name, flags=re.ASCII) for name in asked.ignored)
        headers["X-Ignored-Parameters"] = ", ".join(names)[:1000]
    return headers


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


routes = [
    Route("/export.csv", export_csv),
    Route("/export.json", export_json),
    Route("/export.meta.json", export_meta),
    *export_pages.routes,
]
