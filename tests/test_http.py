"""One bounded request: what it sends, what it takes and how it fails, against sockets that can do any wrong."""

from __future__ import annotations

import base64
import contextlib
import gzip
import shutil
import socket
import ssl
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from data_sources.config import HttpEndpoint, Secret
from data_sources.errors import SourceUnreachable
from data_sources.http import HttpClient, Reply
from tests.deadline import within
from tests.peer import OK, Peer, Talk, body, says


def drips(answer: bytes) -> Talk:
    def talk(connection: socket.socket, request: str) -> None:
        for byte in answer:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    return talk


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    with contextlib.ExitStack() as stack:

        def start(talk: Talk, **options: object) -> Peer:
            made = Peer(talk, **options)  # type: ignore[arg-type]
            stack.callback(made.close)
            return made

        yield start


def ask(
    url: str,
    path: str = "/",
    deadline_seconds: float = 60.0,
    max_bytes: int = 2**20,
    endpoint: HttpEndpoint | None = None,
) -> Reply:
    client = HttpClient(endpoint or HttpEndpoint(url), "Prometheus")
    try:
        return client.request("GET", path, deadline_seconds=deadline_seconds, max_bytes=max_bytes)
    finally:
        client.close()


def test_an_answer_comes_back_whole_with_status_headers_and_time(peer: Callable[..., Peer]) -> None:
    server = peer(says(b"HTTP/1.1 418 Teapot\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nshort"))
    reply = ask(server.url)
    assert (reply.status, reply.headers["retry-after"], reply.body) == (418, "7", b"short")
    assert 0 < reply.took.total_seconds() < 60


def test_the_request_says_what_it_was_told_and_asks_for_no_compression(peer: Callable[..., Peer]) -> None:
    server = peer(says(body(b"{}")))
    endpoint = HttpEndpoint(
        f"{server.url}/prometheus", bearer_token=Secret("t0ken"), headers={"X-Scope-OrgID": Secret("team-a")}
    )
    client = HttpClient(endpoint, "Prometheus")
    client.request("GET", "/api/v1/label/a%2Fb%20c/values", params=[("match[]", 'up{a="&+é"}')], deadline_seconds=60)
    client.close()
    line, *headers = server.requests[0].rstrip().split("\r\n")
    assert line == "GET /prometheus/api/v1/label/a%2Fb%20c/values?match%5B%5D=up%7Ba%3D%22%26%2B%C3%A9%22%7D HTTP/1.1"
    assert {"Authorization: Bearer t0ken", "X-Scope-OrgID: team-a", "Accept-Encoding: identity"} <= set(headers)


def test_a_form_is_posted(peer: Callable[..., Peer]) -> None:
    server = peer(says(body(b"{}")))
    client = HttpClient(HttpEndpoint(server.url, username="me", password=Secret("pä:ss")), "Prometheus")
    client.request("POST", "/q", form=[("query", "a b"), ("query", "\n")], deadline_seconds=60)
    client.close()
    head, _, sent = server.requests[0].partition("\r\n\r\n")
    basic = base64.b64encode("me:pä:ss".encode()).decode()
    assert sent == "query=a+b&query=%0A"
    assert f"Authorization: Basic {basic}" in head


def test_proxy_and_netrc_of_the_environment_are_not_used(
    peer: Callable[..., Peer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server, proxy = peer(says(body(b"direct"))), peer(says(body(b"by proxy")))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("http_proxy", proxy.url)
    assert ask(server.url).body == b"direct"
    assert "Authorization" not in server.requests[0]


def test_a_redirect_is_not_followed(peer: Callable[..., Peer]) -> None:
    inner = peer(says(body(b"internal")))
    server = peer(says(b"HTTP/1.1 302 Found\r\nLocation: %s/\r\nContent-Length: 0\r\n\r\n" % inner.url.encode()))
    with pytest.raises(SourceUnreachable, match=r"redirect \(302\)") as caught:
        ask(server.url)
    assert "PROMETHEUS_URL" in caught.value.hint
    assert inner.requests == []


@pytest.mark.parametrize(
    "talk",
    [
        pytest.param(lambda connection, request: connection.recv(1), id="silent"),
        pytest.param(drips(OK + b"X: " + b"x" * 5_000), id="dripped header"),
        pytest.param(drips(body(b"x" * 5_000)), id="dripped body"),
        pytest.param(
            lambda connection, request: (connection.sendall(OK + b"Content-Length: 9\r\n\r\n1"), connection.recv(1)),
            id="frozen",
        ),
    ],
)
def test_a_slow_answer_ends_at_the_deadline(peer: Callable[..., Peer], talk: Talk) -> None:
    server = peer(talk)
    with pytest.raises(SourceUnreachable, match=r"no complete answer within 1 s"), within(0.3):
        ask(server.url, deadline_seconds=0.30012)


def test_a_silent_name_server_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(60) and [])
    with pytest.raises(SourceUnreachable, match="no complete answer"), within(0.3):
        ask("http://prometheus.example", deadline_seconds=0.3)
    answered.set()


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://127.0.0.1:1", "cannot be connected to: connection refused"),
        ("http://nowhere.invalid", "host name is not known"),
        ("http://127.0.0.1:99999", "malformed"),
        ("ftp://127.0.0.1", "malformed"),
    ],
)
def test_a_wrong_address_says_what_is_wrong_with_it(url: str, what: str) -> None:
    with pytest.raises(SourceUnreachable, match=what) as caught:
        ask(url)
    assert "PROMETHEUS_URL" in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"),
        (OK + b"X: " + b"x" * 100_000 + b"\r\n\r\n", "not HTTP"),
        (OK + b"Content-Length: 9\r\nConnection: close\r\n\r\n1", "broke off"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", "broke off"),
        (b"", "broke off"),
    ],
)
def test_a_broken_answer_is_an_error(peer: Callable[..., Peer], answer: bytes, what: str) -> None:
    def talk(connection: socket.socket, request: str) -> None:
        connection.sendall(answer)
        connection.close()

    with pytest.raises(SourceUnreachable, match=what):
        ask(peer(talk).url)


