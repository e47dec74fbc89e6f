"""Signing in by OpenID Connect, with a real provider: nobody is shown anything before, and the way is kept."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
from websockets.exceptions import InvalidStatus

from demo.servers import Dashboard, Process, Redis, free_port, http_ok
from tests.viewer import Viewer

ROOT = Path(__file__).resolve().parents[1]
CANARY = "canary-2b91"  # the cluster's name: whoever is shown anything is shown it
COOKIE_SECRET = "a secret that signs Streamlit's cookies 6f0d"
CLIENT_SECRET = "what-the-provider-and-we-know-33e1"
ANN, MALLORY = "ann@example.com", "mallory@example.com.evil.example"

SETTINGS = f"""
[access]
operators = ["{ANN}"]
[access.oidc]
allowed = ["@example.com"]
[clusters.{CANARY}]
celery_broker_url = "BROKER"
prometheus_url = ""
alertmanager_url = ""
"""
SECRETS = """
[auth]
redirect_uri = "http://localhost:{port}/oauth2callback"
cookie_secret = "{cookie_secret}"
client_id = "celery-notebook"
client_secret = "{client_secret}"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""
# Writes down every address that is looked up or connected to.
AUDIT = """
import os, sys

def hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        with open(os.environ["AUDIT_LOG"], "a") as log:
            log.write(f"{args[1] if event != 'socket.getaddrinfo' else args[0]}\\n")

sys.addaudithook(hook)
"""


