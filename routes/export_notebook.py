"""A notebook as a file, run anew on the server.

    GET /export.html?id=ID                   all of it (notebooks/html_file.py); or revision=, text=, example=, draft=
    GET /export.csv?id=ID&cell=NAME          the answer of one cell, of SQL too; also .json and .meta.json
    GET /export.shell.html                   a file with nothing in it, which a browser fills with what a page shows

Both take range= or from= and to= (the notebook's own without), step=, cluster=, snapshot= (then the notebook is the one
of which that was made, whatever it is by now), and its variables: var-queue=mail; a cell also shape=.

    502  also where too many ask at once, and for the cell; in a whole file what is not there in time says so itself
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from anyio import CapacityLimiter, move_on_after
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cells.page_view import View
from data_sources import ask as desk
from data_sources.errors import BadParameter, QueryRejected, SourceError
from data_sources.fields import Fields, Params, ReadFields, one
from data_sources.scope import Range, Scope, parse_duration
from notebooks import run
from notebooks.cell_address import cell_address
from notebooks.editing.editor import WAYS, open_notebook
from notebooks.error import NotebookError
from notebooks.html_file import empty, html
from notebooks.notebook import Notebook, Prose
from notebooks.pieces import chosen_words, pieces
from notebooks.text import file
from notebooks.variables import Values, chosen
from routes.export_file import WAIT_SECONDS, busy, failed, file_of, problem_with, refused
from routes.export_request import SHAPES, Export, cluster_of

CELL_SECONDS = 15.0  # a cell's; all are under way together
WHOLE_SECONDS = 45.0  # all cells', and the wait for a turn before; proxies mostly give up after 60
MOST_ADDRESS = 2_000  # characters; some proxies take 4,000 for all headers
LANES = CapacityLimiter(2)  # notebooks that run at once


@dataclass(frozen=True)
class Asked:
    """A notebook, and with what it is run."""

    notebook: Notebook
    values: Values
    scope: Scope
    cell: str
    shape: str
    ignored: tuple[str, ...]

    @classmethod
    def from_fields(cls, fields: ReadFields) -> Asked:
        """Raises BadParameter, SourceError."""
        place = Scope(cluster_of(fields), snapshot=one(fields, "snapshot"))
        notebook = notebook_of(fields, place)
        values = chosen(notebook.variables, fields, place.cluster)
        cell, shape = one(fields, "cell"), one(fields, "shape") or "tidy"
        answering = [each.name for each in notebook.cells if not isinstance(each, Prose)]
        if cell and cell not in answering:
            raise BadParameter("cell", f"must be one of {', '.join(answering)}")
        if shape not in SHAPES:
            raise BadParameter("shape", f"must be one of {', '.join(SHAPES)}")
        return cls(notebook, values, asked_scope(fields, notebook, place), cell, shape, tuple(fields.ignored))

    def address(self, kind: str, given: Params) -> str:
        """Of the cell as a file of another kind; `given` is what was asked with.

        "" for one that is too long for a header, as of a notebook that is whole in its link.
        """
        address = cell_address(kind, self.cell, given, self.scope)
        return address if len(address) <= MOST_ADDRESS else ""


def notebook_of(fields: Fields, place: Scope) -> Notebook:
    """That of a snapshot as it was then; else the one that the parameters name. Raises BadParameter, SourceError."""
    sealed = desk.desk().sealed(place)
    way = next((way for way in WAYS if one(fields, way)), "")
    try:
        if sealed and sealed.notebook:
            return file.read(sealed.notebook)
        if not way:
            raise BadParameter("id", f"is missing; {', '.join(WAYS)} say which notebook")
        return open_notebook(fields).now
    except NotebookError as error:
        raise BadParameter(way or "snapshot", error.message) from error


def asked_scope(fields: Fields, notebook: Notebook, place: Scope) -> Scope:
    """Raises BadParameter."""
    times = {name: one(fields, name) for name in ("range", "from", "to")}
    span = Range.from_params(times) if any(times.values()) else notebook.range
    step = one(fields, "step")
    scope = replace(place, range=span, step=parse_duration(step, "step") if step else None)
    span.resolve(datetime.now(UTC), step=scope.step)  # refuses a step too small for the range
    return scope


async def export_html(request: Request) -> Response:
    return await answered(request, whole_file)


async def cell_file(request: Request, kind: str) -> Response:
    given = request.query_params.multi_items()
    return await answered(request, partial(file_of_cell, kind, request.method, given))


async def answered(request: Request, make: Callable[[Asked, float], Response]) -> Response:
    """What `make` makes, by the moment it is told, of the notebook that is asked for."""
    fields = ReadFields(request.query_params.multi_items())
    ends = time.monotonic() + WHOLE_SECONDS

    def respond() -> Response:
        try:
            return make(Asked.from_fields(fields), ends)
        except BadParameter as error:
            return refused(error.name, error.message)
        except QueryRejected as error:  # there is none of that id
            return refused(error.parameter or "id", error.what)
        except SourceError as error:
            return failed(source=error.source, kind="unreachable", what=error.what, hint=error.hint)

    with move_on_after(WAIT_SECONDS):
        return await run_sync(respond, limiter=LANES)
    return busy()


def whole_file(asked: Asked, ends: float) -> Response:
    scope = run.held(asked.scope, min(CELL_SECONDS, max(0.0, ends - time.monotonic())))
    results = [*run.Run(asked.notebook, asked.values, scope, CELL_SECONDS, ends).results()]
    made_at = datetime.now(UTC)
    shown = pieces(results, asked.values, View(scope, None, ()))
    line, address = chosen_words(asked.notebook.variables, asked.values), desk.desk().settings.public_url or ""
    body = html(asked.notebook.title, shown, made_at, line=line, address=address)
    name = re.sub(r"[^a-z0-9]+", "-", asked.notebook.title.lower(), flags=re.ASCII).strip("-")[:60] or "notebook"
    return as_file(body, f"{name}-{made_at:%Y%m%dT%H%M%SZ}.html")


def file_of_cell(kind: str, method: str, given: Params, asked: Asked, ends: float) -> Response:
    one_run = run.Run(asked.notebook, asked.values, asked.scope, CELL_SECONDS, ends)
    answer, scope = one_run.answer(asked.cell), one_run.scope(asked.cell)
    if asked.shape == "wide" and answer.window is None and not problem_with(answer):
        return refused("shape", "must be tidy, or wide where there is a time axis")
    described = asked.address("meta.json", given)
    return file_of(answer, Export(answer.query, scope, asked.shape, False, "", asked.ignored, described), kind, method)


def as_file(body: bytes, name: str) -> Response:
    """Never a page of this server's: what stands in it could then ask the server."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(body, headers=headers, media_type="text/html")


async def export_shell(request: Request) -> Response:
    return as_file(await run_sync(empty), "celery-notebook.html")


routes = [Route("/export.html", export_html), Route("/export.shell.html", export_shell)]
