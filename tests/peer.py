"""A server made of a socket, for the faults that no real server can be brought to make."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

Talk = Callable[[socket.socket, str], object]  # told the connection and the request
OK = b"HTTP/1.1 200 OK\r\n"
TLS_HELLO = b"\x16"


class Peer:
    """A server that reads a request and then does what `talk` does; keeps the requests."""

    def __init__(self, talk: Talk, context: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.requests: list[str] = []
        self.connections = 0
        self._talk = talk
        self._context = context
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self.connections += 1
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            with connection:
                while request := self._request(connection):
                    self.requests.append(request)
                    self._talk(connection, request)

    def _request(self, connection: socket.socket) -> str:
        received = b""
        while not complete(received) and (part := connection.recv(65536)):
            received += part
        return received.decode("latin-1")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed already
            self._server.shutdown(socket.SHUT_RDWR)
        for closing in (self._server, *self._open):
            closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def complete(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return request.startswith(TLS_HELLO) or (bool(end) and len(body) == int(length[1] if length else 0))


def says(answer: bytes) -> Talk:
    return lambda connection, request: connection.sendall(answer)


def body(content: bytes, more: bytes = b"") -> bytes:
    return OK + more + b"Content-Length: %d\r\n\r\n" % len(content) + content
