"""Shows cells: each a fragment that asks, draws, links and downloads, and ticks by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, NoReturn

import streamlit as st

from cells import component, controls
from cells.ahead import AHEAD, Make, Part
from cells.asking import answers_to, current
from cells.cell import Cell, Row, laid_out
from cells.cell_payload import MADE_ONCE, cell_payload
from cells.facts import FactsView
from cells.page_view import View
from cells.payload import headline_payload
from cells.picture import PictureView
from cells.table import View as TableView
from cells.views import name_of
from data_sources.answer import Answer
from data_sources.query import Query, Sources
from data_sources.scope import Scope
from headlines.headline import Headline

TICK_WAIT_SECONDS = 0.3

Derive = Callable[[Mapping[str, Answer], float], dict[str, Answer]]  # within so many seconds


def headline(tell: Callable[[Mapping[str, Answer]], Headline], **queries: Query) -> None:
    """The sentence that `tell` makes of the answers to `queries`, under the state of every source."""

    def payload(answers: Mapping[str, Answer]) -> dict[str, Any]:
        told = {name: answer for name, answer in answers.items() if name != "sources"}
        return headline_payload(tell, told, answers["sources"])

    def draw(answers: Mapping[str, Answer]) -> None:
        component.draw("headline", key="cn_headline", data=payload(answers))

    live({**queries, "sources": Sources()}, draw, make=payload)


def plot(name: str, title: str, line: str, *rows: Row) -> None:
    """Rows on one time axis; each row keeps its own answers, failure and CSV."""
    show(Cell(name, title, line, rows))


def table(name: str, title: str, line: str, query: Query, view: TableView, **beside: Query) -> None:
    """The answer's rows as `view` lays them out; it reads all answers, that to `query` as `rows`."""
    show(laid_out("table", name, title, line, query, name_of(view), beside))


def facts(name: str, title: str, line: str, query: Query, view: FactsView, **beside: Query) -> None:
    """What the answer says of one thing, as `view` lays it out; it reads all answers, that to `query` as `rows`."""
    show(laid_out("facts", name, title, line, query, name_of(view), beside))


def picture(name: str, title: str, line: str, query: Query, view: PictureView, **beside: Query) -> None:
    """The answer as `view` draws it; it reads all answers, that to `query` as `rows`."""
    show(laid_out("picture", name, title, line, query, name_of(view), beside))


def show(cell: Cell, view: View | None = None) -> None:
    """`view`: its own, where that is not the page's."""
    shown()[cell.name] = cell
    seen = view or controls.current()

    def payload(answers: Mapping[str, Answer]) -> dict[str, Any]:
        by_row = [
            [answers[f"{place}.{depth}"] for depth in range(len(row.layers))] for place, row in enumerate(cell.rows)
        ]
        return cell_payload(cell, by_row, seen)

    def draw(answers: Mapping[str, Answer]) -> None:
        data = payload(answers)
        zoomed = component.draw("cell", key=f"cn_{cell.name}", data=data, on_range_change=lambda: None).range
        if isinstance(zoomed, list) and len(zoomed) == 2:
            # The zoom made the page's range: everything is asked anew for it, in finer steps.
            controls.set_params({"from": str(zoomed[0])[:40], "to": str(zoomed[1])[:40]})
            st.rerun(scope="app")

    live(cell.queries, draw, view, make=payload if cell.kind in MADE_ONCE else None)


def begin(path: str) -> None:
    """A new run of the page at `path`, of which nothing is shown yet."""
    parts: list[Part] = []
    state = st.session_state
    state["cn_before"] = {**before(), **shown()} if state.get("cn_path") == path else {}
    state["cn_path"], state["cn_shown"], state["cn_parts"] = path, {}, parts
    params = [(name, value) for name, values in controls.fields().items() for value in values]
    AHEAD.remember(path, params, parts)


def ended() -> None:
    """The run has shown all that the page has: what the run before it had shown counts no more."""
    st.session_state["cn_before"] = {}


class End(Exception):
    """Of a page, before its last line. `st.stop` would end what comes after the page too."""


def end() -> NoReturn:
    raise End


def shown() -> dict[str, Cell]:
    """The cells of this run's page, by name; while it begins, of the run before."""
    cells: dict[str, Cell] = st.session_state.setdefault("cn_shown", {})
    return cells


def before() -> dict[str, Cell]:
    """The cells that the page showed before a run that a click has broken off, by name."""
    cells: dict[str, Cell] = st.session_state.get("cn_before", {})
    return cells


def take(name: str, title: str) -> None:
    """Hands a cell of the page with this title, or all of them, to the notebook that is opened next."""
    seen = {**before(), **shown()}.values()
    taken = [cell for cell in seen if name in (cell.name, controls.TAKE_ALL) and not cell.is_secret]
    st.session_state["cn_taken"] = (title, taken)


def asked() -> list[tuple[Query, Scope]]:
    """All that this run's page has asked, be it for a cell or not."""
    return [(query, part.scope) for part in parts() for query in part.queries.values()]


def ask_too(questions: Iterable[tuple[Query, Scope]]) -> None:
    """Has this run's page ask what no cell of its own shows."""
    parts().extend(Part({"": query}, scope) for query, scope in questions)


def parts() -> list[Part]:
    """Of this run's page."""
    known: list[Part] = st.session_state.setdefault("cn_parts", [])
    return known


def live(
    queries: Mapping[str, Query],
    draw: Callable[[Mapping[str, Answer]], None],
    view: View | None = None,
    derive: Derive | None = None,
    make: Make | None = None,
) -> None:
    """Draws now and at every refresh; each second, even with refresh off, until the first answers are there.

    `derive` makes further answers of those to `queries`. `make`: what of `draw` can be done ahead of it.
    """
    view = view or controls.current()
    scope, refresh = view.scope, view.refresh
    parts().append(Part(queries, scope, make))

    def answers_within(wait_seconds: float) -> dict[str, Answer]:
        answers = answers_to(queries, scope, wait_seconds)
        return answers | derive(answers, wait_seconds) if derive else answers

    answers = answers_within(0.0)
    if not current(answers, scope):  # a newer one under way is not waited for: the next tick has it
        answers = answers_within(controls.seconds_to_wait())
    pending = not current(answers, scope)
    at_hand = iter([answers])  # for the first drawing; each tick asks anew

    def panel() -> None:
        answers = next(at_hand, None) or answers_within(TICK_WAIT_SECONDS)
        draw(answers)
        settled = current(answers, scope)
        if settled if pending else any(answer.pending for answer in answers.values()):
            controls.run_anew()  # the full run gives this panel its proper rhythm

    st.fragment(panel, run_every=timedelta(seconds=1) if pending else refresh)()
