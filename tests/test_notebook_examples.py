"""The notebooks that ship as examples, and the one in the manual: written the one way, with questions to be asked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from notebooks.file import read, write
from notebooks.needs import made_of
from notebooks.notebook import Ask, Notebook, Prose, Threshold
from notebooks.variables import chosen, named, query

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "notebooks" / "examples").glob("*.md"))


def notebook_in_the_manual() -> str:
    found: list[str] = re.findall(
        r"^````markdown\n(.+?)^````$", (ROOT / "docs/notebooks.md").read_text(), re.MULTILINE | re.DOTALL
    )
    (text,) = found
    return text


def test_three_ship() -> None:
    assert [read(path.read_text()).title for path in EXAMPLES] == [
        "What did the deploy change?",
        "Which task eats the memory?",
        "Why is the queue growing?",
    ]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_written_the_one_way_argues_and_judges(path: Path) -> None:
    notebook = read(path.read_text())

    assert write(notebook) == path.read_text()
    assert sum(isinstance(cell, Prose) for cell in notebook.cells) >= 3
    assert any(isinstance(cell, Threshold) for cell in notebook.cells)
    assert_can_be_asked(notebook)


def test_the_notebook_in_the_manual_can_be_asked() -> None:
    notebook = read(notebook_in_the_manual())

    assert write(notebook) == notebook_in_the_manual()
    assert_can_be_asked(notebook)


def assert_can_be_asked(notebook: Notebook) -> None:
    """Every question with the variables' defaults; whatever SQL and thresholds read is there."""
    values = chosen(notebook.variables, {}, "default")
    asked = [cell for cell in notebook.cells if isinstance(cell, Ask)]
    for cell in asked:
        for row in cell.rows:
            for layer in row.layers:
                query(layer, values)
    assert set().union(*map(named, asked)) <= values.keys()
    for each in notebook.cells:
        made_of(notebook, each.name)
