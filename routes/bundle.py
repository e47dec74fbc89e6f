"""GET /bundle.zip?snapshot=ID: a snapshot as a file, to be opened where none of the sources can be reached:

streamlit run dashboard.py -- bundle.zip

It is read piece by piece, as fast as it is taken. Should it be deleted meanwhile, the connection is cut.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from data_sources.errors import QueryRejected, SourceError
from workspace import snapshots
from workspace.opened import opened
from workspace.snapshots import Snapshot

LANES = CapacityLimiter(2)  # pieces that are read at once: SQLite takes the whole bundle into memory for each
PIECE_BYTES = 4 * 2**20  # what a slow reader holds; 0.06 s, of a bundle of 50 MB


async def bundle(request: Request) -> Response:
    id = request.query_params.get("snapshot", "")
    try:
        kept = await run_sync(snapshots.snapshot, opened(), id, limiter=LANES)
        first = b"" if request.method == "HEAD" else await piece(id, 0)
    except SourceError as error:
        status = 404 if isinstance(error, QueryRejected) else 502
        return JSONResponse({"error": {"source": error.source, "what": error.what, "hint": error.hint}}, status)
    headers = {
        "Content-Disposition": f'attachment; filename="{file_name(kept)}"',
        "Content-Length": str(kept.bytes),
        "Cache-Control": "no-store",
    }
    if request.method == "HEAD":
        return Response(headers=headers, media_type="application/zip")
    return StreamingResponse(pieces(kept, first), headers=headers, media_type="application/zip")


async def pieces(kept: Snapshot, first: bytes) -> AsyncIterator[bytes]:
    """Raises SourceError when it cannot be read to its end."""
    sent, part = 0, first
    while part:
        yield part
        sent += len(part)
        part = await piece(kept.id, sent) if sent < kept.bytes else b""


async def piece(id: str, start: int) -> bytes:
    return await run_sync(snapshots.piece, opened(), id, start, PIECE_BYTES, limiter=LANES)


def file_name(kept: Snapshot) -> str:
    """`queues-mail-20260301T100000Z.zip`, safe on any system whatever the page is called."""
    words = re.sub(r"[^a-z0-9]+", "-", kept.title.lower(), flags=re.ASCII).strip("-")[:60]
    return f"{words or 'page'}-{kept.made_at:%Y%m%dT%H%M%SZ}.zip"


routes = [Route("/bundle.zip", bundle)]
