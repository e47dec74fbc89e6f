"""The guard before Streamlit and all routes: only our own pages may talk to this server, in known words, for people
who may read it. Who asks is told here, once, and passed on in a header that nobody else can write.

Streamlit by itself answers to any Host, so a page elsewhere can reach it by rebinding its name (DNS); looks up this
machine's external address, for up to 20 s and for all viewers, when a WebSocket comes from a foreign Origin; accepts
one without an Origin; lets any visitor clear everybody's caches; and sends no security headers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from google.protobuf.message import DecodeError
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

from data_sources.config import Access
from identity import HEADER, Person, to_header
from identity.attempts import TooManyAttempts
from identity.connections import SessionOver
from identity.local import LOCAL_HOST
from identity.proxy import GivenTwice
from identity.who import SIGN_IN, Identity
from routes import oidc

MAX_SESSIONS = 300  # WebSockets, one a browser tab; Streamlit has no limit of its own

CLOSED = re.compile(r"/_stcore/(metrics|upload_file|agent)(/|$)")  # unused here, and open to everybody
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# What answers to people who have not signed in: that the server lives, and the way in.
HEALTH = "/healthz"
WAY_IN = (HEALTH, SIGN_IN, "/logout")
PROBES = ("GET", "HEAD")  # of HEALTH, under any name
WAY_IN_BY_OIDC = (oidc.START, oidc.LOGIN, oidc.CALLBACK)
SIGN_IN_AGAIN = 4401  # a close code of our own (RFC 6455, 7.4.2), after HTTP's

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


class Refused(Exception):
    """A request that is not let in, and the answer to it."""

    def __init__(self, status: HTTPStatus, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.answer: Response = PlainTextResponse(f"{text}\n", status, headers)


class SignInFirst(Refused):
    """A page to sign in on for whoever looks at pages, with the way back; a plain 401 for programs."""

    def __init__(self, scope: Scope, headers: Headers) -> None:
        challenge = {"WWW-Authenticate": 'Bearer realm="Celery Notebook"', "Cache-Control": "no-store"}
        text = "Sign in first; a program sends Authorization: Bearer TOKEN."
        super().__init__(HTTPStatus.UNAUTHORIZED, text, challenge)
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS and "text/html" in headers.get("accept", ""):
            query = scope["query_string"].decode("latin-1")
            here = quote(scope["path"]) + (f"?{query}" if query else "")
            self.answer = RedirectResponse(f"{SIGN_IN}?next={quote(here, safe='')}", HTTPStatus.SEE_OTHER)


class Guard:
    """ASGI middleware. `public_url`: scheme and host under which others reach us; without it, localhost alone.

    `identity` tells who asks; without it everybody reads.
    """

    def __init__(
        self,
        app: ASGIApp,
        public_url: str | None = None,
        identity: Identity | None = None,
        max_sessions: int = MAX_SESSIONS,
    ) -> None:
        self.app = app
        self.public_url = public_url
        self.identity = identity or Identity(Access())
        self.max_sessions = max_sessions
        self.sessions = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        send = secured(send)
        try:
            person = await self._admit(scope)
        except Refused as refused:
            await refused.answer(scope, receive, send)
            return
        scope = introduced(scope, person, self.access)
        if scope["type"] == "websocket":
            await self._hold(person, same_host(scope), known_messages(receive), send)
            return
        if scope["path"] == oidc.CALLBACK:
            send = oidc.returned(scope, send, self.identity.sessions.secure)
        await self.app(scope, receive, send)

    async def _admit(self, scope: Scope) -> Person:
        """Who asks, where that is let in. Raises Refused."""
        headers = Headers(scope=scope)
        hosts, origin = headers.getlist("host"), headers.getlist("origin")
        host = hosts[0].lower() if len(hosts) == 1 else ""
        if not self._is_our_host(host) and not is_probe(scope, headers):
            raise Refused(
                HTTPStatus.FORBIDDEN, "This server does not go by that name. PUBLIC_URL gives it another one."
            )
        if CLOSED.search(scope["path"]):
            raise Refused(HTTPStatus.NOT_FOUND, "There is nothing here.")
        person = await self._who(headers, peer(scope))
        if not person.reads and not self._is_way_in(scope):
            raise SignInFirst(scope, headers)
        opens_session = scope["type"] == "websocket"
        changes_something = opens_session or scope["method"] not in SAFE_METHODS
        # No page can have a browser show a token, so a program that shows one need not be a page of ours.
        is_program = person.how == "token" and not origin and not opens_session
        is_ours = len(origin) == 1 and self._is_our_origin(origin[0], host)
        if changes_something and not is_program and not is_ours:
            if shows_token(headers) and person.how != "token":
                raise SignInFirst(scope, headers)
            raise Refused(HTTPStatus.FORBIDDEN, "Only this server's own pages may do that. Is PUBLIC_URL right?")
        if opens_session and self.sessions >= self.max_sessions:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "All sessions are taken; close a tab and try again.")
        return person

    async def _who(self, headers: Headers, address: str) -> Person:
        try:
            return await self.identity.who(headers, address)
        except GivenTwice:
            raise Refused(HTTPStatus.BAD_REQUEST, "The header that says who asks is there twice.") from None
        except TooManyAttempts as error:
            wait = {"Retry-After": f"{error.seconds:.0f}"}
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "Too many attempts; try again later.", wait) from None

    async def _hold(self, person: Person, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket, for as long as whoever opened it is signed in."""
        self.sessions += 1
        try:
            async with self.identity.connections.of(person):
                await self.app(scope, receive, send)
        except SessionOver:
            await send({"type": "websocket.close", "code": SIGN_IN_AGAIN, "reason": "Sign in again"})
        finally:
            self.sessions -= 1

    def _is_way_in(self, scope: Scope) -> bool:
        by_oidc = WAY_IN_BY_OIDC if self.access.oidc else ()
        return scope["type"] == "http" and scope["path"] in (*WAY_IN, *by_oidc)

    @property
    def access(self) -> Access:
        return self.identity.access

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


def is_probe(scope: Scope, headers: Headers) -> bool:
    """Whether the server is asked whether it lives, as orchestrators do: by an address that no setting names."""
    return scope["type"] == "http" and scope["path"] == HEALTH and scope["method"] in PROBES and "origin" not in headers


def shows_token(headers: Headers) -> bool:
    return headers.get("authorization", "").lower().startswith("bearer ")


def peer(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else ""


def introduced(scope: Scope, person: Person, access: Access) -> Scope:
    """The request with who asks in our header; what somebody else wrote there, and what proved it, is left out."""
    left_out = [HEADER, "authorization"]
    if access.proxy:
        left_out += [access.proxy.header.lower(), access.proxy.secret_header.lower()]
    kept = [(name, value) for name, value in scope["headers"] if name.decode("latin-1").lower() not in left_out]
    return {**scope, "headers": [*kept, (HEADER.encode(), to_header(person).encode())]}


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
