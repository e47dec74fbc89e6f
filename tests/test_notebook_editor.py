"""A notebook that somebody changes: kept as a draft at each edit, saved as revisions, and refused in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

import data_sources.ask
import workspace.opened
from cells.cell import Cell as PageCell
from cells.cell import row
from data_sources.errors import QueryRejected
from data_sources.query import Depths, Signal
from data_sources.scope import Range
from notebooks.editing.editor import UNTITLED, Editor, open_notebook
from notebooks.editing.edits import Edited
from notebooks.editing.payload import bar_payload
from notebooks.editing.shelf import Shelf
from notebooks.error import NotebookError
from notebooks.notebook import Notebook, Prose, Threshold
from notebooks.text import file, link
from tests.watching import unwatched
from workspace import drafts, notebooks
from workspace.store import SqliteHome, Workspace

HOUR = Range.live("1h")


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    kept = Workspace(SqliteHome(tmp_path / "workspace.db"))
    desk = unwatched({})
    monkeypatch.setattr(workspace.opened, "_opened", kept)
    monkeypatch.setattr(data_sources.ask, "_desk", desk)
    yield kept
    desk.stop()
    kept.close()


def obey(editor: Editor, *messages: dict[str, Any], who: str = "") -> Editor:
    for number, message in enumerate(messages, start=1):
        editor.obey({"n": number, **message}, HOUR, who)
    return editor


def written(**first: Any) -> Editor:
    """One with a text and a threshold that reads nothing yet."""
    return obey(
        Editor(Edited(Notebook(UNTITLED))),
        {"do": "add", "kind": "prose", "after": ""},
        {"do": "title", "title": "Is mail slow?"},
        *([first] if first else []),
    )


def test_every_edit_is_a_draft_that_is_there_for_whoever_has_its_address(kept: Workspace) -> None:
    editor = written()
    again = open_notebook({"draft": (editor.draft,)})

    assert again.now == editor.now
    assert again.now.title == "Is mail slow?"
    assert (again.changed, again.id) == (True, "")
    assert editor.address == {**dict.fromkeys(("id", "text", "example", "add", "revision"), ""), "draft": editor.draft}
    assert editor.fresh == (1, "text", True)


def test_undo_goes_into_the_draft_too(kept: Workspace) -> None:
    editor = obey(written(), {"do": "undo"})

    assert drafts.read_draft(kept, editor.draft).title == UNTITLED
    assert obey(editor, {"do": "redo"}).now.title == "Is mail slow?"


def test_saved_it_is_a_revision_and_its_draft_is_gone(kept: Workspace) -> None:
    editor = written()
    draft = editor.draft
    obey(editor, {"do": "save"}, who="anna")
    (saved,) = notebooks.listed(kept)

    assert (saved.title, saved.author, saved.revision, saved.cells) == ("Is mail slow?", "anna", 1, 1)
    assert (editor.id, editor.draft, editor.changed) == (saved.id, "", False)
    with pytest.raises(QueryRejected):
        drafts.read_draft(kept, draft)

    obey(editor, {"do": "title", "title": "Slower?"}, {"do": "save"}, who="ben")
    assert [one.author for one in notebooks.history(kept, saved.id)] == ["ben", "anna"]
    older = open_notebook({"id": (saved.id,), "revision": ("1",)})
    assert (older.now.title, older.changed) == ("Is mail slow?", True)  # it can be saved again
    assert obey(older, {"do": "save"}).revision == 3


def test_whoever_changes_or_leaves_somebody_elses_draft_leaves_it_theirs(kept: Workspace) -> None:
    anns = obey(Editor(Edited(Notebook(UNTITLED))), {"do": "title", "title": "Ann's"}, who="ann")
    address = {"draft": (anns.draft,)}

    bens = obey(open_notebook(address), {"do": "title", "title": "Ben's"}, who="ben")
    obey(open_notebook(address), {"do": "discard"}, who="ben")
    obey(open_notebook(address), {"do": "save"}, who="ben")

    assert [draft.title for draft in drafts.drafts_of(kept, "ann")] == ["Ann's"]
    assert [draft.id for draft in drafts.drafts_of(kept, "ben")] == [bens.draft]
    obey(anns, {"do": "title", "title": "Still Ann's"}, who="ann")
    assert drafts.read_draft(kept, anns.draft).title == "Still Ann's"


def test_what_goes_on_elsewhere_in_the_same_draft_is_not_lost_by_a_save_or_a_discard(kept: Workspace) -> None:
    phone = written()
    address = {"draft": (phone.draft,)}
    saved, discarded = open_notebook(address), open_notebook(address)
    obey(phone, {"do": "title", "title": "On the phone"})
    obey(saved, {"do": "save"})
    obey(discarded, {"do": "discard"})

    assert (saved.draft, discarded.draft) == ("", "")
    assert drafts.read_draft(kept, phone.draft).title == "On the phone"


def test_what_was_saved_is_known_as_saved_although_its_draft_cannot_be_deleted(kept: Workspace) -> None:
    editor = written()
    with kept.write() as connection:
        connection.execute(
            text("CREATE TRIGGER stuck BEFORE UPDATE ON drafts BEGIN SELECT RAISE(ABORT, 'is stuck'); END")
        )
    obey(editor, {"do": "save"})
    assert "is stuck" in editor.problem

    with kept.write() as connection:
        connection.execute(text("DROP TRIGGER stuck"))
    obey(editor, {"do": "title", "title": "Slower?"}, {"do": "save"})
    assert [(one.title, one.revision) for one in notebooks.listed(kept)] == [("Slower?", 2)]


def test_without_a_workspace_that_can_be_read_a_notebook_goes_on_without_its_revisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script() -> None:
        import streamlit as st

        from notebooks.editing.show import revisions_of

        st.session_state["revisions"] = revisions_of("saved")

    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(workspace.opened, "_opened", Workspace(SqliteHome(tmp_path / "file" / "workspace.db")))
    app = AppTest.from_function(script).run(timeout=60)

    assert not app.exception
    assert app.session_state["revisions"] == []
    assert "Workspace: " in str(app.main)  # cannot be opened


def test_a_copy_that_cannot_be_saved_leaves_what_it_would_be_of(
    kept: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = obey(written(), {"do": "save"}, {"do": "title", "title": "Slower?"})
    before = (editor.id, editor.revision, editor.draft)
    with monkeypatch.context() as full:
        full.setattr(notebooks, "ROWS", (1, 1))
        obey(editor, {"do": "copy"})
    assert "may keep 1" in editor.problem
    assert (editor.id, editor.revision, editor.draft) == before

    obey(editor, {"do": "copy"})
    assert {one.title for one in notebooks.listed(kept)} == {"Is mail slow?", "Slower?"}
    assert (editor.id != before[0], editor.revision, editor.draft) == (True, 1, "")


def test_what_somebody_else_saved_meanwhile_is_not_overwritten(kept: Workspace) -> None:
    mine = obey(written(), {"do": "save"})
    theirs = obey(open_notebook({"id": (mine.id,)}), {"do": "title", "title": "Theirs"}, {"do": "save"}, who="ben")
    obey(mine, {"do": "title", "title": "Mine"}, {"do": "save"})

    assert "meanwhile" in mine.problem
    assert notebooks.read(kept, theirs.id).notebook.title == "Theirs"
    obey(mine, {"do": "copy"})
    assert mine.problem == ""
    assert {one.title for one in notebooks.listed(kept)} == {"Theirs", "Mine"}


def test_a_form_that_is_wrong_says_so_at_its_cell_and_changes_nothing() -> None:
    editor = written()
    before = editor.now
    obey(editor, {"do": "add", "kind": "threshold", "after": "text"})
    assert "no cell to read" in editor.problem

    obey(editor, {"do": "add", "kind": "queues", "after": "text"}, {"do": "apply", "cell": "queues", "value": {}})
    assert (editor.blamed, editor.problem != "") == ("queues", True)
    assert bar_payload(editor, 1, "", 2)["problem"] == editor.problem
    assert editor.now != before
    obey(editor, {"do": "undo"})
    assert editor.now == before


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"do": None},
        {"do": "move", "cell": "gone", "by": 10**30},
        {"do": "move", "cell": "text", "by": "1"},
        {"do": "delete", "cell": ["text"]},
        {"do": "apply", "cell": "text", "value": {"text": None}},
        {"do": "title", "title": "x" * 10_000},
        {"do": "variables", "variables": [None, {"kind": "queue"}]},
        {"do": "add", "kind": "__class__", "after": "text"},
        {"do": "add", "kind": "prose", "after": "gone"},
    ],
)
def test_whatever_a_browser_says_nothing_breaks(message: dict[str, Any]) -> None:
    editor = written()
    obey(editor, message)

    assert open_notebook({"draft": (editor.draft,)}).now == editor.now


def test_what_cannot_be_kept_stays_in_the_session_and_says_so(kept: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "ROWS", (0, 0))
    editor = written()

    assert (editor.now.title, editor.draft) == ("Is mail slow?", "")
    assert "may keep 0" in editor.problem
    assert "sign in" in editor.problem


def test_cells_of_a_page_come_last_and_give_a_new_notebook_its_title() -> None:
    flow = PageCell("flow", "What flows", "Look.", (row("waiting", Signal("depth", "queue"), "lines"),))
    waits = PageCell("queues", "What waits", "", (row("", Depths(), "table"),), "queues.all_queues")
    editor = Editor(Edited(Notebook(UNTITLED)))
    editor.take("Queues", [flow, waits], HOUR, "")
    editor.take("Queues", [flow], HOUR, "")

    assert [cell.name for cell in editor.now.cells] == ["flow", "queues", "flow_2"]
    assert editor.now.title == "Queues"
    assert open_notebook({"draft": (editor.draft,)}).now == editor.now


def test_a_link_opens_and_changes_nothing(kept: Workspace) -> None:
    notebook = Notebook("In a link", cells=(Prose("text", "Hello."), Threshold("t", "", "x", "value", "max", "<", 1.0)))

    assert open_notebook({"text": (link.write(notebook),)}).now == notebook
    assert open_notebook({"add": (link.write_cell(notebook.cells[1]),)}).now.cells == (notebook.cells[1],)
    assert open_notebook({"example": ("why-is-the-queue-growing",)}).now.cells
    for way in ("text", "add", "example"):
        with pytest.raises(NotebookError):
            open_notebook({way: ("../../etc/passwd",)})
    for way in ("id", "draft"):
        with pytest.raises(QueryRejected):
            open_notebook({way: ("../../etc/passwd",)})
    assert not notebooks.listed(kept)
    assert not drafts.drafts_of(kept, "")


def test_a_file_is_opened_as_a_draft_and_what_is_deleted_comes_back(kept: Workspace) -> None:
    shelf = Shelf()
    shelf.obey({"do": "open", "n": 1, "text": "no notebook"}, "")
    assert "no notebook that can be read" in shelf.problem
    shelf.obey({"do": "open", "n": 2, "text": '+++\ncelery_notebook = 1\ntitle = "A file"\n+++\n\nHello.\n'}, "")
    assert shelf.opens
    number, draft = shelf.opens
    assert (number, open_notebook({"draft": (draft,)}).now.title) == (2, "A file")

    saved = obey(open_notebook({"draft": (draft,)}), {"do": "save"})
    shelf.obey({"do": "delete", "n": 3, "id": saved.id}, "")
    assert notebooks.listed(kept) == []
    shelf.obey({"do": "restore", "n": 4, "id": saved.id}, "")
    assert [one.title for one in notebooks.listed(kept)] == ["A file"]


def test_an_edit_that_no_file_could_hold_is_refused_and_changes_nothing(kept: Workspace) -> None:
    full = Notebook("Full", cells=tuple(Prose(f"text_{place}", "a b " * 5_000) for place in range(13)))
    editor = obey(Editor(Edited(full)), {"do": "add", "kind": "prose", "after": "text_0"})
    before = editor.now
    obey(editor, {"do": "apply", "cell": "text", "value": {"text": "a b " * 5_000}})

    assert (editor.now, editor.blamed) == (before, "text")
    assert editor.problem == "the notebook is larger than 256 KiB"
    assert file.read(editor.text(HOUR)) == replace(before, range=HOUR)


def test_cells_for_which_there_is_no_room_are_not_taken(kept: Workspace) -> None:
    full = Notebook("Full", cells=tuple(Prose(f"text_{place}", "Hello.") for place in range(100)))
    editor = Editor(Edited(full))
    editor.take("Queues", [PageCell("queues", "", "", (row("", Depths(), "table"),))], HOUR, "")

    assert editor.now == full
    assert editor.problem == "Nothing was taken: there are more than 100 cells"


def test_of_a_sealed_notebook_a_collapsed_cell_can_be_looked_at_and_nothing_be_changed() -> None:
    notebook = Notebook("Sealed", cells=(Prose("text", "Why?", collapsed=True), Prose("more", "Because.")))
    editor = obey(Editor(Edited(notebook), sealed=True), {"do": "collapse", "cell": "text", "on": False})
    shown = bar_payload(editor, 0, "", 1)

    assert (shown["collapsed"], shown["folds"]) == (False, True)
    assert bar_payload(editor, 1, "", 1)["folds"] is False
    obey(editor, {"do": "delete", "cell": "more"}, {"do": "collapse", "cell": "text", "on": True})
    obey(editor, {"do": "collapse", "cell": "gone", "on": False})
    assert (editor.now, editor.unfolded) == (notebook, set())
    assert bar_payload(editor, 0, "", 1)["collapsed"]
