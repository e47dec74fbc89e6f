"""GET /bundle.zip?snapshot=ID: a snapshot as a file, to be opened where none of the sources can be reached:

streamlit run dashboard.py -- bundle.zip
"""

from __future__ import annotations

import re

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from data_sources.errors import QueryRejected, SourceError
from workspace import snapshots
from workspace.opened import opened
from workspace.snapshots import Snapshot

LANES = CapacityLimiter(2)  # bundles that are read at once: each is whole in memory


async def bundle(request: Request) -> Response:
    id = request.query_params.get("snapshot", "")
    try:
        kept = await run_sync(snapshots.snapshot, opened(), id, limiter=LANES)
        body = b"" if request.method == "HEAD" else await run_sync(snapshots.body, opened(), id, limiter=LANES)
    except SourceError as error:
        status = 404 if isinstance(error, QueryRejected) else 502
        return JSONResponse({"error": {"source": error.source, "what": error.what, "hint": error.hint}}, status)
    headers = {
        "Content-Disposition": f'attachment; filename="{file_name(kept)}"',
        "Content-Length": str(kept.bytes),
        "Cache-Control": "no-store",
    }
    return Response(body, headers=headers, media_type="application/zip")


def file_name(kept: Snapshot) -> str:
    """`queues-mail-20260301T100000Z.zip`, safe on any system whatever the page is called."""
    words = re.sub(r"[^a-z0-9]+", "-", kept.title.lower(), flags=re.ASCII).strip("-")[:60]
    return f"{words or 'page'}-{kept.made_at:%Y%m%dT%H%M%SZ}.zip"


routes = [Route("/bundle.zip", bundle)]
