"""A wire that passes everything on until it is told to freeze: then some of its connections stay open, and silent."""

from __future__ import annotations

import contextlib
import socket
import threading


class Freezer:
    """A behaviour for FaultProxy. `mark`: what only the connections that can be frozen ever sent."""

    def __init__(self, port: int, mark: bytes) -> None:
        self._port = port
        self._mark = mark
        self._flows = threading.Event()
        self._flows.set()

    def freeze(self) -> None:
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    def __call__(self, client: socket.socket) -> None:
        marked = threading.Event()
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            threading.Thread(target=self._pump, args=(server, client, marked), daemon=True).start()
            self._pump(client, server, marked)

    def _pump(self, source: socket.socket, sink: socket.socket, marked: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._mark in data:
                    marked.set()
                if marked.is_set():
                    self._flows.wait()
                sink.sendall(data)
        for side in (source, sink):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
