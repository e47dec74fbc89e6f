"""Edits of a notebook: what each does, and that all of them can be taken back."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cells.cell import Cell as PageCell
from cells.cell import laid_out, over, row
from data_sources.audit_query import Audit
from data_sources.errors import BadParameter
from data_sources.query import Depths, PromQL, Query, Signal
from data_sources.task_query import TaskFilter, Tasks
from notebooks.editing import edits
from notebooks.editing.edits import MOST_STEPS, Edited, is_same
from notebooks.editing.forms import cell_of, value_of, variable_of
from notebooks.editing.starters import STARTERS, starter
from notebooks.error import NotebookError
from notebooks.notebook import Ask, Cell, Notebook, Prose, Sql, Threshold
from notebooks.taken import asked, taken
from notebooks.variable import Variable

TEXT, QUERY = Prose("text", "What is slow?"), starter("promql", Notebook("x"), "")
NOTEBOOK = Notebook("Is mail slow?", cells=(TEXT, QUERY, Sql("joined", "", "", "SELECT * FROM query")))
HOLDS = Threshold("holds", "", "query", "value", "max", "<", 3.0)


def order(notebook: Notebook) -> list[str]:
    return [cell.name for cell in notebook.cells]


def test_a_cell_is_added_behind_another_or_before_all_under_a_free_name() -> None:
    assert order(edits.add(NOTEBOOK, TEXT, "query")) == ["text", "query", "text_2", "joined"]
    assert order(edits.add(NOTEBOOK, HOLDS)) == ["holds", "text", "query", "joined"]
    assert order(edits.append(NOTEBOOK, HOLDS)) == ["text", "query", "joined", "holds"]
    assert order(edits.duplicate(NOTEBOOK, "text")) == ["text", "text_2", "query", "joined"]


def test_a_cell_moves_within_the_notebook_and_not_beyond() -> None:
    assert order(edits.move(NOTEBOOK, "query", -1)) == ["query", "text", "joined"]
    assert order(edits.move(NOTEBOOK, "text", -1)) == order(edits.move(NOTEBOOK, "joined", 1)) == order(NOTEBOOK)


def test_a_threshold_follows_its_cell_to_a_new_name() -> None:
    notebook = edits.append(NOTEBOOK, HOLDS)
    assert isinstance(QUERY, Ask)
    renamed = edits.change(notebook, "query", cell_of({**value_of(QUERY), "name": "rates"}, QUERY))
    holds = renamed.cell("holds")

    assert order(renamed) == ["text", "rates", "joined", "holds"]
    assert isinstance(holds, Threshold)
    assert holds.of == "rates"


def test_what_is_not_there_any_more_cannot_be_edited() -> None:
    with pytest.raises(KeyError):
        edits.delete(NOTEBOOK, "gone")


names = st.sampled_from(["text", "query", "joined", "holds", "series"])


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[str, str, int]]:
    kinds = st.sampled_from(["add", "duplicate", "move", "delete", "collapse", "title", "undo", "redo"])
    return draw(st.lists(st.tuples(kinds, names, st.integers(-3, 3)), max_size=30))


def stepped(edited: Edited, kind: str, name: str, number: int) -> Edited:
    now = edited.now
    try:
        match kind:
            case "add":
                return edited.to(edits.append(now, HOLDS))
            case "duplicate":
                return edited.to(edits.duplicate(now, name))
            case "move":
                return edited.to(edits.move(now, name, number))
            case "delete":
                return edited.to(edits.delete(now, name))
            case "collapse":
                return edited.to(edits.collapse(now, name, number > 0))
            case "title":
                return edited.to(edits.retitle(now, f"{name} {number}"))
            case "undo":
                return edited.undone()
    except KeyError:
        return edited  # that cell was deleted
    return edited.redone()


@given(steps())
def test_whatever_was_edited_can_be_undone_to_the_first_value_and_done_again(steps: list[tuple[str, str, int]]) -> None:
    edited = Edited(NOTEBOOK)
    for step in steps:
        edited = stepped(edited, *step)
    last = edited
    while last.future:
        last = last.redone()
    first = last
    while first.past:
        first = first.undone()
    again = first
    while again.future:
        again = again.redone()

    assert is_same(first.now, NOTEBOOK)
    assert is_same(again.now, last.now)
    assert len({*order(last.now)}) == len(last.now.cells)


def test_an_edit_that_changes_nothing_is_no_step_and_only_so_many_are_kept() -> None:
    edited = Edited(NOTEBOOK)
    assert edited.to(edits.move(NOTEBOOK, "text", -1)) is edited
    for number in range(MOST_STEPS + 5):
        edited = edited.to(edits.retitle(edited.now, str(number)))

    assert len(edited.past) == MOST_STEPS


# --- what an editor's forms make ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STARTERS)
def test_each_kind_begins_as_a_cell_that_its_form_reads_back(kind: str) -> None:
    cell = starter(kind, NOTEBOOK, "query")

    assert cell_of(value_of(cell), cell) == cell


def test_sql_and_a_threshold_begin_with_the_nearest_cell_above_and_need_one() -> None:
    assert "FROM query" in value_of(starter("sql", NOTEBOOK, "query"))["text"]
    assert value_of(starter("threshold", NOTEBOOK, "joined"))["of"] == "joined"
    with pytest.raises(NotebookError, match="no cell to read"):
        starter("sql", Notebook("x", cells=(TEXT,)), "text")
    with pytest.raises(NotebookError, match="no cells of the kind"):
        starter("<b>", NOTEBOOK, "")


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("name", "title", "line", "text", "rows", "layers", "params", "chart", "view", "range", "of", "op", "limit")


@given(st.dictionaries(st.sampled_from(FIELDS), json), st.sampled_from([TEXT, QUERY, NOTEBOOK.cells[2], HOLDS]))
def test_a_form_may_say_anything_and_is_refused_in_words(value: dict[str, object], before: Cell) -> None:
    with suppress(NotebookError):
        assert isinstance(cell_of(value, before), type(before))


def test_a_limit_is_a_number_however_a_person_writes_it() -> None:
    assert cell_of({**value_of(HOLDS), "limit": " 0,5 "}, HOLDS) == Threshold(
        "holds", "", "query", "value", "max", "<", 0.5
    )
    with pytest.raises(NotebookError, match="no number"):
        cell_of({**value_of(HOLDS), "limit": "many"}, HOLDS)


def test_a_variable_of_a_form_has_what_its_kind_has() -> None:
    form = {"kind": "queue", "name": "queue", "title": "", "default": ["mail"], "label": "x", "metric": "y"}

    assert variable_of(form) == Variable("queue", "queue", ("mail",))
    assert variable_of({**form, "kind": "text"}) == Variable("queue", "text", ("mail",))
    assert variable_of({**form, "kind": "cluster"}) == Variable("queue", "cluster")


# --- cells of pages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [Depths(("mail$1",)), PromQL('up{job="$x"}'), Signal("depth", "queue", ("$mail",)), Tasks(TaskFilter(search="$$"))],
)
def test_a_pages_cell_asks_the_same_in_a_notebook_whatever_looks_like_a_variable(query: Query) -> None:
    from cells.cell import laid_out

    plot = PageCell("What.flows", "What flows", "Look.", (row("waiting", query, "lines", over(query, "limit", "all")),))
    table = laid_out("table", "queues", "What waits", "Look.", query, "", {"depth": query})

    for cell in (plot, table):
        ask = taken(cell)
        again = asked(ask, {})
        assert (again.title, again.line, again.rows, again.view) == (cell.title, cell.line, cell.rows, cell.view)
    assert taken(plot).name == "what_flows"


def test_what_only_operators_see_is_not_for_notebooks() -> None:
    cell = laid_out("table", "audit", "", "", Audit(), "audit.entries", {})

    assert cell.is_secret
    with pytest.raises((NotebookError, BadParameter)):
        taken(cell)
