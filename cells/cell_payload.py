"""A cell and its answers as what cells/browser/cell.js draws, whatever kind of cell it is."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from cells.cell import Cell
from cells.facts import Facts
from cells.page_view import View
from cells.payload import facts_payload, picture_payload, plot_payload, table_payload
from cells.picture import Picture
from cells.table import Table
from cells.views import VIEWS
from charts.once import Once, of_when
from data_sources.answer import Answer

log = logging.getLogger(__name__)

MADE_ONCE = ("plot", "table")  # kinds that are kept for whoever comes, and so can be made ahead
TABLES: Once[Table | Facts | Picture] = Once()


def cell_payload(cell: Cell, answers: Sequence[Sequence[Answer]], view: View) -> dict[str, Any]:
    """`answers`: of each row those of its layers."""
    shown = plot_payload(cell, answers, view) if cell.kind == "plot" else laid_out_payload(cell, answers[0], view)
    return {**shown, "takes": not cell.is_secret}


def laid_out_payload(cell: Cell, answers: Sequence[Answer], view: View) -> dict[str, Any]:
    named = by_label(cell, answers)
    match laid_out(cell, named):
        case Table() as table:
            return table_payload(cell.name, cell.title, cell.line, named["rows"], table, view)
        case Facts() as facts:
            return facts_payload(cell.name, cell.title, cell.line, named, facts, view)
        case picture:
            return picture_payload(cell.name, cell.title, cell.line, named, picture, view)


def laid_out(cell: Cell, answers: Mapping[str, Answer]) -> Table | Facts | Picture:
    """As its view does it. A notebook may name a view that cannot read these answers: they are shown as they come."""
    lays_out, rows = VIEWS[cell.kind][cell.view], answers["rows"]
    what = (lays_out, *map(of_when, answers.values()))
    try:
        if cell.kind in MADE_ONCE:
            return TABLES.of(what, [*answers.values()], lambda: lays_out(rows.frame, answers))
        return lays_out(rows.frame, answers)
    except Exception:
        log.exception("view %s cannot read %s", cell.view, type(rows.query).__name__)
        return VIEWS["table"][""](rows.frame, answers)


def by_label(cell: Cell, answers: Sequence[Answer]) -> Mapping[str, Answer]:
    """As a view reads them: the one it lays out is `rows`, the others go by their labels."""
    labels = ["rows", *(layer.label for layer in cell.rows[0].layers[1:])]
    return dict(zip(labels, answers, strict=True))
