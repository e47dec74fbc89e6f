"""The one connection that writes a history, the same for SQLite and PostgreSQL: SQL with `?` and rows as tuples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Dialect, Table
from sqlalchemy.schema import CreateIndex, CreateTable

from data_sources import schema

Row = tuple[Any, ...]


class StoreFailed(Exception):
    """The history cannot be written; the message says which and why. Nothing of the transaction was kept."""


class StoreFull(StoreFailed):
    """There is no space left; it works again, on the same connection, when there is."""


class StoreCorrupt(StoreFailed):
    """The file is damaged: begin anew."""


class ValueRefused(StoreFailed):
    """A value that no column takes; without it the rest can be written."""


class Database(Protocol):
    """One thread at a time. Everything raises StoreFailed."""

    @property
    def is_new(self) -> bool:
        """Whether it has no tables yet."""

    def create(self, tables: Sequence[Table] = schema.metadata.sorted_tables) -> None:
        """Makes the tables."""

    def back_up(self, version: int) -> None:
        """Before a migration from `version`."""

    def transaction(self) -> AbstractContextManager[None]:
        """Commits at the end, rolls back on any exception."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]: ...

    def query_by(self, sql: str, keys: Sequence[str]) -> list[Row]:
        """A query whose `{keys}` stands for a table of `keys`: `FROM {keys} JOIN tasks ON tasks.id = keys.value`."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows it changed."""

    def upsert(self, table: Table, rows: Iterable[Row]) -> None:
        """Whole rows, all columns in their order, inside a transaction; one with the same primary key is replaced."""

    def size_bytes(self) -> int:
        """What the history takes; free pages inside do not count."""

    def shrink(self) -> bool:
        """Gives back a piece of the free space, when there is much; False: there is not."""

    def free_reserve(self) -> bool:
        """After StoreFull: gives up room that is kept so that rows can be deleted then; False: there is none."""

    def fill_reserve(self) -> bool:
        """Keeps such room when there is plenty; True: it was not kept, and is now."""

    def heed_readers(self) -> None:
        """Looks through what a reader found damaged, now and then. Raises StoreCorrupt when it is."""

    def close(self) -> None: ...


def create_statements(dialect: Dialect, tables: Sequence[Table]) -> list[str]:
    """The DDL of `tables` and their indexes."""
    return [
        *(str(CreateTable(table).compile(dialect=dialect)) for table in tables),
        *(str(CreateIndex(index).compile(dialect=dialect)) for table in tables for index in table.indexes),
    ]


def quoted(names: Iterable[str]) -> str:
    """`group` is a word of SQL."""
    return ", ".join(f'"{name}"' for name in names)


def on_conflict(table: Table) -> str:
    """The clause that makes an INSERT replace what has the same primary key."""
    keys = [column.name for column in table.primary_key]
    rest = [column.name for column in table.columns if not column.primary_key]
    changes = ", ".join(f'"{name}" = excluded."{name}"' for name in rest)
    return f"ON CONFLICT ({quoted(keys)}) DO {f'UPDATE SET {changes}' if rest else 'NOTHING'}"
