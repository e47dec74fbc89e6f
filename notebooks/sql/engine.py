"""Asks the processes that run SQL: starts them as they are needed, and ends what does not answer."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_sources.errors import QueryRejected, SourceError, SourceUnreachable

MOST_AT_ONCE = 4  # processes; each may take 1 GiB
PROGRAM = Path(__file__).with_name("process.py")
SOURCE = "SQL"
# One arena and the system's allocator, so that what it takes is what it uses and not what it may come to use. Of ours
# it is told where libraries lie; the broker's password it could otherwise read.
ENVIRONMENT = {"MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"}
TOLD = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")


class Ended(Exception):
    """The process ended before it had answered; `code` as subprocess has it."""

    def __init__(self, code: int) -> None:
        super().__init__(f"ended with {code}")
        self.code = code


class Child:
    """One process, and one question at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=os.sep,
            env=ENVIRONMENT | {name: os.environ[name] for name in TOLD if name in os.environ},
            start_new_session=True,  # Ctrl-C is for us, and our end is its end
        )
        assert self._process.stdin
        assert self._process.stdout
        self._requests, self._replies = self._process.stdin, self._process.stdout

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Asking makes the system forget it, too."""
        return self._process.poll() is not None

    def ask(self, request: Mapping[str, Any], tables: Sequence[bytes]) -> tuple[dict[str, Any], bytes]:
        """The reply, and the rows that follow it. Raises Ended."""
        try:
            for message in (json.dumps(request).encode(), *tables):
                self._requests.write(len(message).to_bytes(8))
                self._requests.write(message)
            self._requests.flush()
            reply = json.loads(self._receive())
            return reply, self._receive() if "cut" in reply else b""
        except (OSError, EOFError):
            raise Ended(self.end()) from None

    def end(self) -> int:
        with contextlib.suppress(OSError):
            self._requests.close()
        self._replies.close()
        return self._process.wait()

    def _receive(self) -> bytes:
        return self._exactly(int.from_bytes(self._exactly(8)))

    def _exactly(self, length: int) -> bytes:
        read = self._replies.read(length)
        if len(read) < length:
            raise EOFError
        return read


class Engine:
    """At most MOST_AT_ONCE processes, one a question; each is kept for the next ones, and ends when none come."""

    def __init__(self) -> None:
        self.idle: list[Child] = []
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(MOST_AT_ONCE)

    def ask(self, request: Mapping[str, Any], tables: Sequence[bytes] = ()) -> tuple[dict[str, Any], bytes]:
        """What notebooks.sql.process replies to `request`, which waits as long for its turn as it may take.

        Raises QueryRejected and SourceUnreachable.
        """
        if not self._turns.acquire(timeout=request["seconds"]):
            raise SourceUnreachable(SOURCE, "is busy with what others ask", "Try again")
        try:
            return self._ask(request, tables)
        finally:
            self._turns.release()

    def _ask(self, request: Mapping[str, Any], tables: Sequence[bytes]) -> tuple[dict[str, Any], bytes]:
        while True:
            kept = self._kept()
            child = kept or Child()
            try:
                reply, rows = child.ask(request, tables)
            except Ended as ended:
                if kept and ended.code == 0:  # nobody had asked for long
                    continue
                raise why(ended, request["seconds"]) from None
            if reply.get("spent"):
                child.end()
            else:
                with self._lock:
                    self.idle.append(child)
            if "error" in reply:
                raise QueryRejected(SOURCE, reply["error"], parameter="q")
            return reply, rows

    def _kept(self) -> Child | None:
        """The one that was asked last; those that have ended since are forgotten."""
        with self._lock:
            ended = [child for child in self.idle if child.has_ended]
            self.idle = [child for child in self.idle if child not in ended]
            kept = self.idle.pop() if self.idle else None
        for child in ended:
            child.end()
        return kept


def why(ended: Ended, seconds: float) -> SourceError:
    if ended.code in (-signal.SIGALRM, -signal.SIGPROF):
        return QueryRejected(SOURCE, f"takes longer than {seconds:g} s", parameter="q")
    if ended.code < 0:
        return QueryRejected(SOURCE, "needs more memory than it may have", parameter="q")
    return SourceUnreachable(SOURCE, f"its process ended with {ended.code}", "Is the package duckdb installed?")
