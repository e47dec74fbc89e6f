"""Asking an HTTP API: one bounded request, one reply, one kind of failure.

The time-outs of sockets (and so of requests, urllib3, http.client) begin anew with every byte: a dripped answer never
ends. Here each request has a thread of its own; the asker waits for it until the deadline, then cuts the connection
under it. So one deadline spans name lookup, connect, headers and body.

Bodies are asked for uncompressed: Prometheus takes longer to compress 24 MB than a LAN takes to carry them (2.5 s
against 0.4 s). http.client reads them with a sixth of the processor time of aiohttp (9 against 58 ms for 32 MB).
"""

from __future__ import annotations

import base64
import contextlib
import math
import os
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPMessage,
    HTTPSConnection,
    IncompleteRead,
    RemoteDisconnected,
)
from select import POLLIN, poll
from urllib.parse import urlencode, urlsplit

from data_sources.config import HttpEndpoint
from data_sources.errors import SourceUnreachable
from data_sources.mask import mask_text

MAX_BYTES = 64 * 2**20
MAX_LINE = 300  # of a body that is told to people
MAX_LOOKED_AT = 2**16
CONNECT_SECONDS = 2.0  # of one address: one that is silent leaves time for the host's next one
IDLE_CONNECTIONS = 4

Pairs = Sequence[tuple[str, str]]
Answer = tuple[int, HTTPMessage, bytes]


@dataclass(frozen=True)
class Reply:
    """What came back, whatever its status but a redirect. `headers` compare without case; `body` is decoded."""

    status: int
    headers: HTTPMessage
    body: bytes
    took: timedelta


class HttpClient:
    """Connections to one endpoint, kept for further use, for any number of threads.

    `source` names it to people, and its settings: "Prometheus" is set by PROMETHEUS_URL.
    """

    def __init__(self, endpoint: HttpEndpoint, source: str) -> None:
        self.endpoint = endpoint
        self.source = source
        self.settings = source.upper().replace(" ", "_")
        self._idle: list[Connection] = []
        self._closed = False

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Pairs = (),
        form: Pairs | None = None,
        deadline_seconds: float,
        max_bytes: int = MAX_BYTES,
    ) -> Reply:
        """Sends one request and reads its whole answer. `path` is sent as given: quote names in it yourself.

        Raises SourceUnreachable when no answer, a redirect, or one of over `max_bytes` (decoded) came back.
        """
        started = time.monotonic()
        try:
            target = urlsplit(self.endpoint.url).path + path + (f"?{quoted(params)}" if params else "")
            body = None if form is None else quoted(form).encode()
            connection = self._connection()
            answer = in_thread(lambda: connection.ask(method, target, body, self._headers(form), max_bytes))
            status, headers, raw = answer.result(deadline_seconds)
        except TimeoutError as exc:
            connection.cut()
            # In whole seconds: of questions that waited for their turn a little, all say the same.
            what = f"gave no complete answer within {math.ceil(deadline_seconds)} s"
            hint = f"It is overloaded, unreachable from here, or not what {self.settings}_URL says."
            raise self._unreachable(what, hint) from exc
        except (OSError, HTTPException) as exc:
            raise self._unreachable(*self._explain(exc)) from exc
        except ValueError:
            # Not chained: http.client quotes the header it refuses, which may be a credential.
            hint = f"Check {self.settings}_URL and its headers."
            raise self._unreachable("cannot be asked: its address or a header is malformed", hint) from None
        self._keep(connection)
        if len(raw) > max_bytes:
            raise self._too_large(max_bytes)
        if 300 <= status < 400:
            what = f"answered with a redirect ({status}), which is not followed"
            hint = f"Set {self.settings}_URL to the final address; a login page there means it wants credentials."
            raise self._unreachable(what, hint)
        decoded = self._decode(raw, headers.get("Content-Encoding", "identity").lower(), max_bytes)
        return Reply(status, headers, decoded, timedelta(seconds=time.monotonic() - started))

    def line_of(self, reply: Reply) -> str:
        """What `reply` says in plain text, on one line and cut; empty where it is markup, JSON, or holds one of our
        credentials: a proxy may quote what it refuses."""
        try:
            text = reply.body[:MAX_LOOKED_AT].decode()
        except UnicodeDecodeError:
            return ""
        line = " ".join(text.split())
        plain = reply.headers.get_content_type() == "text/plain" and line[:1] not in ("<", "{", "[")
        told = any(secret in text or secret in line for secret in self._secrets())
        return mask_text(line)[:MAX_LINE] if plain and line.isprintable() and not told else ""

    def close(self) -> None:
        """Closes the idle connections, and those in use when they have their answers."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _connection(self) -> Connection:
        """An idle connection that the server has not closed meanwhile, or a new one."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return Connection(self._wire())
            if connection.alive:
                return connection
            connection.close()

    def _keep(self, connection: Connection) -> None:
        if connection.reusable and not self._closed and len(self._idle) < IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.close()

    def _wire(self) -> HTTPConnection:
        url = urlsplit(self.endpoint.url)
        match url.scheme:
            case "http":
                return HTTPConnection(url.hostname or "", url.port, timeout=CONNECT_SECONDS)
            case "https":
                return HTTPSConnection(url.hostname or "", url.port, timeout=CONNECT_SECONDS, context=self._trust())
        raise ValueError("neither http nor https")

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.endpoint.ca_file)
        except OSError as exc:  # ssl.SSLError is one
            raise self._unreachable("its CA file cannot be read", f"Check {self.settings}_CA_FILE.") from exc

    def _secrets(self) -> list[str]:
        endpoint = self.endpoint
        given = [endpoint.bearer_token, endpoint.password, *endpoint.headers.values()]
        sent = self._headers(None).get("Authorization", "").partition(" ")[2]
        return [text for text in (*(one.reveal() for one in given if one), sent) if text]

    def _headers(self, form: Pairs | None) -> dict[str, str]:
        endpoint = self.endpoint
        headers = {"Accept": "application/json", "User-Agent": "celery-notebook"}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if endpoint.bearer_token is not None:
            headers["Authorization"] = f"Bearer {endpoint.bearer_token.reveal()}"
        elif endpoint.username is not None:
            password = endpoint.password.reveal() if endpoint.password else ""
            pair = f"{endpoint.username}:{password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return headers | {name: value.reveal() for name, value in endpoint.headers.items()}

    def _decode(self, raw: bytes, encoding: str, max_bytes: int) -> bytes:
        """`raw` without the compression that some proxies apply unasked, never unpacking more than `max_bytes`."""
        if encoding in ("identity", ""):
            return raw
        hint = "Let the proxy in front of it pass answers on as they are."
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise self._unreachable("compressed its answer in an unknown way, though asked not to", hint)
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, by its header
        try:
            body = unpacker.decompress(raw, max_bytes + 1)
        except zlib.error as exc:
            raise self._unreachable("sent a compressed answer that cannot be unpacked", hint) from exc
        if len(body) > max_bytes:
            raise self._too_large(max_bytes)
        if not unpacker.eof:
            raise self._unreachable("sent a compressed answer that breaks off", hint)
        return body

    def _explain(self, error: OSError | HTTPException) -> tuple[str, str]:
        """What happened and what to do about it."""
        url = f"{self.settings}_URL"
        match error:
            case socket.gaierror():
                return "its host name is not known here", f"Check the host in {url}."
            case ssl.SSLCertVerificationError():
                return f"its certificate is not trusted: {error.verify_message.rstrip('.')}", self._mend(error)
            case ssl.SSLError():
                return "no TLS connection could be made", f"Is it https? Check {url}."
            case RemoteDisconnected() | ConnectionResetError() | BrokenPipeError() | IncompleteRead():
                return "broke off the connection", "It may be restarting; it is tried again."
            case HTTPException():
                return "answered with something that is not HTTP", f"Check the port in {url}."
            case _:
                reason = os.strerror(error.errno).lower() if error.errno else "no address of it answers"
                return f"cannot be connected to: {reason}", f"Is it running? Check {url}."

    def _mend(self, error: ssl.SSLCertVerificationError) -> str:
        """What to do, by OpenSSL's reason (x509_vfy.h)."""
        authority = f"{self.settings}_CA_FILE"
        match error.verify_code:
            case 62 | 64:
                return f"Write the host in {self.settings}_URL as its certificate has it."
            case 9 | 10:
                return "Its certificate must be renewed, or a clock is wrong."
            case _ if self.endpoint.ca_file:
                return f"{authority} does not hold the authority that signed it."
        return f"Name the authority's file in {authority}."

    def _too_large(self, max_bytes: int) -> SourceUnreachable:
        return self._unreachable(
            f"sent more than {max_bytes / 2**20:,.0f} MB", "Ask for fewer series, a shorter range or a larger step."
        )

    def _unreachable(self, what: str, hint: str) -> SourceUnreachable:
        return SourceUnreachable(self.source, what, hint)


