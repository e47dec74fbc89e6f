"""Who may write a history: one process at a time. The system gives a lease back when its holder ends in any way."""

from __future__ import annotations

import fcntl
import os
import socket
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import psycopg

from data_sources.history_place import CONNECT_SECONDS, Place, PostgresPlace
from recorder.database import StoreFailed

NAMESPACE = zlib.crc32(b"celery-notebook") - 2**31  # the first half of an advisory lock's key, a signed 32-bit number
GONE_SECONDS = 10
# The server gives the lease of a machine that vanished back within GONE_SECONDS; its own default is two hours.
SERVER_KEEPALIVES = {"tcp_keepalives_idle": 4, "tcp_keepalives_interval": 2, "tcp_keepalives_count": 3}


class Lease(Protocol):
    def acquire(self) -> bool:
        """Whether it is ours now; does not wait. Raises StoreFailed when it cannot be asked for."""

    def is_held(self) -> bool:
        """Whether anybody has it; takes it from nobody. Raises StoreFailed."""

    def is_ours(self) -> bool:
        """Whether it still is, after `acquire` said so; one that was lost is taken again if nobody else has it."""

    def holder(self) -> str:
        """Who has it, for people: `process 123`."""

    def release(self) -> None: ...


def lease_of(place: Place) -> Lease:
    return PostgresLease(place) if isinstance(place, PostgresPlace) else FileLease(place.path)


class FileLease:
    """`flock` on `<file>.lock`, which holds the pid."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        self._file: int | None = None

    def acquire(self) -> bool:
        file = self._open()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file
        return True

    def is_held(self) -> bool:
        if not self._path.exists():
            return False
        file = self._open()
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def is_ours(self) -> bool:
        """Of a file that was removed or replaced others can have the lease as well."""
        if self._file is None:
            return False
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        return False

    def holder(self) -> str:
        with suppress(OSError):
            if pid := self._path.read_text(errors="replace").strip():
                return f"process {pid:.20}"
        return "another process"

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise StoreFailed(f"{self._path}: {exc.strerror}") from exc


class PostgresLease:
    """A session's advisory lock, on a connection of its own; it counts within one database."""

    def __init__(self, place: PostgresPlace) -> None:
        self._place = place
        self._key = zlib.crc32(place.schema.encode()) - 2**31
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None

    def acquire(self) -> bool:
        with self._translated():
            connection = self._connect(f"celery-notebook recorder {os.getpid()} on {socket.gethostname()}")
            try:
                row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (NAMESPACE, self._key)).fetchone()
            except BaseException:
                connection.close()
                raise
            if row == (True,):
                self._connection = connection
                return True
            connection.close()
            return False

    def is_held(self) -> bool:
        return bool(self._holders())

    def is_ours(self) -> bool:
        """While the server is away it stays ours: nobody can take it."""
        if self._connection is None:
            return False
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            self._connection.close()
        else:
            return True
        try:
            return self.acquire()
        except StoreFailed:
            return True

    def holder(self) -> str:
        with suppress(StoreFailed):
            if holders := self._holders():
                return f"process {holders[0].removeprefix('celery-notebook recorder '):.80}"
        return "another process"

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _holders(self) -> list[str]:
        with self._translated(), closing(self._connect("celery-notebook")) as connection:
            rows = connection.execute(
                "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) JOIN pg_database"
                " ON pg_database.oid = database AND pg_database.datname = current_database()"
                " WHERE locktype = 'advisory' AND granted AND classid::int8 = %s AND objid::int8 = %s",
                (NAMESPACE % 2**32, self._key % 2**32),
            )
            return [str(name) for (name,) in rows]

    def _connect(self, name: str) -> psycopg.Connection[tuple[object, ...]]:
        connection = psycopg.connect(
            self._place.url.reveal(),
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            application_name=name[:63],
            tcp_user_timeout=GONE_SECONDS * 1_000,
        )
        for setting, value in SERVER_KEEPALIVES.items():
            connection.execute("SELECT set_config(%s, %s, false)", (setting, str(value)))
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error:
            raise StoreFailed(f"{self._place.address}: it cannot be reached") from None  # the cause may quote the URL
