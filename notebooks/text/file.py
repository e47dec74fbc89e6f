"""A notebook as a file: Markdown that reads well where it is rendered, and diffs well.

TOML between two lines `+++` says what the whole is called, how far back it looks and what variables it has; prose is
prose, and a cell is a fence (see notebooks.text.cell). Reading is strict and bounded, writing gives each notebook one
text: what was read is written so that it reads the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from notebooks.error import NotebookError
from notebooks.notebook import KINDS, MAX_CELLS, VERSION, Cell, Notebook, Prose, free_name
from notebooks.text import cell as cell_file
from notebooks.text.blocks import Fence, Text, blocks
from notebooks.text.cell import RANGES, read_range
from notebooks.text.toml import line_of, pair, read_toml
from notebooks.variable import Variable
from workspace.notebooks import MOST_BYTES

EDGE = "+++"
OF_NOTEBOOK = ("celery_notebook", "title", *RANGES, "variables")
OF_VARIABLE = ("kind", "title", "default", "label", "metric")


def read(text: str) -> Notebook:
    """Raises NotebookError, with the line that is to blame."""
    lines = bounded(text)
    if lines[0].rstrip() != EDGE:
        raise NotebookError("a notebook begins with a line +++, then celery_notebook = 1 and its title", 1)
    end = next((place for place, line in enumerate(lines) if place and line.rstrip() == EDGE), None)
    if end is None:
        raise NotebookError("what begins here is not closed; end it with a line +++", 1)
    front = lines[1:end]
    head = read_head(front)
    cells = read_cells(lines[end + 1 :], end + 2)
    try:
        return Notebook(head["title"], head["range"], read_variables(head["variables"], front), cells)
    except NotebookError as error:
        raise NotebookError(error.message, error.line or 1) from None


def bounded(text: str) -> list[str]:
    if len(text) > MOST_BYTES or len(text.encode(errors="surrogatepass")) > MOST_BYTES:
        raise NotebookError(f"the notebook is larger than {MOST_BYTES // 1024} KiB", 1)
    return text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")


def read_head(front: list[str]) -> dict[str, Any]:
    table = read_toml(front, 2)
    version = table.get("celery_notebook")
    if type(version) is not int or version < 1:
        raise NotebookError(f"celery_notebook = {VERSION} is missing, which says how the file is to be read", 1)
    if version > VERSION:
        raise NotebookError(
            f"a newer Celery Notebook wrote this (format {version}, this one reads {VERSION}); open it there",
            line_of("celery_notebook", front, 2),
        )
    if unknown := [key for key in table if key not in OF_NOTEBOOK]:
        raise NotebookError(f"“{unknown[0][:40]}” has no place here", line_of(unknown[0], front, 2))
    texts = {key: table[key] for key in ("title", *RANGES) if key in table}
    if wrong := [key for key, value in texts.items() if not isinstance(value, str)]:
        raise NotebookError(f'{wrong[0]} must be text, in quotes: {wrong[0]} = "…"', line_of(wrong[0], front, 2))
    title = texts.pop("title", "")
    try:
        span = read_range(texts) or Notebook(title).range
    except NotebookError as error:
        raise NotebookError(error.message, line_of(next(iter(texts), "title"), front, 2)) from None
    return {"title": title, "range": span, "variables": table.get("variables", {})}


def read_variables(table: object, front: list[str]) -> tuple[Variable, ...]:
    if not isinstance(table, dict) or not all(isinstance(one, dict) for one in table.values()):
        where = line_of("variables", front, 2)
        raise NotebookError("variables are tables, such as [variables.queue]", where)
    return tuple(read_variable(name, one, line_of(name, front, 2)) for name, one in table.items())


def read_variable(name: str, table: dict[str, Any], line: int) -> Variable:
    given = {**table, "default": table.get("default", [""] if table.get("kind") == "text" else [])}
    if isinstance(given["default"], str):
        given["default"] = [given["default"]]
    if unknown := [key for key in given if key not in OF_VARIABLE]:
        raise NotebookError(f"“{unknown[0][:40]}” has no place here; use {', '.join(OF_VARIABLE)}", line)
    default = given.pop("default")
    if not isinstance(default, list) or not all(isinstance(one, str) for one in [*default, *given.values()]):
        raise NotebookError("a variable's values are texts, in quotes; its default may be a list of them", line)
    try:
        return Variable(name, given.pop("kind", ""), tuple(default), **given)
    except NotebookError as error:
        raise NotebookError(error.message, line) from None


def read_cells(lines: list[str], first: int) -> tuple[Cell, ...]:
    found = blocks(lines, KINDS, first)
    if len(found) > MAX_CELLS:
        raise NotebookError(f"there are more than {MAX_CELLS} cells", found[MAX_CELLS].line)
    cells: dict[int, Cell] = {
        place: cell_file.read_cell(block) for place, block in enumerate(found) if isinstance(block, Fence)
    }
    taken = {cell.name for cell in cells.values()}
    for place, block in enumerate(found):
        if isinstance(block, Text):
            cells[place] = read_prose(block, free_name("text", taken))
            taken.add(cells[place].name)
        elif any(cells[place].name == cells[before].name for before in range(place)):
            raise NotebookError(f"another cell is named {cells[place].name}; each needs its own", block.line)
    return tuple(cells[place] for place in range(len(found)))


def read_prose(block: Text, name: str) -> Prose:
    try:
        return Prose(name, "\n".join(block.lines), block.collapsed)
    except NotebookError as error:
        raise NotebookError(error.message, block.line + block.marked + (error.line or 1) - 1) from None


def write(notebook: Notebook) -> str:
    """The notebook's one text. Raises NotebookError for one that is too large to be read again."""
    front = [
        f"celery_notebook = {VERSION}",
        pair("title", notebook.title),
        *(pair(key, value) for key, value in notebook.range.to_params().items()),
        *(f"\n[variables.{variable.name}]\n{write_variable(variable)}" for variable in notebook.variables),
    ]
    text = "\n".join([EDGE, *front, EDGE, "", write_cells(notebook.cells)]).rstrip() + "\n"
    bounded(text)
    return text


def write_cells(cells: Sequence[Cell]) -> str:
    parts: list[str] = []
    for before, cell in zip((None, *cells), cells, strict=False):
        parts += [*marker(cell, before), cell_file.write_cell(cell)]
    return "\n\n".join(filter(None, parts))


def write_variable(variable: Variable) -> str:
    default = variable.default[0] if variable.kind == "text" else variable.default
    given = {
        "kind": variable.kind,
        "title": variable.title,
        "label": variable.label,
        "metric": variable.metric,
        "default": default,
    }
    return "\n".join(pair(key, value) for key, value in given.items() if value)


def marker(cell: Cell, before: Cell | None) -> list[str]:
    """The line that must stand before prose which would else be taken for a part of the prose before, or for none."""
    if not isinstance(cell, Prose) or not (cell.collapsed or isinstance(before, Prose) or not cell.text):
        return []
    return ["<!-- text collapsed -->" if cell.collapsed else "<!-- text -->"]
