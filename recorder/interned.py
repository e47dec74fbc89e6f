"""What stands once in a table and by its number everywhere else: names, the cells of roll-ups, series."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

from sqlalchemy import Table

from recorder.database import Database

Key = tuple[Any, ...]

PIECE = 500  # rows deleted at a time


class Interned:
    """The numbers of a table's rows: its first column is the number, the others are the key."""

    def __init__(self, table: Table, database: Database) -> None:
        self._table = table
        self._database = database
        self._ids: dict[Key, int] | None = None  # None: to be read
        self._new: list[Key] = []
        self._next = 1
        self._used: set[int] | None = None  # since it is watched

    def ids(self) -> dict[Key, int]:
        if self._ids is None:
            rows = self._database.query(f"SELECT * FROM {self._table.name}")
            self._ids = {tuple(key): number for number, *key in rows}
            self._next = max(self._ids.values(), default=0) + 1
            self._new = []
        return self._ids

    def id_of(self, key: Key) -> int:
        """Its number, a new one when it has none yet: `flush` writes those."""
        ids = self.ids()
        number = ids.get(key)
        if number is None:
            number = ids[key] = self._next
            self._next += 1
            self._new.append(key)
        if self._used is not None:
            self._used.add(number)
        return number

    def flush(self) -> None:
        """Writes the new ones, in the transaction whose rows name them."""
        if self._new:
            ids = self.ids()
            self._database.upsert(self._table, [(ids[key], *key) for key in self._new])
            self._new = []

    def forget(self) -> None:
        """After a transaction that failed: what it wrote is read again from what is there."""
        self._ids = None

    def watch(self) -> None:
        """From now on it is noted what is asked for."""
        self._used = set()

    def drop_unused(self, used: Set[int]) -> Iterator[None]:
        """Deletes all but `used` and what was asked for since `watch`, a piece a step. The last number stays: none is
        given twice.
        """
        ids = self.ids()
        unused = [(key, number) for key, number in ids.items() if number not in used and number != self._next - 1]
        for start in range(0, len(unused), PIECE):
            piece = {number: key for key, number in unused[start : start + PIECE] if number not in (self._used or ())}
            numbers = ", ".join(map(str, piece))
            with self._database.transaction():
                self._database.execute(f"DELETE FROM {self._table.name} WHERE id IN ({numbers or 'NULL'})")
            for key in piece.values():
                self.ids().pop(key, None)
            yield
        self._used = None
