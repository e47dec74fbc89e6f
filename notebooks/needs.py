"""What each cell of a notebook is made of: SQL of the tables it reads, a threshold of one cell."""

from __future__ import annotations

from data_sources.errors import SourceError
from notebooks.error import NotebookError
from notebooks.notebook import Ask, Cell, Notebook, Sql, Threshold
from notebooks.sql.answer import tables_read


def reads(cell: Cell) -> tuple[str, ...]:
    """The names of the cells whose answers `cell` reads, whether there are such cells or not. Raises NotebookError."""
    match cell:
        case Sql(text=text):
            try:
                return tables_read(text)
            except SourceError as error:
                raise NotebookError(f"the SQL of {cell.name} {error.what}") from None
        case Threshold(of=of):
            return (of,)
    return ()


def questions(notebook: Notebook, name: str) -> tuple[Ask, ...]:
    """The questions that the cell `name` is made of, directly or through other cells; itself, if it is one.

    Raises NotebookError where a cell reads one that is not there, or itself in the end.
    """
    return tuple(cell for cell in made_of(notebook, name) if isinstance(cell, Ask))


def made_of(notebook: Notebook, name: str) -> list[Cell]:
    """All that the cell `name` is made of, each after what it reads, and last the cell itself. Raises NotebookError."""
    found: dict[str, Cell] = {}

    def look(name: str, readers: tuple[str, ...]) -> None:
        if name in readers:
            circle = (*readers[readers.index(name) :], name)
            raise NotebookError(f"{' reads '.join(circle)}: none of them can be first")
        if name in found:
            return
        cell = notebook.cell(name)
        if cell is None or (readers and not isinstance(cell, Ask | Sql)):
            who = f"{readers[-1]} reads" if readers else "there is no"
            raise NotebookError(f"{who} {name[:60]}, {choice(notebook, readers)}")
        for other in reads(cell):
            look(other, (*readers, name))
        found[name] = cell

    look(name, ())
    return [*found.values()]


def choice(notebook: Notebook, readers: tuple[str, ...]) -> str:
    there = [cell.name for cell in notebook.cells if isinstance(cell, Ask | Sql) and cell.name not in readers]
    return f"which is no cell with rows; there is {', '.join(there) or 'none'}"
