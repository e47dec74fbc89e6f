"""Answers as the JSON that the browser's modules draw."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import orjson

from cells.cell import Cell, Row
from cells.commands import by_hand
from cells.facts import Facts
from cells.page_view import View, frozen, link_params
from cells.picture import Picture
from cells.table import Table
from charts.once import Once, of_when
from charts.rows import PlotLayer, PlotRow, not_all_drawn, rows_figure
from charts.series import MOST_LINES
from charts.theme import DARK_OF
from data_sources import ask
from data_sources.answer import Answer
from data_sources.audit_query import Audit
from data_sources.derived_query import Derived
from data_sources.microseconds import ms
from data_sources.now_frames import frame_rows
from data_sources.query import Query
from data_sources.scope import Window
from data_sources.sealed.answers import MISSING, SOURCE
from data_sources.setup.parts import part
from data_sources.task_query import Tasks
from exports.about import file_link
from headlines.headline import Headline

Shown = TypeVar("Shown", bound=Table | Facts | Picture)


@dataclass(frozen=True)
class Drawn:
    """`figure` as JSON, and of each row of the cell the notes of what it leaves out."""

    figure: str
    left_out: list[list[str]]


FIGURES: Once[Drawn] = Once()
HEADLINES: Once[Headline] = Once()


def plot_payload(cell: Cell, answers: Sequence[Sequence[Answer]], view: View) -> dict[str, Any]:
    window = ask.desk().window(view.scope)
    pending = all(answer.pending for row in answers for answer in row)
    asked = [answer for row in answers for answer in row]
    drawn = None if pending else FIGURES.of((cell, window), asked, lambda: made_figure(cell, answers, window))
    left_out = drawn.left_out if drawn else [[] for _ in cell.rows]
    return {
        **frame_payload(cell.name, cell.title, cell.line, view),
        "pending": pending,
        "figure": drawn and drawn.figure,
        "dark": DARK_OF,
        "window": {"start": ms(window.start), "end": ms(window.end), "step": window.step.total_seconds() * 1000},
        "window_key": json.dumps(view.scope.range.to_params()),
        "own_range": view.page is not None,
        "rows": [
            row_payload(row, list(parts), view, notes)
            for row, parts, notes in zip(cell.rows, answers, left_out, strict=True)
        ],
    }


def table_payload(name: str, title: str, line: str, answer: Answer, table: Table, view: View) -> dict[str, Any]:
    return {
        **frame_payload(name, title, line, view),
        "pending": answer.pending,
        "table": None if answer.pending else known(table, answer).to_dict(),
        "pages": pages(answer),
        "rows": [row_payload(Row("", ()), [answer], view)],
    }


def known(shown: Shown, answer: Answer) -> Shown:
    """Without what it says of nothing, when there may be something: the failure says what is wrong."""
    return replace(shown, empty=()) if answer.failure and answer.frame.empty else shown


def pages(answer: Answer) -> dict[str, Any] | None:
    """How a list that is sorted and cut where it is read is sorted, and where its next page begins."""
    if isinstance(answer.query, Audit):
        older = answer.next.before if isinstance(answer.next, Audit) else None
        return {"first": answer.query.before is None, "before": older and str(older)}
    if not isinstance(answer.query, Tasks):
        return None
    following = answer.next.after if isinstance(answer.next, Tasks) else None
    first = answer.query.after is None
    return {"sort": answer.query.sort, "first": first, "after": str(following) if following else None}


def facts_payload(
    name: str, title: str, line: str, answers: Mapping[str, Answer], facts: Facts, view: View
) -> dict[str, Any]:
    shown = answers_payload(name, title, line, answers, view)
    return {**shown, "facts": None if shown["pending"] else known(facts, answers["rows"]).to_dict()}


def picture_payload(
    name: str, title: str, line: str, answers: Mapping[str, Answer], picture: Picture, view: View
) -> dict[str, Any]:
    shown = answers_payload(name, title, line, answers, view)
    return {**shown, "picture": None if shown["pending"] else asdict(known(picture, answers["rows"]))}


def answers_payload(name: str, title: str, line: str, answers: Mapping[str, Answer], view: View) -> dict[str, Any]:
    """`answers`: the one that is shown, `rows`, and those beside it; each may fail, and has its file."""
    return {
        **frame_payload(name, title, line, view),
        "pending": answers["rows"].pending,
        "rows": [row_payload(Row("", ()), [answer], view) for answer in answers.values()],
    }


def frame_payload(name: str, title: str, line: str, view: View) -> dict[str, Any]:
    page = view.of_page
    live = link_params(page) if page.scope.range.is_live else None  # a frozen view follows nothing
    fixed = link_params(frozen(page))
    return {"name": name, "title": title, "line": line, "links": {"live": live, "frozen": fixed | {"refresh": "0"}}}


def row_payload(row: Row, answers: list[Answer], view: View, left_out: Sequence[str] = ()) -> dict[str, Any]:
    """One row's provenance: where from, how old, how made, what failed, what is absent or `left_out`, and its files."""
    measured = [answer.measured_at for answer in answers if answer.measured_at]
    cluster = ask.desk().cluster(view.scope.cluster)
    notes = list(dict.fromkeys(note.text for answer in answers for note in answer.notes if note.kind != "absent"))
    notes = [*(sums for answer in answers if (sums := in_all(answer))), *left_out, *notes]
    named = [*zip(layer_names(row), answers, strict=True)]
    files = {answer.query: (name, answer) for name, answer in named if not answer.pending}
    absent, empty = absences(row, answers), bool(measured) and all(answer.frame.empty for answer in answers)
    failures = [failure_payload(name, answer) for name, answer in named if answer.failure]
    return {
        "label": row.label,
        "advice": row.advice,
        "unit": next((answer.units["value"] for answer in answers if "value" in answer.units), ""),
        "origin": list(dict.fromkeys(answer.origin for answer in answers if answer.origin and answer.measured_at)),
        "code": list(dict.fromkeys(by_hand(answer.query, cluster) for answer in answers)),
        "csv": [
            {
                "label": name if row.label or any(layer.label for layer in row.layers) else file_label(answer.query),
                "href": "" if isinstance(answer.query, Derived) else file_link("csv", answer, view.scope),
                "more": isinstance(answer.next, Tasks),  # rows that are not on this page
            }
            for name, answer in files.values()
        ],
        "notes": notes if empty else notes + absent,
        "series": sum(answer.series for answer in answers),
        "points": sum(len(answer.frame) for answer in answers if answer.window),
        "took_ms": sum(answer.took.total_seconds() for answer in answers) * 1000,
        "measured_at": ms(min(measured, default=None)),
        "failures": failures,
        "empty": next(iter(absent), "nothing there in this time") if empty and not failures else "",
    }


