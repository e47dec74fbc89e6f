"""Edits of a notebook: functions from value to value, and what was before each, to go back to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from notebooks.notebook import Cell, Notebook, Prose, Threshold
from notebooks.variable import Variable

MOST_STEPS = 100  # that can be undone


@dataclass(frozen=True)
class Edited:
    """A notebook as it is `now`, and as it was before and after, the nearest last."""

    now: Notebook
    past: tuple[Notebook, ...] = ()
    future: tuple[Notebook, ...] = ()

    def to(self, notebook: Notebook) -> Edited:
        """One step further, where something is different; what was undone is gone then."""
        if is_same(notebook, self.now):
            return self
        return Edited(notebook, (*self.past, self.now)[-MOST_STEPS:])

    def undone(self) -> Edited:
        return Edited(self.past[-1], self.past[:-1], (*self.future, self.now)) if self.past else self

    def redone(self) -> Edited:
        return Edited(self.future[-1], (*self.past, self.now), self.future[:-1]) if self.future else self


def is_same(one: Notebook, other: Notebook) -> bool:
    """Equal, the names of prose too, by which an editor knows it."""
    return one == other and [cell.name for cell in one.cells] == [cell.name for cell in other.cells]


def add(notebook: Notebook, cell: Cell, after: str = "") -> Notebook:
    """With `cell` behind the one named `after`, or before all; under a free name where its own is taken."""
    named = replace(cell, name=notebook.free_name(cell.name))
    at = place(notebook, after) + 1 if after else 0
    return replace(notebook, cells=(*notebook.cells[:at], named, *notebook.cells[at:]))


def append(notebook: Notebook, cell: Cell) -> Notebook:
    return add(notebook, cell, notebook.cells[-1].name if notebook.cells else "")


def change(notebook: Notebook, name: str, cell: Cell) -> Notebook:
    """With `cell` in the place of the one named `name`. A threshold follows its cell to a new name; SQL does not."""
    at = place(notebook, name)
    changed = (*notebook.cells[:at], cell, *notebook.cells[at + 1 :])
    if cell.name != name:
        changed = tuple(
            replace(one, of=cell.name) if isinstance(one, Threshold) and one.of == name else one for one in changed
        )
    return replace(notebook, cells=changed)


def duplicate(notebook: Notebook, name: str) -> Notebook:
    return add(notebook, notebook.cells[place(notebook, name)], name)


def move(notebook: Notebook, name: str, by: int) -> Notebook:
    """So many places down; up where `by` is less than 0. Not beyond the ends."""
    at = place(notebook, name)
    others = [*notebook.cells[:at], *notebook.cells[at + 1 :]]
    others.insert(min(max(at + by, 0), len(others)), notebook.cells[at])
    return replace(notebook, cells=tuple(others))


def delete(notebook: Notebook, name: str) -> Notebook:
    at = place(notebook, name)
    return replace(notebook, cells=(*notebook.cells[:at], *notebook.cells[at + 1 :]))


def collapse(notebook: Notebook, name: str, collapsed: bool) -> Notebook:
    return change(notebook, name, replace(notebook.cells[place(notebook, name)], collapsed=collapsed))


def retitle(notebook: Notebook, title: str) -> Notebook:
    return replace(notebook, title=title)


def set_variables(notebook: Notebook, variables: Sequence[Variable]) -> Notebook:
    return replace(notebook, variables=tuple(variables))


def measured(notebook: Notebook) -> tuple[str, ...]:
    """Names of the cells that SQL and thresholds can read: all but prose and thresholds."""
    return tuple(cell.name for cell in notebook.cells if not isinstance(cell, Prose | Threshold))


def place(notebook: Notebook, name: str) -> int:
    """Raises KeyError where there is no such cell (any more)."""
    at = next((at for at, cell in enumerate(notebook.cells) if cell.name == name), None)
    if at is None:
        raise KeyError(name)
    return at
