"""GET /export.csv and /export.json: any query of the pages, with the same parameters, as a file; and
/export.meta.json: what is to be known of the CSV of the same parameters (query, times, source, notes, version), which
its header `Link` leads to, `rel="describedby"`. In the JSON file the same stands as `meta`. A CSV's rows cannot say why
they are all there are (no worker answered, a gap, a cut), so its notes are in its header `X-Notes` too.

    source=     which kind of query, see data_sources.query; with q=, by=, worker=, queue=, id= as that kind reads them
    range=      how far back, ending now: 6h; or from= and to=: ISO 8601 or unix seconds
    step=       15s, 5m ...; planned as for a plot when it is left out
    cluster=    the first one configured when it is left out
    snapshot=   the id of what a page was answered once; then that is given, and no source is asked
    shape=      tidy (one row a point) or wide (one column a series), of what has a time axis

Of a cell of a notebook (`cell=`, with what names the notebook) see routes/export_notebook.py.

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

import time
from functools import partial

from anyio import CapacityLimiter, move_on_after
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from data_sources import ask as desk
from data_sources.audit_query import Audit
from data_sources.errors import BadParameter
from data_sources.fields import ReadFields
from identity import of_headers
from routes import export_notebook, export_pages
from routes.export_file import WAIT_SECONDS, busy, file_of, refused
from routes.export_request import Export

LANES = CapacityLimiter(8)  # threads that wait for answers; the server's own stay free for pages and files


async def export_csv(request: Request) -> Response:
    return await export(request, "csv")


async def export_json(request: Request) -> Response:
    return await export(request, "json")


async def export_meta(request: Request) -> Response:
    return await export(request, "meta.json")


async def export(request: Request, kind: str) -> Response:
    fields = ReadFields(request.query_params.multi_items())
    if "cell" in fields:
        return await export_notebook.cell_file(request, kind)
    try:
        asked = Export.from_fields(fields)
    except BadParameter as error:
        return refused(error.name, error.message)
    if isinstance(asked.query, Audit) and not of_headers(request.headers).controls:
        return JSONResponse({"error": {"message": "The audit is for operators"}}, 403)
    deadline = time.monotonic() + WAIT_SECONDS
    with move_on_after(WAIT_SECONDS):
        return await run_sync(partial(respond, request.method, asked, kind, deadline), limiter=LANES)
    return busy()


def respond(method: str, asked: Export, kind: str, deadline: float) -> Response:
    answer = desk.ask(asked.query, asked.scope, wait_seconds=max(0.0, deadline - time.monotonic()))
    return file_of(answer, asked, kind, method)


routes = [
    Route("/export.csv", export_csv),
    Route("/export.json", export_json),
    Route("/export.meta.json", export_meta),
    *export_pages.routes,
    *export_notebook.routes,
]
