"""A notebook as a file, run anew on the server.

    GET /export.html?id=ID                   all of it (notebooks/html_file.py); or revision=, text=, example=, draft=
    GET /export.csv?id=ID&cell=NAME          the answer of one cell, of SQL too; also .json and .meta.json
    GET /export.shell.html                   a file with nothing in it, which a browser fills with what a page shows

Both take range= or from= and to= (the notebook's own without), cluster=, snapshot=, and its variables: var-queue=mail.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cells.page_view import View
from data_sources import ask as desk
from data_sources.errors import BadParameter, QueryRejected, SourceError
from data_sources.fields import Fields, ReadFields, one
from data_sources.scope import Range, Scope
from notebooks import run
from notebooks.editing.editor import WAYS, open_notebook
from notebooks.error import NotebookError
from notebooks.html_file import empty, html
from notebooks.notebook import Notebook, Prose
from notebooks.pieces import chosen_words, pieces
from notebooks.variables import Values, chosen
from routes.export_file import failed, file_of, refused
from routes.export_request import Export, cluster_of

CELL_SECONDS = 15.0  # a cell's; all are under way together
LANES = CapacityLimiter(2)  # notebooks that run at once


@dataclass(frozen=True)
class Asked:
    """A notebook, and with what it is run."""

    notebook: Notebook
    values: Values
    scope: Scope
    cell: str

    @classmethod
    def from_fields(cls, fields: Fields) -> Asked:
        """Raises BadParameter, SourceError."""
        if not any(one(fields, way) for way in WAYS):
            raise BadParameter("id", f"is missing; {', '.join(WAYS)} say which notebook")
        try:
            notebook = open_notebook(fields).now
        except NotebookError as error:
            raise BadParameter(next(way for way in WAYS if one(fields, way)), error.message) from error
        times = {name: one(fields, name) for name in ("range", "from", "to")}
        span = Range.from_params(times) if any(times.values()) else notebook.range
        scope = Scope(cluster_of(fields), span, snapshot=one(fields, "snapshot"))
        cell = one(fields, "cell")
        answering = [each.name for each in notebook.cells if not isinstance(each, Prose)]
        if cell and cell not in answering:
            raise BadParameter("cell", f"must be one of {', '.join(answering)}")
        return cls(notebook, chosen(notebook.variables, fields, scope.cluster), scope, cell)


async def export_html(request: Request) -> Response:
    return await answered(request, whole_file)


async def cell_file(request: Request, kind: str) -> Response:
    return await answered(request, partial(file_of_cell, kind, request.method))


async def answered(request: Request, make: Callable[[Asked], Response]) -> Response:
    """What `make` makes of the notebook that is asked for."""
    fields = ReadFields(request.query_params.multi_items())

    def respond() -> Response:
        try:
            return make(Asked.from_fields(fields))
        except BadParameter as error:
            return refused(error.name, error.message)
        except QueryRejected as error:  # there is none of that id
            return refused(error.parameter or "id", error.what)
        except SourceError as error:
            return failed(source=error.source, kind="unreachable", what=error.what, hint=error.hint)

    return await run_sync(respond, limiter=LANES)


def whole_file(asked: Asked) -> Response:
    scope = run.held(asked.scope, CELL_SECONDS)
    results = [*run.Run(asked.notebook, asked.values, scope, CELL_SECONDS).results()]
    made_at = datetime.now(UTC)
    shown = pieces(results, asked.values, View(scope, None, ()))
    line, address = chosen_words(asked.notebook.variables, asked.values), desk.desk().settings.public_url or ""
    body = html(asked.notebook.title, shown, made_at, line=line, address=address)
    name = re.sub(r"[^a-z0-9]+", "-", asked.notebook.title.lower(), flags=re.ASCII).strip("-")[:60] or "notebook"
    return as_file(body, f"{name}-{made_at:%Y%m%dT%H%M%SZ}.html")


def file_of_cell(kind: str, method: str, asked: Asked) -> Response:
    answer = run.Run(asked.notebook, asked.values, asked.scope, CELL_SECONDS).answer(asked.cell)
    return file_of(answer, Export(answer.query, asked.scope, "tidy", False, "", ()), kind, method)


def as_file(body: bytes, name: str) -> Response:
    """Never a page of this server's: what stands in it could then ask the server."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(body, headers=headers, media_type="text/html")


async def export_shell(request: Request) -> Response:
    return as_file(await run_sync(empty), "celery-notebook.html")


routes = [Route("/export.html", export_html), Route("/export.shell.html", export_shell)]
