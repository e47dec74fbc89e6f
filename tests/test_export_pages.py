"""All tasks of a range as one file, read page by page while it is written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from http.client import IncompleteRead
from typing import Any
from urllib.error import HTTPError

import pytest

from data_sources.answer import Answer
from data_sources.errors import SourceUnreachable
from data_sources.history.answers import tasks_answer
from data_sources.history.place import place
from data_sources.microseconds import moment
from data_sources.scope import Range
from data_sources.task_query import TaskFilter, Tasks
from routes import export_pages, export_request
from tests.decided import END_US, START_US, Decided, write
from tests.exports import Exports, exports_of
from tests.watching import unwatched

ALL = Range(start=moment(START_US), end=moment(END_US))
PAGE = 700


@pytest.fixture(scope="module")
def tasks() -> list[Decided]:
    return []


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory, tasks: list[Decided]) -> Iterator[Exports]:
    desk = unwatched({"HISTORY_URL": f"sqlite:///{tmp_path_factory.mktemp('history')}"})
    tasks += write(place(desk.settings.history_url, desk.settings.clusters[0]))
    with exports_of(desk) as exports, pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_request, "MAX_ROWS", PAGE)
        patch.setattr(export_pages, "COUNT_SECONDS", 60.0)
        yield exports


def test_all_tasks_are_in_one_file_once_and_in_order(exports: Exports, tasks: list[Decided]) -> None:
    rows = exports.rows(Tasks(), ALL, rows="all", progress="one-file")

    assert len(rows) > 3 * PAGE
    assert sorted(row["id"] for row in rows) == [f"{number:08}" for number in range(len(tasks))]
    assert [row["last"] for row in rows] == sorted((row["last"] for row in rows), reverse=True)
    told = json.loads(exports.get("/export.progress?id=one-file"))
    assert told == {"rows": len(rows), "of": len(rows), "state": "complete"}


def test_json_has_the_same_rows_and_says_that_nothing_follows(exports: Exports, tasks: list[Decided]) -> None:
    failures = Tasks(TaskFilter(states=("FAILURE",)))

    file = exports.json(failures, ALL, rows="all")

    assert [row["id"] for row in file["rows"]] == [row["id"] for row in exports.rows(failures, ALL, rows="all")]
    assert len(file["rows"]) == sum(task.state == "FAILURE" for task in tasks)
    assert file["meta"]["next"] is None
    assert "cut" not in [note["kind"] for note in file["meta"]["notes"]]


def test_a_history_that_fails_on_the_way_leaves_no_file_that_looks_whole(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []

    def fails(*asked: Any) -> Answer:
        read.append(asked)
        if len(read) > 2:
            raise SourceUnreachable("History", "is gone", "")
        return tasks_answer(*asked)

    monkeypatch.setattr(export_pages, "tasks_answer", fails)

    with pytest.raises(IncompleteRead) as broken:
        exports.rows(Tasks(), ALL, rows="all", progress="cut-short")

    assert len(list(csv.reader(io.StringIO(broken.value.partial.decode())))) == 1 + 3 * PAGE
    assert json.loads(exports.get("/export.progress?id=cut-short"))["state"] == "broken"


def test_one_failure_of_the_moment_costs_nothing(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []

    def fails_once(*asked: Any) -> Answer:
        read.append(asked)
        if len(read) == 2:
            raise SourceUnreachable("History", "is busy", "")
        return tasks_answer(*asked)

    monkeypatch.setattr(export_pages, "tasks_answer", fails_once)

    ids = [row["id"] for row in exports.rows(Tasks(), ALL, rows="all")]

    assert len(ids) == len(set(ids)) > 3 * PAGE


def test_nobody_is_told_of_a_file_that_nobody_asked_for(exports: Exports) -> None:
    with pytest.raises(HTTPError, match="404"):
        exports.get("/export.progress?id=another-file")
    with pytest.raises(HTTPError, match="400"):
        exports.rows(Tasks(), ALL, rows="all", progress="../x")


def test_a_list_of_tasks_has_its_sidecar_too(exports: Exports) -> None:
    about = json.loads(exports.get("/export.meta.json?source=tasks&limit=5&state=FAILURE&range=6h"))

    assert about["file"].startswith("default-tasks-")
    assert (about["query"], about["range"], about["rows"]) == ("source=tasks&state=FAILURE&limit=5", "6h", 5)
