"""The guard, before a real Streamlit with the shipped configuration, asked by raw HTTP and raw WebSocket."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import struct
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit import config as streamlit_config
from streamlit.proto.BackMsg_pb2 import BackMsg

from demo.servers import Process, free_port, http_ok, wait_until
from routes.guard import is_known

ROOT = Path(__file__).resolve().parents[1]
PUBLIC = "https://celery.example.com"
LINK = "</assets/plotly.js>; rel=preload; as=script"
MAX_SESSIONS = 20

DASHBOARD = f"""
from pathlib import Path
import streamlit as st
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from routes.guard import Guard
from seen import SEEN

def seen(request):
    return JSONResponse(SEEN)

def echo(request):
    return PlainTextResponse("done")

app = st.App(
    Path(__file__).parent / "shell" / "main.py",
    routes=[Route("/seen", seen), Route("/change", echo, methods=["POST"]), Route("/healthz", echo)],
    middleware=[Middleware(Guard, public_url="{PUBLIC}", max_sessions={MAX_SESSIONS})],
)
"""
SCRIPT = """
import streamlit as st
from seen import SEEN

@st.cache_data
def costly():
    SEEN["computed"] += 1

costly()
SEEN["runs"] += 1
st.write("hello")
"""
SEEN = """SEEN = {"runs": 0, "computed": 0}"""
# Writes down every address that is looked up or connected to.
AUDIT = """
import os, sys

def hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        with open(os.environ["AUDIT_LOG"], "a") as log:
            log.write(f"{args[1] if event != 'socket.getaddrinfo' else args[0]}\\n")

