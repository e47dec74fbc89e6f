"""A way to a broker that is read along."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.fault_proxy import FaultProxy


@contextmanager
def wiretap(url: str, deaf_after: bytes = b"") -> Iterator[tuple[str, list[bytes]]]:
    """Another URL to the same broker, and what a client has sent there so far, beginning with a word a connection.

    `deaf_after`: once a client has sent this, what the broker says is lost.
    """
    port = urlsplit(url).port
    seen: list[bytes] = []

    def read_along(client: socket.socket) -> None:
        seen.append(b"connected")
        deaf = threading.Event()
        with socket.create_connection(("127.0.0.1", port or 0)) as server:
            threading.Thread(target=answer, args=(server, client, deaf), daemon=True).start()
            while data := client.recv(65536):
                seen.append(data)
                if deaf_after and deaf_after in data:
                    deaf.set()
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)  # to close it is not enough while the other thread reads

    with FaultProxy(read_along) as proxy:
        yield url.replace(f":{port}/", f":{proxy.port}/"), seen


def answer(server: socket.socket, client: socket.socket, deaf: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := server.recv(65536):
            if not deaf.is_set():
                client.sendall(data)
        client.shutdown(socket.SHUT_RDWR)
