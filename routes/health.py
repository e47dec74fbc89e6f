"""GET /healthz: whether the server lives, and in what state each source is, for load balancers and scripts.

    {"status": "ok", "sources": [{"cluster": "default", "name": "redis", "state": "ok"}, ...]}

200 as long as the server lives, whatever its sources do: restarting it would not mend them. States are ok, failing,
pending, off, and unknown: of the broker and the workers while the recorder, which alone asks them, fails. No host and
no error text: anybody may read this, under whatever name they reach it. Where people have to sign in, whoever has not
is told the status alone.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from data_sources import ask as desk
from data_sources.query import Sources
from data_sources.scope import Scope
from identity import of_headers


async def healthz(request: Request) -> JSONResponse:
    """Reads memory alone, so it needs no thread and answers while all of them wait."""
    told: dict[str, object] = {"status": "ok"}
    if of_headers(request.headers).reads:
        told["sources"] = [source for cluster in desk.clusters() for source in source_states(cluster)]
    return JSONResponse(told, headers={"Cache-Control": "no-store"})


def source_states(cluster: str) -> list[dict[str, str]]:
    frame = desk.ask(Sources(), Scope(cluster)).frame
    return [
        {"cluster": cluster, "name": name, "state": state}
        for name, state in zip(frame["source"], frame["state"], strict=True)
    ]


routes = [Route("/healthz", healthz)]
