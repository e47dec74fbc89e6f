"""A head start: while Streamlit's own files load, what our cells need does too, and what they show is made."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from identity.who import SIGN_IN

# Streamlit's one inline script tells crawlers to wait. The guard's policy refuses it, and each browser says so.
INLINE = re.compile(rb"<script>.*?</script>", re.DOTALL)


class HeadStart:
    """ASGI middleware for Streamlit's page, and no other answer.

    `tags`: by the page's path, without slashes around it, what comes at the end of its head. `begin` is told of each
    path and query string that a browser opens, and returns at once.
    """

    def __init__(self, app: ASGIApp, tags: Callable[[str], str], begin: Callable[[str, bytes], None]) -> None:
        self.app = app
        self.tags = tags
        self.begin = begin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] == SIGN_IN:
            await self.app(scope, receive, send)
            return
        if opens_page(Headers(scope=scope)):
            self.begin(scope["path"], scope["query_string"])
        start: Message | None = None
        body = b""

        async def send_page(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and is_page(message):
                start = message  # held back until the body is there: its length changes
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    await self._send_page(scope["path"].strip("/"), start, body, send)

        await self.app(scope, receive, send_page)

    async def _send_page(self, path: str, start: Message, body: bytes, send: Send) -> None:
        # After the page's own: a browser fetches and runs modules in the order they stand in, and would fetch what the
        # header `Link` names before them.
        headers = MutableHeaders(raw=list(start["headers"]))
        if "content-encoding" in headers:  # Streamlit compresses all pages but the first
            body = gzip.decompress(body)
            del headers["content-encoding"]
        page = INLINE.sub(b"", body).replace(b"</head>", self.tags(path).encode() + b"</head>", 1)
        headers["content-length"] = str(len(page))
        for name in ("etag", "last-modified"):  # of the page as it was; ours changes with what it loads
            del headers[name]
        await send({**start, "headers": headers.raw})
        await send({"type": "http.response.body", "body": page})


def opens_page(headers: Headers) -> bool:
    """Whether somebody is about to look: a check whether the server is there asks for anything, and every few seconds.

    A browser that opens a page says that it wants HTML; `Sec-Fetch-Dest` it leaves out over plain HTTP.
    """
    return "text/html" in headers.get("accept", "")


def is_page(start: Message) -> bool:
    """A file that is downloaded may be HTML too, and is left as it was made."""
    headers = MutableHeaders(raw=list(start["headers"]))
    readable = "content-disposition" not in headers and headers.get("content-encoding", "gzip") == "gzip"
    return start["status"] == 200 and readable and headers.get("content-type", "").startswith("text/html")
