"""Saved notebooks: each save is a revision, and an older one can be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from data_sources.errors import QueryRejected
from data_sources.microseconds import moment, now_us
from workspace import keeping
from workspace.keeping import MOST_NAME, MOST_TITLE, Quota, forget_deleted, missing, new_id, plain
from workspace.schema import notebooks, revisions
from workspace.store import SOURCE, Workspace

MOST_BYTES = 256 * 1024  # of one revision, and of a notebook's file
MOST_REVISIONS = 50  # of one notebook; then the oldest goes
ROWS = (200, 10_000)  # notebooks, without and with an identity source
BYTES = (20 * 10**6, 10**9)


class SavedMeanwhile(QueryRejected):
    """Somebody else saved it since it was opened; nothing was changed."""


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A notebook as the list shows it. `author`: of its newest revision, "" where nobody knows who asks."""

    id: str
    title: str
    author: str
    made_at: datetime
    changed_at: datetime
    revision: int
    cells: int
    thresholds: int
    bytes: int
    deleted_at: datetime | None
    deleted_by: str | None


@dataclass(frozen=True, kw_only=True)
class Revision:
    number: int
    author: str
    at: datetime


@dataclass(frozen=True)
class Opened:
    """What was read: the notebook as it is now, and the text of one of its revisions."""

    notebook: Saved
    revision: Revision
    text: str


def save(
    workspace: Workspace,
    text: str,
    *,
    title: str,
    author: str,
    cells: int,
    thresholds: int,
    identified: bool,
    id: str = "",
    based_on: int = 0,
) -> Saved:
    """A new notebook, or a new revision of notebook `id`, which was opened at revision `based_on`.

    A text that is what was saved last makes no revision. Raises SavedMeanwhile, Full, and QueryRejected when there
    is no such notebook (any more) or the text is too long; SourceUnreachable when it cannot be written.
    """
    text = plain(text)
    size = len(text.encode())
    if size > MOST_BYTES:
        what = f"the notebook has {size:,} bytes, and may have {MOST_BYTES:,}"
        raise QueryRejected(SOURCE, what, "Make two of it", "text")
    said = {"title": plain(title, MOST_TITLE), "author": plain(author, MOST_NAME)}
    with workspace.write() as connection:
        forget_deleted(connection, notebooks)
        forget_lone_revisions(connection)
        number = 1
        if id:
            now = found(connection, id)
            if newest_text(connection, now) == text:
                return saved(now)
            if now["revision"] != based_on:
                what = f"was saved {by(now['author'])} meanwhile, as revision {now['revision']}"
                raise SavedMeanwhile(SOURCE, what, "Look at that one, or save yours as a notebook of its own")
            number = now["revision"] + 1
        quota = Quota.of(identified, rows=ROWS, bytes=BYTES)
        quota.check(connection, notebooks, more_rows=0 if id else 1, more_bytes=size)
        at_us = now_us()
        values: dict[str, Any] = {
            **said,
            "changed_us": at_us,
            "revision": number,
            "cells": cells,
            "thresholds": thresholds,
        }
        if not id:
            id = new_id()
            connection.execute(insert(notebooks).values(id=id, made_us=at_us, bytes=0, **values))
        revision = {"notebook": id, "number": number, "author": said["author"], "at_us": at_us, "bytes": size}
        connection.execute(insert(revisions).values(**revision, text=text))
        of_it = revisions.c.notebook == id
        connection.execute(delete(revisions).where(of_it, revisions.c.number <= number - MOST_REVISIONS))
        held = connection.scalar(select(func.sum(revisions.c.bytes)).where(of_it))
        connection.execute(update(notebooks).where(notebooks.c.id == id).values(**values, bytes=held))
        return saved(found(connection, id))


def read(workspace: Workspace, id: str, revision: int | None = None) -> Opened:
    """Its newest text, or that of `revision`. Raises QueryRejected when there is none, and SourceUnreachable."""
    with workspace.read() as connection:
        notebook = found(connection, id)
        number = notebook["revision"] if revision is None else revision
        asked = select(revisions).where(revisions.c.notebook == id, revisions.c.number == number)
        row = connection.execute(asked).mappings().first()
    if row is None:
        hint = f"The newest is {notebook['revision']}; {MOST_REVISIONS} are kept"
        raise QueryRejected(SOURCE, f"has no revision {number} of it", hint, "revision")
    return Opened(
        saved(notebook), Revision(number=row["number"], author=row["author"], at=moment(row["at_us"])), row["text"]
    )


def history(workspace: Workspace, id: str) -> list[Revision]:
    """The revisions that are kept of it, newest first. Raises SourceUnreachable."""
    columns = revisions.c.number, revisions.c.author, revisions.c.at_us
    asked = select(*columns).where(revisions.c.notebook == plain(id)).order_by(revisions.c.number.desc())
    with workspace.read() as connection:
        rows = connection.execute(asked).all()
    return [Revision(number=number, author=author, at=moment(at_us)) for number, author, at_us in rows]


def listed(workspace: Workspace, *, deleted: bool = False) -> list[Saved]:
    """All that are kept, or those that can be restored; the one that changed last first. Raises SourceUnreachable."""
    gone = notebooks.c.deleted_us.is_not(None) if deleted else notebooks.c.deleted_us.is_(None)
    with workspace.read() as connection:
        rows = (
            connection.execute(select(notebooks).where(gone).order_by(notebooks.c.changed_us.desc())).mappings().all()
        )
    return [saved(row) for row in rows]


def delete_notebook(workspace: Workspace, id: str, who: str) -> None:
    """For 30 days it can be restored. Raises QueryRejected and SourceUnreachable."""
    keeping.delete_softly(workspace, notebooks, id, who)


def restore_notebook(workspace: Workspace, id: str) -> None:
    """Raises QueryRejected and SourceUnreachable."""
    keeping.restore(workspace, notebooks, id)


def found(connection: Connection, id: str) -> RowMapping:
    asked = select(notebooks).where(notebooks.c.id == plain(id), notebooks.c.deleted_us.is_(None))
    row = connection.execute(asked).mappings().first()
    if row is None:
        raise missing(notebooks, id)
    return row


def newest_text(connection: Connection, notebook: RowMapping) -> str | None:
    newest = revisions.c.notebook == notebook["id"], revisions.c.number == notebook["revision"]
    return connection.scalar(select(revisions.c.text).where(*newest))


def forget_lone_revisions(connection: Connection) -> None:
    """Those of notebooks that are gone for good."""
    connection.execute(delete(revisions).where(revisions.c.notebook.not_in(select(notebooks.c.id))))


def saved(row: RowMapping) -> Saved:
    names = ("id", "title", "author", "revision", "cells", "thresholds", "bytes", "deleted_by")
    return Saved(
        **{name: row[name] for name in names},
        made_at=moment(row["made_us"]),
        changed_at=moment(row["changed_us"]),
        deleted_at=None if row["deleted_us"] is None else moment(row["deleted_us"]),
    )


def by(author: str) -> str:
    return f"by {author}" if author else "by somebody else"
