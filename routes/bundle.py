"""GET /bundle.zip?snapshot=ID: a snapshot as a file, to be opened where none of the sources can be reached:

streamlit run dashboard.py -- bundle.zip
"""

from __future__ import annotations

import re

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from data_sources.errors import QueryRejected, SourceError
from workspace import snapshots
from workspace.opened import opened
from workspace.snapshots import Snapshot


async def bundle(request: Request) -> Response:
    try:
        kept, body = await run_sync(read, request.query_params.get("snapshot", ""))
    except SourceError as error:
        status = 404 if isinstance(error, QueryRejected) else 502
        return JSONResponse({"error": {"source": error.source, "what": error.what, "hint": error.hint}}, status)
    headers = {
        "Content-Disposition": f'attachment; filename="{file_name(kept)}"',
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
    }
    return Response(b"" if request.method == "HEAD" else body, headers=headers, media_type="application/zip")


def read(id: str) -> tuple[Snapshot, bytes]:
    return snapshots.snapshot(opened(), id), snapshots.body(opened(), id)


def file_name(kept: Snapshot) -> str:
    """`queues-mail-20260301T100000Z.zip`, safe on any system whatever the page is called."""
    words = re.sub(r"[^a-z0-9]+", "-", kept.title.lower(), flags=re.ASCII).strip("-")[:60]
    return f"{words or 'page'}-{kept.made_at:%Y%m%dT%H%M%SZ}.zip"


routes = [Route("/bundle.zip", bundle)]