def test_a_body_beyond_the_cap_is_refused_while_it_comes(peer: Callable[..., Peer]) -> None:
    def endless(connection: socket.socket, request: str) -> None:
        connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

    with pytest.raises(SourceUnreachable, match="more than 1 MB"):
        ask(peer(endless).url)


def test_a_body_of_just_the_cap_is_taken(peer: Callable[..., Peer]) -> None:
    whole = b"x" * 2**20
    assert ask(peer(says(body(whole))).url).body == whole
    assert ask(peer(says(body(gzip.compress(whole), b"Content-Encoding: gzip\r\n"))).url).body == whole


@pytest.mark.parametrize(
    ("encoding", "content", "what"),
    [
        (b"gzip", gzip.compress(b"x" * (2**20 + 1)), "more than 1 MB"),
        (b"gzip", gzip.compress(b"x" * 100 * 2**20), "more than 1 MB"),
        (b"gzip", gzip.compress(b"hello", mtime=0)[:-9], "breaks off"),
        (b"gzip", b"hello", "cannot be unpacked"),
        (b"br", b"hello", "unknown way"),
    ],
)
def test_compression_we_did_not_ask_for_never_unpacks_beyond_the_cap(
    peer: Callable[..., Peer], encoding: bytes, content: bytes, what: str
) -> None:
    server = peer(says(body(content, b"Content-Encoding: %s\r\n" % encoding)))
    with pytest.raises(SourceUnreachable, match=what):
        ask(server.url)


def test_a_connection_is_used_again_and_a_restarted_server_is_found_at_once(peer: Callable[..., Peer]) -> None:
    first = peer(says(body(b"one")))
    client = HttpClient(HttpEndpoint(first.url), "Prometheus")
    assert [client.request("GET", "/", deadline_seconds=60).body for _ in range(3)] == [b"one"] * 3
    assert first.connections == 1
    first.close()
    with pytest.raises(SourceUnreachable):
        client.request("GET", "/", deadline_seconds=60)
    peer(says(body(b"two")), port=first.port)
    assert client.request("GET", "/", deadline_seconds=60).body == b"two"
    client.close()


def test_many_threads_each_get_their_own_answer(peer: Callable[..., Peer]) -> None:
    def echo(connection: socket.socket, request: str) -> None:
        connection.sendall(body(request.split()[1].encode()))

    server = peer(echo)
    client = HttpClient(HttpEndpoint(server.url), "Prometheus")
    with ThreadPoolExecutor(32) as pool:
        replies = list(pool.map(lambda n: client.request("GET", f"/{n}", deadline_seconds=60), range(200)))
    client.close()
    assert [reply.body.decode() for reply in replies] == [f"/{n}" for n in range(200)]


def test_a_closed_client_fails_as_an_unreachable_source() -> None:
    client = HttpClient(HttpEndpoint("http://127.0.0.1:1"), "Prometheus")
    client.close()
    with pytest.raises(SourceUnreachable):
        client.request("GET", "/", deadline_seconds=1)


MADE = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that signs itself, and its key, in one file."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "both.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(
        [*MADE, *names, *files],
        check=True,
        capture_output=True,
    )
    with (folder / "both.pem").open("ab") as both:
        both.write((folder / "certificate.pem").read_bytes())
    return folder / "both.pem"


