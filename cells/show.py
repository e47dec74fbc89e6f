"""Shows cells: each a fragment that asks, draws, links and downloads, and ticks by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import streamlit as st

from cells import component, controls
from cells.cell import Cell, Row
from cells.facts import FactsView
from cells.once import Once
from cells.payload import facts_payload, headline_payload, picture_payload, plot_payload, table_payload
from cells.picture import PictureView
from cells.table import Table, View
from data_sources import ask
from data_sources.answer import Answer
from data_sources.query import Query, Sources
from headlines.headline import Headline

TICK_WAIT_SECONDS = 0.3

TABLES: Once[Table] = Once()


def headline(tell: Callable[[Mapping[str, Answer]], Headline], **queries: Query) -> None:
    """The sentence that `tell` makes of the answers to `queries`, under the state of every source."""

    def draw(answers: Mapping[str, Answer]) -> None:
        sources = answers["sources"]
        told = {name: answer for name, answer in answers.items() if name != "sources"}
        component.draw("headline", key="cn_headline", data=headline_payload(tell, told, sources))

    live({**queries, "sources": Sources()}, draw)


def plot(name: str, title: str, line: str, *rows: Row) -> None:
    """Rows on one time axis; each row keeps its own answers, failure and CSV."""
    cell = Cell(name, title, line, rows)
    queries = {
        f"{place}.{depth}": layer.query for place, row in enumerate(rows) for depth, layer in enumerate(row.layers)
    }

    def draw(answers: Mapping[str, Answer]) -> None:
        by_row = [[answers[f"{place}.{depth}"] for depth in range(len(row.layers))] for place, row in enumerate(rows)]
        data = plot_payload(cell, by_row, controls.current())
        zoomed = component.draw("cell", key=f"cn_{name}", data=data, on_range_change=lambda: None).range
        if isinstance(zoomed, list) and len(zoomed) == 2:
            # The zoom made the page's range: everything is asked anew for it, in finer steps.
            controls.set_params({"from": str(zoomed[0])[:40], "to": str(zoomed[1])[:40]})
            st.rerun(scope="app")

    live(queries, draw)


def table(name: str, title: str, line: str, query: Query, view: View, **beside: Query) -> None:
    """The answer's rows as `view` lays them out; it reads all answers, that to `query` as `rows`."""

    def draw(answers: Mapping[str, Answer]) -> None:
        asked = [*answers.values()]
        what = (view, *((answer.query, answer.measured_at, answer.failure) for answer in asked))
        shown = TABLES.get(what, asked, lambda: view(answers["rows"].frame, answers))
        component.draw(
            "cell", key=f"cn_{name}", data=table_payload(name, title, line, answers["rows"], shown, controls.current())
        )

    live({"rows": query, **beside}, draw)


def facts(name: str, title: str, line: str, query: Query, view: FactsView, **beside: Query) -> None:
    """What the answer says of one thing, as `view` lays it out; it reads all answers, that to `query` as `rows`."""

    def draw(answers: Mapping[str, Answer]) -> None:
        shown = view(answers["rows"].frame, answers)
        component.draw(
            "cell", key=f"cn_{name}", data=facts_payload(name, title, line, answers, shown, controls.current())
        )

    live({"rows": query, **beside}, draw)


def picture(name: str, title: str, line: str, query: Query, view: PictureView, **beside: Query) -> None:
    """The answer as `view` draws it; it reads all answers, that to `query` as `rows`."""

    def draw(answers: Mapping[str, Answer]) -> None:
        drawn = view(answers["rows"].frame, answers)
        component.draw(
            "cell", key=f"cn_{name}", data=picture_payload(name, title, line, answers, drawn, controls.current())
        )

    live({"rows": query, **beside}, draw)


def live(queries: Mapping[str, Query], draw: Callable[[Mapping[str, Answer]], None]) -> None:
    """Draws now and at every refresh; each second, even with refresh off, until the first answers are there."""
    refresh = controls.current().refresh
    answers = answers_to(queries, 0.0)
    if not all(map(is_current, answers.values())):  # a newer one under way is not waited for: the next tick has it
        answers = answers_to(queries, controls.seconds_to_wait())
    pending = not all(map(is_current, answers.values()))
    at_hand = iter([answers])  # for the first drawing; each tick asks anew

    def panel() -> None:
        answers = next(at_hand, None) or answers_to(queries, TICK_WAIT_SECONDS)
        draw(answers)
        settled = all(map(is_current, answers.values()))
        if settled if pending else any(answer.pending for answer in answers.values()):
            st.rerun(scope="app")  # the full run gives this panel its proper rhythm

    st.fragment(panel, run_every=timedelta(seconds=1) if pending else refresh)()


def is_current(answer: Answer) -> bool:
    """Whether there is nothing to wait for: it failed, is of the past, or is not much older than the page refreshes."""
    scope = controls.current().scope
    if answer.failure or (answer.measured_at and not scope.range.is_live):
        return True
    step = answer.window.step if answer.window else answer.lasts
    return answer.measured_at is not None and datetime.now(UTC) - answer.measured_at < step + 3 * scope.max_age


def answers_to(queries: Mapping[str, Query], wait_seconds: float) -> dict[str, Answer]:
    """Waits that long for all of them together."""
    scope, ends = controls.current().scope, time.monotonic() + wait_seconds
    answers = {name: ask.ask(query, scope) for name, query in queries.items()}  # all are under way before any waiting
    if not wait_seconds:
        return answers
    return {name: ask.ask(query, scope, max(0.0, ends - time.monotonic())) for name, query in queries.items()}