def in_all(answer: Answer) -> str:
    """What is known of all queues together, also where it is not known of each."""
    known = [f"{count:,} {name}" for name in ("ready", "unacked") if (count := answer.totals.get(name)) is not None]
    return f"{' and '.join(known)} in all" if known else ""


def not_drawn(row: PlotRow) -> list[str]:
    """Of how many lines the largest are drawn; what is stacked has the others' sum."""
    counts = map(not_all_drawn, row.layers)
    return [f"The {MOST_LINES} largest of {count:,} are drawn; the file has all" for count in counts if count]


def layer_names(row: Row) -> list[str]:
    """What each layer is called in a message: the row, and for what is drawn over it also the layer; a row without a
    name goes by its layers.
    """
    names = [layer.label or layer.kind for layer in row.layers]
    return [row.label, *(f"{row.label}, {name}" for name in names[1:])] if row.label else names or [""]


def absences(row: Row, answers: Sequence[Answer]) -> list[str]:
    """What no source gives. A limit that is not there is no loss: few containers have one."""
    told = [answer for layer, answer in zip(row.layers, answers, strict=False) if layer.kind != "limit"]
    return list(dict.fromkeys(note.text for answer in told for note in answer.notes if note.kind == "absent"))


def failure_payload(label: str, answer: Answer) -> dict[str, Any]:
    """What happened, what to do; of the recorder, which all cells miss, that it is silent: the page says why once."""
    failure = answer.failure
    assert failure
    silent = failure.source == part("recorder").label
    return {
        "label": label,
        "source": failure.source,
        "what": "is silent" if silent else failure.what,
        "hint": "" if silent else failure.hint.rstrip("."),
        "since": ms(failure.since),
        "retry_at": ms(failure.retry_at),
        "measured_at": ms(answer.measured_at),
    }


def file_label(query: Query) -> str:
    params = dict(query.to_params())
    return f"{params.get('q', params['source'])[:60]}"


NOT_KEPT = Headline(("This page is not in the snapshot, or not all of it",), (MISSING[1],), "plain")


def is_missing(answer: Answer) -> bool:
    """Whether it was asked of a snapshot that does not hold it."""
    return answer.failure is not None and answer.failure.source == SOURCE


def headline_payload(
    tell: Callable[[Mapping[str, Answer]], Headline], answers: Mapping[str, Answer], sources: Answer
) -> dict[str, Any]:
    told = None
    if not any(answer.pending for answer in answers.values()):
        kept = not any(map(is_missing, answers.values()))
        told = (
            HEADLINES.of((tell, *map(of_when, answers.values())), [*answers.values()], lambda: tell(answers))
            if kept
            else NOT_KEPT
        )
    return {
        "headline": told and told.to_dict(),
        "sources": [
            {
                **row,
                "label": part(row["source"]).label,
                "hint": row["hint"] and row["hint"].rstrip("."),
                "since": ms(row["since"]),
                "retry_at": None,
            }
            for row in frame_rows(sources.frame)
        ],
    }


def made_figure(cell: Cell, answers: Sequence[Sequence[Answer]], window: Window) -> Drawn:
    rows = [plot_row(row, parts) for row, parts in zip(cell.rows, answers, strict=True)]
    figure = orjson.dumps(rows_figure(rows, window), default=typed_array).decode()
    return Drawn(figure, [not_drawn(row) for row in rows])


def typed_array(values: npt.NDArray[np.generic]) -> dict[str, str]:
    """Numbers as plotly.js reads them without parsing, NaN too: their bytes in base64."""
    return {"dtype": values.dtype.str.lstrip("<"), "bdata": b64encode(values.tobytes()).decode()}


def plot_row(row: Row, answers: Sequence[Answer]) -> PlotRow:
    layers = tuple(
        PlotLayer(answer.frame, answer.window, layer.kind, layer.label)
        for layer, answer in zip(row.layers, answers, strict=True)
        if answer.window
    )
    return PlotRow(row.label, layers, answers[0].notes)  # the band of the row's own layer, not of what is drawn over it
