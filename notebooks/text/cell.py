"""A cell as a notebook's file holds it: a fence whose kind says what its body is.

The kind is a source, for one question (the body is the expression of `promql`, and the parameters of all others as
TOML); `plot`, for rows of several on one axis; `table`, `facts` or `picture`, for one with others beside it; `sql`,
whose body is the text; or `threshold`. What a cell is called and how it is drawn stands in its first line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cells.cell import LAID_OUT
from data_sources.errors import BadParameter
from data_sources.scope import Range
from notebooks.error import NotebookError
from notebooks.notebook import KINDS, Ask, Cell, Layer, Prose, Row, Sql, Threshold
from notebooks.text.blocks import Fence
from notebooks.text.toml import line_of, pair, quoted, read_toml

PAIR = re.compile(r'([a-z]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*")(?:[ \t]+|$)')
HEAD = ("name", "title", "line", "collapsed")
OF_ASK = (*HEAD, "range", "from", "to")
RANGES = ("range", "from", "to")
OF_THRESHOLD = ("of", "column", "measure", "op")

Given = dict[str, str]  # the pairs of a cell's first line
Body = dict[str, Any]


def read_cell(fence: Fence) -> Ask | Sql | Threshold:
    """Raises NotebookError."""
    try:
        given = pairs(fence.info)
        collapsed = is_yes(given, "collapsed")
        head = {"name": given.get("name", ""), "title": given.get("title", ""), "line": given.get("line", "")}
        if fence.kind not in KINDS:
            raise NotebookError(f"there is no cell of kind “{fence.kind[:40]}”; the kinds are {', '.join(KINDS)}")
        if fence.kind == "sql":
            only(given, (*HEAD, "chart"))
            chart = given.get("chart", "table")
            return Sql(**head, text="\n".join(fence.lines), chart=chart, collapsed=collapsed)
        if fence.kind == "threshold":
            only(given, HEAD)
            held = body(fence, (*OF_THRESHOLD, "limit", "sparse"))
            limit, sparse = number(held, "limit", fence), truth(held, "sparse", fence)
            texts = {key: text(held, key, fence) for key in OF_THRESHOLD}
            return Threshold(**head, **texts, limit=limit, sparse=sparse, collapsed=collapsed)
        pinned = read_range({name: given[name] for name in RANGES if name in given})
        return Ask(**head, rows=read_rows(fence, given), view=given.get("view", ""), range=pinned, collapsed=collapsed)
    except NotebookError as error:
        raise NotebookError(error.message, error.line or fence.line) from None


def read_rows(fence: Fence, given: Given) -> tuple[Row, ...]:
    kind, label = fence.kind, given.get("label", "")
    if kind == "plot":
        only(given, OF_ASK)
        return tuple(read_row(row, fence) for row in tables(body(fence, ("row",)), "row", fence))
    if kind in LAID_OUT:
        only(given, (*OF_ASK, "view", "label"))
        table = body(fence)
        beside = table.pop("beside", {})
        if not isinstance(beside, dict) or not all(isinstance(one, dict) for one in beside.values()):
            raise NotebookError("beside holds tables, such as [beside.depth]", at("beside", fence))
        others = [Layer(params(one, fence), kind, name) for name, one in beside.items()]
        return (Row((Layer(params(table, fence), kind, label), *others)),)
    chart = given.get("chart") or ("table" if given.get("view") else "")
    if not chart:
        raise NotebookError('chart is missing; write chart="lines", or chart="table"')
    if kind == "promql":
        only(given, (*OF_ASK, "view", "label", "chart", "instant"))
        instant = (("instant", "1"),) if is_yes(given, "instant") else ()
        return (Row((Layer((("source", kind), ("q", "\n".join(fence.lines)), *instant), chart, label),)),)
    only(given, (*OF_ASK, "view", "label", "chart"))
    return (Row((Layer(params({"source": kind, **body(fence, without=("source",))}, fence), chart, label),)),)


def read_row(table: Body, fence: Fence) -> Row:
    over = tables(table, "over", fence) if "over" in table else []
    advice = text(table, "advice", fence)
    layers = [table, *over]
    return Row(tuple(read_layer(layer, fence) for layer in layers), advice)


def read_layer(table: Body, fence: Fence) -> Layer:
    chart, label = text(table, "chart", fence), text(table, "label", fence)
    asked = {key: value for key, value in table.items() if key not in ("chart", "label", "advice", "over")}
    return Layer(params(asked, fence), chart, label)


def params(table: Body, fence: Fence) -> tuple[tuple[str, str], ...]:
    """A question's parameters, source first."""
    found: list[tuple[str, str]] = []
    for key, value in sorted(table.items(), key=lambda item: item[0] != "source"):
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(one, str) for one in values):
            raise NotebookError(f'{key[:40]} must be text, or a list of texts: write {key[:40]} = "50"', at(key, fence))
        found += [(key, one) for one in values]
    return tuple(found)


def number(table: Body, key: str, fence: Fence) -> float:
    value = table.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotebookError(f"{key} must be a number, such as {key} = 1000", at(key, fence))
    try:
        return float(value)
    except OverflowError:
        raise NotebookError(f"{key} is too large", at(key, fence)) from None


def truth(table: Body, key: str, fence: Fence) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise NotebookError(f"{key} must be true or false: {key} = true", at(key, fence))
    return value


