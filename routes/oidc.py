"""Signing in by OpenID Connect: Streamlit does it (`[auth]` in its secrets.toml, the routes behind `st.login`).

Here is what it leaves to its users: the way back to the page that was asked for, and reading its cookie in routes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Scope, Send
from streamlit.auth_util import (
    get_cookie_with_chunks,
    get_origin_from_redirect_uri,
    is_authlib_installed,
    validate_auth_credentials,
)
from streamlit.errors import StreamlitAuthError
from streamlit.user_info import generate_login_redirect_url
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from data_sources.config import Access
from data_sources.errors import ConfigError
from identity.local import LOCAL_HOST
from identity.oidc import Claims
from identity.who import cookies_in

START = "/login/oidc"
LOGIN = "/auth/login"  # Streamlit's own
CALLBACK = "/oauth2callback"  # Streamlit's own
BACK_COOKIE = "cn_back"
SETTING = "access_oidc_provider"


def check(access: Access, public_url: str | None) -> None:
    """Raises ConfigError when Streamlit could not sign anybody in. Asks nobody: the provider may start later."""
    if access.oidc is None:
        return
    if not is_authlib_installed():
        raise ConfigError(SETTING, "needs Authlib: run make install")
    try:
        validate_auth_credentials(access.oidc.provider)
        origin = get_origin_from_redirect_uri() or ""
    except StreamlitAuthError as error:
        raise ConfigError(SETTING, " ".join(str(error).split())) from None
    ours = origin == public_url if public_url else LOCAL_HOST.fullmatch(urlsplit(origin).netloc)
    if not ours:
        where = "PUBLIC_URL" if public_url else "http://localhost:8501, or PUBLIC_URL be set"
        raise ConfigError(SETTING, f"redirect_uri in secrets.toml must begin with {where}")


def provider_url(provider: str) -> str:
    """Where a browser is sent to sign in; good for two minutes."""
    return generate_login_redirect_url(provider)


def claims(cookies: Mapping[str, str]) -> Claims:
    """What Streamlit's cookie says of whoever signed in here; empty when it is not Streamlit's."""

    def signed(name: str) -> bytes | None:
        value = cookies.get(name)
        return decode_signed_value(get_cookie_secret(), name, value.encode()) if value else None

    text = get_cookie_with_chunks(signed, USER_COOKIE_NAME)
    try:
        found = json.loads(text or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) and found.get("origin") == get_origin_from_redirect_uri() else {}


def returned(scope: Scope, send: Send, secure: bool) -> Send:
    """`send` for the answer after which one is signed in: it leads back to where one wanted to go, not to the start.

    `secure`: the cookies in it are for https alone.
    """
    back = unquote(cookies_in(Headers(scope=scope)).get(BACK_COOKIE, ""))

    async def send_returned(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=[(name, marked(name, value)) for name, value in message["headers"]])
            if message["status"] == 302 and is_own_path(back):
                headers["location"] = back
                headers.append("set-cookie", f"{BACK_COOKIE}=; Path={CALLBACK}; Max-Age=0; HttpOnly; SameSite=Lax")
            message = {**message, "headers": headers.raw}
        await send(message)

    def marked(name: bytes, value: bytes) -> bytes:
        return value + b"; Secure" if secure and name.lower() == b"set-cookie" else value

    return send_returned


def is_own_path(text: str) -> bool:
    """Whether it is a page of this server, with perhaps a query, and leads nowhere else."""
    plain = text.isascii() and text.isprintable() and " " not in text and "\\" not in text
    return plain and text.startswith("/") and not text.startswith("//") and len(text) <= 8_000