def test_tls_trusts_the_authority_it_is_given_and_no_other(peer: Callable[..., Peer], certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    url = f"https://localhost:{peer(says(body(b'safe')), context=context).port}"
    assert ask(url, endpoint=HttpEndpoint(url, ca_file=str(certificate))).body == b"safe"
    with pytest.raises(SourceUnreachable, match=r"certificate is not trusted: self.signed certificate") as caught:
        ask(url)
    assert caught.value.hint == "Name the authority's file in PROMETHEUS_CA_FILE."
    with pytest.raises(SourceUnreachable, match="no TLS connection"):
        ask(f"https://127.0.0.1:{peer(says(b'plain')).port}")


def test_a_certificate_that_is_refused_although_an_authority_is_named_says_why(
    peer: Callable[..., Peer], certificate: Path, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    address = f"https://127.0.0.1:{peer(says(body(b'safe')), context=context).port}"
    with pytest.raises(SourceUnreachable, match=r"not valid for '127\.0\.0\.1'$") as caught:
        ask("", endpoint=HttpEndpoint(address, ca_file=str(certificate)))
    assert caught.value.hint == "Write the host in PROMETHEUS_URL as its certificate has it."

    another = tmp_path / "another.pem"
    subprocess.run(
        [*MADE, "-subj", "/CN=us", "-out", str(another), "-keyout", str(tmp_path / "key.pem")],
        check=True,
        capture_output=True,
    )
    with pytest.raises(SourceUnreachable, match=r"not trusted: self.signed") as caught:
        ask("", endpoint=HttpEndpoint(address, ca_file=str(another)))
    assert caught.value.hint == "PROMETHEUS_CA_FILE does not hold the authority that signed it."


@pytest.mark.parametrize(
    ("content", "more", "line"),
    [
        (b"no\n  org id\n", b"", "no org id"),
        (b"no org id", b"Content-Type: text/plain; charset=utf-8\r\n", "no org id"),
        (b"no org id", b"Content-Type: application/octet-stream\r\n", ""),
        (b"<p>no</p>", b"", ""),
        (b'{"no": 1}', b"", ""),
        (b"\xff\xfe", b"", ""),
        (b"\x1b[31mred", b"", ""),
        (b"", b"", ""),
        (b"x" * 5_000, b"", "x" * 300),
        (b"bad token S3cr3tPw", b"", ""),
        (b"x" * 299 + b"S3cr3tPw", b"", ""),
        (b"bad header k3y", b"", ""),
        (b"see http://ann:other@host/", b"", "see http://***@host/"),
    ],
)
def test_what_a_server_says_in_plain_text_is_a_line_without_our_credentials(
    peer: Callable[..., Peer], content: bytes, more: bytes, line: str
) -> None:
    endpoint = HttpEndpoint(
        peer(says(body(content, more))).url, bearer_token=Secret("S3cr3tPw"), headers={"X-Key": Secret("k3y")}
    )
    client = HttpClient(endpoint, "Prometheus")
    assert client.line_of(client.request("GET", "/", deadline_seconds=60)) == line
    client.close()


def test_what_is_sent_of_a_name_and_a_password_is_not_quoted(peer: Callable[..., Peer]) -> None:
    def echo(connection: socket.socket, request: str) -> None:
        given = next(line for line in request.splitlines() if line.startswith("Authorization"))
        connection.sendall(body(f"refused: {given}".encode()))

    client = HttpClient(HttpEndpoint(peer(echo).url, username="me", password=Secret("S3cr3tPw")), "Prometheus")
    assert client.line_of(client.request("GET", "/", deadline_seconds=60)) == ""
    client.close()


def test_a_ca_file_that_is_not_there_is_named_by_its_setting() -> None:
    with pytest.raises(SourceUnreachable, match="CA file cannot be read") as caught:
        ask("", endpoint=HttpEndpoint("https://127.0.0.1:1", ca_file="/nowhere.pem"))
    assert "PROMETHEUS_CA_FILE" in caught.value.hint


@pytest.mark.parametrize(
    "talk",
    [
        says(b"nonsense\r\n\r\n"),
        says(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
        lambda connection, request: connection.close(),
    ],
)
def test_no_error_tells_a_credential(peer: Callable[..., Peer], talk: Talk) -> None:
    url = peer(talk).url
    endpoints = [
        HttpEndpoint(url, username="me", password=Secret("S3cr3tPw"), headers={"X-Key": Secret("S3cr3tPw")}),
        HttpEndpoint(url, bearer_token=Secret("S3cr3tPw\n")),
        HttpEndpoint("http://127.0.0.1:1", bearer_token=Secret("S3cr3tPw")),
    ]
    for endpoint in endpoints:
        with pytest.raises(SourceUnreachable) as caught:
            ask(url, endpoint=endpoint)
        told = "".join(traceback.format_exception(caught.value)) + caught.value.hint + caught.value.what
        assert "S3cr3t" not in told
        assert base64.b64encode(b"me:S3cr3tPw").decode() not in told
