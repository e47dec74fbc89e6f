"""All notebooks on a page: saved ones, drafts, examples; opened from a file, deleted, and had back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from cells import component, controls
from data_sources.errors import SourceError
from data_sources.microseconds import ms
from identity import of_headers
from notebooks.editing.editor import MOST_MESSAGES, Editor, is_identified, told
from notebooks.editing.edits import Edited
from notebooks.error import NotebookError
from notebooks.examples import examples
from notebooks.notebook import Notebook, Prose
from notebooks.prose import tree, words
from notebooks.text import file
from workspace import drafts, notebooks
from workspace.notebooks import Saved
from workspace.opened import opened

KEY = "cn_shelf"


@dataclass
class Shelf:
    """What one session did here. `opens`: the number of the message that opened a file, and the draft it became;
    `gone`: drafts that were deleted, which the browser need not remember.
    """

    heard: int = 0
    problem: str = ""
    deleted: Mapping[str, Any] | None = None
    opens: tuple[int, str] | None = None
    gone: list[str] = field(default_factory=list)

    def obey(self, message: Mapping[str, Any], who: str) -> None:
        self.problem, self.deleted = "", None
        try:
            match message:
                case {"do": "open", "n": int(number), "text": str(text)}:
                    self.opens = (number, opened_as_draft(text, who))
                case {"do": "delete", "draft": str(id)}:
                    title = drafts.read_draft(opened(), id).title
                    drafts.delete_draft(opened(), id, who)
                    self.gone.append(id)
                    self.deleted = {"id": id, "title": title, "draft": True}
                case {"do": "delete", "id": str(id)}:
                    title = notebooks.read(opened(), id).notebook.title
                    notebooks.delete_notebook(opened(), id, who)
                    self.deleted = {"id": id, "title": title, "draft": False}
                case {"do": "restore", "id": str(id), "draft": True}:
                    drafts.restore_draft(opened(), id)
                    self.gone = [one for one in self.gone if one != id]
                case {"do": "restore", "id": str(id)}:
                    notebooks.restore_notebook(opened(), id)
        except NotebookError as error:
            self.problem = f"This is no notebook that can be read: {error}"
        except SourceError as error:
            self.problem = told(error)


def opened_as_draft(text: str, who: str) -> str:
    """The id of the draft it becomes. Raises NotebookError, SourceError."""
    read = file.read(text)
    editor = Editor(Edited(read))
    editor.keep(read.range, who)
    return editor.draft


def show_shelf() -> None:
    shelf = st.session_state.setdefault(KEY + "_done", Shelf())
    data = {**vars(shelf), **on_it(), "examples": [example_payload(name, one) for name, one in examples().items()]}
    component.notebook("shelf", key=KEY, data=data, on_say_change=lambda: hear(shelf))


def hear(shelf: Shelf) -> None:
    said = st.session_state.get(KEY, {}).get("say")
    for message in said[:MOST_MESSAGES] if isinstance(said, list) else ():
        match message:
            case {"n": int(n)} if n > shelf.heard:
                shelf.heard = n
                shelf.obey(message, of_headers(st.context.headers).name)


def on_it() -> dict[str, Any]:
    """What is kept, and what was deleted (`bin`). `drafts`: of whoever looks, None where nobody knows who that is."""
    who = of_headers(st.context.headers).name
    try:
        saved, deleted = notebooks.listed(opened()), notebooks.listed(opened(), deleted=True)
        own = drafts.drafts_of(opened(), who) if who and is_identified() else None
    except SourceError as error:
        controls.notice(told(error))
        saved, deleted, own = [], [], None
    return {
        "notebooks": [*map(saved_payload, saved)],
        "bin": [*map(saved_payload, deleted)],
        "drafts": own and [{"id": one.id, "title": one.title, "at": ms(one.changed_at)} for one in own],
    }


def saved_payload(one: Saved) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        "author": one.author,
        "at": ms(one.changed_at),
        "cells": one.cells,
        "thresholds": one.thresholds,
        "revision": one.revision,
        "deleted_by": one.deleted_by,
        "deleted_at": ms(one.deleted_at) if one.deleted_at else None,
    }


def example_payload(name: str, notebook: Notebook) -> dict[str, Any]:
    prose = (node for cell in notebook.cells if isinstance(cell, Prose) for node in tree(cell.text))
    paragraphs = (words([node]) for node in prose if isinstance(node, dict) and node["tag"] == "p")
    line = " ".join(next(paragraphs, "").split()).partition(". ")[0]
    return {"name": name, "title": notebook.title, "line": line.rstrip(".:"), "cells": len(notebook.cells)}
