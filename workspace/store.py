"""The workspace's database: a SQLite file beside the histories, or a PostgreSQL schema beside theirs.

One connection writes it, from one process. On SQLite a lock says which: the first dashboard to touch the workspace
writes it until it ends; others read it, and take over once it is gone. (SQLite before 3.51.3 can corrupt a WAL that
two connections write.) On PostgreSQL all replicas share it, and the database takes care of their turns.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, delete, event, func, insert, inspect, make_url, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool
from sqlalchemy.schema import CreateSchema

from data_sources.config import Secret
from data_sources.errors import QueryRejected, SourceUnreachable
from data_sources.history.place import SCHEMES, postgres_address, postgres_url, reason, sqlite_folder
from recorder.database import StoreFailed
from recorder.lease import FileLease
from workspace import schema

SOURCE = "Workspace"
BUSY_SECONDS = 5.0
POSTGRES_SCHEMA = "celery_notebook_workspace"
MIGRATION_LOCK = 0x43656C6E  # any number, the same in all replicas

Migration = Callable[[Connection], None]

# What made it what it is, one after the other; a number in `schema.version` says how far a database has come.
MIGRATIONS: tuple[Migration, ...] = (
    schema.audit.create,
    lambda connection: schema.metadata.create_all(
        connection, [schema.notebooks, schema.revisions, schema.drafts, schema.snapshots]
    ),
    lambda connection: schema.audit_by_time.create(connection, checkfirst=True),  # a new table comes with it
)


class Occupied(QueryRejected):
    """Another process writes the workspace; it can be read."""


class Home(Protocol):
    """Where a workspace is. `address` is for people and holds no credential."""

    @property
    def address(self) -> str: ...

    def open(self) -> Engine:
        """For reading and writing, the tables made. Raises Occupied while another process does that."""

    def open_readonly(self) -> Engine: ...


class Workspace:
    """Opened when it is first used. Any thread may use it; they take turns."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._turn = threading.Lock()
        self._writer: Engine | None = None
        self._reader: Engine | None = None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, on disk when the block ends; else it raises, SourceUnreachable or Occupied."""
        with self._turn, translated(self.home.address), self._open().begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One moment of it. Raises SourceUnreachable."""
        with self._turn, translated(self.home.address), self._open_to_read().begin() as connection:
            yield connection

    def close(self) -> None:
        with self._turn:
            for engine in filter(None, (self._writer, self._reader)):
                engine.dispose()
            self._writer = self._reader = None

    def _open(self) -> Engine:
        if self._writer is None:
            self._writer = self.home.open()
        return self._writer

    def _open_to_read(self) -> Engine:
        try:
            return self._open()
        except Occupied:
            self._reader = self._reader or self.home.open_readonly()
            return self._reader


def workspace(history_url: Secret | None) -> Workspace:
    """The workspace beside the histories of HISTORY_URL. Raises ConfigError when that cannot be used."""
    url = history_url.reveal().strip() if history_url else ""
    if url.split("://")[0] in SCHEMES:
        return Workspace(PostgresHome(postgres_url(url)))
    return Workspace(SqliteHome(sqlite_folder(url) / "workspace.db"))


class SqliteHome:
    """The file `path`, and beside it `path`.lock, which holds the number of the process that writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lease = FileLease(path)

    @property
    def address(self) -> str:
        return str(self.path)

    def open(self) -> Engine:
        if not self._lease.acquire():
            raise Occupied(
                SOURCE,
                f"another dashboard, {self._lease.holder()}, writes {self.address}",
                "Act there, or end it; for several at once keep histories in PostgreSQL (HISTORY_URL)",
            )
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite's own files beside it get its mode
        except OSError:
            self._lease.release()
            raise
        engine = one_connection(partial(self._connect, "rw"), "BEGIN IMMEDIATE")
        event.listen(engine, "engine_disposed", lambda _: self._lease.release())
        return migrated(engine, self.address)

    def open_readonly(self) -> Engine:
        return one_connection(partial(self._connect, "ro"), "BEGIN")

    def _connect(self, mode: str) -> sqlite3.Connection:
        address = f"file:{quote(str(self.path))}?mode={mode}"
        connection = sqlite3.connect(
            address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        if mode == "rw":
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        return connection


class PostgresHome:
    """The schema POSTGRES_SCHEMA in the database at `url`."""

    def __init__(self, url: Secret) -> None:
        self.url = url

    @property
    def address(self) -> str:
        return postgres_address(self.url, POSTGRES_SCHEMA)

    def open(self) -> Engine:
        options = f"-c search_path={POSTGRES_SCHEMA} -c statement_timeout={BUSY_SECONDS * 1000:.0f}"
        engine = create_engine(
            make_url(self.url.reveal()).set(drivername="postgresql+psycopg"),
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args={"options": options, "connect_timeout": 5, "application_name": "celery-notebook"},
        )
        return migrated(engine, self.address, prepare_postgres)

    open_readonly = open


def migrated(engine: Engine, address: str, prepare: Migration | None = None) -> Engine:
    """`engine` once its tables are made; disposed when that fails."""
    try:
        with engine.begin() as connection:
            if prepare:
                prepare(connection)
            migrate(connection, address)
    except BaseException:
        engine.dispose()
        raise
    return engine


def prepare_postgres(connection: Connection) -> None:
    """One replica at a time makes the schema and its tables."""
    connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
    if POSTGRES_SCHEMA not in inspect(connection).get_schema_names():
        connection.execute(CreateSchema(POSTGRES_SCHEMA))


def migrate(connection: Connection, address: str) -> None:
    """Makes what the database has not yet; within one transaction. Raises QueryRejected when it is newer than we."""
    schema.version.create(connection, checkfirst=True)
    made = connection.scalar(select(schema.version.c.number)) or 0
    if made > len(MIGRATIONS):
        raise QueryRejected(
            SOURCE,
            f"{address} is of version {made}, this Celery Notebook knows {len(MIGRATIONS)}",
            "A newer Celery Notebook wrote it: run that one, or name another HISTORY_URL",
        )
    if made < len(MIGRATIONS):
        for step in MIGRATIONS[made:]:
            step(connection)
        connection.execute(delete(schema.version))
        connection.execute(insert(schema.version).values(number=len(MIGRATIONS)))


def one_connection(connect: Callable[[], sqlite3.Connection], begin: str) -> Engine:
    """A pool of one. Python's sqlite3 begins no transaction for a SELECT, so `begin` does."""
    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=1, max_overflow=0)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Errors of the database and its folder as SourceUnreachable, in words that hold no credential."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as exc:
        raise SourceUnreachable(SOURCE, f"{address}: {reason(exc)}", "Nothing was changed") from exc
    except StoreFailed as exc:
        raise SourceUnreachable(SOURCE, str(exc), "Nothing was changed") from exc
    except OSError as exc:
        what = exc.strerror or type(exc).__name__
        raise SourceUnreachable(SOURCE, f"{address}: {what}", "Nothing was changed") from exc
