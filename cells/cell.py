"""A cell as a value: a name, a title, one line that says what to conclude, and rows of questions with their charts."""

from __future__ import annotations

from dataclasses import dataclass

from data_sources.query import Query


@dataclass(frozen=True)
class Layer:
    """One question and how its answer is drawn (see charts.rows.KINDS); `label` names a series without labels."""

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
    """What can be shown, linked, exported and taken into a notebook. `name` keys its widgets and its link."""

    name: str
    title: str
    line: str
    rows: tuple[Row, ...]


def row(label: str, query: Query, kind: str, *over: Layer, advice: str = "") -> Row:
    return Row(label, (Layer(query, kind, label), *over), advice)


def over(query: Query, kind: str, label: str = "") -> Layer:
    """A further layer on the same row."""
    return Layer(query, kind, label)
