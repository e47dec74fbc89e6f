"""GET /metrics: what the recorder knows, for Prometheus; in celery-exporter's names where the meaning is the same.

A history that cannot be read is a 502 with JSON, so Prometheus sees the target down, and no zeros.
"""

from __future__ import annotations

from anyio import CapacityLimiter, move_on_after
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from data_sources import ask as desk
from data_sources.errors import SourceError
from recorder.metrics import Recorders, exposition
from routes.export_file import failed

WAIT_SECONDS = 9.0  # Prometheus gives up after 10
LANES = CapacityLimiter(1)  # two servers that scrape take turns: what they are told is the same


async def metrics(request: Request) -> Response:
    with move_on_after(WAIT_SECONDS):
        return await run_sync(respond, request.headers.get("accept", ""), limiter=LANES, abandon_on_cancel=True)
    what = f"gave no answer within {WAIT_SECONDS:.0f} s"
    return failed(source="Celery Notebook", kind="unreachable", what=what, hint="Scrape less often.")


def respond(accept: str) -> Response:
    try:
        text, content_type = exposition(Recorders(desk.desk().histories()).collect(), accept)
    except SourceError as error:
        return failed(source=error.source, kind="unreachable", what=error.what, hint=error.hint)
    return Response(text, headers={"Content-Type": content_type, "Cache-Control": "no-store"})


routes = [Route("/metrics", metrics)]
