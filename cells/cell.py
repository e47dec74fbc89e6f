"""A cell as a value: a name, a title, one line that says what to conclude, and rows of questions with their charts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from data_sources.audit_query import Audit
from data_sources.query import Query

LAID_OUT = ("table", "facts", "picture")  # by a view; all other charts are drawn on a time axis


@dataclass(frozen=True)
class Layer:
    """One question and how its answer is drawn: as charts.rows.KINDS, or laid out.

    `label` names a series without labels; of what a view reads beside its rows it is the name it is known by.
    """

    query: Query
    kind: str
    label: str = ""


@dataclass(frozen=True)
class Row:
    """One row of a plot: what it shows, the advice that goes with it, and its layers, drawn in order."""

    label: str
    layers: tuple[Layer, ...]
    advice: str = ""


@dataclass(frozen=True)
class Cell:
    """What can be shown, linked, exported and taken into a notebook. `name` keys its widgets and its link.

    A table, facts or a picture is one row, laid out by `view`, one of cells.views.VIEWS; without one as it comes.
    """

    name: str
    title: str
    line: str
    rows: tuple[Row, ...]
    view: str = ""

    @property
    def kind(self) -> str:
        """One of LAID_OUT, or plot."""
        first = self.rows[0].layers[0].kind
        return first if first in LAID_OUT else "plot"

    @property
    def is_secret(self) -> bool:
        """Whether only operators see it, so that it is not for notebooks, which anybody may read."""
        return any(isinstance(query, Audit) for query in self.queries.values())

    @property
    def queries(self) -> dict[str, Query]:
        """What it asks, by row and layer."""
        return {
            f"{place}.{depth}": layer.query
            for place, row in enumerate(self.rows)
            for depth, layer in enumerate(row.layers)
        }


def row(label: str, query: Query, kind: str, *over: Layer, advice: str = "") -> Row:
    return Row(label, (Layer(query, kind, label), *over), advice)


def over(query: Query, kind: str, label: str = "") -> Layer:
    """A further layer on the same row."""
    return Layer(query, kind, label)


def laid_out(kind: str, name: str, title: str, line: str, query: Query, view: str, beside: Mapping[str, Query]) -> Cell:
    """A cell of one of the kinds LAID_OUT."""
    layers = (Layer(query, kind), *(Layer(other, kind, label) for label, other in beside.items()))
    return Cell(name, title, line, (Row("", layers),), view)
