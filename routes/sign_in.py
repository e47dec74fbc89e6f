"""GET and POST /login: the page to sign in on. POST /logout ends a session here."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, quote, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from streamlit import config

from identity import of_headers
from identity.attempts import TooManyAttempts
from identity.sessions import Sessions
from identity.who import SIGN_IN, Identity
from routes import oidc
from routes.guard import peer

PAGE = Template((Path(__file__).parent / "sign_in.html").read_text(encoding="utf-8"))
TURNED_AWAY = "You are signed in there, but not let in here. Go on as somebody else, or ask whoever runs this."
COLORS = ("backgroundColor", "secondaryBackgroundColor", "textColor", "primaryColor", "borderColor", "redColor")
MOST_BYTES = 16_000
BACK_SECONDS = 600
NO_STORE = {"Cache-Control": "no-store"}


class SignIn:
    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.routes = [
            Route(SIGN_IN, self.show),
            Route(SIGN_IN, self.check, methods=["POST"]),
            Route("/logout", self.leave, methods=["POST"]),
            Route(oidc.START, self.start_oidc),
        ]

    async def show(self, request: Request) -> Response:
        back = own_path(request.query_params.get("next", ""))
        if of_headers(request.headers).name:
            return RedirectResponse(back, HTTPStatus.SEE_OTHER, NO_STORE)
        return self.page(back, TURNED_AWAY if self.identity.turned_away(request.headers) else "")

    async def check(self, request: Request) -> Response:
        """The form's answer. That it comes from our own page, the guard has seen."""
        fields = await form(request)
        if fields is None:
            return PlainTextResponse("That is too long.\n", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        name, back = fields.get("name", "").strip()[:200], own_path(fields.get("next", ""))
        try:
            cookie = await self.identity.sign_in(name, fields.get("password", ""), request.headers, peer(request.scope))
        except TooManyAttempts as error:
            wait = f"{error.seconds:.0f}"
            said = f"Too many attempts. Try again in {wait} seconds."
            return self.page(back, said, name, HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": wait})
        if cookie is None:
            return self.page(back, "Name or password is wrong.", name, HTTPStatus.FORBIDDEN)
        response = RedirectResponse(back, HTTPStatus.SEE_OTHER, NO_STORE)
        set_cookie(response, self.identity.sessions, cookie)
        return response

    async def leave(self, request: Request) -> Response:
        self.identity.sign_out(of_headers(request.headers))
        response = Response(status_code=HTTPStatus.NO_CONTENT, headers=NO_STORE)
        set_cookie(response, self.identity.sessions, "")
        return response

    async def start_oidc(self, request: Request) -> Response:
        source = self.identity.access.oidc
        if source is None:
            return PlainTextResponse("There is nothing here.\n", HTTPStatus.NOT_FOUND)
        response = RedirectResponse(oidc.provider_url(source.provider), HTTPStatus.SEE_OTHER, NO_STORE)
        back = quote(own_path(request.query_params.get("next", "")), safe="")
        response.set_cookie(
            oidc.BACK_COOKIE,
            back,
            max_age=BACK_SECONDS,
            path=oidc.CALLBACK,
            secure=self.identity.sessions.secure,
            httponly=True,
            samesite="lax",
        )
        return response

    def page(
        self,
        back: str,
        said: str = "",
        name: str = "",
        status: HTTPStatus = HTTPStatus.OK,
        headers: dict[str, str] | None = None,
    ) -> Response:
        access = self.identity.access
        html = PAGE.substitute(
            light=colors("light"),
            dark=colors("dark"),
            said=escape(said),
            name=escape(name),
            at_name="" if name else "autofocus",
            at_password="autofocus" if name else "",
            back=escape(back),
            oidc=escape(f"{oidc.START}?next={quote(back, safe='')}"),
            with_password="" if access.users else "hidden",
            with_oidc="" if access.oidc else "hidden",
            with_neither="hidden" if access.users or access.oidc else "",
        )
        return HTMLResponse(html, status, {**NO_STORE, **(headers or {})})


async def form(request: Request) -> dict[str, str] | None:
    """The fields of a form, the first of each name; None when it is too long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    fields = parse_qs(body.decode("ascii", errors="replace"))
    return {name: values[0] for name, values in fields.items()}


def own_path(text: str) -> str:
    """A page of this server to go on to; the first one when `text` leads elsewhere, or back here."""
    return text if oidc.is_own_path(text) and urlsplit(text).path not in (SIGN_IN, oidc.START, "/logout") else "/"


def set_cookie(response: Response, sessions: Sessions, value: str) -> None:
    """The session's; an empty one takes it away."""
    response.set_cookie(
        sessions.cookie,
        value,
        max_age=int(sessions.life.total_seconds()) if value else 0,
        secure=sessions.secure,
        httponly=True,
        samesite="lax",  # strict would ask whoever follows a link in a chat to sign in again
    )


def colors(mode: str) -> str:
    """The theme's, as CSS variables."""
    found = {name: config.get_option(f"theme.{mode}.{name}") for name in COLORS}
    return " ".join(f"--{name}: {value};" for name, value in found.items() if value)
