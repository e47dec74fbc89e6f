"""What a run of a notebook gave, as what the browser's modules draw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from cells import cell as page
from cells.cell_payload import cell_payload
from cells.page_view import View
from data_sources.errors import BadParameter
from notebooks.editing.payload import threshold_payload
from notebooks.notebook import Ask, Prose, Sql, Threshold
from notebooks.prose import tree
from notebooks.run import Result, scope_of
from notebooks.taken import asked, drawn
from notebooks.variable import Variable
from notebooks.variables import Values


def pieces(results: Iterable[Result], values: Values, view: View) -> list[dict[str, Any]]:
    """In the notebook's order; `values` and the scope of `view` are those that it ran with."""
    return [piece(result, values, view) | {"collapsed": result.cell.collapsed} for result in results]


def chosen_words(variables: Sequence[Variable], values: Values) -> str:
    """The line under a file's title: what its prose speaks of."""
    return " · ".join(f"{one.title or one.name}: {', '.join(values[one.name]) or 'all'}" for one in variables)


def piece(result: Result, values: Values, view: View) -> dict[str, Any]:
    match result.cell:
        case Prose(text=text):
            return {"kind": "prose", "tree": tree(text)}
        case Threshold() as threshold:
            assert result.verdict
            return {"kind": "threshold", **threshold_payload(threshold, result.verdict, pending=False)}
        case Ask() as ask:
            own = replace(view, scope=scope_of(ask, view.scope))
            return {"kind": "cell", **cell_payload(page_cell(ask, values, result), result.answers, own)}
        case Sql() as sql:
            return {"kind": "cell", **cell_payload(drawn(sql, result.answers[0][0]), result.answers, view)}


def page_cell(ask: Ask, values: Values, result: Result) -> page.Cell:
    """Where the values are none that can be asked, the answers say so."""
    try:
        return asked(ask, values)
    except BadParameter:
        rows = [
            page.Row("", tuple(page.Layer(answer.query, "table", str(place)) for place, answer in enumerate(answers)))
            for answers in result.answers
        ]
        return page.Cell(ask.name, ask.title, ask.line, tuple(rows))
