"""The notebooks that ship as examples, and the one in the manual: written the one way, with questions to be asked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cells.cell import LAID_OUT
from cells.cell_payload import by_label
from cells.views import VIEWS
from data_sources.answer import Answer
from data_sources.blank import blank_frame
from notebooks import taken
from notebooks.needs import made_of
from notebooks.notebook import Ask, Notebook, Prose, Threshold
from notebooks.text.file import read, read_cells, write
from notebooks.variables import chosen, named

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "notebooks" / "examples").glob("*.md"))


def in_the_manual() -> list[str]:
    """The notebook there, and cells of others."""
    manual = (ROOT / "docs/notebooks.md").read_text()
    found: list[str] = re.findall(r"^````markdown\n(.+?)^````$", manual, re.MULTILINE | re.DOTALL)
    return found


def test_three_ship() -> None:
    assert [read(path.read_text()).title for path in EXAMPLES] == [
        "What did the deploy change?",
        "Which task eats the memory?",
        "Why is the queue growing?",
    ]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_can_be_asked_with_two_values_of_each_variable(path: Path) -> None:
    notebook = read(path.read_text())
    two = {f"var-{one.name}": ["mail", "images"] for one in notebook.variables if one.kind not in ("text", "cluster")}
    values = chosen(notebook.variables, two, "default")

    for ask in notebook.cells:
        if isinstance(ask, Ask):
            taken.asked(ask, values)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_written_the_one_way_argues_and_judges(path: Path) -> None:
    notebook = read(path.read_text())

    assert write(notebook) == path.read_text()
    assert sum(isinstance(cell, Prose) for cell in notebook.cells) >= 3
    assert any(isinstance(cell, Threshold) for cell in notebook.cells)
    assert_can_be_asked(notebook)


def test_the_notebook_in_the_manual_can_be_asked_and_all_cells_there_be_read() -> None:
    whole, *cells = in_the_manual()
    notebook = read(whole)

    assert write(notebook) == whole
    assert_can_be_asked(notebook)
    for text in cells:
        assert read_cells(text.split("\n"), 1)


def assert_can_be_asked(notebook: Notebook) -> None:
    """Every question with the variables' defaults; whatever views, SQL and thresholds read is there."""
    values = chosen(notebook.variables, {}, "default")
    asked = [cell for cell in notebook.cells if isinstance(cell, Ask)]
    for cell in (taken.asked(ask, values) for ask in asked):
        if cell.kind in LAID_OUT:
            answers = [Answer(blank_frame(query), query) for query in cell.queries.values()]
            VIEWS[cell.kind][cell.view](answers[0].frame, by_label(cell, answers))
    assert set().union(*map(named, asked)) <= values.keys()
    for each in notebook.cells:
        made_of(notebook, each.name)
