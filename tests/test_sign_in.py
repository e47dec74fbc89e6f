"""A whole dashboard that needs to know who asks, asked by plain HTTP and raw WebSockets."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from websockets.exceptions import InvalidStatus

from demo.servers import Dashboard, Redis, free_port
from identity import HEADER, Person, to_header
from identity.passwords import hash_password
from identity.tokens import digest, new_token
from routes import assets, export, health, metrics
from tests.asking import BROWSER, Reply, ask, cookie_of, sign_in
from tests.viewer import Viewer

ROOT = Path(__file__).resolve().parents[1]
CANARY = "canary-7f3a"  # the cluster's name: whoever is shown anything is shown it
PASSWORD, SHORT = "correct horse battery", "not for long at all"
SECRET = "between-the-proxy-and-us-91c2"
KEY = "a-key-of-the-settings-for-cookies-4d5e"
TOKEN, OPERATORS_TOKEN = new_token(), new_token()
HASH = hash_password(PASSWORD)
SECRETS = (PASSWORD, HASH, HASH.rpartition("$")[2], SECRET, KEY, TOKEN, OPERATORS_TOKEN, digest(TOKEN))

SETTINGS = f"""
[access]
operators = ["ann", "pia"]
session_key = "{KEY}"
[access.users]
ann = "{HASH}"
ben = "{HASH}"
zoe = "{HASH}"
"<b>eve</b>" = "{HASH}"
[access.tokens]
grafana = {{ sha256 = "{digest(TOKEN)}" }}
ci = {{ sha256 = "{digest(OPERATORS_TOKEN)}", scope = "control" }}
[access.proxy]
secret = "{SECRET}"
trusted = ["127.0.0.0/8"]
[clusters.{CANARY}]
celery_broker_url = "BROKER"
prometheus_url = ""
alertmanager_url = ""
"""

SEEN: list[str] = []  # all that was ever answered here


def start(folder: Path, text: str, redis: Redis, **env: str) -> Dashboard:
    folder.mkdir()
    config = folder / "celery-notebook.toml"
    config.write_text(text.replace("BROKER", redis.url))
    return Dashboard(folder, {"CELERY_NOTEBOOK_CONFIG": str(config), "PUBLIC_URL": "", **env})


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def site(redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with start(tmp_path_factory.mktemp("site") / "dashboard", SETTINGS, redis) as dashboard:
        yield dashboard


@pytest.fixture(scope="module")
def brief(redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """Whoever sits at this machine is its operator; others sign in, for some seconds."""
    text = f'[access]\nsession_life = "15s"\n[access.users]\nann = "{HASH}"\n' + SETTINGS[SETTINGS.index("[clusters") :]
    folder = tmp_path_factory.mktemp("brief") / "dashboard"
    with start(folder, text, redis, CELERY_NOTEBOOK_LOCAL_OPERATOR="1") as dashboard:
        yield dashboard


Pairs = list[tuple[str, str]]


def get(
    site: Dashboard, path: str, headers: Pairs | None = None, method: str = "GET", body: str | None = None
) -> Reply:
    reply = ask(site.url, path, method, headers or [], body)
    SEEN.append(reply.text)
    return reply


def session(site: Dashboard, name: str = "ann", more: Pairs | None = None) -> dict[str, str]:
    reply = sign_in(site.url, name, PASSWORD, more or [])
    assert reply.status == 303, reply.text
    return {"Cookie": cookie_of(reply, "cn_session")}


def by_proxy(name: str = "pia") -> dict[str, str]:
    return {"X-Forwarded-User": name, "X-Proxy-Secret": SECRET}


def bearer(token: str) -> Pairs:
    return [("Authorization", f"Bearer {token}")]


def basic(name: str, password: str) -> Pairs:
    return [("Authorization", f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}")]


def refused_at(site: Dashboard, headers: dict[str, str]) -> int:
    """The status with which a WebSocket is refused; 101 when it is not."""
    try:
        Viewer(site.url, headers=headers).close()
    except InvalidStatus as error:
        return error.response.status_code
    return 101


def seen_by(site: Dashboard, headers: dict[str, str], page: str = "") -> dict[str, object]:
    """The controls that a page shows to whoever opens it with these headers."""
    with Viewer(site.url, page=page, headers=headers) as viewer:
        viewer.wait_for(lambda: viewer.cell("controls"), "the controls")
        SEEN.extend(frame.decode("latin-1") for frame in viewer.frames)
        assert viewer.errors == []
        return viewer.cell("controls")


# --- nobody -------------------------------------------------------------------------------------------------------

OUR_PATHS = [route.path for part in (export, metrics, assets) for route in part.routes]
PATHS = [
    *(path.format(version="x", name="x") for path in OUR_PATHS),
    "/",
    "/queues",
    "/export.csv?source=queues",
    "/export.json?source=workers",
    "/api/control/shutdown",
    "/static/js/index.js",
    "/favicon.png",
    "/_stcore/health",
    "/_stcore/host-config",
    "/_stcore/stream",
    "/media/0123456789abcdef.csv",
    "/component/x",
    "/auth/login",
    "/auth/logout",
    "/oauth2callback",
    "/login/",
    "//login",
    "/LOGIN",
    "/login/oidc",
    "/healthz/",
    "/healthz/../export.csv?source=queues",
    "/healthz%2f..%2fqueues",
    "/login;/queues",
]


@pytest.mark.parametrize("path", PATHS)
def test_whoever_has_not_signed_in_sees_nothing(site: Dashboard, path: str) -> None:
    reply = get(site, path)

    assert reply.status in (400, 401), reply.text
    assert CANARY not in reply.text
    assert "<script" not in reply.text


def test_every_route_of_ours_is_among_those(site: Dashboard) -> None:
    assert len(OUR_PATHS) >= 4
    assert [route.path for route in health.routes] == ["/healthz"]


def test_a_program_is_told_how_to_ask(site: Dashboard) -> None:
    reply = get(site, "/export.csv?source=queues")

    assert (reply.status, reply.header("WWW-Authenticate")) == (401, 'Bearer realm="Celery Notebook"')
    assert reply.header("Cache-Control") == "no-store"


@pytest.mark.parametrize("path", ["/", "/queues?range=6h&queue=a%26b", "/export.csv?source=queues", "/task?id=%C3%A9"])
def test_a_browser_is_led_to_sign_in_and_keeps_its_way(site: Dashboard, path: str) -> None:
    reply = get(site, path, BROWSER)

    assert (reply.status, reply.header("Location")) == (303, f"/login?next={quote(path, safe='')}")


def test_the_server_says_that_it_lives_and_nothing_more(site: Dashboard) -> None:
    assert get(site, "/healthz").body == '{"status":"ok"}'
    with urlopen(Request(f"{site.url}/healthz", headers={"Host": "10.0.0.5:8501"}), timeout=60) as probed:
        assert probed.read() == b'{"status":"ok"}'
    assert CANARY in get(site, "/healthz", bearer(TOKEN)).body


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Cookie": "cn_session=x"},
        {HEADER: "ann"},
        {HEADER: to_header(Person("ann", "password", True, True))},  # signed, with another process's key
        {"X-Forwarded-User": "pia"},
        {"X-Forwarded-User": "pia", "X-Proxy-Secret": "wrong"},
        {"Authorization": "Bearer cnb_wrong"},
        {"Authorization": "Basic YW5uOndyb25n"},
        {"Cookie": "_streamlit_user=x"},
    ],
)
def test_a_websocket_is_refused_before_streamlit_sees_it(site: Dashboard, headers: dict[str, str]) -> None:
    assert refused_at(site, headers) == 401


# --- by the form --------------------------------------------------------------------------------------------------


def test_the_page_to_sign_in_on_needs_nothing_beside_it(site: Dashboard) -> None:
    reply = get(site, "/login?next=/queues%3Frange%3D6h")

    assert reply.status == 200
    assert 'name="next" value="/queues?range=6h"' in reply.body
    assert [word for word in ("<script", "src=", "http://", "https://", "url(") if word in reply.body] == []
    assert reply.header("Content-Security-Policy")
    assert reply.header("Cache-Control") == "no-store"


def test_the_form_signs_in_and_leads_on(site: Dashboard) -> None:
    reply = sign_in(site.url, "ann", PASSWORD, next="/queues?range=6h")

    assert (reply.status, reply.header("Location")) == (303, "/queues?range=6h")
    flags = reply.cookies["cn_session"].split("; ")[1:]
    assert {flag.lower() for flag in flags} == {"httponly", "samesite=lax", "path=/", "max-age=43200"}
    cookie = [("Cookie", cookie_of(reply, "cn_session"))]
    assert get(site, "/queues", [*BROWSER, *cookie]).status == 200
    assert get(site, "/export.csv?source=queues", cookie).status == 200
    assert get(site, "/login?next=/tasks", cookie).header("Location") == "/tasks"


def test_the_page_says_who_it_is_and_only_to_them_it_shows_anything(site: Dashboard) -> None:
    controls = seen_by(site, session(site))

    assert (controls["person"], controls["leave"], controls["cluster"]) == ("ann", "/login", CANARY)
    until = float(str(controls["until"])) / 1000
    assert 42_000 < until - time.time() <= 43_200


def test_a_name_is_shown_as_it_is_written(site: Dashboard) -> None:
    assert seen_by(site, session(site, "<b>eve</b>"))["person"] == "<b>eve</b>"
    again = sign_in(site.url, '"><script>alert(1)</script>', "wrong")
    assert "<script" not in again.body
    assert "&quot;&gt;&lt;script&gt;" in again.body


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/\n//evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/queues\r\nSet-Cookie: a=b",
        "/login?next=/login",
        "/logout",
        "/" + "x" * 9_000,
        "",
    ],
)
def test_signing_in_leads_nowhere_else(site: Dashboard, elsewhere: str) -> None:
    reply = get(site, f"/login?next={quote(elsewhere, safe='')}", [("Cookie", STAY["Cookie"])])

    assert (reply.status, reply.header("Location")) == (303, "/")
    assert 'name="next" value="/"' in get(site, f"/login?next={quote(elsewhere, safe='')}").body


STAY: dict[str, str] = {}


@pytest.fixture(autouse=True, scope="module")
def stay(site: Dashboard) -> None:
    """One session that many tests use: each sign-in costs a tenth of a second."""
    STAY.update(session(site, "zoe"))


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:1", "null", None])
def test_a_foreign_page_signs_nobody_in_or_out(site: Dashboard, origin: str | None) -> None:
    fields = f"name=ann&password={quote(PASSWORD)}"
    headers: Pairs = [("Origin", origin)] if origin else []
    signed = get(site, "/login", headers, "POST", fields)
    left = get(site, "/logout", [*headers, ("Cookie", STAY["Cookie"])], "POST", "")

    assert (signed.status, signed.cookies) == (403, {})
    assert left.status == 403
    assert refused_at(site, STAY) == 101


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong"), ("who", "wrong"), ("who", PASSWORD)])
def test_what_is_wrong_is_not_said(site: Dashboard, name: str, password: str) -> None:
    reply = sign_in(site.url, name, password, more=[("X-Forwarded-For", "192.0.2.1")])

    assert (reply.status, reply.cookies) == (403, {})
    assert reply.body.replace(f'value="{name}"', "") == sign_in(
        site.url, "other", "wrong", more=[("X-Forwarded-For", "192.0.2.2")]
    ).body.replace('value="other"', "")


@pytest.mark.parametrize(
    "body", ["", "name=ann", "password=x", "name=ann&password=" + "x" * 20_000, "%ff=%ff&a", "\x00"]
)
def test_a_broken_form_signs_nobody_in(site: Dashboard, body: str) -> None:
    reply = get(site, "/login", [("Origin", site.url), ("X-Forwarded-For", "192.0.2.3")], "POST", body)

    assert reply.status in (403, 413, 429)
    assert reply.cookies == {}


def test_guessing_ends_after_a_few_and_others_go_on(site: Dashboard) -> None:
    here, elsewhere = [("X-Forwarded-For", "192.0.2.10")], [("X-Forwarded-For", "192.0.2.11")]
    statuses = [sign_in(site.url, "ben", "wrong", here).status for _ in range(5)]
    blocked = sign_in(site.url, "ben", PASSWORD, here)

    assert statuses == [403] * 5
    assert blocked.status == 429
    assert 0 < int(blocked.header("Retry-After")) <= 300
    assert "Try again in" in blocked.body
    assert get(site, "/metrics", [*basic("ben", PASSWORD), *here]).status == 429
    assert sign_in(site.url, "ben", PASSWORD, elsewhere).status == 303


def test_nothing_stands_still_while_passwords_are_looked_at(site: Dashboard) -> None:
    import threading

    tries = [
        threading.Thread(target=sign_in, args=(site.url, f"nobody{number}", "x", [("X-Forwarded-For", "192.0.2.20")]))
        for number in range(8)
    ]
    for one in tries:
        one.start()
    answered = Counter[int]()  # while so many are still looked at
    while alive := sum(one.is_alive() for one in tries):
        get(site, "/healthz")
        answered[alive] += 1
    for one in tries:
        one.join()

    assert max(answered.values()) > 2, "at most one comes in between two passwords that everything waits for"


# --- programs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [bearer(TOKEN), bearer(OPERATORS_TOKEN), basic("ann", PASSWORD)])
def test_curl_signs_in_with_each_request(site: Dashboard, headers: Pairs) -> None:
    assert get(site, "/export.csv?source=queues", headers).status == 200
    assert get(site, "/metrics", headers).status in (200, 502)  # 502 until the first round is recorded


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (bearer(OPERATORS_TOKEN), 204),
        (bearer(TOKEN), 204),
        (bearer("cnb_wrong"), 401),
        (bearer(digest(TOKEN)), 401),
        ([], 403),
        (basic("ann", PASSWORD), 403),  # a browser may send it by itself
        ([*bearer(TOKEN), ("Origin", "https://evil.example")], 403),
        ([*bearer(TOKEN), ("Origin", "null")], 403),
    ],
)
def test_a_program_may_post_without_a_page_with_a_token_alone(site: Dashboard, headers: Pairs, status: int) -> None:
    assert get(site, "/logout", headers, "POST", "").status == status
    assert get(site, "/logout", [*headers, ("Cookie", STAY["Cookie"])], "POST", "").status == status


# --- by a proxy ---------------------------------------------------------------------------------------------------


def test_a_proxy_names_who_asks(site: Dashboard) -> None:
    controls = seen_by(site, {**by_proxy(), "X-Forwarded-For": "198.51.100.4", "X-Forwarded-Proto": "http"})

    assert (controls["person"], controls["leave"], controls["until"]) == ("pia", "", None)


@pytest.mark.parametrize("name", ["X-Forwarded-User", "X-Proxy-Secret"])
def test_a_header_that_is_there_twice_is_refused(site: Dashboard, name: str) -> None:
    headers = [*by_proxy().items(), (name.upper(), "ann")]

    assert get(site, "/export.csv?source=queues", headers).status == 400


def test_a_header_that_is_not_believed_takes_nothing_from_who_is_signed_in(site: Dashboard) -> None:
    forged = {"X-Forwarded-User": "pia", HEADER: to_header(Person("ann", "password", True, True))}

    assert seen_by(site, {**STAY, **forged})["person"] == "zoe"


# --- a session's life ---------------------------------------------------------------------------------------------


def test_signing_out_ends_every_tab_of_the_session_and_no_other(site: Dashboard) -> None:
    ann, again = session(site), session(site)
    with Viewer(site.url, headers=ann) as tab, Viewer(site.url, headers=again) as other:
        tab.wait_for(lambda: tab.cell("controls"), "the controls")
        other.wait_for(lambda: other.cell("controls"), "the controls")
        left = get(site, "/logout", [("Origin", site.url), *ann.items()], "POST", "")
        tab.wait_for(lambda: not tab.open, "the end of the tab")

        assert left.status == 204
        assert "max-age=0" in left.cookies["cn_session"].lower()
        assert refused_at(site, ann) == 401  # whoever kept the cookie
        assert other.open
    assert refused_at(site, again) == 101


def test_a_session_is_given_back_to_the_person_who_had_it_alone(site: Dashboard) -> None:
    ann = session(site)
    with Viewer(site.url, headers=ann) as first:
        first.wait_for(lambda: first.cell("controls"), "the controls")
    with Viewer(site.url, headers=STAY, session=first.session) as thief:
        thief.wait_for(lambda: thief.cell("controls"), "the controls")
        assert thief.session != first.session
        assert thief.cell("controls")["person"] == "zoe"
    with Viewer(site.url, headers=ann, session=first.session) as back:
        back.wait_for(lambda: back.cell("controls"), "the controls")
        assert back.session == first.session
    assert first.session not in site.log.read_text()


AWAY = ("X-Forwarded-For", "203.0.113.5")  # not from this machine itself


def test_an_open_page_ends_when_its_session_does(brief: Dashboard) -> None:
    ann = {**session(brief, more=[AWAY]), AWAY[0]: AWAY[1]}
    with Viewer(brief.url, headers=ann) as viewer:
        viewer.wait_for(lambda: not viewer.open, "the end of the session")

    assert refused_at(brief, ann) == 401
    assert get(brief, "/queues", [*ann.items(), *BROWSER]).header("Location") == "/login?next=%2Fqueues"


def test_whoever_sits_at_this_machine_is_its_operator_and_nobody_by_way_of_it(brief: Dashboard) -> None:
    assert seen_by(brief, {})["person"] == "local operator"
    assert refused_at(brief, dict([AWAY])) == 401
    assert refused_at(brief, {"Forwarded": "for=127.0.0.1"}) == 401


# --- what is never started, and never shown -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"CELERY_NOTEBOOK_LOCAL_OPERATOR": "1", "STREAMLIT_SERVER_ADDRESS": "0.0.0.0"}, "LOCAL_OPERATOR"),
        ({"ACCESS_OIDC_ALLOWED": "*"}, "secrets.toml"),
    ],
)
def test_what_is_not_safe_does_not_start(env: dict[str, str], said: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "streamlit", "run", "dashboard.py", f"--server.port={free_port()}"]
    quiet = {**os.environ, "PUBLIC_URL": "", "HOME": str(tmp_path), **env}
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, timeout=180, check=False)

    assert done.returncode != 0
    assert "Celery Notebook does not start:" in done.stderr + done.stdout
    assert said in done.stderr + done.stdout
    assert "http://" not in done.stderr + done.stdout  # no address of what is not there


def test_what_has_started_says_where(site: Dashboard) -> None:
    site.wait_until(lambda: "Celery Notebook is at " in site.log.read_text())
    [line] = [line for line in site.log.read_text().splitlines() if "http" in line]
    assert line == f"Celery Notebook is at http://127.0.0.1:{site.port}"


def test_nothing_that_was_answered_or_logged_holds_a_secret(site: Dashboard, brief: Dashboard) -> None:
    seen_by(site, {**session(site), **by_proxy()}, "workers")
    logs = site.log.read_text() + brief.log.read_text()
    told = "\n".join([*SEEN, logs])

    assert len(SEEN) > 50
    assert CANARY in told
    assert [secret for secret in SECRETS if secret in told] == []
    assert STAY["Cookie"].partition("=")[2] not in "\n".join(SEEN) + logs
    assert "Traceback" not in logs
