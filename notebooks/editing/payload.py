"""A notebook's head and what stands above its cells, as the JSON that cells/browser/notebook.js draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cells.page_view import View, frozen, link_params
from charts.rows import KINDS
from data_sources.answer import Answer
from data_sources.microseconds import ms
from data_sources.query import METHODS, SIGNALS
from exports.plain_values import special_name
from notebooks.editing.editor import Editor
from notebooks.editing.edits import measured
from notebooks.editing.forms import TYPES, spelled, value_of
from notebooks.editing.starters import VIEWS
from notebooks.error import NotebookError
from notebooks.notebook import MEASURES, OPS, SQL_CHARTS, Ask, Cell, Notebook, Prose, Threshold
from notebooks.prose import tree
from notebooks.text import link
from notebooks.threshold import Verdict
from notebooks.variable import Variable
from notebooks.variables import Values, choices_of
from workspace.notebooks import Revision


def head_payload(
    editor: Editor,
    view: View,
    heard: int,
    choices: Mapping[str, Sequence[str]],
    columns: Mapping[str, Sequence[str]],
    revisions: Sequence[Revision],
) -> dict[str, Any]:
    """`choices`: known queues, workers and tasks by the parameters' names; `columns`: of each cell, as far as known."""
    notebook = editor.now
    return {
        "heard": heard,
        "title": notebook.title,
        "sealed": editor.sealed,
        "cells": len(notebook.cells),
        "status": status(editor),
        "kept_at": ms(editor.kept_at) if editor.kept_at else None,
        "problem": "" if editor.blamed else editor.problem,
        "changed": editor.changed,
        "past": bool(editor.edited.past),
        "future": bool(editor.edited.future),
        "id": editor.id,
        "draft": editor.draft,
        "revision": editor.revision,
        "revisions": [{"number": one.number, "author": one.author, "at": ms(one.at)} for one in revisions],
        "variables": [vars(one) for one in notebook.variables],
        "whole": whole(notebook),
        "text": editor.text(view.scope.range),
        "links": {
            "live": link_params(view) if view.scope.range.is_live else None,
            "frozen": link_params(frozen(view)) | {"refresh": "0"},
        },
        "known": {
            "measured": list(measured(notebook)),
            "columns": columns,
            "choices": choices,
            "variables": [one.name for one in notebook.variables],
            "charts": KINDS,
            "sql_charts": SQL_CHARTS,
            "measures": MEASURES,
            "ops": OPS,
            "signals": SIGNALS,
            "methods": METHODS,
            "views": VIEWS,
        },
    }


def status(editor: Editor) -> str:
    if editor.sealed:
        return "As it was when the snapshot was made"
    if not editor.changed:
        by = f" by {editor.author}" if editor.author else ""
        return f"Revision {editor.revision}{by}" if editor.id else "New"
    if editor.id:
        return f"Changed since revision {editor.revision}"
    return "Draft, not saved yet" if editor.draft else "Not saved"


def whole(notebook: Notebook) -> str:
    """What a link has that holds it; "" for one that is too large."""
    try:
        return link.write(notebook)
    except NotebookError:
        return ""


def bar_payload(editor: Editor, at: int, trouble: str, heard: int) -> dict[str, Any]:
    """What stands above cell number `at`. `trouble`: why it cannot be shown; `heard`: the last message it tells of."""
    cells = editor.now.cells
    cell = cells[at]
    return {
        "heard": heard,
        "name": cell.name,
        "sealed": editor.sealed,
        "handle": "" if isinstance(cell, Prose | Threshold) else cell.name,
        "after": cells[at - 1].name if at else "",
        "first": at == 0,
        "last": at == len(cells) - 1,
        "type": TYPES[type(cell)],
        "title": title_of(cell),
        "value": value_of(cell),
        "collapsed": editor.is_closed(cell),
        "folds": editor.sealed and cell.collapsed,
        "pinned": spelled(cell.range) if isinstance(cell, Ask) else "",
        "prose": tree(cell.text) if isinstance(cell, Prose) else None,
        "problem": editor.problem if editor.blamed == cell.name else "",
        "trouble": trouble,
        "fresh": editor.fresh if editor.fresh and editor.fresh[1] == cell.name else None,
    }


def end_payload(notebook: Notebook) -> dict[str, Any]:
    return {
        "name": "",
        "after": notebook.cells[-1].name if notebook.cells else "",
        "empty": not notebook.cells,
        "reads": bool(measured(notebook)),
    }


def title_of(cell: Cell) -> str:
    if isinstance(cell, Prose):
        first = next(iter(cell.text.strip().splitlines()), "")
        return first.lstrip("# ")[:80] or "Text"
    return cell.title or cell.name


def variables_payload(
    variables: Sequence[Variable], values: Values, answers: Mapping[str, Answer]
) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "kind": one.kind,
            "title": one.title,
            "values": list(values[one.name]),
            "choices": list(choices_of(one, answers[one.name])) if one.name in answers else [],
            "pending": one.name in answers and answers[one.name].pending,
        }
        for one in variables
    ]


def threshold_payload(cell: Threshold, verdict: Verdict, pending: bool) -> dict[str, Any]:
    return {
        "name": cell.name,
        "title": cell.title,
        "line": cell.line,
        "says": f"{cell.measure} of {cell.column} in {cell.of} {cell.op} {cell.limit:g}",
        "state": "pending" if pending else verdict.state,
        "value": spelled_value(verdict.value),
        "unit": verdict.unit,
        "series": verdict.series,
        "why": verdict.why,
    }


def spelled_value(value: float | None) -> float | str | None:
    """JSON has no sign for what is infinite."""
    return value if value is None or math.isfinite(value) else special_name(value)
