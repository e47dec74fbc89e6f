"""Searching the past, on SQLite and on PostgreSQL: what is found is what is meant, wherever it is looked up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.history.answers import of_tasks_answer, tasks_answer
from data_sources.history.failure_text import failure_id
from data_sources.history.reader import HistoryReader
from data_sources.search_text import And, Node, Not, Or, Text, text_of
from data_sources.task_query import Facets, Failures, Histogram, TaskFilter, TaskNames, Tasks
from tests.past import START, Past, scope

HOSTILE = ("%", "_", "/", "a'b", 'q"', "\\", "100%")
words = st.sampled_from(["mail", "MAIL", "sku", "shop", "id-1", "nothing", "celery@a", *HOSTILE])
fields = st.sampled_from(["", "name", "id", "args", "kwargs", "result", "exception", "worker", "queue"])
leaves = st.builds(Text, words, fields) | st.builds(
    Text, st.sampled_from(["SUCCESS", "FAILURE", "STARTED"]), st.just("state")
)
pairs = st.tuples(leaves, leaves)
searches: st.SearchStrategy[Node] = st.one_of(
    leaves,
    pairs.map(And),
    pairs.map(Or),
    leaves.map(Not),
    st.tuples(leaves, pairs.map(Or), leaves.map(Not)).map(And),
    st.tuples(pairs.map(And), leaves.map(Not)).map(Or),
)
said = st.sampled_from([None, "('sku',)", "mail 100%", "a_b/c", "a'b", 'q"x', "\\", "axb"])
tasks = st.lists(
    st.fixed_dictionaries(
        {
            "last": st.integers(0, 1000),
            "state": st.sampled_from(["SUCCESS", "FAILURE", "STARTED"]),
            "name": st.sampled_from([None, "shop.mail", "shop.report"]),
            "worker": st.sampled_from([None, "celery@a", "celery@b"]),
            "queue": st.sampled_from([None, "mail"]),
            **dict.fromkeys(("args", "kwargs", "result", "exception"), said),
        }
    ),
    max_size=12,
).map(lambda found: [{"seq": seq, "id": f"id-{seq}", **task} for seq, task in enumerate(found, 1)])


def holds(node: Node, task: dict[str, Any]) -> bool:
    """What a search means, said once more without a database."""
    match node:
        case And(parts):
            return all(holds(part, task) for part in parts)
        case Or(parts):
            return any(holds(part, task) for part in parts)
        case Not(of):
            return not holds(of, task)
        case Text(text, "state"):
            return bool(task["state"] == text)
        case Text(text, "id"):
            return str(task["id"]).casefold().startswith(text.casefold())
        case Text(text, ""):
            own = ("name", "id", "args", "kwargs", "result", "exception", "worker", "queue")
            return any(holds(Text(text, field), task) for field in own)
        case Text(text, field):
            return text.casefold() in (task[field] or "").casefold()


def expected(found: list[dict[str, Any]], node: Node) -> set[str]:
    """The id of a task, in full, means that task."""
    every = node.parts if isinstance(node, And) else (node,)
    named = {part.text for part in every if isinstance(part, Text) and part.field in ("", "id")}
    only = named & {task["id"] for task in found}
    matching = {task["id"] for task in found if all(holds(part, task) for part in every)}
    return matching & only if only else matching


@settings(max_examples=60)
@given(found=tasks, node=searches)
def test_what_is_found_is_what_is_meant(
    past: Past, reader: HistoryReader, found: list[dict[str, Any]], node: Node
) -> None:
    past.empty()
    if found:
        past.add(found)
    filter = TaskFilter(search=text_of(node))

    listed = tasks_answer(reader, Tasks(filter), scope())
    counted = of_tasks_answer(reader, Facets(filter), scope())

    ids = expected(found, node)
    assert set(listed.frame["id"]) == ids
    assert counted.totals == {"tasks": len(ids)}


def test_a_search_that_stops_says_how_far_back_it_came_and_goes_on_from_there(
    past: Past, reader: HistoryReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_sources.history.search.NEWEST", 2)
    past.add([{"seq": seq, "last": seq, "args": "rare" if seq in (1, 5) else "usual"} for seq in range(1, 8)])

    query: Any = Tasks(TaskFilter(search="args:rare"))
    seen = []
    while query is not None:
        answer = tasks_answer(reader, query, scope())
        assert [note.kind for note in answer.notes] == (["cut"] if answer.next else [])
        seen.append(answer.frame["id"].tolist())
        query = answer.next

    assert seen == [[], ["id-5"], [], ["id-1"]]


def test_what_columns_know_is_found_however_far_back(
    past: Past, reader: HistoryReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_sources.history.search.NEWEST", 1)
    old = {"seq": 1, "id": "b06c", "last": 1, "name": "shop.rare", "state": "FAILURE", "queue": "slow"}
    past.add([old, *({"seq": seq, "last": seq, "name": "shop.usual"} for seq in range(2, 50))])

    for search in ("b06c", "id:b06c", "name:RARE", "state:failure", "queue:slow", "name:rare OR name:nothing"):
        answer = tasks_answer(reader, Tasks(TaskFilter(search=search)), scope())
        assert (answer.frame["id"].tolist(), answer.notes) == (["b06c"], ())


def test_a_whole_id_is_found_whatever_the_range(past: Past, reader: HistoryReader) -> None:
    past.add([{"seq": 1, "id": "b06c", "last": 1, "name": "shop.old"}, {"seq": 2, "last": 7_000, "name": "shop.new"}])
    found = TaskFilter(search="b06c")

    for where in (scope(5_000, 9_000), scope(0, 0.5)):
        answer = tasks_answer(reader, Tasks(found), where)
        assert answer.frame["id"].tolist() == ["b06c"]
        assert [note.text[:10] for note in answer.notes] == ["A whole id"]
        assert of_tasks_answer(reader, Facets(found), where).totals == {"tasks": 1}
        names = of_tasks_answer(reader, TaskNames(found), where).frame
        assert (names["count"].tolist(), names["rate"].isna().tolist()) == ([1], [True])
        assert of_tasks_answer(reader, Histogram(found), where).frame["value"].sum() == 0
    answer = tasks_answer(reader, Tasks(found), scope(0, 9_000))
    assert (answer.frame["id"].tolist(), answer.notes) == (["b06c"], ())
    assert of_tasks_answer(reader, Histogram(found), scope(0, 9_000)).frame["value"].sum() == 1
    assert tasks_answer(reader, Tasks(TaskFilter(search="b06")), scope(5_000, 9_000)).frame.empty
    past.set_meta("kept_from_us", START + 10)  # what is about to be deleted
    assert tasks_answer(reader, Tasks(found), scope(5_000, 9_000)).frame.empty


def test_a_group_of_failures_is_told_with_as_many_as_its_link_lists(past: Past, reader: HistoryReader) -> None:
    hour = 3600
    failed = [
        (8 * 24 * hour - 10, "KeyError('a')"),
        (8 * 24 * hour - 2 * hour, "KeyError('b')"),
        (8 * 24 * hour - 20 * hour, "KeyError('c')"),
        (8 * 24 * hour - 6 * 24 * hour, "KeyError('d')"),
        (10, "KeyError('before')"),
        (8 * 24 * hour - 5, "TimeoutError(30)"),
        (8 * 24 * hour - 5, None),
    ]
    past.add(
        {"seq": seq, "last": last, "name": "shop.mail", "state": "FAILURE", "exception": text}
        for seq, (last, text) in enumerate(failed, 1)
    )
    past.add([{"seq": 100, "last": 8 * 24 * hour - 3, "state": "RETRY", "exception": "KeyError('tried again')"}])

    frame = of_tasks_answer(reader, Failures(), scope(0, 8 * 24 * hour)).frame

    spans = ["last_1h", "last_3h", "last_24h", "last_7d"]
    told = {row["exception"]: [row[span] for span in spans] for row in frame.to_dict("records")}
    assert told == {"KeyError('…')": [1, 2, 3, 4], "TimeoutError(#)": [1] * 4, "": [1] * 4}
    assert frame["failure"].tolist()[0] == failure_id("KeyError('whatever')")
    assert frame["names"].tolist() == [["shop.mail"]] * 3
    for row in frame.to_dict("records"):
        first, last = (row[column].isoformat() for column in ("first", "last"))
        assert row["by_name"] == [
            {"name": "shop.mail", **{span: row[span] for span in spans}, "first": first, "last": last}
        ]
    for row in frame.to_dict("records"):
        for span, hours in zip(spans, (1, 3, 24, 168), strict=True):
            where = scope((8 * 24 - hours) * hour, 8 * 24 * hour)
            assert len(tasks_answer(reader, Tasks(TaskFilter(failure=row["failure"])), where).frame) == row[span]


def test_failures_that_are_too_many_to_count_are_unknown_and_not_fewer(
    past: Past, reader: HistoryReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_sources.history.failures.MOST", 3)
    lasts = [78_000, 79_000, 86_000, 86_100]
    past.add({"seq": seq, "last": last, "state": "FAILURE"} for seq, last in enumerate(lasts, 1))

    answer = of_tasks_answer(reader, Failures(), scope())

    assert answer.frame[["last_3h", "last_24h", "last_7d"]].isna().all(axis=None)
    assert answer.frame["last_1h"].tolist() == [2]
    assert [note.kind for note in answer.notes] == ["cut", "gap"]  # before the week was over nothing was recorded
