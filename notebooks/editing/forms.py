"""Cells as an editor's forms hold them: plain values to the browser, and read with suspicion on their way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data_sources.errors import BadParameter
from data_sources.scope import Range
from notebooks.error import NotebookError
from notebooks.notebook import Ask, Cell, Layer, Prose, Row, Sql, Threshold
from notebooks.text.cell import OF_THRESHOLD
from notebooks.variable import Variable

TYPES: dict[type[Cell], str] = {Prose: "prose", Ask: "ask", Sql: "sql", Threshold: "threshold"}


def value_of(cell: Cell) -> dict[str, Any]:
    match cell:
        case Prose():
            return {"text": cell.text}
        case Ask():
            return {**head(cell), "view": cell.view, "range": spelled(cell.range), "rows": [*map(row_value, cell.rows)]}
        case Sql():
            return {**head(cell), "text": cell.text, "chart": cell.chart}
        case Threshold():
            texts = {name: getattr(cell, name) for name in OF_THRESHOLD}
            sparse = "yes" if cell.sparse else ""
            return {**head(cell), **texts, "limit": f"{cell.limit:.15g}", "sparse": sparse}


def head(cell: Ask | Sql | Threshold) -> dict[str, Any]:
    return {"name": cell.name, "title": cell.title, "line": cell.line}


def row_value(row: Row) -> dict[str, Any]:
    layers = [{"params": [*map(list, one.params)], "chart": one.chart, "label": one.label} for one in row.layers]
    return {"advice": row.advice, "layers": layers}


def spelled(span: Range | None) -> str:
    """A range in one text: `6h`, or two moments with a slash between."""
    return "/".join(span.to_params().values()) if span else ""


def cell_of(value: Mapping[str, Any], before: Cell) -> Cell:
    """What a form made of the cell `before`. Raises NotebookError."""
    name, title, line = (text(value, field, getattr(before, field, "")) for field in ("name", "title", "line"))
    match before:
        case Prose():
            return Prose(before.name, text(value, "text"), before.collapsed)
        case Ask():
            rows = tuple(row_of(row) for row in listed(value, "rows"))
            return Ask(name, title, line, rows, text(value, "view"), span_of(text(value, "range")), before.collapsed)
        case Sql():
            return Sql(name, title, line, text(value, "text"), text(value, "chart"), before.collapsed)
        case Threshold():
            of, column, measure, op = (text(value, field) for field in OF_THRESHOLD)
            limit, sparse = number(text(value, "limit")), text(value, "sparse") == "yes"
            return Threshold(name, title, of, column, measure, op, limit, line, before.collapsed, sparse)


def row_of(value: Any) -> Row:
    return Row(tuple(layer_of(layer) for layer in listed(value, "layers")), text(value, "advice"))


def layer_of(value: Any) -> Layer:
    pairs = [
        (str(pair[0]), str(pair[1])) for pair in listed(value, "params") if isinstance(pair, list) and len(pair) == 2
    ]
    together = {name: [one for own, one in pairs if own == name] for name, _ in pairs}  # one parameter's values
    params = tuple((name, one) for name, values in together.items() for one in values)
    return Layer(params, text(value, "chart"), text(value, "label"))


def variable_of(value: Any) -> Variable:
    """Raises NotebookError."""
    kind, name, title, label, metric = (
        text(value, field).strip() for field in ("kind", "name", "title", "label", "metric")
    )
    default = tuple(str(one) for one in listed(value, "default"))
    if kind == "text":
        default = (", ".join(default),)
    of_label = (label, metric) if kind == "label" else ("", "")
    return Variable(name, kind, () if kind == "cluster" else default, title, *of_label)


def text(value: Any, field: str, default: str = "") -> str:
    found = value.get(field, default) if isinstance(value, Mapping) else default
    return found if isinstance(found, str) else str(found)


def listed(value: Any, field: str) -> list[Any]:
    found = value.get(field) if isinstance(value, Mapping) else None
    return found if isinstance(found, list) else []


def span_of(written: str) -> Range | None:
    """What `spelled` wrote. Raises NotebookError."""
    start, slash, end = written.partition("/")
    try:
        return Range.from_params({"from": start, "to": end} if slash else {"range": start}) if written else None
    except BadParameter as error:
        raise NotebookError(f"range: {error.message}") from None


def number(written: str) -> float:
    try:
        return float(written.strip().replace(",", "."))
    except ValueError:
        raise NotebookError(f"the limit “{written[:40]}” is no number; write 0.05 or 1e6") from None
