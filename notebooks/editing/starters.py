"""New cells: each kind as it begins, showing something at once, to be changed from there."""

from __future__ import annotations

from collections.abc import Callable

from data_sources.query import Depths, Inspect, PromQL, Query, Signal, Workers
from data_sources.task_query import Tasks
from notebooks.editing.edits import measured, place
from notebooks.error import NotebookError
from notebooks.notebook import Ask, Cell, Layer, Notebook, Prose, Row, Sql, Threshold

TEXT = "## What we ask\n\nWhat do you see, and what follows from it?"

# How each source is laid out on its own page.
VIEWS: dict[str, tuple[str, ...]] = {
    "queues": ("queues.all_queues", "queues.queues", "queue.consumers"),
    "workers": ("workers.all_workers", "workers.workers"),
    "tasks": ("tasks.tasks",),
    "task_names": ("tasks.names",),
    "failures": ("tasks.failures",),
    "schedule": ("schedule.entries",),
    "leftovers": ("queues.left_behind",),
    "setup": ("setup.connected",),
}


def starter(kind: str, notebook: Notebook, after: str) -> Cell:
    """A cell of that kind, to stand behind the one named `after`. Raises NotebookError."""
    if kind not in STARTERS:
        raise NotebookError(f"there are no cells of the kind “{kind[:40]}”")
    return STARTERS[kind](notebook, after)


def prose(notebook: Notebook, after: str) -> Cell:
    return Prose("text", TEXT)


def plotted(name: str, title: str, query: Query, chart: str, label: str) -> Callable[[Notebook, str], Cell]:
    layer = Layer(tuple(query.to_params()), chart, label)
    return lambda notebook, after: Ask(name, title, "", (Row((layer,)),))


def table(name: str, title: str, query: Query) -> Callable[[Notebook, str], Cell]:
    layer, view = Layer(tuple(query.to_params()), "table"), VIEWS.get(query.kind, ("",))[0]
    return lambda notebook, after: Ask(name, title, "", (Row((layer,)),), view)


def sql(notebook: Notebook, after: str) -> Cell:
    of = nearest(notebook, after)
    return Sql("joined", "", "", f"SELECT *\nFROM {of}\nLIMIT 100")


def threshold(notebook: Notebook, after: str) -> Cell:
    of = nearest(notebook, after)
    cell = notebook.cell(of)
    over_time = isinstance(cell, Ask) and cell.chart != "table"
    known = isinstance(cell, Ask) and {"queues": "ready", "workers": "active"}.get(cell.rows[0].layers[0].source)
    return Threshold("holds", "", of, known or "value", "last" if over_time else "max", "<", 100.0)


def nearest(notebook: Notebook, after: str) -> str:
    """The cell to read: the last one before the new one, else the first. Raises NotebookError."""
    names = measured(notebook)
    if not names:
        raise NotebookError("there is no cell to read yet; add a question first")
    before = [cell.name for cell in notebook.cells[: place(notebook, after) + 1]] if after else []
    return next((name for name in reversed(before) if name in names), names[0])


STARTERS: dict[str, Callable[[Notebook, str], Cell]] = {
    "prose": prose,
    "promql": plotted("query", "", PromQL("sum by (job) (up)"), "lines", ""),
    "series": plotted("series", "", Signal("throughput", "name"), "stacked", "tasks / s"),
    "queues": table("queues", "What waits", Depths()),
    "workers": table("workers", "Who works", Workers()),
    "tasks": table("tasks", "What ran", Tasks()),
    "inspect": table("inspect", "Tasks under way", Inspect("active")),
    "sql": sql,
    "threshold": threshold,
}
