"""What is the same of all that people keep: ids, room, and deletion that can be undone for a while."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, Table, delete, func, select, update

from data_sources.errors import QueryRejected
from data_sources.microseconds import MICROSECOND, now_us
from workspace.store import SOURCE, Workspace

MOST_TITLE = 200
MOST_NAME = 200
DELETED_FOR = timedelta(days=30)  # then it is gone
WITHOUT_IDENTITY = (
    "Until it is known who asks there is room for few; say who may sign in (docs/access.md) for more. "
    f"What is deleted makes room after {DELETED_FOR.days} days"
)
WITH_IDENTITY = f"Delete what nobody needs; it makes room after {DELETED_FOR.days} days"


class Full(QueryRejected):
    """There is no room for more."""


@dataclass(frozen=True)
class Quota:
    """What may be kept in one table. Deleted rows count: else who deletes and writes by turns would fill the disk."""

    rows: int
    bytes: int
    hint: str

    @classmethod
    def of(cls, identified: bool, *, rows: tuple[int, int], bytes: tuple[int, int]) -> Quota:
        """The first of each pair is for when nobody knows who keeps something, the second for when it is known."""
        return cls(rows[identified], bytes[identified], WITH_IDENTITY if identified else WITHOUT_IDENTITY)

    def check(self, connection: Connection, table: Table, more_rows: int, more_bytes: int) -> None:
        """Raises Full when `table` has no room for that much more."""
        total = select(func.count(), func.coalesce(func.sum(table.c.bytes), 0)).select_from(table)
        rows, held = connection.execute(total).one()
        if rows + more_rows > self.rows:
            raise Full(SOURCE, f"keeps {rows:,} {table.name}, and may keep {self.rows:,}", self.hint)
        if held + more_bytes > self.bytes:
            megabytes = f"{held / 1e6:,.1f} MB of {table.name}, and may keep {self.bytes / 1e6:,.0f}"
            raise Full(SOURCE, f"keeps {megabytes}; this one has {more_bytes / 1e6:,.1f} MB", self.hint)


def new_id() -> str:
    """One that nobody guesses: 96 random bits."""
    return secrets.token_urlsafe(12)


def delete_softly(workspace: Workspace, table: Table, id: str, who: str, *only: ColumnElement[bool]) -> None:
    """It is not found any more; for 30 days it can be restored. Raises QueryRejected when there is none, or none of
    which `only` is true.
    """
    mark(
        workspace, table, id, *only, table.c.deleted_us.is_(None), deleted_us=now_us(), deleted_by=plain(who, MOST_NAME)
    )


def restore(workspace: Workspace, table: Table, id: str) -> None:
    """Raises QueryRejected when it is gone for good."""
    mark(workspace, table, id, deleted_us=None, deleted_by=None)


def mark(workspace: Workspace, table: Table, id: str, *only: ColumnElement[bool], **values: object) -> None:
    with workspace.write() as connection:
        if connection.execute(update(table).where(table.c.id == plain(id), *only).values(values)).rowcount == 0:
            raise missing(table, id)


def missing(table: Table, id: str) -> QueryRejected:
    what = table.name.removesuffix("s")
    return QueryRejected(
        SOURCE, f"there is no {what} “{plain(id)[:40]}”", "It may have been deleted, or have expired", "id"
    )


def forget_deleted(connection: Connection, table: Table) -> None:
    """Deletes for good what was deleted long ago; done when something new is kept."""
    connection.execute(delete(table).where(table.c.deleted_us < now_us() - DELETED_FOR // MICROSECOND))


def plain(text: str, most: int | None = None) -> str:
    """`text` as both databases take it: without NUL and without half a character, cut to `most` characters."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", "\ufffd")[:most]
