"""What Prometheus says of a moment, of an expression's parts, and of the library, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from cells.table import MOST_ROWS, Column, Table, linked, records
from cells.views.plain import OF_UNIT
from data_sources.answer import Answer
from data_sources.microseconds import ms
from exports.plain_values import special_name

NO_SERIES = ("No series at this moment.", "Explain, beside the query, shows where they go missing.")

PARTS = (
    Column("part", "part of the expression", "code", "Each stands under what it is part of"),
    Column("series", "series", "number", "At the end of the range", "a number has none"),
    Column("says", "why"),
    Column("lost", "labels that vanish here", "flags", "Those that what it is made of has, and it has not"),
    Column("labels", "labels", "names", unknown="a number has none"),
    Column("milliseconds", "took, ms", "number", "Of the server, evaluating it alone", "not asked"),
    Column("samples", "samples read", "number", unknown="not told"),
)

NAMED = (
    Column("title", "query"),
    Column("advice", "what to conclude"),
    Column("family", "reads"),
    Column("unit", "unit"),
)
ABSENT = "Not here: what would give them"
EMPTY = ("The library is known once Prometheus answers.",)


def values(frame: pd.DataFrame, answers: Mapping[str, Answer]) -> Table:
    """Labels, then the value; with its time where a series has several."""
    labels = [str(name) for name in frame.columns if name not in ("time", "value")]
    timed = frame["time"].nunique() > 1
    unit = answers["rows"].units.get("value", "")
    textual = not pd.api.types.is_numeric_dtype(frame["value"])
    columns = (
        *(Column(label, label, unknown="it has no such label") for label in labels),
        *([Column("time", "time", "time")] if timed else []),
        Column("value", "value", "text" if textual else OF_UNIT.get(unit, "number"), unknown="not a number"),
    )
    rows = [
        [*(row[label] for label in labels), *([ms(row["time"])] if timed else []), row["value"]]
        for row in records(frame, special_name)
    ]
    return Table(columns, rows, NO_SERIES, left_out=max(0, len(frame) - MOST_ROWS))


def explained(frame: pd.DataFrame, _answers: Mapping[str, Answer]) -> Table:
    """A part a row, further in the deeper it stands."""
    rows = [
        [
            indented(row["depth"], row["part"]),
            row["series"],
            row["says"],
            [[label, "warn", "Gone from here on"] for label in row["lost"]],
            row["labels"],
            None if row["seconds"] is None else row["seconds"] * 1000,
            row["samples"],
        ]
        for row in records(frame)
    ]
    return Table(PARTS, rows, ())


def indented(depth: int, text: str) -> str:
    """Under what it is part of; the spaces stay where lines break."""
    return "\u00a0\u00a0" * (depth - 1) + "└\u00a0" + text if depth else text


def named_queries(frame: pd.DataFrame, _answers: Mapping[str, Answer]) -> Table:
    """Those that find something here lead to it; apart from them the others, with what would give them."""
    rows: dict[bool, list[list[Any]]] = {True: [], False: []}
    for row in records(frame):
        title = linked(row["title"], "/explore", q=row["query"])
        conclude = row["advice"] if row["there"] else f"{row['advice']} From {row['given_by']}."
        rows[row["there"]].append([title, conclude, row["family"], row["unit"] or None])
    return Table(NAMED, rows[True], EMPTY if frame.empty else (), apart=rows[False], apart_label=ABSENT)
