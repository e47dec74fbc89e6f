"""The lease of a history in PostgreSQL, which the server gives back when the session of its holder ends."""

from __future__ import annotations

import os
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from data_sources.history.place import CONNECT_SECONDS, PostgresPlace
from recorder.database import StoreFailed

NAMESPACE = zlib.crc32(b"celery-notebook") - 2**31  # the first half of an advisory lock's key, a signed 32-bit number
LONGEST_NAME = 63  # of a session, in bytes
GONE_SECONDS = 10
# The server gives the lease of a machine that vanished back within GONE_SECONDS; its own default is two hours.
SERVER_KEEPALIVES = {"tcp_keepalives_idle": 4, "tcp_keepalives_interval": 2, "tcp_keepalives_count": 3}


class PostgresLease:
    """A session's advisory lock; it counts within one database. Its connection stays open for who looks each second."""

    def __init__(self, place: PostgresPlace) -> None:
        self._place = place
        self._key = zlib.crc32(place.schema.encode()) - 2**31
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._ours = False

    def acquire(self) -> bool:
        name = f"celery-notebook recorder {os.getpid()} on {socket.gethostname()}"[:LONGEST_NAME]
        [(ours, _)] = self._ask(
            "SELECT pg_try_advisory_lock(%s, %s), set_config('application_name', %s, false)",
            (NAMESPACE, self._key, name),
        )
        self._ours = bool(ours)
        return self._ours

    def is_held(self) -> bool:
        return bool(self._holders())

    def is_ours(self) -> bool:
        """While the server is away it stays ours: nobody can take it."""
        if not self._ours or self._connection is None:
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
            if self._ours:
                with suppress(psycopg.Error):  # at once: the server takes a moment to see that a session ended
                    self._connection.execute("SELECT pg_advisory_unlock_all()")
            self._connection.close()
        self._connection, self._ours = None, False

    def _holders(self) -> list[str]:
        rows = self._ask(
            "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) JOIN pg_database"
            " ON pg_database.oid = database AND pg_database.datname = current_database()"
            " WHERE locktype = 'advisory' AND granted AND classid::int8 = %s AND objid::int8 = %s",
            (NAMESPACE % 2**32, self._key % 2**32),
        )
        return [str(name) for (name,) in rows]

    def _ask(self, statement: str, parameters: tuple[object, ...]) -> list[tuple[object, ...]]:
        """On the connection that is open, or, when that was lost, on a new one."""
        with self._translated():
            if self._connection is not None:
                try:
                    return self._connection.execute(statement.encode(), parameters).fetchall()
                except psycopg.OperationalError:
                    self._connection.close()
            self._connection = self._connect()
            return self._connection.execute(statement.encode(), parameters).fetchall()

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        connection = psycopg.connect(
            self._place.url.reveal(),
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            application_name="celery-notebook",
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
