"""The browser's files, from this server and no other."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from cells.assets import FILES, VERSION

TYPES = {".js": "text/javascript", ".css": "text/css"}


def asset(request: Request) -> Response:
    """A file of the table, by its exact name; its version is in the path, so it may be kept for ever."""
    path = FILES.get(request.path_params["name"])
    if path is None or request.path_params["version"] != VERSION:
        return PlainTextResponse("There is no such file. Reload the page: the dashboard was updated.", 404)
    return FileResponse(
        path, media_type=TYPES[path.suffix], headers={"cache-control": "public, max-age=31536000, immutable"}
    )


routes = [Route("/assets/{version}/{name}", asset)]
