"""A notebook that somebody looks at and changes: where it came from, its undo, its draft, and what was said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cells.cell import Cell as PageCell
from data_sources import ask
from data_sources.errors import QueryRejected, SourceError
from data_sources.fields import Fields, one
from data_sources.scope import Range
from notebooks.editing import edits
from notebooks.editing.edits import Edited
from notebooks.editing.forms import cell_of, variable_of
from notebooks.editing.starters import starter
from notebooks.error import NotebookError
from notebooks.examples import example
from notebooks.notebook import Cell, Notebook, Threshold
from notebooks.taken import taken
from notebooks.text import file, link
from workspace import drafts, notebooks
from workspace.opened import opened

UNTITLED = "Untitled"
MOST_MESSAGES = 50  # that a browser says at once
WAYS = ("draft", "id", "text", "example", "add")  # the parameters that say which notebook, the first that is given


@dataclass
class Editor:
    """`id`: of the saved one that it shows or changes, opened at `revision`; `draft`: of what is kept of the changes.

    `problem` is what went wrong with the whole, or with the form of the cell `blamed`. `fresh`: the number of the
    message that added a cell, its name, and whether its form opens. `sealed`: it is of a snapshot, and only read;
    `unfolded`: which of the cells that are collapsed in it are looked at.
    """

    edited: Edited
    id: str = ""
    revision: int = 0
    author: str = ""
    draft: str = ""
    changed: bool = False
    kept_at: datetime | None = None
    problem: str = ""
    blamed: str = ""
    fresh: tuple[int, str, bool] | None = None
    sealed: bool = False
    unfolded: set[str] = field(default_factory=set)
    saved_text: str = field(default="", repr=False)

    @property
    def now(self) -> Notebook:
        return self.edited.now

    @property
    def address(self) -> dict[str, str]:
        """The parameters of the page that show it again; an empty one is taken out."""
        own = {"draft": self.draft} if self.draft else {"id": self.id}
        return dict.fromkeys((*WAYS, "revision"), "") | own

    @property
    def is_touched(self) -> bool:
        """Whether it is more than what its address shows to everybody."""
        return bool(self.edited.past or self.edited.future or self.problem)

    def is_closed(self, cell: Cell) -> bool:
        return cell.collapsed and cell.name not in self.unfolded

    def obey(self, message: Mapping[str, Any], span: Range, who: str) -> None:
        """A message of the browser, whatever it says. `span`: the page's range, which is kept with the notebook."""
        name = str(message.get("cell", ""))
        if self.sealed:
            if message.get("do") == "collapse" and self.now.cell(name):
                fold = self.unfolded.discard if message.get("on") else self.unfolded.add
                fold(name)
            return
        self.problem = self.blamed = ""
        try:
            if message.get("do") in ("save", "copy"):
                self.save(span, who, copy=message["do"] == "copy")
            elif message.get("do") == "discard":
                self.discard(who)
            elif (edited := self.edit(message, name)) is not self.edited:
                self.become(edited, span, who)
        except NotebookError as error:
            self.problem, self.blamed = error.message, name
        except SourceError as error:
            self.problem = told(error)
        except KeyError:
            self.problem = "That cell is not there any more."

    def edit(self, message: Mapping[str, Any], name: str) -> Edited:
        """What the message makes of it. Raises NotebookError, KeyError."""
        now = self.edited.now
        match message:
            case {"do": "undo"}:
                return self.edited.undone()
            case {"do": "redo"}:
                return self.edited.redone()
            case {"do": "title", "title": str(title)}:
                return self.edited.to(edits.retitle(now, title or UNTITLED))
            case {"do": "variables", "variables": list(variables)}:
                return self.edited.to(edits.set_variables(now, [*map(variable_of, variables)]))
            case {"do": "add", "n": int(number), "kind": str(kind), "after": str(after)}:
                return self.added(edits.add(now, starter(kind, now, after), after), number, opens=True)
            case {"do": "duplicate", "n": int(number)}:
                return self.added(edits.duplicate(now, name), number, opens=False)
            case {"do": "apply", "value": dict(value)}:
                cell = now.cells[edits.place(now, name)]
                return self.edited.to(edits.change(now, name, cell_of(value, cell)))
            case {"do": "move", "by": int(by)}:
                return self.edited.to(edits.move(now, name, max(-1, min(by, 1))))
            case {"do": "collapse", "on": bool(on)}:
                return self.edited.to(edits.collapse(now, name, on))
            case {"do": "delete"}:
                return self.edited.to(edits.delete(now, name))
        return self.edited

    def added(self, notebook: Notebook, number: int, *, opens: bool) -> Edited:
        before = {cell.name for cell in self.now.cells}
        self.fresh = (number, next(cell.name for cell in notebook.cells if cell.name not in before), opens)
        return self.edited.to(notebook)

    def take(self, title: str, cells: Sequence[PageCell], span: Range, who: str) -> None:
        """Cells of the page with this title, behind all others."""
        now = self.now
        try:
            for cell in cells:
                now = edits.append(now, taken(cell))
            if not self.now.cells and len(cells) > 1:
                now = edits.retitle(now, title)
            self.become(self.edited.to(now), span, who)
        except NotebookError as error:
            self.problem = f"Nothing was taken: {error.message}"
        except SourceError as error:
            self.problem = told(error)

    def become(self, edited: Edited, span: Range, who: str) -> None:
        """Raises NotebookError, and stays what it is, when no file could hold it; SourceError as `keep` does."""
        file.write(replace(edited.now, range=span))
        self.edited = edited
        self.keep(span, who)

    def keep(self, span: Range, who: str) -> None:
        """As a draft. When that cannot be, the session has it still, and says so. Raises SourceError."""
        text = self.text(span)
        self.changed = text != self.saved_text
        draft = drafts.keep_draft(
            opened(),
            text,
            title=self.now.title,
            owner=who,
            identified=is_identified(),
            id=self.draft,
            seen_at=self.kept_at,
            notebook=self.id,
            based_on=self.revision,
        )
        self.draft, self.kept_at = draft.id, draft.changed_at

    def save(self, span: Range, who: str, *, copy: bool = False) -> None:
        """A new notebook, as a `copy` always is, or a new revision. Raises SourceError."""
        text = self.text(span)
        saved = notebooks.save(
            opened(),
            text,
            title=self.now.title,
            author=who,
            cells=len(self.now.cells),
            thresholds=sum(isinstance(cell, Threshold) for cell in self.now.cells),
            identified=is_identified(),
            id="" if copy else self.id,
            based_on=self.revision,
        )
        self.id, self.revision, self.author = saved.id, saved.revision, saved.author
        self.changed, self.saved_text = False, text
        self.leave_draft(who)

    def discard(self, who: str) -> None:
        """Back to what was saved; of what never was, to an empty one. It can be undone. Raises SourceError."""
        self.leave_draft(who)
        before = file.read(self.saved_text) if self.saved_text else Notebook(UNTITLED)
        self.edited, self.changed = self.edited.to(before), False

    def leave_draft(self, who: str) -> None:
        """Deletes it; that of somebody else, and what went on elsewhere, stays. Raises SourceError."""
        if self.draft:
            with suppress(QueryRejected):
                drafts.delete_draft(opened(), self.draft, who, self.kept_at)
        self.draft, self.kept_at = "", None

    def text(self, span: Range) -> str:
        return file.write(replace(self.now, range=span))