sys.addaudithook(hook)
sys.audit("socket.connect", None, ("127.0.0.1", 0))  # so that a log without it is one that nobody keeps
"""


class Streamlit(Process):
    def __init__(self, folder: Path) -> None:
        (folder / "shell").mkdir()
        files = {"dashboard.py": DASHBOARD, "shell/main.py": SCRIPT, "seen.py": SEEN, "sitecustomize.py": AUDIT}
        for name, text in files.items():
            (folder / name).write_text(text)
        self.port = free_port()
        self.audit_log = folder / "audit.log"
        env = {"PYTHONPATH": f"{folder}:{ROOT}", "AUDIT_LOG": str(self.audit_log)}
        command = [sys.executable, "-m", "streamlit", "run", str(folder / "dashboard.py")]
        super().__init__("streamlit", [*command, f"--server.port={self.port}"], folder, env, cwd=ROOT)
        self.wait_until(lambda: http_ok(self.port, "/_stcore/health"))

    def request(
        self, path: str, method: str = "GET", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return response.status, fields, response.read().decode(errors="replace")
        finally:
            connection.close()

    def seen(self, what: str) -> int:
        return int(json.loads(self.request("/seen")[2])[what])


@pytest.fixture(scope="module")
def streamlit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streamlit]:
    with Streamlit(tmp_path_factory.mktemp("streamlit")) as server:
        yield server


class Session:
    """A WebSocket handshake written by hand, and what came of it. `origin` None sends none."""

    def __init__(self, port: int, host: str, origin: str | None, more: str = "") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /_stcore/stream HTTP/1.1",
            f"Host: {host}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Protocol: streamlit",
            *([f"Origin: {origin}"] if origin is not None else []),
            *([more] if more else []),
        ]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.head = self.socket.recv(65536).decode(errors="replace")
        self.status = int(self.head.split()[1])

    def send(self, message: BackMsg) -> None:
        """One masked binary frame (RFC 6455, 5.2); the mask is zero."""
        payload = message.SerializeToString()
        assert len(payload) < 126
        self.socket.sendall(struct.pack("!BBI", 0x82, 0x80 | len(payload), 0) + payload)

    def close(self) -> None:
        self.socket.close()


Knock = Callable[..., Session]


@pytest.fixture
def knock(streamlit: Streamlit) -> Iterator[Knock]:
    opened: list[Session] = []

    def open_session(
        host: str = "localhost:PORT", origin: str | None = "http://localhost:PORT", more: str = ""
    ) -> Session:
        port = str(streamlit.port)
        origin = origin and origin.replace("PORT", port)
        opened.append(Session(streamlit.port, host.replace("PORT", port), origin, more))
        return opened[-1]

    yield open_session
    for session in opened:
        session.close()


HOSTS = [
    ("localhost:PORT", 200),
    ("LOCALHOST:PORT", 200),
    ("127.0.0.1:PORT", 200),
    ("[::1]:PORT", 200),
    ("localhost", 200),
    ("localhost:3000", 200),  # a tunnel's port; the browser's own origin has it too
    ("celery.example.com", 200),
    ("celery.example.com:443", 200),
    ("celery.example.com:8443", 403),
    ("rebind.evil:PORT", 403),
    ("localhost.evil", 403),
    ("localhost:PORT.evil", 403),
    ("evil/localhost", 403),
    ("me@localhost", 403),
    ("0.0.0.0:PORT", 403),
    ("10.1.2.3:PORT", 403),
    ("", 403),
]


@pytest.mark.parametrize(("host", "status"), HOSTS)
def test_pages_are_served_under_our_own_names_alone(streamlit: Streamlit, host: str, status: int) -> None:
    assert streamlit.request("/", headers={"Host": host.replace("PORT", str(streamlit.port))})[0] == status


def test_two_host_headers_are_none(streamlit: Streamlit) -> None:
    with socket.create_connection(("127.0.0.1", streamlit.port), timeout=60) as raw:
        raw.sendall(b"GET /seen HTTP/1.1\r\nHost: localhost\r\nHost: rebind.evil\r\n\r\n")
        assert raw.recv(4096).split()[1] in (b"400", b"403")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("host", ["10.0.0.5:8501", "dashboard", "rebind.evil", "", *[host for host, _ in HOSTS[:3]]])
def test_who_asks_whether_the_server_lives_may_call_it_anything(streamlit: Streamlit, host: str, method: str) -> None:
    host = host.replace("PORT", str(streamlit.port))
    assert streamlit.request("/healthz", method, {"Host": host})[0] == 200


def test_who_asks_whether_the_server_lives_need_not_call_it_at_all(streamlit: Streamlit) -> None:
    with socket.create_connection(("127.0.0.1", streamlit.port), timeout=60) as raw:
        raw.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert raw.recv(4096).split()[1] == b"200"


@pytest.mark.parametrize(
    ("path", "method", "origin"),
    [
        ("/healthz", "GET", "https://evil.example"),
        ("/healthz", "GET", "null"),
        ("/healthz", "GET", PUBLIC),
        ("/healthz", "POST", None),
        ("/healthz", "OPTIONS", None),
        ("/healthz/", "GET", None),
        ("/healthz/../seen", "GET", None),
        ("//healthz", "GET", None),
        ("/seen", "GET", None),
        ("/_stcore/health", "GET", None),
    ],
)
def test_under_a_foreign_name_nothing_else_is_told(
    streamlit: Streamlit, path: str, method: str, origin: str | None
) -> None:
    headers = {"Host": "10.0.0.5:8501", **({"Origin": origin} if origin else {})}
    assert streamlit.request(path, method, headers)[0] == 403


def test_under_a_foreign_name_no_session_is_opened_where_the_server_tells_that_it_lives(streamlit: Streamlit) -> None:
    with socket.create_connection(("127.0.0.1", streamlit.port), timeout=60) as raw:
        lines = ["GET /healthz HTTP/1.1", "Host: rebind.evil", "Connection: Upgrade", "Upgrade: websocket"]
        lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}", "", ""]
        raw.sendall("\r\n".join(lines).encode())
        assert raw.recv(4096).split()[1] == b"403"


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:PORT", "http://localhost:PORT"),
        ("127.0.0.1:PORT", "http://127.0.0.1:PORT"),
        ("[::1]:PORT", "http://[::1]:PORT"),
        ("celery.example.com", PUBLIC),
        ("celery.example.com:443", PUBLIC),
        ("localhost:PORT", PUBLIC),  # a proxy that passes its own Host on
    ],
)
def test_our_own_pages_may_open_a_session(knock: Knock, host: str, origin: str) -> None:
    assert knock(host, origin).status == 101


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:PORT", None),
        ("localhost:PORT", "null"),
        ("localhost:PORT", ""),
        ("localhost:PORT", "https://evil.example"),
        ("localhost:PORT", "http://localhost:3000"),
        ("localhost:PORT", "http://127.0.0.1:PORT"),
        ("localhost:PORT", "http://localhost:PORT.evil"),
        ("localhost:PORT", "http://localhost:PORT/"),
        ("localhost:PORT", "http://me@localhost:PORT"),
        ("localhost:PORT", "ws://localhost:PORT"),
        ("celery.example.com", "http://celery.example.com"),
        ("celery.example.com", "http://localhost:PORT"),
        ("rebind.evil:PORT", "http://rebind.evil:PORT"),
        ("rebind.evil:PORT", PUBLIC),
    ],
)
def test_a_foreign_page_is_refused_a_session(knock: Knock, host: str, origin: str | None) -> None:
    session = knock(host, origin)

    assert session.status == 403
    assert "x-frame-options: deny" in session.head.lower()


def test_two_origins_are_none(knock: Knock) -> None:
    assert knock(more="Origin: https://evil.example").status in (400, 403)


def test_nothing_outside_this_machine_is_looked_up_or_connected_to(streamlit: Streamlit, knock: Knock) -> None:
    for origin in ("https://evil.example", "http://localhost:PORT", PUBLIC):
        knock(origin=origin)

    addresses = set(streamlit.audit_log.read_text().splitlines())
    assert "('127.0.0.1', 0)" in addresses
    assert {line for line in addresses if not any(name in line for name in ("127.0.0.1", "::1", "localhost"))} == set()


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:PORT", 200),
        (PUBLIC, 200),
        ("https://evil.example", 403),
        ("http://localhost:3000", 403),
        ("null", 403),
        (None, 403),
    ],
)
def test_a_foreign_page_may_not_change_anything(streamlit: Streamlit, origin: str | None, status: int) -> None:
    port = str(streamlit.port)
    headers = {"Host": f"localhost:{port}"} | ({"Origin": origin.replace("PORT", port)} if origin else {})

    assert streamlit.request("/change", "POST", headers)[0] == status


def test_a_token_that_is_nobodys_is_no_program(streamlit: Streamlit) -> None:
    headers = {"Host": f"localhost:{streamlit.port}", "Authorization": "Bearer cnb_other"}

    status, answered, _ = streamlit.request("/change", "POST", headers)

    assert (status, answered["www-authenticate"]) == (401, 'Bearer realm="Celery Notebook"')


@pytest.mark.parametrize("path", ["/", "/queues", "/seen", "/_stcore/health", "/change", "/_stcore/metrics"])
def test_every_response_carries_the_security_headers(streamlit: Streamlit, path: str) -> None:
    _, headers, _ = streamlit.request(path)

    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'self'"
    assert policy["script-src"] == "'self' blob:"
    assert policy["object-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'self'"


@pytest.mark.parametrize(
    "path",
    [
        "/_stcore/metrics",
        "/_stcore/upload_file/session/file",
        "/_stcore/agent/openapi.json",
        "/base/_stcore/metrics",
        "/%5fstcore/metrics",
    ],
)
def test_what_streamlit_offers_to_everybody_and_we_do_not_use_is_closed(streamlit: Streamlit, path: str) -> None:
    assert streamlit.request(path)[0] == 404


def test_more_sessions_than_the_limit_are_refused_until_one_ends(knock: Knock) -> None:
    sessions = [knock() for _ in range(MAX_SESSIONS + 1)]
    assert {101, 503} == {session.status for session in sessions}
    assert sessions[-1].status == 503

    sessions[0].close()

    wait_until(lambda: knock().status == 101, "a free session")


def test_a_visitor_cannot_clear_everybodys_cache(streamlit: Streamlit, knock: Knock) -> None:
    def run_script() -> None:
        runs = streamlit.seen("runs")
        session.send(BackMsg(rerun_script={}))  # type: ignore[arg-type]
        wait_until(lambda: streamlit.seen("runs") > runs, "a run of the script")

    sessions: list[Session] = []

    def is_in() -> bool:
        sessions.append(knock())  # refused while one that has just ended still counts
        return sessions[-1].status == 101

    wait_until(is_in, "a free session")
    session = sessions[-1]
    run_script()
    session.send(BackMsg(clear_cache=True))
    run_script()

    assert streamlit.seen("computed") == 1


@pytest.mark.parametrize("name", BackMsg.DESCRIPTOR.fields_by_name)
def test_only_what_our_pages_send_is_let_through(name: str) -> None:
    message = BackMsg()
    field = getattr(message, name)
    if isinstance(field, bool):
        setattr(message, name, True)
    else:
        field.SetInParent()

    assert is_known(message.SerializeToString()) == (name in ("rerun_script", "stop_script", "app_heartbeat"))


def test_only_rows_of_a_table_may_be_asked_for_beside_the_script() -> None:
    rows, skills = BackMsg(), BackMsg()
    rows.backend_operation_request.dataframe_chunk.SetInParent()
    skills.backend_operation_request.install_skills.SetInParent()

    assert is_known(rows.SerializeToString())
    assert not is_known(skills.SerializeToString())


def test_every_option_in_the_shipped_configuration_is_one_streamlit_knows() -> None:
    shipped = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())
    theme = shipped.pop("theme")
    names = {f"{section}.{name}" for section, options in shipped.items() for name in options}
    names |= {f"theme.{name}" for name, value in theme.items() if not isinstance(value, dict)}
    names |= {f"theme.{mode}.{name}" for mode in ("light", "dark") for name in theme[mode]}

    assert names - set(streamlit_config._config_options_template) == set()


def test_the_shipped_configuration_listens_on_this_machine_alone_and_reports_to_nobody() -> None:
    shipped = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())

    assert shipped["server"]["address"] == "127.0.0.1"
    assert "port" not in shipped["server"]
    assert shipped["browser"]["gatherUsageStats"] is False
    assert shipped["client"]["showErrorDetails"] == "none"
