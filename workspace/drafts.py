"""Drafts: what somebody writes and has not saved yet, kept at each edit, so that no closed tab loses it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, insert, select, true, update

from data_sources.errors import QueryRejected
from data_sources.microseconds import MICROSECOND, microseconds, moment, now_us
from workspace import keeping
from workspace.keeping import MOST_NAME, MOST_TITLE, Quota, forget_deleted, missing, new_id, plain
from workspace.notebooks import MOST_BYTES
from workspace.schema import drafts
from workspace.store import SOURCE, Workspace

UNTOUCHED_FOR = timedelta(days=90)  # then it goes
MOST_LISTED = 200
ROWS = (500, 20_000)  # without and with an identity source
BYTES = (20 * 10**6, 10**9)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """`owner`: "" where nobody knows who asks. `notebook`: id of the saved one it changes, opened at `based_on`."""

    id: str
    title: str
    owner: str
    notebook: str
    based_on: int
    changed_at: datetime
    text: str


def keep_draft(
    workspace: Workspace,
    text: str,
    *,
    title: str,
    owner: str,
    identified: bool,
    id: str = "",
    seen_at: datetime | None = None,
    notebook: str = "",
    based_on: int = 0,
) -> Draft:
    """Draft `id` of this owner as it is now. A new one when they have none of that id, or not any more, and when it
    has changed since `seen_at`: in two tabs, each goes on with its own.

    Raises Full, QueryRejected when the text is too long, and SourceUnreachable.
    """
    text = plain(text)
    size = len(text.encode())
    if size > MOST_BYTES:
        what = f"the draft has {size:,} bytes, and may have {MOST_BYTES:,}"
        raise QueryRejected(SOURCE, what, "Make two notebooks of it", "text")
    at_us, owner = now_us(), plain(owner, MOST_NAME)
    values = {
        "title": plain(title, MOST_TITLE),
        "owner": owner,
        "notebook": notebook,
        "based_on": based_on,
        "changed_us": at_us,
        "bytes": size,
        "text": text,
    }
    with workspace.write() as connection:
        quota = Quota.of(identified, rows=ROWS, bytes=BYTES)
        own = drafts.c.id == plain(id), owned_by(owner), drafts.c.deleted_us.is_(None), unchanged_since(seen_at)
        if (before := connection.scalar(select(drafts.c.bytes).where(*own))) is not None:
            quota.check(connection, drafts, more_rows=0, more_bytes=size - before)
            connection.execute(update(drafts).where(drafts.c.id == id).values(values))
        else:
            forget_deleted(connection, drafts)
            connection.execute(delete(drafts).where(drafts.c.changed_us < at_us - UNTOUCHED_FOR // MICROSECOND))
            quota.check(connection, drafts, more_rows=1, more_bytes=size)
            id = new_id()
            connection.execute(insert(drafts).values(id=id, **values))
        return draft_of(found(connection, id))


def read_draft(workspace: Workspace, id: str) -> Draft:
    """Whoever has its id may read it. Raises QueryRejected when there is none, and SourceUnreachable."""
    with workspace.read() as connection:
        return draft_of(found(connection, id))


def drafts_of(workspace: Workspace, owner: str) -> list[Draft]:
    """The newest first, at most 200. Raises SourceUnreachable."""
    asked = select(drafts).where(drafts.c.owner == plain(owner, MOST_NAME), drafts.c.deleted_us.is_(None))
    with workspace.read() as connection:
        rows = connection.execute(asked.order_by(drafts.c.changed_us.desc()).limit(MOST_LISTED)).mappings().all()
    return [draft_of(row) for row in rows]


def delete_draft(workspace: Workspace, id: str, who: str, seen_at: datetime | None = None) -> None:
    """By its owner alone; for 30 days it can be restored. Raises QueryRejected, also when it has changed since
    `seen_at`, and SourceUnreachable.
    """
    keeping.delete_softly(workspace, drafts, id, who, owned_by(plain(who, MOST_NAME)), unchanged_since(seen_at))


def restore_draft(workspace: Workspace, id: str) -> None:
    """Raises QueryRejected and SourceUnreachable."""
    keeping.restore(workspace, drafts, id)


def owned_by(who: str) -> ColumnElement[bool]:
    """Theirs, and what was written before anybody knew who asks."""
    return drafts.c.owner.in_(("", who))


def unchanged_since(seen_at: datetime | None) -> ColumnElement[bool]:
    return true() if seen_at is None else drafts.c.changed_us == microseconds(seen_at)


def found(connection: Connection, id: str) -> RowMapping:
    asked = select(drafts).where(drafts.c.id == plain(id), drafts.c.deleted_us.is_(None))
    row = connection.execute(asked).mappings().first()
    if row is None:
        raise missing(drafts, id)
    return row


def draft_of(row: RowMapping) -> Draft:
    names = ("id", "title", "owner", "notebook", "based_on", "text")
    return Draft(**{name: row[name] for name in names}, changed_at=moment(row["changed_us"]))
