"""The lease of a history in PostgreSQL, which the server gives back when the session of its holder ends."""

from __future__ import annotations

import os
import socket
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psycopg

from data_sources.history.place import CONNECT_SECONDS, PostgresPlace
from recorder.database import StoreFailed

NAMESPACE = zlib.crc32(b"celery-notebook") - 2**31  # the first half of an advisory lock's key, a signed 32-bit number
GONE_SECONDS = 10
# The server gives the lease of a machine that vanished back within GONE_SECONDS; its own default is two hours.
SERVER_KEEPALIVES = {"tcp_keepalives_idle": 4, "tcp_keepalives_interval": 2, "tcp_keepalives_count": 3}


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