def open_notebook(fields: Fields) -> Editor:
    """The notebook that a page's parameters name, a new one without any.

    Raises NotebookError, BadParameter and SourceError.
    """
    way = next((name for name in WAYS if one(fields, name)), "")
    name = one(fields, way) if way else ""
    match way:
        case "draft":
            return of_draft(name)
        case "id":
            wanted = one(fields, "revision")
            return of_saved(name, int(wanted) if wanted.isdecimal() and len(wanted) < 6 else None)
        case "text":
            return Editor(Edited(link.read(name)), changed=True)
        case "example":
            return Editor(Edited(example(name)), changed=True)
        case "add":
            return Editor(Edited(edits.append(Notebook(UNTITLED), link.read_cell(name))), changed=True)
    return Editor(Edited(Notebook(UNTITLED)))


def of_saved(id: str, revision: int | None = None) -> Editor:
    """An older revision is one to be saved again."""
    read = notebooks.read(opened(), id, revision)
    newest = read.revision.number == read.notebook.revision
    text = read.text if newest else notebooks.read(opened(), id).text
    return Editor(
        Edited(file.read(read.text)),
        id=id,
        revision=read.notebook.revision,
        author=read.revision.author,
        changed=not newest,
        saved_text=text,
    )


def of_draft(id: str) -> Editor:
    draft = drafts.read_draft(opened(), id)
    saved = text_of(draft.notebook, draft.based_on) if draft.notebook else ""
    return Editor(
        Edited(file.read(draft.text)),
        id=draft.notebook,
        revision=draft.based_on,
        draft=id,
        changed=True,
        kept_at=draft.changed_at,
        saved_text=saved,
    )


def text_of(id: str, revision: int) -> str:
    """ "" for a revision that is not kept any more."""
    try:
        return notebooks.read(opened(), id, revision).text
    except QueryRejected:
        return ""


def is_identified() -> bool:
    return ask.desk().settings.access.identified


def told(error: SourceError) -> str:
    return ". ".join(filter(None, (str(error), error.hint)))
