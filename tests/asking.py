"""Plain HTTP requests to a dashboard, as a program or a browser would send them, and what came back."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

BROWSER = [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"), ("Sec-Fetch-Mode", "navigate")]


@dataclass(frozen=True)
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: str

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def cookies(self) -> dict[str, str]:
        """Those it sets, with what stands after each."""
        set_cookies = [value for name, value in self.headers if name.lower() == "set-cookie"]
        return {cookie.partition("=")[0]: cookie.partition("=")[2] for cookie in set_cookies}

    @property
    def text(self) -> str:
        return f"{self.status} {self.headers} {self.body}"


def ask(
    url: str, path: str, method: str = "GET", headers: Sequence[tuple[str, str]] = (), body: str | None = None
) -> Reply:
    """A header may be given more than once."""
    host = urlsplit(url).netloc
    connection = http.client.HTTPConnection(host.replace("localhost", "127.0.0.1"), timeout=60)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in [("Host", host), *headers]:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Type", "application/x-www-form-urlencoded")
            connection.putheader("Content-Length", str(len(body.encode())))
        connection.endheaders(body.encode() if body is not None else None)
        response = connection.getresponse()
        return Reply(response.status, response.getheaders(), response.read().decode(errors="replace"))
    finally:
        connection.close()


def exported(url: str, **params: str) -> list[dict[str, Any]]:
    """The rows of /export.json; none while a source does not answer: whoever waits for them asks again."""
    reply = ask(url, f"/export.json?{urlencode(params)}")
    rows: list[dict[str, Any]] = json.loads(reply.body)["rows"] if reply.status == 200 else []
    return rows


def records(url: str) -> bool:
    """Whether it has a recorder that writes."""
    sources = json.loads(ask(url, "/healthz").body)["sources"]
    return any((source["name"], source["state"]) == ("recorder", "ok") for source in sources)


def sign_in(url: str, name: str, password: str, more: Sequence[tuple[str, str]] = (), **fields: str) -> Reply:
    """What the page's form sends; `more` headers beside its Origin."""
    form = urlencode({"name": name, "password": password, **fields})
    return ask(url, "/login", "POST", [("Origin", url), *more], form)


def cookie_of(reply: Reply, name: str) -> str:
    """For the header Cookie."""
    return f"{name}={reply.cookies[name].partition(';')[0]}"
