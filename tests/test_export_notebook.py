"""A notebook run on the server for whoever asks for its file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

import pytest

from notebooks.notebook import Ask, Layer, Notebook, Prose, Row
from notebooks.text import link
from notebooks.variable import Variable
from tests.exports import Exports, exports_of
from tests.watching import unwatched

HOSTILE = "</script><b>"
DEPTHS = Ask("depths", "What waits", "", (Row((Layer((("source", "queues"), ("queue", "$queue")), "table"),)),))
NOTEBOOK = Notebook(
    f"Why {HOSTILE}", variables=(Variable("queue", "queue"),), cells=(Prose("text", f"# It grows {HOSTILE}"), DEPTHS)
)


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exports]:
    desk = unwatched({"HISTORY_URL": f"sqlite:///{tmp_path_factory.mktemp('history')}"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("routes.export_notebook.CELL_SECONDS", 0.2)
        with exports_of(desk) as exports:
            yield exports
    desk.stop()


def told(file: str) -> Any:
    (text,) = re.findall(r'<script type="application/json" id="told">(.*?)</script>', file)
    return json.loads(text)


def test_a_notebook_in_a_link_comes_as_a_file_with_all_its_cells(exports: Exports) -> None:
    file = told(exports.get(f"/export.html?text={quote(link.write(NOTEBOOK))}&var-queue=mail"))

    assert (file["title"], file["line"]) == (f"Why {HOSTILE}", "queue: mail")
    prose, depths = file["pieces"]
    assert prose["tree"] == [{"tag": "h2", "children": [f"It grows {HOSTILE}"]}]
    assert (depths["kind"], depths["name"]) == ("cell", "depths")
    assert depths["rows"][0]["failures"] or depths["pending"]  # nobody watches here


def test_an_answer_that_is_none_is_no_file(exports: Exports) -> None:
    with pytest.raises(HTTPError, match="502"):
        exports.get(f"/export.csv?text={quote(link.write(NOTEBOOK))}&cell=depths")


@pytest.mark.parametrize(
    "params", ["", "id=", "text=none", "example=none", "example=which-task-eats-the-memory&var-none=1"]
)
def test_what_is_no_notebook_is_said(exports: Exports, params: str) -> None:
    with pytest.raises(HTTPError, match="400"):
        exports.get(f"/export.html?{params}")


def test_a_cell_that_is_not_there_is_said(exports: Exports) -> None:
    with pytest.raises(HTTPError, match="400"):
        exports.get(f"/export.json?text={quote(link.write(NOTEBOOK))}&cell=text")


def test_the_shell_holds_nothing(exports: Exports) -> None:
    assert told(exports.get("/export.shell.html")) == {"told": None}
