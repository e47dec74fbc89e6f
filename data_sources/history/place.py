"""Where a cluster's history is: a SQLite file of its own, or a PostgreSQL schema of its own.

The name holds the cluster and a fingerprint of its broker, and the fingerprint stands inside too: a history of one
broker is never read, or continued, as that of another.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from platformdirs import user_data_path
from sqlalchemy import URL, Engine, create_engine, event, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.pool import QueuePool

from data_sources import schema
from data_sources.config import Cluster, Secret
from data_sources.errors import ConfigError, QueryRejected, SourceUnreachable

SOURCE = "History"
READ_SECONDS = 2.0  # a statement of a reader takes no longer
CONNECT_SECONDS = 5
BUSY_SECONDS = 5.0
READERS = 8  # connections open at once; one more waits for READ_SECONDS
LONGEST_NAME = 30  # PostgreSQL cuts a schema's name at 63 bytes
SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")

DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
NOT_UTF8 = "Could not decode to UTF-8"

NOT_THERE = "The recorder makes it when it starts: its log says why it did not"
SAYS_POSTGRES = {
    "password authentication failed": "the user or password is wrong",
    "no password supplied": "it wants a password",
    "does not exist": "there is no such database or user",
    "Connection refused": "nothing listens there",
    "too many clients": "it takes no more connections",
    "statement timeout": f"it took longer than {READ_SECONDS:.0f} s",
}


@dataclass(frozen=True)
class SqlitePlace:
    """The file `path`; what SQLite and the recorder keep beside it begins with its name."""

    cluster: str
    fingerprint: str
    path: Path

    @property
    def address(self) -> str:
        """For people who run it: in the log, and on the Setup page."""
        return str(self.path)

    @property
    def name(self) -> str:
        """For people who read any other page: where the file is on the server does not help them."""
        return self.path.name

    def which(self) -> object:
        """Which file it is at the moment: the recorder puts another in place of a damaged one."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def suspect(self) -> bool:
        """Tells the recorder that the file is damaged; False: here nothing can be written."""
        with suppress(OSError):
            os.close(os.open(mark_beside(self.path), os.O_WRONLY | os.O_CREAT, 0o600))
            return True
        return False

    def open_readonly(self, spoiled: bool = False) -> Engine:
        """A pool of connections, each transaction one moment. Raises SourceUnreachable or QueryRejected. `spoiled`: a
        text in it is none any more, and is read as what is left of it.
        """
        if not self.path.exists():
            raise SourceUnreachable(SOURCE, f"{self.path} is not there", NOT_THERE)
        engine = create_engine(
            "sqlite://",
            creator=partial(_connect_readonly, self.path, spoiled),
            poolclass=QueuePool,
            pool_size=READERS,
            max_overflow=0,
            pool_timeout=READ_SECONDS,
        )
        event.listen(engine, "begin", _begin)
        return checked(engine, self)


@dataclass(frozen=True)
class PostgresPlace:
    """The schema `schema` in the database at `url`."""

    cluster: str
    fingerprint: str
    url: Secret
    schema: str

    @property
    def address(self) -> str:
        """For people: host, port, database and schema; never a user or a password."""
        return postgres_address(self.url, self.schema)

    @property
    def name(self) -> str:
        return self.schema

    def which(self) -> object:
        """Always the same: a server looks after that."""
        return self.schema

    @property
    def sqlalchemy_url(self) -> URL:
        return make_url(self.url.reveal()).set(drivername="postgresql+psycopg")

    def suspect(self) -> bool:
        """A server looks after that."""
        return False

    def open_readonly(self, spoiled: bool = False) -> Engine:
        """A pool of connections, each transaction one moment. Raises SourceUnreachable or QueryRejected."""
        settings = {
            "search_path": self.schema,
            "default_transaction_read_only": "on",
            "statement_timeout": f"{READ_SECONDS * 1000:.0f}",
        }
        engine = create_engine(
            self.sqlalchemy_url,
            isolation_level="REPEATABLE READ",
            pool_size=READERS,
            max_overflow=0,
            pool_timeout=READ_SECONDS,
            pool_pre_ping=True,
            connect_args={
                "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
                "connect_timeout": CONNECT_SECONDS,
                "application_name": "celery-notebook",
            },
        )
        return checked(engine, self)


Place = SqlitePlace | PostgresPlace


def place(history_url: Secret | None, cluster: Cluster) -> Place:
    """Where `cluster`'s history is. Raises ConfigError when HISTORY_URL cannot be used; it may hold a password."""
    url = history_url.reveal().strip() if history_url else ""
    mark = fingerprint(cluster)
    if url.split("://")[0] in SCHEMES:
        safe = re.sub(r"[^a-z0-9]+", "_", cluster.name.lower())[:LONGEST_NAME]
        return PostgresPlace(cluster.name, mark, postgres_url(url), f"celery_notebook_{safe}_{mark}")
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", cluster.name)[:LONGEST_NAME]
    return SqlitePlace(cluster.name, mark, sqlite_folder(url) / f"{safe}-{mark}.db")