class Connection:
    """A connection that one thread asks through and another may cut."""

    def __init__(self, wire: HTTPConnection) -> None:
        self._wire = wire
        self._socket: socket.socket | None = None  # http.client forgets its own while an answer still comes
        self._cut = False
        self.reusable = False

    def ask(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str], max_bytes: int) -> Answer:
        """Status, headers and body, of which no more than `max_bytes` and one are read."""
        self.reusable = False
        if self._socket is None:
            self._socket = self._connected()
        if self._cut:
            raise ConnectionError("cut while it was made")
        self._wire.request(method, target, body, headers)
        response = self._wire.getresponse()
        content = response.read(max_bytes + 1)
        if response.length and len(content) <= max_bytes:
            raise IncompleteRead(content, response.length)
        self.reusable = response.isclosed() and not response.will_close
        return response.status, response.headers, content

    def _connected(self) -> socket.socket:
        try:
            self._wire.connect()
        except TimeoutError as exc:  # not the deadline: of CONNECT_SECONDS, for each address
            raise ConnectionError("no address answers") from exc
        self._wire.sock.settimeout(None)
        return self._wire.sock

    @property
    def alive(self) -> bool:
        """Nothing came unasked; an end of the stream would be something."""
        watcher = poll()
        watcher.register(self._wire.sock, POLLIN)
        return not watcher.poll(0)

    def cut(self) -> None:
        """Ends what the other thread waits for."""
        self._cut = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # of TLS too: SSLSocket's own is not for threads

    def close(self) -> None:
        self._wire.close()


def in_thread(work: Callable[[], Answer]) -> Future[Answer]:
    """`work`, begun in a thread that nobody has to wait for, not even the interpreter's end."""
    outcome: Future[Answer] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=run, name="http", daemon=True).start()
    return outcome


def quoted(pairs: Pairs) -> str:
    """Form encoding. A lone surrogate (from a hostile URL) goes out as it is, for the server to refuse."""
    return urlencode(pairs, errors="surrogatepass")
