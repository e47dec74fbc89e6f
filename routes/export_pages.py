"""All pages of a list of tasks as one file: each is read when those before it are written, and kept by nobody.

    GET /export.progress?id=ID     {"rows": 120000, "of": 1000000, "state": "writing"}, then complete or broken

`ID` is what the file was asked for with, `progress=ID`; `of` is null where nobody counted.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import pandas as pd
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from data_sources import ask as desk
from data_sources.answer import Answer
from data_sources.errors import BadParameter, SourceError
from data_sources.history.answers import tasks_answer
from data_sources.history.reader import HistoryReader
from data_sources.scope import Scope
from data_sources.task_query import Facets, Tasks

MOST_FOLLOWED = 100  # files; of older ones nobody is told any more
COUNT_SECONDS = 3.0

_followed: OrderedDict[str, Progress] = OrderedDict()
_lock = threading.Lock()


@dataclass
class Progress:
    """How many rows of a file are written, and `of` how many."""

    rows: int
    of: int | None
    state: str = "writing"


def pages_after(first: Answer, scope: Scope, progress_id: str) -> Iterator[pd.DataFrame]:
    """The frames of the pages after `first`. Raises SourceError when one cannot be had, also at a second try."""
    progress = followed(first, scope, progress_id)
    reader = desk.desk().histories()[scope.cluster]
    following = first.next
    try:
        while isinstance(following, Tasks):
            page = read_page(reader, following, scope)
            progress.rows += len(page.frame)
            following = page.next
            yield page.frame
        progress.state = "complete"
    finally:
        if progress.state != "complete":  # whoever reads has gone, or the history has
            progress.state = "broken"


def read_page(reader: HistoryReader, query: Tasks, scope: Scope) -> Answer:
    try:
        return tasks_answer(reader, query, scope)
    except SourceError:  # a moment's trouble shall not cost all that was sent
        return tasks_answer(reader, query, scope)


def followed(first: Answer, scope: Scope, id: str) -> Progress:
    progress = Progress(len(first.frame), None)
    if not id:
        return progress
    assert isinstance(first.query, Tasks)
    progress.of = desk.ask(Facets(first.query.filter), scope, COUNT_SECONDS).totals.get("tasks")
    with _lock:
        _followed[id] = progress
        while len(_followed) > MOST_FOLLOWED:
            _followed.popitem(last=False)
    return progress


def read_progress_id(text: str) -> str:
    """Raises BadParameter. Whoever asks for the file makes it up, and tells it to nobody else."""
    if text and not re.fullmatch(r"[\w-]{8,64}", text, re.ASCII):
        raise BadParameter("progress", "must be 8 to 64 letters, digits, - or _")
    return text


async def export_progress(request: Request) -> JSONResponse:
    progress = _followed.get(request.query_params.get("id", ""))
    body = asdict(progress) if progress else {"error": {"message": "No such file is being written here"}}
    return JSONResponse(body, 200 if progress else 404, {"Cache-Control": "no-store"})


routes = [Route("/export.progress", export_progress)]