def sqlite_folder(url: str) -> Path:
    """The folder that `sqlite:///absolute/folder` names; the platform's own for nothing. Raises ConfigError."""
    if not url:
        return user_data_path("celery-notebook", appauthor=False)
    if not url.startswith("sqlite:///") or not url.isprintable():
        raise ConfigError(
            "HISTORY_URL", "must be sqlite:///absolute/folder or postgresql://user:password@host/database"
        )
    folder = Path("/" + url.removeprefix("sqlite:///").lstrip("/"))
    if folder == Path("/") or {".", "..", "~"} & set(url.split("/")):
        raise ConfigError("HISTORY_URL", "must name a folder from the root on: sqlite:///absolute/folder")
    if folder.is_file():
        raise ConfigError("HISTORY_URL", "names a file; it must be a folder, in which each cluster gets a file")
    return folder


def postgres_address(url: Secret, schema: str) -> str:
    """Host, port, database and schema, for people."""
    parts = make_url(url.reveal())
    return f"{parts.host or 'localhost'}:{parts.port or 5432}/{parts.database or ''}, schema {schema}"


def postgres_url(url: str) -> Secret:
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigError("HISTORY_URL", "is a PostgreSQL URL that cannot be read") from None  # the cause quotes it
    if not parts.database:
        raise ConfigError("HISTORY_URL", "must name a database: postgresql://user:password@host/database")
    return Secret(parts.set(drivername="postgresql").render_as_string(hide_password=False))


def fingerprint(cluster: Cluster) -> str:
    """12 hexadecimal digits of what makes a broker this one: transport, host, port, vhost or database, and prefix."""
    broker = cluster.broker
    prefix = str(broker.transport_options.get("global_keyprefix") or "")
    return hashlib.sha256(json.dumps([broker.transport, broker.address, prefix]).encode()).hexdigest()[:12]


def check_meta(meta: dict[str, str], place: Place) -> None:
    """Raises QueryRejected when what stands in `meta` is not the history that `place` promises, or is too new."""
    if meta.get("fingerprint") != place.fingerprint:
        raise QueryRejected(
            SOURCE,
            f"{place.address} holds the history of another broker, of cluster {meta.get('cluster', '')!r:.80}",
            f"It was moved or copied here; cluster {place.cluster!r:.80} needs a history of its own",
        )
    version = meta.get("schema_version", "")
    if not version.isdecimal() or int(version) > schema.VERSION:
        raise QueryRejected(
            SOURCE,
            f"{place.address} is of schema version {version!r:.20}, this Celery Notebook reads {schema.VERSION}",
            "A newer Celery Notebook wrote it: run that one, or name another HISTORY_URL",
        )


def checked(engine: Engine, place: Place) -> Engine:
    try:
        with translated(place), engine.connect() as connection:
            meta = {key: value for key, value in connection.execute(select(schema.meta))}  # noqa: C416 - rows
        if not meta:
            raise SourceUnreachable(SOURCE, f"{place.address} is empty", NOT_THERE)
        check_meta(meta, place)
        if int(meta["schema_version"]) < schema.VERSION:
            raise SourceUnreachable(
                SOURCE, f"{place.address} is of an older version", "The recorder brings it up to date when it starts"
            )
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def translated(place: Place) -> Iterator[None]:
    """Errors of the database, as SourceUnreachable in words that quote nothing it said."""
    try:
        yield
    except (DBAPIError, sqlite3.Error, UnicodeDecodeError) as exc:
        if is_damage(exc):
            place.suspect()
        raise SourceUnreachable(SOURCE, f"{place.address}: {reason(exc)}", NOT_THERE) from exc


def mark_beside(path: Path) -> Path:
    """The file that a reader makes which met damage in `path`."""
    return path.with_name(f"{path.name}.suspect")


def is_damage(error: BaseException) -> bool:
    """Whether SQLite says that the file is damaged, or says of it what is no text."""
    return (
        isinstance(error, UnicodeDecodeError)
        or getattr(getattr(error, "orig", error), "sqlite_errorcode", 0) & 0xFF in DAMAGE
    )


def reason(error: BaseException) -> str:
    """What a database's error says, of what we know it may say: its text may quote anything."""
    if isinstance(error, ProgrammingError):
        return "it holds no history"
    said = str(error)
    known = next((words for sign, words in SAYS_POSTGRES.items() if sign in said), None)
    if known:
        return known
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, sqlite3.Error):
        return str(cause)  # SQLite's texts quote names of tables alone
    return "it cannot be reached" if isinstance(error, OperationalError) else type(cause).__name__


def what_is_left(text: bytes) -> str:
    """Of a text in which bits are turned over. SQLite has no sums that would tell."""
    return text.decode(errors="replace")


def _connect_readonly(path: Path, spoiled: bool) -> sqlite3.Connection:
    # In a folder that cannot be written SQLite opens a WAL only when somebody has: without one nobody writes.
    at_rest = not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()
    address = f"file:{quote(str(path))}?mode=ro{'&immutable=1' if at_rest else ''}"
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only = ON")
    if spoiled:
        connection.text_factory = what_is_left  # twice as slow as what it is otherwise
    return connection


def _begin(connection: Any) -> None:
    """Python's sqlite3 begins no transaction for a SELECT: two of them would see two moments."""
    connection.exec_driver_sql("BEGIN")
