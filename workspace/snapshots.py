"""Snapshots: the answers of a page as they were, read-only, under an id that nobody guesses, until they expire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select

from data_sources.errors import QueryRejected
from data_sources.microseconds import MICROSECOND, moment, now_us
from data_sources.sealed.answers import SOURCE as SNAPSHOT
from workspace import keeping
from workspace.keeping import MOST_NAME, MOST_TITLE, Quota, forget_deleted, new_id, plain
from workspace.schema import snapshots
from workspace.store import SOURCE, Workspace

LIVES = {"7d": timedelta(days=7), "30d": timedelta(days=30), "1y": timedelta(days=365)}
MOST_BYTES = 50 * 10**6  # of one
MOST_LINK = 32_000  # characters
ROWS = (50, 5_000)  # without and with an identity source
BYTES = (200 * 10**6, 5 * 10**9)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """`made_by`: "" where nobody knows who asks. `link`: the page's path and parameters, without the snapshot."""

    id: str
    title: str
    made_by: str
    made_at: datetime
    expires_at: datetime
    link: str
    answers: int
    bytes: int
    deleted_by: str | None


def keep(
    workspace: Workspace,
    body: bytes,
    *,
    title: str,
    made_by: str,
    link: str,
    answers: int,
    life: timedelta,
    identified: bool,
) -> Snapshot:
    """Raises Full, QueryRejected when it is too large, and SourceUnreachable when it cannot be written."""
    if len(body) > MOST_BYTES or len(link) > MOST_LINK:
        what = f"the snapshot has {len(body) / 1e6:,.1f} MB, and may have {MOST_BYTES / 1e6:,.0f}"
        raise QueryRejected(SOURCE, what, "Choose a shorter range, or fewer cells")
    at_us, id = now_us(), new_id()
    with workspace.write() as connection:
        forget_deleted(connection, snapshots)
        connection.execute(delete(snapshots).where(snapshots.c.expires_us <= at_us))
        quota = Quota.of(identified, rows=ROWS, bytes=BYTES)
        quota.check(connection, snapshots, more_rows=1, more_bytes=len(body))
        values = {
            "id": id,
            "title": plain(title, MOST_TITLE),
            "made_by": plain(made_by, MOST_NAME),
            "changed_us": at_us,
            "expires_us": at_us + life // MICROSECOND,
            "link": plain(link),
            "answers": answers,
            "bytes": len(body),
        }
        connection.execute(insert(snapshots).values(**values, body=body))
    return snapshot(workspace, id)


def snapshot(workspace: Workspace, id: str) -> Snapshot:
    """All but its answers. Raises QueryRejected when there is none, or none any more, and SourceUnreachable."""
    for one in listed(workspace, id=id):
        return one
    raise QueryRejected(SNAPSHOT, "there is no such snapshot", "It may have expired, or have been deleted", "snapshot")


def body(workspace: Workspace, id: str) -> bytes:
    """Its answers, sealed. Raises as `snapshot` does."""
    snapshot(workspace, id)
    with workspace.read() as connection:
        sealed = connection.scalar(select(snapshots.c.body).where(snapshots.c.id == id))
    return bytes(sealed or b"")


def piece(workspace: Workspace, id: str, start: int, length: int) -> bytes:
    """Of its answers, sealed, `length` bytes from `start` on, or what there is. Raises as `snapshot` does."""
    snapshot(workspace, id)
    with workspace.read() as connection:
        part = func.substr(snapshots.c.body, start + 1, length)
        return bytes(connection.scalar(select(part).where(snapshots.c.id == id)) or b"")


def listed(workspace: Workspace, *, deleted: bool = False, id: str | None = None) -> list[Snapshot]:
    """Those that are to be had, or those that can be restored; newest first. Raises SourceUnreachable."""
    gone = snapshots.c.deleted_us.is_not(None) if deleted else snapshots.c.deleted_us.is_(None)
    columns = [column for column in snapshots.c if column is not snapshots.c.body]
    asked = select(*columns).where(gone, snapshots.c.expires_us > now_us()).order_by(snapshots.c.changed_us.desc())
    if id is not None:
        asked = asked.where(snapshots.c.id == plain(id))
    names = ("id", "title", "made_by", "link", "answers", "bytes", "deleted_by")
    with workspace.read() as connection:
        rows = connection.execute(asked).mappings().all()
    return [
        Snapshot(
            **{name: row[name] for name in names},
            made_at=moment(row["changed_us"]),
            expires_at=moment(row["expires_us"]),
        )
        for row in rows
    ]


def delete_snapshot(workspace: Workspace, id: str, who: str) -> None:
    """For 30 days, or until it expires, it can be restored. Raises QueryRejected and SourceUnreachable."""
    keeping.delete_softly(workspace, snapshots, id, who)


def restore_snapshot(workspace: Workspace, id: str) -> None:
    """Raises QueryRejected and SourceUnreachable."""
    keeping.restore(workspace, snapshots, id)
