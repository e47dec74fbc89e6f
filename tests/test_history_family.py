"""Tasks that belong with one, read from a history of each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from data_sources.history import relatives
from data_sources.history.answers import task_answer
from data_sources.history.reader import HistoryReader
from data_sources.run_query import Compared, Runs
from data_sources.task_query import Family, Task
from tests.past import START, Past, postgres_past, sqlite_past


@pytest.fixture(params=["sqlite", "postgresql"])
def past(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Past]:
    if request.param == "sqlite":
        past = sqlite_past(tmp_path)
    else:
        past = postgres_past(request.getfixturevalue("postgresql").new_database())
    yield past
    past.engine.dispose()


def ids(past: Past, query: Task) -> list[str]:
    reader = past.reader
    try:
        return list(task_answer(reader, query).frame["id"])
    finally:
        reader.close()


def test_a_family_that_is_cut_keeps_the_task_and_the_line_above_it(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relatives, "FAMILY", 5)
    line = [{"seq": 100 + k, "id": f"line-{k}", "last": 50 + k, "parent": f"line-{k - 1}"} for k in (1, 2)]
    past.add(
        [
            {"seq": 1, "id": "root", "last": 1},
            *({"seq": 2 + k, "id": f"other-{k}", "last": 2 + k, "root": "root", "parent": "root"} for k in range(9)),
            {"seq": 50, "id": "line-0", "last": 50, "root": "root", "parent": "root"},
            *({**one, "root": "root"} for one in line),
        ]
    )
    reader: HistoryReader = past.reader
    answer = task_answer(reader, Family("line-2"))
    reader.close()

    assert {"root", "line-0", "line-1", "line-2"} <= set(answer.frame["id"])
    assert len(answer.frame) == 5
    assert [note.kind for note in answer.notes] == ["cut"]


def test_runs_are_the_newest_of_the_name_and_the_task_itself(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relatives, "RUNS", 3)
    past.add([{"seq": seq, "last": seq, "name": "shop.mail"} for seq in range(1, 7)])
    past.add([{"seq": 9, "last": 9, "name": "shop.report"}, {"seq": 10, "last": 9}])

    assert ids(past, Runs("id-6")) == ["id-6", "id-5", "id-4"]
    assert ids(past, Runs("id-2")) == ["id-6", "id-5", "id-4", "id-2"]
    assert ids(past, Runs("id-10")) == ["id-10"]  # of which no name is known
    assert ids(past, Runs("nobody")) == []


def test_a_task_stands_beside_the_last_success_of_its_name_or_the_one_that_is_named(past: Past) -> None:
    past.add([{"seq": seq, "last": seq, "name": "shop.mail"} for seq in (1, 2)])
    past.add([{"seq": 3, "last": 3, "name": "shop.mail", "state": "FAILURE"}])
    past.add([{"seq": 4, "last": 4, "name": "shop.report"}])

    assert ids(past, Compared("id-3")) == ["id-3", "id-2"]
    assert ids(past, Compared("id-2")) == ["id-2", "id-1"]
    assert ids(past, Compared("id-4")) == ["id-4"]
    assert ids(past, Compared("id-3", "id-4")) == ["id-3", "id-4"]
    assert ids(past, Compared("id-3", "nobody")) == ["id-3"]
    assert ids(past, Compared("nobody", "id-3")) == []


def test_what_retries_itself_is_not_its_own_parent_and_a_state_has_its_moment(past: Past) -> None:
    past.add([{"seq": 1, "id": "a", "last": 5, "parent": "a", "state": "RETRY"}])
    reader = past.reader
    frame = task_answer(reader, Task("a")).frame
    reader.close()

    assert frame["parent"].isna().all()
    assert frame["since"].iloc[0].timestamp() == START + 5
