"""Notebooks, drafts and snapshots in the workspace: nothing is lost by accident, and not too much is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, update

from data_sources.config import Secret
from data_sources.errors import QueryRejected
from workspace import drafts, keeping, notebooks, schema, snapshots
from workspace.drafts import Draft, keep_draft
from workspace.keeping import Full
from workspace.notebooks import Saved, SavedMeanwhile, save
from workspace.snapshots import Snapshot, keep
from workspace.store import Workspace, workspace

Keep = Callable[..., Saved | Draft | Snapshot]


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    url = f"sqlite://{tmp_path}" if request.param == "sqlite" else request.getfixturevalue("postgresql").new_database()
    one = workspace(Secret(url))
    yield one
    one.close()


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[Workspace]:
    """In SQLite alone: what is tested does not depend on the database."""
    one = workspace(Secret(f"sqlite://{tmp_path}"))
    yield one
    one.close()


def saved(to: Workspace, text: str = "prose", **more: Any) -> Saved:
    given = {"title": "Why?", "author": "ann", "cells": 4, "thresholds": 1, "identified": True}
    return save(to, text, **{**given, **more})


def drafted(to: Workspace, text: str = "prose", **more: Any) -> Draft:
    return keep_draft(to, text, **{"title": "Why?", "owner": "ann", "identified": True, **more})


def snapped(to: Workspace, body: bytes = b"\0answers", **more: Any) -> Snapshot:
    given = {"title": "Queues", "made_by": "ann", "link": "/queues?range=6h", "answers": 3, "identified": True}
    return keep(to, body, **{"life": timedelta(days=7), **given, **more})


def back_in_time(of: Workspace, table: Table, **columns: timedelta) -> None:
    """As if what these columns of all rows tell had been that much earlier."""
    with of.write() as connection:
        earlier = {name: table.c[name] - int(by.total_seconds()) * 1_000_000 for name, by in columns.items()}
        connection.execute(update(table).values(earlier))


def test_a_notebook_is_there_as_it_was_saved(opened: Workspace) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    one = saved(opened, "first 🦉\n")

    read = notebooks.read(opened, one.id)

    assert (read.notebook, read.text) == (one, "first 🦉\n")
    assert (one.title, one.author, one.revision, one.cells, one.thresholds) == ("Why?", "ann", 1, 4, 1)
    assert began < one.made_at == one.changed_at == read.revision.at
    assert notebooks.listed(opened) == [one]
    assert len(one.id) >= 16


def test_each_save_is_a_revision_and_the_older_ones_can_be_read(opened: Workspace) -> None:
    first = saved(opened, "one")
    second = saved(opened, "two", id=first.id, based_on=1, author="ben", title="Because")

    assert notebooks.listed(opened) == [second]
    assert (second.revision, second.author, second.title, second.bytes) == (2, "ben", "Because", 6)
    assert [(one.number, one.author) for one in notebooks.history(opened, first.id)] == [(2, "ben"), (1, "ann")]
    assert [notebooks.read(opened, first.id, number).text for number in (1, 2)] == ["one", "two"]
    with pytest.raises(QueryRejected, match="no revision 3"):
        notebooks.read(opened, first.id, 3)


def test_nobody_overwrites_what_somebody_else_saved_meanwhile(opened: Workspace) -> None:
    first = saved(opened, "one")
    theirs = saved(opened, "theirs", id=first.id, based_on=1, author="ben")

    with pytest.raises(SavedMeanwhile, match="was saved by ben meanwhile, as revision 2"):
        saved(opened, "ours", id=first.id, based_on=1)

    assert notebooks.read(opened, first.id).text == "theirs"
    assert saved(opened, "theirs", id=first.id, based_on=1) == theirs  # the same text, by a second click


def test_of_many_revisions_the_newest_are_kept(on_disk: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebooks, "MOST_REVISIONS", 3)
    one = saved(on_disk, "0")
    for number in range(1, 5):
        one = saved(on_disk, str(number) * 10, id=one.id, based_on=number)

    assert [revision.number for revision in notebooks.history(on_disk, one.id)] == [5, 4, 3]
    assert one.bytes == 30


def test_a_draft_is_written_again_and_again_and_found_by_its_owner(opened: Workspace) -> None:
    one = drafted(opened, "a", notebook="N", based_on=2)
    now = drafted(opened, "ab", id=one.id, title="Later", seen_at=one.changed_at)

    assert drafts.read_draft(opened, one.id) == now
    assert (now.id, now.text, now.title) == (one.id, "ab", "Later")
    assert drafts.drafts_of(opened, "ann") == [now]
    assert drafts.drafts_of(opened, "ben") == []


def test_who_goes_on_with_somebody_elses_draft_or_one_that_is_gone_has_one_of_their_own(opened: Workspace) -> None:
    anns = drafted(opened, "a")
    bens = drafted(opened, "mine now", id=anns.id, owner="ben")
    with pytest.raises(QueryRejected, match="there is no draft"):
        drafts.delete_draft(opened, anns.id, "ben")

    assert bens.id != anns.id
    assert drafts.drafts_of(opened, "ann") == [anns]
    assert drafts.drafts_of(opened, "ben") == [bens]
    drafts.delete_draft(opened, anns.id, "ann")
    again = drafted(opened, "ab", id=anns.id)
    assert again.id != anns.id
    assert drafts.drafts_of(opened, "ann") == [again]


def test_of_two_tabs_on_one_draft_none_writes_over_the_other(opened: Workspace) -> None:
    one = drafted(opened, "a")
    first = drafted(opened, "ab", id=one.id, seen_at=one.changed_at)
    second = drafted(opened, "ac", id=one.id, seen_at=one.changed_at)

    assert {draft.text for draft in drafts.drafts_of(opened, "ann")} == {"ab", "ac"}
    assert first.id == one.id != second.id


def test_a_snapshot_is_the_bytes_that_were_kept(opened: Workspace) -> None:
    one = snapped(opened)

    assert snapshots.body(opened, one.id) == b"\0answers"
    assert [snapshots.piece(opened, one.id, start, 3) for start in (0, 3, 6, 9)] == [b"\0an", b"swe", b"rs", b""]
    assert snapshots.listed(opened) == [one]
    assert one.expires_at - one.made_at == timedelta(days=7)
    assert (one.made_by, one.link, one.answers, one.bytes) == ("ann", "/queues?range=6h", 3, 8)


def test_a_snapshot_that_expired_is_not_to_be_had_and_makes_room(opened: Workspace) -> None:
    one = snapped(opened)
    back_in_time(opened, schema.snapshots, expires_us=timedelta(days=8))

    with pytest.raises(QueryRejected, match="no such snapshot"):
        snapshots.body(opened, one.id)
    with pytest.raises(QueryRejected, match="no such snapshot"):
        snapshots.piece(opened, one.id, 0, 3)
    assert snapshots.listed(opened) == []
    kept = snapped(opened)
    with opened.read() as connection:
        assert list(connection.scalars(schema.snapshots.select())) == [kept.id]


KINDS: dict[str, tuple[Keep, Callable[..., Any], Callable[..., Any], Callable[..., Any], Table]] = {
    "notebook": (saved, notebooks.delete_notebook, notebooks.restore_notebook, notebooks.read, schema.notebooks),
    "draft": (drafted, drafts.delete_draft, drafts.restore_draft, drafts.read_draft, schema.drafts),
    "snapshot": (snapped, snapshots.delete_snapshot, snapshots.restore_snapshot, snapshots.body, schema.snapshots),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_deleted_can_be_had_back_for_a_while(opened: Workspace, kind: str) -> None:
    keep, delete, restore, read, table = KINDS[kind]
    id = keep(opened).id
    before = read(opened, id)

    delete(opened, id, "ann")
    with pytest.raises(QueryRejected, match="there is no"):
        read(opened, id)
    restore(opened, id)
    assert read(opened, id) == before

    delete(opened, id, "ann")
    back_in_time(opened, table, deleted_us=keeping.DELETED_FOR + timedelta(seconds=1))
    keep(opened)
    with pytest.raises(QueryRejected, match="there is no"):
        restore(opened, id)


def test_what_was_deleted_is_listed_with_who_did_it(opened: Workspace) -> None:
    notebook, snapshot = saved(opened), snapped(opened)
    notebooks.delete_notebook(opened, notebook.id, "ben")
    snapshots.delete_snapshot(opened, snapshot.id, "ben")

    assert [(one.id, one.deleted_by) for one in notebooks.listed(opened, deleted=True)] == [(notebook.id, "ben")]
    assert [(one.id, one.deleted_by) for one in snapshots.listed(opened, deleted=True)] == [(snapshot.id, "ben")]
    assert notebooks.listed(opened) == []
    assert snapshots.listed(opened) == []


def test_revisions_go_with_a_notebook_that_is_gone_for_good(on_disk: Workspace) -> None:
    notebooks.delete_notebook(on_disk, saved(on_disk).id, "ben")
    back_in_time(on_disk, schema.notebooks, deleted_us=keeping.DELETED_FOR + timedelta(seconds=1))

    other = saved(on_disk)
    saved(on_disk, "more", id=other.id, based_on=1)

    with on_disk.read() as connection:
        assert {*connection.scalars(schema.revisions.select())} == {other.id}


@pytest.mark.parametrize("identified", [False, True])
@pytest.mark.parametrize(("kind", "module"), [("notebook", notebooks), ("draft", drafts), ("snapshot", snapshots)])
def test_there_is_room_for_so_many_and_deleting_makes_none_at_once(
    on_disk: Workspace, monkeypatch: pytest.MonkeyPatch, kind: str, module: Any, identified: bool
) -> None:
    keep, delete = KINDS[kind][:2]
    monkeypatch.setattr(module, "ROWS", (2, 3))
    ids = [keep(on_disk, identified=identified).id for _ in range(3 if identified else 2)]
    delete(on_disk, ids[0], "ann")

    with pytest.raises(Full, match=rf"keeps {len(ids)} {kind}s, and may keep {len(ids)}$") as full:
        keep(on_disk, identified=identified)
    assert ("docs/access.md" in full.value.hint) is not identified
    assert "30 days" in full.value.hint


def test_there_is_room_for_so_many_bytes(on_disk: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (notebooks, drafts, snapshots):
        monkeypatch.setattr(module, "BYTES", (25, 10**9))
    notebook = saved(on_disk, "x" * 20, identified=False)
    draft = drafted(on_disk, "x" * 20, identified=False)
    snapped(on_disk, b"x" * 20, identified=False)

    with pytest.raises(Full, match=r"keeps 0\.0 MB of notebooks"):
        saved(on_disk, "y" * 10, id=notebook.id, based_on=1, identified=False)
    with pytest.raises(Full, match="of drafts"):
        drafted(on_disk, "y" * 10, identified=False)
    with pytest.raises(Full, match="of snapshots"):
        snapped(on_disk, b"y" * 10, identified=False)
    assert drafted(on_disk, "y" * 25, id=draft.id, identified=False).text == "y" * 25  # it takes the old one's place


def test_what_is_too_long_is_refused_by_name(on_disk: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(QueryRejected, match="262,145 bytes, and may have 262,144"):
        saved(on_disk, "x" * (notebooks.MOST_BYTES + 1))
    with pytest.raises(QueryRejected, match="262,145 bytes, and may have 262,144"):
        drafted(on_disk, "x" * (notebooks.MOST_BYTES + 1))
    monkeypatch.setattr(snapshots, "MOST_BYTES", 10**6)
    with pytest.raises(QueryRejected, match=r"1\.5 MB, and may have 1"):
        snapped(on_disk, b"x" * 1_500_000)


def test_a_text_no_database_takes_is_kept_as_far_as_it_can_be(opened: Workspace) -> None:
    one = saved(opened, "a\0b\ud800c 🦉", title="\ud800\0" * 300, author="x" * 999)

    assert notebooks.read(opened, one.id).text == "a\ufffdb\ufffdc 🦉"
    assert (one.title, one.author) == ("\ufffd" * 200, "x" * 200)


@pytest.mark.parametrize("id", ["a\ud800", "a\0b", "../../etc/passwd", "'; DROP TABLE drafts"])
def test_an_id_that_no_database_could_hold_is_one_of_nothing(opened: Workspace, id: str) -> None:
    ways: list[Callable[[Workspace, str], object]] = [notebooks.read, drafts.read_draft, snapshots.body]
    for way in [*ways, drafts.restore_draft]:
        with pytest.raises(QueryRejected, match="there is no") as refused:
            way(opened, id)
        str(refused.value).encode()
