"""Of a bundle the page it was made of is the front page."""

from __future__ import annotations

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class FrontPage:
    """`link`: a path of ours with its parameters. Where it is the front page itself, it has some."""

    def __init__(self, app: ASGIApp, link: str) -> None:
        self._app = app
        self._link = link

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        bare = scope["type"] == "http" and scope["path"] == "/" and not scope["query_string"]
        if bare and self._link != "/":
            await RedirectResponse(self._link)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
