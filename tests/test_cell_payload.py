"""A cell as its module draws it: whatever a notebook pairs, the cell is drawn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pandas as pd
import pytest

import data_sources.ask
from cells import show
from cells.cell import Cell, laid_out, row
from cells.cell_payload import cell_payload
from cells.page_view import View
from cells.views import VIEWS
from charts.rows import KINDS
from data_sources.answer import Answer
from data_sources.audit_query import Audit
from data_sources.blank import blank_frame
from data_sources.query import Depths, Inspect, PromQL, Query, Signal, Workers
from data_sources.scope import Scope
from data_sources.task_query import Failures, Task, TaskNames, Tasks
from tests.watching import unwatched

LIVE = View(Scope(), None, ())
QUERIES: tuple[Query, ...] = (
    Workers(),
    Depths(),
    Inspect("active"),
    PromQL("up", True),
    Tasks(),
    TaskNames(),
    Failures(),
    Task("x"),
    Signal("depth", "queue"),
)


@pytest.fixture(scope="module", autouse=True)
def desk() -> Iterator[None]:
    desk = unwatched({})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_sources.ask, "_desk", desk)
        yield
    desk.stop()


def answers(query: Query) -> tuple[Answer, Answer]:
    """One of nothing, and one whose every value is a text that means nothing to any view."""
    blank = blank_frame(query)
    hostile = pd.DataFrame({name: ["<b>"] for name in blank.columns})
    return tuple(Answer(frame, query, measured_at=datetime.now(UTC)) for frame in (blank, hostile))  # type: ignore[return-value]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.kind)
def test_a_view_that_cannot_read_an_answer_shows_it_as_it_comes(query: Query) -> None:
    beside = {"depth": query, "throughput": query, "memory": query}
    for answer in answers(query):
        for kind, views in VIEWS.items():
            for view in views:
                cell = laid_out(kind, "c", "t", "l", query, view, beside)
                assert json.dumps(cell_payload(cell, [[answer] * 4], LIVE), allow_nan=False)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.kind)
def test_what_has_no_time_is_an_empty_plot(query: Query) -> None:
    for chart in KINDS:
        payload = cell_payload(Cell("c", "t", "l", (row("x", query, chart),)), [[answers(query)[1]]], LIVE)
        assert payload["rows"][0]["points"] == 0


def test_every_cell_can_be_taken_into_a_notebook_but_the_audit() -> None:
    for query, takes in ((Depths(), True), (Audit(), False)):
        answer = answers(query)[0]
        assert cell_payload(laid_out("table", "c", "t", "l", query, "", {}), [[answer]], LIVE)["takes"] is takes


def test_of_a_cell_is_made_ahead_what_is_kept_and_nothing_that_would_be_thrown_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ahead: list[bool] = []
    monkeypatch.setattr(show, "shown", dict)
    monkeypatch.setattr(show, "live", lambda queries, draw, view, make: ahead.append(make is not None))
    cells = [laid_out(kind, "c", "t", "l", Depths(), "", {}) for kind in ("table", "facts", "picture")]
    for cell in (Cell("c", "t", "l", (row("x", Signal("depth"), "lines"),)), *cells):
        show.show(cell, LIVE)
    assert ahead == [True, True, False, False]
