"""A page's cell as one of a notebook, and a notebook's question as a cell that can be shown."""

from __future__ import annotations

import re

from cells import cell as page
from data_sources.answer import Answer
from notebooks.notebook import Ask, Layer, Row, Sql
from notebooks.variables import Values, literal, query


def taken(cell: page.Cell) -> Ask:
    """Raises NotebookError for what no notebook may ask."""
    rows = tuple(Row(tuple(map(taken_layer, row.layers)), row.advice) for row in cell.rows)
    name = re.sub(r"[^a-z0-9_]+", "_", cell.name.lower()).strip("_0123456789")[:40]
    return Ask(name or "cell", cell.title, cell.line, rows, cell.view)


def taken_layer(layer: page.Layer) -> Layer:
    """What looks like a variable in a name from outside is none."""
    (source, *params) = layer.query.to_params()
    return Layer((source, *((name, literal(value)) for name, value in params)), layer.kind, layer.label)


def asked(ask: Ask, values: Values) -> page.Cell:
    """`ask` with `values` for its variables. Raises BadParameter."""
    rows = tuple(
        page.Row(
            row.label,
            tuple(page.Layer(query(layer, values), layer.chart, layer.label) for layer in row.layers),
            row.advice,
        )
        for row in ask.rows
    )
    return page.Cell(ask.name, ask.title, ask.line, rows, ask.view)


def drawn(cell: Sql, answer: Answer) -> page.Cell:
    """What SQL made, as a cell that can be shown. What has no time is a table, whatever chart it asks for."""
    chart = cell.chart if answer.window or answer.pending else "table"
    return page.Cell(cell.name, cell.title, cell.line, (page.row("", answer.query, chart),))
