"""A history in a PostgreSQL schema. Rows come by COPY into a temporary table, and from there in one INSERT."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

import psycopg
from psycopg import errors, sql
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql as dialect

from data_sources import schema
from data_sources.history.place import CONNECT_SECONDS, PostgresPlace, reason
from recorder.database import (
    Row,
    StoreFailed,
    StoreFull,
    ValueRefused,
    create_statements,
    on_conflict,
    quoted,
)
from recorder.postgres_lease import SERVER_KEEPALIVES

STATEMENT_SECONDS = 30
NAMESPACE = zlib.crc32(b"celery-notebook writer") - 2**31  # the first half of an advisory lock's key
FEW = 20  # rows for which COPY and a temporary table are more work than they save
SETTINGS = {
    "statement_timeout": STATEMENT_SECONDS * 1_000,
    "client_min_messages": "warning",
    "application_name": "celery-notebook-recorder",
    **SERVER_KEEPALIVES,
}
ERRORS = {errors.DiskFull: StoreFull, psycopg.DataError: ValueRefused}
# A server that is away is noticed within half a minute.
KEEPALIVES: Mapping[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class PostgresDatabase:
    """Connects to `place`, and again when the server was away; makes the schema when it is not there."""

    def __init__(self, place: PostgresPlace) -> None:
        self._place = place
        self._connection: psycopg.Connection[Row] | None = None
        self._connected()

    def _connected(self) -> psycopg.Connection[Row]:
        if self._connection is None or self._connection.closed:
            with self._translated():
                self._connection = self._connect()
        return self._connection

    def _connect(self) -> psycopg.Connection[Row]:
        connection = psycopg.connect(
            self._place.url.reveal(), autocommit=True, connect_timeout=CONNECT_SECONDS, **KEEPALIVES
        )
        try:
            for name, value in SETTINGS.items():
                connection.execute("SELECT set_config(%s, %s, false)", (name, str(value)))
            self._shut_others_out(connection)
            self._enter_schema(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _shut_others_out(self, connection: psycopg.Connection[Row]) -> None:
        """Who lost a lease with its connection may write on for a moment, while another has it already."""
        locked = connection.execute(
            "SELECT pg_try_advisory_lock(%s, %s)", (NAMESPACE, zlib.crc32(self._place.schema.encode()) - 2**31)
        )
        if locked.fetchone() != (True,):
            raise StoreFailed(f"{self._place.address}: another recorder writes it")

    def _enter_schema(self, connection: psycopg.Connection[Row]) -> None:
        name = sql.Identifier(self._place.schema)
        # IF NOT EXISTS would want the right to create one even then.
        there = connection.execute("SELECT to_regnamespace(%s)", [self._place.schema]).fetchone()
        if there == (None,):
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        connection.execute(sql.SQL("SET search_path TO {}").format(name))

    @property
    def is_new(self) -> bool:
        return self.query("SELECT to_regclass('meta')")[0][0] is None

    def create(self, tables: Sequence[Table] = schema.metadata.sorted_tables) -> None:
        for statement in create_statements(dialect.dialect(), tables):  # type: ignore[no-untyped-call]
            self.execute(statement)

    def back_up(self, version: int) -> None:
        """Nothing: a migration is one transaction, and the server's backups are its owner's."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._translated(), self._connected().transaction():
            yield

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        with self._translated():
            return self._connected().execute(in_its_words(statement), parameters).fetchall()

    def query_by(self, statement: str, keys: Sequence[str]) -> list[Row]:
        return self.query(statement.format(keys="unnest(?::text[]) AS keys(value)"), [list(keys)])

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        with self._translated():
            return self._connected().execute(in_its_words(statement), parameters).rowcount

    def upsert(self, table: Table, rows: Iterable[Row]) -> None:
        rows = list(rows)
        with self._translated(), self._connected().cursor() as cursor:
            if len(rows) <= FEW:
                cursor.executemany(insert_statement(table), rows)
                return
            create, empty, copy_in, move = copy_statements(table)
            cursor.execute(create)
            cursor.execute(empty)
            with cursor.copy(copy_in) as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(move)

    def size_bytes(self) -> int:
        tables = [table.name for table in schema.metadata.sorted_tables]
        rows = self.query("SELECT sum(pg_total_relation_size(to_regclass(name))) FROM unnest(?::text[]) name", [tables])
        return int(rows[0][0])

    def shrink(self) -> bool:
        return False  # autovacuum makes room for new rows

    def free_reserve(self) -> bool:
        return False  # the server's disk is its owner's

    def fill_reserve(self) -> bool:
        return False

    def heed_readers(self) -> None:
        """The server looks after its files."""

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as exc:
            kind = next((kind for foreign, kind in ERRORS.items() if isinstance(exc, foreign)), StoreFailed)
            raise kind(f"{self._place.address}: {reason(exc)}") from exc
        except UnicodeEncodeError as exc:
            raise ValueRefused(f"{self._place.address}: {type(exc).__name__}") from exc


@lru_cache(200)
def in_its_words(statement: str) -> bytes:
    return statement.replace("?", "%s").encode()


@cache
def insert_statement(table: Table) -> bytes:
    names = [column.name for column in table.columns]
    values = ", ".join(["%s"] * len(names))
    return f"INSERT INTO {table.name} ({quoted(names)}) VALUES ({values}) {on_conflict(table)}".encode()


@cache
def copy_statements(table: Table) -> tuple[bytes, ...]:
    """To make a temporary table, to empty it, to copy rows into it, and to move them from there."""
    names = quoted(column.name for column in table.columns)
    incoming = f"incoming_{table.name}"
    statements = (
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {incoming} (LIKE {table.name}) ON COMMIT DELETE ROWS",
        f"DELETE FROM {incoming}",
        f"COPY {incoming} ({names}) FROM STDIN",
        f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {incoming} {on_conflict(table)}",
    )
    return tuple(statement.encode() for statement in statements)
