"""Asking an HTTP API: one bounded request, one reply, one kind of failure.

All clients share one event loop on a background thread; callers block on theirs. A deadline spans name lookup,
connect, headers and body: timeouts a read (requests, urllib3) never end on a dripped answer. Bodies are asked for
uncompressed, since Prometheus takes longer to compress 24 MB than a LAN takes to carry them (2.5 s against 0.4 s).
"""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from data_sources.config import HttpEndpoint
from data_sources.errors import SourceUnreachable

MAX_BYTES = 64 * 2**20
CONNECTIONS = 16  # of one client at once; further requests wait their turn within their deadlines

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Reply:
    """What came back, whatever its status but a redirect. `headers` compare without case; `body` is decoded."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    took: timedelta


class HttpClient:
    """A pool of connections to one endpoint, for any number of threads.

    `source` names it to people, and its settings: "Prometheus" is set by PROMETHEUS_URL.
    """

    def __init__(self, endpoint: HttpEndpoint, source: str) -> None:
        self.endpoint = endpoint
        self.source = source
        self.settings = source.upper().replace(" ", "_")
        self._session: aiohttp.ClientSession | None = None  # lives on the event loop, as aiohttp demands
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
        answer = asyncio.run_coroutine_threadsafe(self._exchange(method, path, params, form, max_bytes), event_loop())
        try:
            status, headers, raw = answer.result(deadline_seconds)
        except TimeoutError as exc:
            answer.cancel()
            raise self._unreachable(
                f"gave no complete answer within {deadline_seconds:g} s",
                f"It is overloaded, unreachable from here, or not what {self.settings}_URL says.",
            ) from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise self._unreachable(*self._explain(exc)) from exc
        if 300 <= status < 400:
            raise self._unreachable(
                f"answered with a redirect ({status}), which is not followed",
                f"Set {self.settings}_URL to the final address; a redirect to a login page means it wants credentials.",
            )
        body = self._decode(raw, headers.get("Content-Encoding", "identity").lower(), max_bytes)
        return Reply(status, headers, body, timedelta(seconds=time.monotonic() - started))

    def close(self) -> None:
        """Closes all connections; requests under way fail."""
        self._closed = True
        if self._session is not None:
            asyncio.run_coroutine_threadsafe(self._session.close(), event_loop()).result(5)

    async def _exchange(
        self, method: str, path: str, params: Pairs, form: Pairs | None, max_bytes: int
    ) -> tuple[int, Mapping[str, str], bytes]:
        url = self.endpoint.url + path + (f"?{quoted(params)}" if params else "")
        headers = self._headers()
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        request = self._connected().request(
            method,
            URL(url, encoded=True),  # encoded: yarl would unquote the %2F of RabbitMQ's vhosts
            data=None if form is None else quoted(form).encode(),
            headers=headers,
            allow_redirects=False,
        )
        async with request as response:
            parts, size = [], 0
            async for part in response.content.iter_any():
                size += len(part)
                if size > max_bytes:
                    raise self._too_large(max_bytes)
                parts.append(part)
            return response.status, response.headers, b"".join(parts)

    def _connected(self) -> aiohttp.ClientSession:
        if self._closed:
            raise aiohttp.ClientConnectionError("closed")
        if self._session is None:
            context: ssl.SSLContext | bool = True
            if self.endpoint.ca_file:
                context = ssl.create_default_context(cafile=self.endpoint.ca_file)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=context),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(),  # none of its own: the caller's deadline covers all
                auto_decompress=False,  # its decoder knows no cap
                read_bufsize=2**18,
                trust_env=False,
            )
        return self._session

    def _headers(self) -> dict[str, str]:
        endpoint = self.endpoint
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "celery-notebook"}
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

    def _explain(self, error: Exception) -> tuple[str, str]:
        """What happened and what to do, in our words: aiohttp's may quote the request with its headers."""
        url = f"{self.settings}_URL"
        match error:
            case aiohttp.ClientConnectorDNSError():
                return "its host name is not known here", f"Check the host in {url}."
            case aiohttp.ClientConnectorCertificateError():
                return "its certificate is not trusted", f"Name the authority's file in {self.settings}_CA_FILE."
            case aiohttp.ClientConnectorSSLError():
                return "no TLS connection could be made", f"Is it https? Check {url}."
            case aiohttp.ClientConnectorError(os_error=cause):
                reason = f": {os.strerror(cause.errno).lower()}" if cause.errno else ""
                return f"cannot be connected to{reason}", f"Is it running? Check {url}."
            case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | ValueError():
                return "cannot be asked: its address or a header is malformed", f"Check {url} and its headers."
            case aiohttp.ClientResponseError():
                return "answered with something that is not HTTP", f"Check the port in {url}."
            case aiohttp.ClientError():
                return "broke off the connection", "It may be restarting; it is tried again."
            case _:  # ssl.create_default_context on the CA file; ssl.SSLError is an OSError too
                return "its CA file cannot be read", f"Check {self.settings}_CA_FILE."

    def _too_large(self, max_bytes: int) -> SourceUnreachable:
        return self._unreachable(
            f"sent more than {max_bytes / 2**20:,.0f} MB", "Ask for fewer series, a shorter range or a larger step."
        )

    def _unreachable(self, what: str, hint: str) -> SourceUnreachable:
        return SourceUnreachable(self.source, what, hint)


def quoted(pairs: Pairs) -> str:
    """Form encoding. A lone surrogate (from a hostile URL) goes out as it is, for the server to refuse."""
    return urlencode(pairs, errors="surrogatepass")


_starting = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def event_loop() -> asyncio.AbstractEventLoop:
    """The loop all clients share, started when first needed."""
    global _loop
    with _starting:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="http", daemon=True).start()
        return _loop
