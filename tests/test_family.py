"""The family of a task as a tree, and what is said of chords: known from chord_unlock, else inferred and said so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from data_sources.history.family import chords, count_parts, extent, tree
from data_sources.history.task_run import TaskRun

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
# As celery 5.7 shows them in events: the group, the body's signature; and of each part a tuple that is cut away.
ARGS = (
    "('23d9f663-b383-4e29-9dee-0675611a8bcd', {'task': 'shop.total', 'args': (), 'kwargs': {}, 'options': {'task_id': "
    "'body', 'reply_to': 'f45731c3-ba45-3994-a545-2e8284bb7491'}, 'subtask_type': None, 'immutable': False})"
)
KWARGS = (
    "{'interval': None, 'max_retries': None, 'result': [((...), None), ((...), None)], "
    "'_chord_unlock_exchange_type': 'direct'}"
)


def task(id: str, parent: str | None = None, state: str = "SUCCESS", seconds: float = 0, **more: object) -> TaskRun:
    return TaskRun(id, state, parent=parent, last=NOON + timedelta(seconds=seconds), **more)  # type: ignore[arg-type]


def drawn(runs: list[TaskRun]) -> list[tuple[str, int, bool]]:
    return [(member.run.id, member.depth, member.last_line) for member in tree(runs)]


def test_each_task_stands_under_the_one_that_sent_it_and_the_line_to_the_last_end_is_marked() -> None:
    family = [
        task("a"),
        task("b", "a", seconds=5),
        task("c", "a", seconds=1),
        task("d", "b", seconds=9),
        task("e", "x"),
    ]

    assert drawn(family) == [("a", 0, True), ("b", 1, True), ("d", 2, True), ("c", 1, False), ("e", 0, False)]


def test_those_that_are_each_others_parents_are_drawn_once() -> None:
    assert drawn([task("a", "b"), task("b", "a"), task("c", "c")]) == [("c", 0, True), ("a", 0, False), ("b", 1, False)]


ids = st.sampled_from("abcdefgh")


@given(st.dictionaries(ids, st.none() | ids))
def test_whatever_parents_are_told_every_task_is_there_once(parents: dict[str, str | None]) -> None:
    family = [task(id, parent) for id, parent in parents.items()]

    assert sorted(member.run.id for member in tree(family)) == sorted(parents)
    chords(family)


def test_a_chain_of_a_thousand_is_no_recursion() -> None:
    line = [task("0"), *(task(str(k), str(k - 1), seconds=k) for k in range(1, 1_000))]

    assert [member.depth for member in tree(line)] == list(range(1_000))


def test_a_chord_that_waits_names_its_body_and_the_part_that_has_not_ended() -> None:
    family = [
        task("fan"),
        task("unlock", "fan", "RECEIVED", name="celery.chord_unlock", args=ARGS, kwargs=KWARGS, retries=4),
        task("one", "fan"),
        task("two", "fan", "STARTED"),
    ]

    (chord,) = chords(family)

    assert (chord.body, chord.count) == ("shop.total", 2)
    assert [part.id for part in chord.parts] == ["one", "two"]
    assert [part.id for part in chord.missing] == ["two"]
    assert chord.failed == []
    assert chords([*family, task("body", "unlock")]) == []  # it ran


def test_a_chord_of_which_a_part_failed_is_told_by_the_part() -> None:
    family = [
        task("fan"),
        task("unlock", "fan", name="celery.chord_unlock", args=ARGS, kwargs=KWARGS),
        task("one", "fan"),
        task("two", "fan", "FAILURE"),
    ]

    (chord,) = chords(family)

    assert [part.id for part in chord.failed] == ["two"]


def test_of_a_chord_that_a_client_sent_only_the_number_of_parts_is_known() -> None:
    unlock = task("unlock", None, "RECEIVED", name="celery.chord_unlock", args=ARGS, kwargs=KWARGS)

    (chord,) = chords([unlock])

    assert (chord.parent, chord.parts, chord.count) == (None, (), 2)


def test_without_an_unlock_it_is_inferred_from_siblings_of_which_some_have_not_succeeded() -> None:
    ended = [task("fan"), task("one", "fan"), task("two", "fan")]
    assert chords(ended) == []
    assert chords([task("a"), task("b", "a", "STARTED")]) == []  # one after the other: a chain

    (waits,) = chords([*ended[:2], task("two", "fan", "STARTED")])
    (fails,) = chords([*ended[:2], task("two", "fan", "REVOKED")])

    assert (waits.unlock, [part.id for part in waits.missing], waits.failed) == (None, ["two"], [])
    assert (fails.unlock, [part.id for part in fails.failed], fails.missing) == (None, ["two"], [])


def test_parts_are_not_counted_in_a_text_that_was_cut() -> None:
    assert count_parts(KWARGS) == 2
    assert count_parts("{'result': [[[...], None], [[...], None]]}") == 2  # as JSON brought it
    assert count_parts(KWARGS[:80]) is None
    assert count_parts("{}") is None
    assert count_parts(None) is None


def test_a_family_reaches_until_now_while_one_of_it_has_not_ended() -> None:
    now = NOON + timedelta(minutes=5)

    assert extent([task("a"), task("b", "a", seconds=3)], now) == (NOON, NOON + timedelta(seconds=3))
    assert extent([task("a"), task("b", "a", "STARTED", 3)], now) == (NOON, now)
    assert extent([], now) is None
