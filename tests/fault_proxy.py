"""A wire between a client and a real server, that can be cut, swallowed or spoken for."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from tests.impostor import Behaviour


class FaultProxy:
    """Listens on one port for life and does with each connection what `behaviour` says; None: nothing listens."""

    def __init__(self, behaviour: Behaviour | None) -> None:
        self._place = bound()  # held for life, never listening, so that nobody else gets the port
        self.port: int = self._place.getsockname()[1]
        self._listener: socket.socket | None = None
        self._connections: list[socket.socket] = []
        self.behave(behaviour)

    def behave(self, behaviour: Behaviour | None) -> None:
        """Ends all connections, as a server that is replaced does, and meets the next ones in the new way."""
        listener, self._listener = self._listener, None
        if listener:
            end(listener)
        for connection in self._connections:
            end(connection)
        self._connections.clear()
        if behaviour:
            self._listener = bound(self.port)
            self._listener.listen()
            threading.Thread(target=self._accept, args=(self._listener, behaviour), daemon=True).start()

    def _accept(self, listener: socket.socket, behaviour: Behaviour) -> None:
        with contextlib.suppress(OSError):  # ended
            while True:
                connection = listener.accept()[0]
                self._connections.append(connection)
                if listener is not self._listener:  # it came while all were ended
                    end(connection)
                threading.Thread(target=serve, args=(connection, behaviour), daemon=True).start()

    def close(self) -> None:
        self.behave(None)
        self._place.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def bound(port: int = 0) -> socket.socket:
    """A socket that has a port, by itself or beside another that has it. A connection to it is refused."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.bind(("127.0.0.1", port))
    return one


def forward(port: int) -> Behaviour:
    """Passes everything on, both ways, until either side ends."""

    def behaviour(client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            threading.Thread(target=pump, args=(server, client), daemon=True).start()
            pump(client, server)

    return behaviour


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for side in (source, sink):
        with contextlib.suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)


def serve(connection: socket.socket, behaviour: Behaviour) -> None:
    with connection, contextlib.suppress(OSError):
        behaviour(connection)


def end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed already
        one.shutdown(socket.SHUT_RDWR)
    one.close()
