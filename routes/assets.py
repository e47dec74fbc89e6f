"""The browser's files, from this server and no other."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import PurePath

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from cells.assets import FILES, VERSION

TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
FOR_EVER = {"cache-control": "public, max-age=31536000, immutable", "vary": "Accept-Encoding"}


async def asset(request: Request) -> Response:
    """A file of the table, by its exact name; its version is in the path, so it may be kept for ever.

    A page's twenty come at once: a thread for each would take twice as long.
    """
    name = request.path_params["name"]
    if name not in FILES or request.path_params["version"] != VERSION:
        return PlainTextResponse("There is no such file. Reload the page: the dashboard was updated.", 404)
    kind = TYPES[PurePath(name).suffix]
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(zipped(name), media_type=kind, headers={**FOR_EVER, "content-encoding": "gzip"})
    return Response(FILES[name], media_type=kind, headers=FOR_EVER)


@cache
def zipped(name: str) -> bytes:
    """Compressed once: doing it for each visitor would hold up the event loop for a tenth of a second."""
    return gzip.compress(FILES[name])


routes = [Route("/assets/{version}/{name}", asset)]