def body(fence: Fence, allowed: Collection[str] | None = None, without: Collection[str] = ()) -> Body:
    table = read_toml(fence.lines, fence.line + 1)
    unknown = [key for key in table if key in without or (allowed is not None and key not in allowed)]
    if unknown:
        choices = f"; a {fence.kind} takes {', '.join(allowed)}" if allowed else ""
        raise NotebookError(f"“{unknown[0][:40]}” has no place here{choices}", at(unknown[0], fence))
    return table


def tables(table: Body, key: str, fence: Fence) -> Sequence[Body]:
    found = table.get(key, [])
    if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
        raise NotebookError(f"{key} is written as tables, each begun with its [[{key}]]", at(key, fence))
    return found


def text(table: Body, key: str, fence: Fence) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise NotebookError(f'{key} must be text, in quotes: {key} = "…"', at(key, fence))
    return value


def at(key: str, fence: Fence) -> int:
    return line_of(key, fence.lines, fence.line + 1)


def pairs(info: str) -> Given:
    found: Given = {}
    place = 0
    while place < len(info):
        match = PAIR.match(info, place)
        if match is None:
            raise NotebookError(f'write pairs such as name="depth" title="Waiting", not “{info[place : place + 40]}”')
        if match[1] in found:
            raise NotebookError(f"{match[1]} is given twice")
        if "`" in match[2]:
            raise NotebookError(f"{match[1]} holds a `, which Markdown does not allow here; write \\u0060")
        try:
            found[match[1]] = json.loads(match[2])
        except ValueError:
            raise NotebookError(f"{match[1]} is not a text in quotes as JSON writes it") from None
        place = match.end()
    return found


def only(given: Given, allowed: Collection[str]) -> None:
    if unknown := [key for key in given if key not in allowed]:
        raise NotebookError(f"“{unknown[0][:40]}” has no place here; this kind of cell takes {', '.join(allowed)}")


def is_yes(given: Given, key: str) -> bool:
    if given.get(key, "yes") != "yes":
        raise NotebookError(f'{key} is “yes”, or left out: {key}="yes"')
    return key in given


def read_range(given: Mapping[str, str]) -> Range | None:
    """Raises NotebookError."""
    if not given:
        return None
    if given.keys() not in ({"range"}, {"from", "to"}):
        raise NotebookError('write range="6h", or from and to')
    try:
        return Range.from_params(given)
    except BadParameter as error:
        raise NotebookError(f"{error.name} {error.message}") from None


def write_cell(cell: Cell) -> str:
    """Without a newline at its end. Prose as it is; see notebooks.text.file for the line that may stand before it."""
    match cell:
        case Prose():
            return cell.text
        case Sql():
            return fenced(cell, "sql", {"chart": cell.chart if cell.chart != "table" else ""}, cell.text)
        case Threshold():
            return fenced(cell, "threshold", {}, write_threshold(cell))
    pinned = cell.range.to_params() if cell.range else {}
    first, label = cell.rows[0].layers[0], {"label": cell.rows[0].label}
    if cell.chart in LAID_OUT and cell.beside:
        return fenced(cell, cell.chart, {"view": cell.view, **label, **pinned}, write_laid_out(cell))
    if len(cell.rows) > 1 or len(cell.rows[0].layers) > 1 or cell.rows[0].advice:
        return fenced(cell, "plot", pinned, "\n\n".join(write_row(row) for row in cell.rows))
    given = {"chart": cell.chart, "view": cell.view, **label, **pinned}
    if first.source != "promql":
        return fenced(cell, first.source, given, write_params(first.params[1:]))
    asked = dict(first.params)
    return fenced(cell, "promql", {**given, "instant": "yes" if asked.get("instant") else ""}, asked["q"])


def write_threshold(cell: Threshold) -> str:
    texts = [pair(key, getattr(cell, key)) for key in OF_THRESHOLD]
    limit = int(cell.limit) if cell.limit.is_integer() and abs(cell.limit) < 1e15 else cell.limit
    return "\n".join([*texts, f"limit = {limit!r}", *(["sparse = true"] if cell.sparse else [])])


def write_laid_out(cell: Ask) -> str:
    beside = [f"[beside.{layer.label}]\n{write_params(layer.params)}" for layer in cell.beside]
    return "\n\n".join([write_params(cell.rows[0].layers[0].params), *beside])


def write_row(row: Row) -> str:
    advice = [pair("advice", row.advice)] if row.advice else []
    first = "\n".join(["[[row]]", *advice, write_layer(row.layers[0])])
    return "\n\n".join([first, *(f"[[row.over]]\n{write_layer(layer)}" for layer in row.layers[1:])])


def write_layer(layer: Layer) -> str:
    label = [pair("label", layer.label)] if layer.label else []
    return "\n".join([*label, pair("chart", layer.chart), write_params(layer.params)])


def write_params(params: Sequence[tuple[str, str]]) -> str:
    values: dict[str, list[str]] = {}
    for key, value in params:
        values.setdefault(key, []).append(value)
    return "\n".join(pair(key, many[0] if len(many) == 1 else many) for key, many in values.items())


def fenced(cell: Ask | Sql | Threshold, kind: str, given: Given, text: str) -> str:
    given = {"name": cell.name, "title": cell.title, "line": cell.line, **given}
    given |= {"collapsed": "yes"} if cell.collapsed else {}
    said = " ".join(f"{key}={quoted(value)}" for key, value in given.items() if value).replace("`", "\\u0060")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return "\n".join([f"{marks}{kind} {said}", *([text] if text else []), marks])