class Provider(Process):
    """A provider that knows some people, and signs in whoever says to be one of them."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        people = [{"sub": name, "email": name, "email_verified": True} for name in (ANN, MALLORY)]
        people.append({"sub": "unproven", "email": "eve@example.com", "email_verified": False})
        claims = [part for person in people for part in ("--user-claims", json.dumps(person))]
        command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(self.port), *claims]
        super().__init__("provider", command, folder)
        self.wait_until(lambda: http_ok(self.port, "/.well-known/openid-configuration"))


@dataclass(frozen=True)
class Site:
    dashboard: Dashboard
    provider: Provider
    asked_at_start: set[str]  # addresses
    audit_log: Path

    @property
    def url(self) -> str:
        return self.dashboard.url


def addresses(log: Path) -> set[str]:
    return set(log.read_text().splitlines()) if log.exists() else set()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("oidc")
    with Redis(folder / "redis") as redis, Provider(folder) as provider:
        port = free_port()
        (folder / ".streamlit").mkdir()
        secrets = {"port": port, "provider": provider.url, "cookie_secret": COOKIE_SECRET}
        (folder / ".streamlit" / "secrets.toml").write_text(SECRETS.format(**secrets, client_secret=CLIENT_SECRET))
        (folder / "celery-notebook.toml").write_text(SETTINGS.replace("BROKER", redis.url))
        (folder / "sitecustomize.py").write_text(AUDIT)
        log = folder / "audit.log"
        env = {
            "CELERY_NOTEBOOK_CONFIG": str(folder / "celery-notebook.toml"),
            "PUBLIC_URL": "",
            "STREAMLIT_SERVER_PORT": str(port),
            "HOME": str(folder),  # where Streamlit looks for secrets.toml
            "PYTHONPATH": f"{folder}:{ROOT}",
            "AUDIT_LOG": str(log),
        }
        with Dashboard(folder / "dashboard", env) as dashboard:
            yield Site(dashboard, provider, addresses(log), log)


class Browser(httpx.Client):
    """Keeps cookies and follows nothing by itself, so that each step can be looked at."""

    def __init__(self, site: Site) -> None:
        super().__init__(headers={"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}, timeout=60)
        self.site = site
        self.visited: list[str] = []

    def go(self, path: str) -> httpx.Response:
        """Opens `path`, and follows where it is led."""
        response = self.get(self.site.url + path)
        for _ in range(10):
            self.visited.append(str(response.url))
            if not response.is_redirect:
                return response
            response = self.get(response.url.join(response.headers["location"]))
        raise AssertionError(f"led in circles: {self.visited}")

    def sign_in(self, sub: str, path: str = "/") -> httpx.Response:
        """As somebody does who follows a link to `path`; the last page."""
        page = self.go(path)
        assert urlsplit(str(page.url)).path == "/login", page.url
        link = re.search(r'<a class="button" href="([^"]+)" >', page.text)
        assert link
        at_provider = self.go(link[1].replace("&amp;", "&"))
        assert str(at_provider.url).startswith(self.site.provider.url), at_provider.url
        answer = self.post(at_provider.url, data={"sub": sub})
        back = str(answer.headers["location"])
        assert back.startswith(f"{self.site.url}/oauth2callback?")
        return self.go(back.removeprefix(self.site.url))

    @property
    def cookie(self) -> dict[str, str]:
        """What it sends to the dashboard with the handshake of a WebSocket."""
        return {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.cookies.jar)}


def refused_at(site: Site, headers: dict[str, str]) -> int:
    try:
        Viewer(site.url, headers=headers).close()
    except InvalidStatus as error:
        return error.response.status_code
    return 101


def claims(site: Site, **changed: object) -> dict[str, object]:
    """As Streamlit keeps them in its cookie."""
    said = {"origin": site.url, "is_logged_in": True, "provider": "default", "email": ANN, "email_verified": True}
    return {**said, "iat": int(time.time()), "exp": int(time.time()) + 600, **changed}


def signed(said: dict[str, object], secret: str = COOKIE_SECRET) -> dict[str, str]:
    value = create_signed_value(secret, "_streamlit_user", json.dumps(said)).decode()
    return {"Cookie": f"_streamlit_user={value}"}


def test_the_provider_is_asked_when_somebody_signs_in_and_nobody_else_ever_is(site: Site) -> None:
    port = str(site.provider.port)
    assert [one for one in site.asked_at_start if port in one] == []
    with Browser(site) as browser:
        browser.sign_in(ANN)

    asked = addresses(site.audit_log)
    assert [one for one in asked if port in one]
    assert [one for one in asked if not re.search(r"127\.0\.0\.1|::1|localhost|^b?'?/", one)] == []


@pytest.mark.parametrize("path", ["/", "/queues?range=6h", "/export.csv?source=queues"])
def test_before_the_sign_in_there_is_the_way_in_and_nothing_else(site: Site, path: str) -> None:
    page = Browser(site).go(path)

    assert "Continue with single sign-on" in page.text
    assert CANARY not in page.text
    assert "<script" not in page.text
    assert '<form method="post" action="/login" hidden>' in page.text


def test_an_anonymous_session_is_never_opened_so_no_frame_is_sent(site: Site) -> None:
    assert refused_at(site, {}) == 401
    assert refused_at(site, {"Cookie": "_streamlit_user=x; _streamlit_xsrf=x"}) == 401
    assert httpx.get(f"{site.url}/export.csv?source=queues", timeout=60).status_code == 401


def test_the_link_that_was_followed_survives_the_sign_in(site: Site) -> None:
    with Browser(site) as browser:
        page = browser.sign_in(ANN, "/queues?range=6h&queue=a%26b")

        assert str(page.url) == f"{site.url}/queues?range=6h&queue=a%26b"
        assert page.status_code == 200
        assert "cn_back" not in browser.cookies
        assert browser.get(f"{site.url}/export.csv?source=queues").status_code == 200


def test_the_page_says_who_signed_in(site: Site) -> None:
    with Browser(site) as browser:
        browser.sign_in(ANN)
        with Viewer(site.url, headers=browser.cookie) as viewer:
            viewer.wait_for(lambda: viewer.cell("controls"), "the controls")
            controls = viewer.cell("controls")
            frames = b"".join(viewer.frames)

    assert (controls["person"], controls["leave"], controls["cluster"]) == (ANN, "/auth/logout", CANARY)
    assert [word for word in (CLIENT_SECRET, COOKIE_SECRET, "id_token", "eyJ") if word.encode() in frames] == []


@pytest.mark.parametrize("sub", [MALLORY, "unproven", "nobody-with-an-address"])
def test_whom_we_do_not_let_in_is_left_at_the_door(site: Site, sub: str) -> None:
    with Browser(site) as browser:
        page = browser.sign_in(sub, "/queues")

        assert dict(parse_qsl(urlsplit(str(page.url)).query)) == {"next": "/queues"}
        assert "not let in here" in page.text
        assert CANARY not in page.text
        assert refused_at(site, browser.cookie) == 401


def test_signing_out_ends_it_here_and_at_the_provider(site: Site) -> None:
    with Browser(site) as browser:
        browser.sign_in(ANN)
        cookie = browser.cookie
        with Viewer(site.url, headers=cookie) as tab:
            tab.wait_for(lambda: tab.cell("controls"), "the controls")
            assert browser.post(f"{site.url}/logout", headers={"Origin": site.url}).status_code == 204
            tab.wait_for(lambda: not tab.open, "the end of the tab")
        assert refused_at(site, cookie) == 401  # whoever kept the cookie


def test_leaving_goes_by_the_provider(site: Site) -> None:
    with Browser(site) as browser:
        browser.sign_in(ANN)
        left = browser.get(f"{site.url}/auth/logout")

        assert left.headers["location"].startswith(f"{site.provider.url}/oauth2/end_session?")
        assert "_streamlit_user" not in browser.cookies


def test_streamlits_own_signature_is_what_counts(site: Site) -> None:
    good = claims(site)

    assert refused_at(site, signed(good)) == 101
    assert refused_at(site, signed(good, "another secret")) == 401
    assert refused_at(site, {"Cookie": signed(good)["Cookie"][:-1] + "!"}) == 401
    other_name = create_signed_value(COOKIE_SECRET, "_streamlit_user_tokens", json.dumps(good)).decode()
    assert refused_at(site, {"Cookie": f"_streamlit_user={other_name}"}) == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": int(time.time()) - 1},
        {"exp": None},
        {"origin": "https://elsewhere.example"},
        {"origin": None},
        {"provider": "other"},
        {"is_logged_in": False},
    ],
)
def test_a_cookie_that_is_over_or_of_another_place_is_nobodys(site: Site, changed: dict[str, object]) -> None:
    assert refused_at(site, signed(claims(site, **changed))) == 401


@pytest.mark.parametrize("text", ["[]", "1", '"x"', "null", "{", "chunks-1", "chunks-99999999"])
def test_a_cookie_that_says_nothing_is_nobodys(site: Site, text: str) -> None:
    value = create_signed_value(COOKIE_SECRET, "_streamlit_user", text).decode()

    assert refused_at(site, {"Cookie": f"_streamlit_user={value}"}) == 401


def test_an_open_page_ends_when_the_id_token_does(site: Site) -> None:
    brief = signed(claims(site, exp=int(time.time()) + 15))
    with Viewer(site.url, headers=brief) as viewer:
        viewer.wait_for(lambda: not viewer.open, "the end of the session")

    assert refused_at(site, brief) == 401


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example", "/login"])
def test_the_way_back_leads_nowhere_else(site: Site, back: str) -> None:
    with Browser(site) as browser:
        started = browser.get(f"{site.url}/login/oidc?{urlencode({'next': back})}")
        assert browser.cookies["cn_back"] == "%2F"
        assert started.headers["location"].startswith("/auth/login?")
        browser.cookies.set("cn_back", back, path="/oauth2callback")
        called = browser.get(f"{site.url}/oauth2callback?error=access_denied")

        assert called.headers["location"] in ("/", "/login")


def test_the_log_holds_no_secret(site: Site) -> None:
    with Browser(site) as browser:
        browser.sign_in(ANN)
        values = [cookie.value for cookie in browser.cookies.jar if cookie.value]
    log = site.dashboard.log.read_text()

    assert [one for one in (CLIENT_SECRET, COOKIE_SECRET, *values) if one in log] == []
    assert "Traceback" not in log
