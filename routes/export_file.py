"""An answer as a response: a file, or what went wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.responses import JSONResponse, Response, StreamingResponse

from data_sources.answer import Answer
from data_sources.derived_query import Derived
from data_sources.errors import BadParameter
from data_sources.query import PromQL, Signal
from exports.about import about, file_link, file_name, next_params
from exports.csv_text import csv_chunks
from exports.json_text import json_chunks
from exports.plain_values import plain
from exports.wide_frame import wide_frames
from routes.export_pages import pages_after
from routes.export_request import Export

WAIT_SECONDS = 10.0  # for an answer
READABLE = "".join(map(chr, range(0x20, 0x7F))).translate({ord("%"): None, ord(";"): None})  # in a header as it stands
MOST_NOTES = 1_000  # characters of a header; the sidecar has them all


def file_of(answer: Answer, asked: Export, kind: str, method: str) -> Response:
    """`kind`: csv, json or meta.json."""
    if problem := problem_with(answer):
        return problem
    head = about(answer, asked.scope, asked.shape, asked.whole) | {"ignored": asked.ignored}
    name = file_name(answer, asked.scope)
    headers = headers_of(f"{name}.{kind}", kind, asked, answer)
    if kind == "csv" and head["notes"]:
        headers["X-Notes"] = notes_line(head["notes"])
    if kind == "meta.json":
        text = orjson.dumps(plain({"file": f"{name}.csv", **head}), option=orjson.OPT_INDENT_2)
        return Response(text, headers=headers, media_type="application/json")
    try:
        pieces = wide_frames(answer.frame) if asked.shape == "wide" else iter((answer.frame,))
    except BadParameter as error:
        return refused(error.name, error.message)
    frame, more = next(pieces), pages_after(answer, asked.scope, asked.progress) if asked.whole else pieces
    of_a_notebook = isinstance(answer.query, Derived)
    nan_is_data = answer.window is not None if of_a_notebook else isinstance(answer.query, PromQL | Signal)
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
        of_sql = isinstance(answer.query, Derived)
        described = asked.described if of_sql else file_link("meta.json", answer, asked.scope, **as_asked)
        links += [f'<{described}>; rel="describedby"'] if described else []
    if links:
        headers["Link"] = ", ".join(links)
    if asked.ignored:
        names = (re.sub(r"[^\w.-]", "?", name, flags=re.ASCII) for name in asked.ignored)
        headers["X-Ignored-Parameters"] = ", ".join(names)[:1000]
    return headers


def notes_line(notes: Sequence[Mapping[str, Any]]) -> str:
    """`warning: mail@a did not answer; warning: ...`, in ASCII: any other character, `%` and `;` percent-encoded."""
    line = ""
    for number, note in enumerate(notes):
        told = f"{note['kind']}: {quote(note['text'][:MOST_NOTES], safe=READABLE, errors='replace')}"
        if len(line) + len(told) > MOST_NOTES:
            return f"{line}and {len(notes) - number:,} more"
        line += f"{told}; "
    return line.removesuffix("; ")


def problem_with(answer: Answer) -> JSONResponse | None:
    """The error response for an answer that is none; a stale one is none either."""
    failure = answer.failure
    if failure and failure.parameter:
        return refused(failure.parameter, ". ".join(filter(None, (failure.what, failure.hint))))
    if failure:
        return failed(source=failure.source, kind=failure.kind, what=failure.what, hint=failure.hint)
    if answer.pending:
        return failed(source=answer.origin, kind="unreachable", what="gave no answer in time", hint="Try again.")
    return None


def refused(parameter: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"parameter": parameter, "message": message}}, 400)


def failed(**error: str) -> JSONResponse:
    return JSONResponse({"error": error}, 502)


def busy() -> JSONResponse:
    return failed(source="Celery Notebook", kind="unreachable", what="is busy with other exports", hint="Try again.")
