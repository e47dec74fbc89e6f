"""The guard before Streamlit and all routes: only our own pages may talk to this server, and only in known words.

Streamlit by itself answers to any Host, so a page elsewhere can reach it by rebinding its name (DNS); looks up this
machine's external address, for up to 20 s and for all viewers, when a WebSocket comes from a foreign Origin; accepts
one without an Origin; lets any visitor clear everybody's caches; and sends no security headers.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

MAX_SESSIONS = 300  # WebSockets, one a browser tab; Streamlit has no limit of its own

LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")
CLOSED = re.compile(r"/_stcore/(metrics|upload_file|agent)(/|$)")  # unused here, and open to everybody
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

# What a browser may tell the server. Left out: clear_cache (everybody's), load_git_info and install_skills (they act
# on the server's folder), file_urls_request (uploads), set_run_on_save and the debug messages.
MESSAGES = ("rerun_script", "stop_script", "app_heartbeat")
OPERATIONS = ("dataframe_chunk",)
# What our components say; other widgets are on no page. Streamlit fails on a component that holds a number at its next
# own run of the page.
VALUES = ("json_value", "json_trigger_value", None)

SECURITY_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' blob:",  # blob: for components, whose code Streamlit loads as a module made on the spot
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",  # covers WebSockets of this host
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # no-referrer would turn the Origin of our own forms into null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware. `public_url`: scheme and host under which others reach us; without it, localhost alone."""

    def __init__(self, app: ASGIApp, public_url: str | None = None, max_sessions: int = MAX_SESSIONS) -> None:
        self.app = app
        self.public_url = public_url
        self.max_sessions = max_sessions
        self.sessions = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif refusal := self._refusal(scope):
            await refusal(scope, receive, secured(send))
        elif scope["type"] == "websocket":
            self.sessions += 1
            try:
                await self.app(same_host(scope), known_messages(receive), secured(send))
            finally:
                self.sessions -= 1
        else:
            await self.app(scope, receive, secured(send))

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        """The answer to a request that is not let in. Decided from its headers alone, so at once."""
        headers = Headers(scope=scope)
        host, origin = headers.getlist("host"), headers.getlist("origin")
        opens_session = scope["type"] == "websocket"
        changes_something = opens_session or scope["method"] not in SAFE_METHODS
        if len(host) != 1 or not self._is_our_host(host[0].lower()):
            return refuse(
                HTTPStatus.FORBIDDEN, "This server does not go by that name. PUBLIC_URL gives it another one."
            )
        if CLOSED.search(scope["path"]):
            return refuse(HTTPStatus.NOT_FOUND, "There is nothing here.")
        if changes_something and (len(origin) != 1 or not self._is_our_origin(origin[0], host[0].lower())):
            return refuse(HTTPStatus.FORBIDDEN, "Only this server's own pages may do that. Is PUBLIC_URL right?")
        if opens_session and self.sessions >= self.max_sessions:
            return refuse(HTTPStatus.SERVICE_UNAVAILABLE, "All sessions are taken; close a tab and try again.")
        return None

    def _is_our_host(self, host: str) -> bool:
        if LOCAL_HOST.fullmatch(host):
            return True
        if not self.public_url:
            return False
        public = urlsplit(self.public_url)
        return host in (public.netloc, f"{public.netloc}:{443 if public.scheme == 'https' else 80}")

    def _is_our_origin(self, origin: str, host: str) -> bool:
        """Whether the page that asks came from here: its origin is the host it asks, or the public one."""
        if origin == self.public_url:
            return True
        return bool(LOCAL_HOST.fullmatch(host)) and origin in (f"http://{host}", f"https://{host}")


def refuse(status: HTTPStatus, text: str) -> PlainTextResponse:
    return PlainTextResponse(f"{text}\n", status)


def same_host(scope: Scope) -> Scope:
    """The handshake with the host of its origin: a proxy may have changed it, and Streamlit looks up this machine's
    external address, blocking everybody, unless the two are equal."""
    origin = Headers(scope=scope)["origin"]
    headers = MutableHeaders(raw=list(scope["headers"]))
    headers["host"] = urlsplit(origin).netloc
    return {**scope, "headers": headers.raw}


def known_messages(receive: Receive) -> Receive:
    """`receive` without the messages that our pages never send."""

    async def receive_known() -> Message:
        while True:
            message = await receive()
            if message["type"] != "websocket.receive" or is_known(message.get("bytes") or b""):
                return message

    return receive_known


def is_known(frame: bytes) -> bool:
    """A frame that is no message at all is let through: Streamlit closes the connection for it."""
    message = BackMsg()
    try:
        message.ParseFromString(frame)
    except DecodeError:
        return True
    if message.WhichOneof("type") == "backend_operation_request":
        return message.backend_operation_request.WhichOneof("payload") in OPERATIONS
    widgets = message.rerun_script.widget_states.widgets
    return message.WhichOneof("type") in MESSAGES and all(one.WhichOneof("value") in VALUES for one in widgets)


def secured(send: Send) -> Send:
    async def send_secured(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(raw=list(message["headers"]))
            headers.update(SECURITY_HEADERS)
            message = {**message, "headers": headers.raw}
        await send(message)

    return send_secured
