"""A server that is not what its port promises."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Behaviour = Callable[[socket.socket], None]  # what it does with one connection; returning closes it


@contextmanager
def impostor(behaviour: Behaviour) -> Iterator[int]:
    """Does the same with every connection; gives the port. At the end it closes them all."""
    connections: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):  # closed below
            while True:
                connections.append(listener.accept()[0])
                threading.Thread(target=serve, args=(connections[-1],), daemon=True).start()

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            behaviour(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield int(listener.getsockname()[1])
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def hang(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def drip(connection: socket.socket) -> None:
    """Never silent for long, and never done."""
    while True:
        connection.sendall(b"+")
        time.sleep(0.2)


def close(connection: socket.socket) -> None:
    pass


def say(answer: bytes) -> Behaviour:
    """Answers whatever comes with the same bytes."""

    def behaviour(connection: socket.socket) -> None:
        while connection.recv(65536):
            connection.sendall(answer)

    return behaviour


def say_json(status: str, body: str) -> Behaviour:
    return say(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
