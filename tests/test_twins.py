"""Processes of one name and one number, as two containers have them: never taken for one, nor one for the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.workers.accepted import Taken
from data_sources.workers.seen import Beside, Key
from data_sources.workers.worker_facts import WorkerFacts, workers_facts
from data_sources.workers.worker_rows import WorkersReading
from tests.deadline import costs
from tests.test_presence import LONG_UP, Clock, clock, said
from tests.test_presence_memory import Rounds
from tests.test_worker_facts import snapshot

__all__ = ["clock"]


def totals(clock: Clock) -> list[int]:
    return [row["processed"] for row in clock.rows()]


def test_two_that_do_nothing_are_two_rows_in_whatever_order_they_answer_and_accept_nothing(clock: Clock) -> None:
    few, many = said(send=100), said(send=5_000)
    clock.round(few, many)
    for answered in ((many, few), (few, many), (many, few)):
        assert clock.round(*answered) == Taken({"send": 0.0}, {"mail@a": 0.0}, 5.0)
        assert totals(clock) == [100, 5_000]


def test_what_two_accept_is_known_of_both_together_and_not_which_of_them_works(clock: Clock) -> None:
    one, other = replace(said(send=10), active=None), replace(said(send=20), active=None)
    clock.round(one, other)
    grown = replace(other, processed=27, totals={"send": 27})
    assert clock.round(grown, one) == Taken({"send": 7.0}, {"mail@a": 7.0}, 5.0)
    assert totals(clock) == [10, 27]
    assert [row["verdict"] for row in clock.rows()] == ["unknown", "unknown"]


def test_of_one_of_two_it_is_not_known_what_it_accepted_until_the_other_is_gone(clock: Clock) -> None:
    clock.round(said(send=10), said(send=12))
    assert clock.round(said(send=13)) == Taken(None, {}, 5.0)
    assert [row["verdict"] for row in clock.rows()] == ["silent", "idle"]
    clock.round(said(send=14), beside=Beside(all_heard=True))
    assert [row["verdict"] for row in clock.rows()] == ["gone", "working"]
    assert clock.round(said(send=16)) == Taken({"send": 2.0}, {"mail@a": 2.0}, 5.0)


def test_when_one_of_two_is_restarted_a_round_is_not_known(clock: Clock) -> None:
    clock.round(said(send=10), said(send=5_000))
    assert clock.round(said(send=10), said(uptime=2, send=1)) == Taken(None, {}, 5.0)
    assert clock.round(said(send=10), said(uptime=7, send=3)) == Taken({"send": 2.0}, {"mail@a": 2.0}, 5.0)


def test_of_too_many_it_is_not_known_what_they_accept_and_that_takes_no_time(clock: Clock) -> None:
    for total in range(2):
        counts = [{f"task{number}": total + place for number in range(50)} for place in range(300)]
        crowd = [replace(said(), processed=sum(count.values()), totals=count) for count in counts]
        with costs(1.0):
            taken = clock.round(*crowd, said("b@h", send=total))
    assert (taken.by_task, taken.by_worker) == (None, {"b@h": 1.0})
    assert len(clock.rows()) == 301


@pytest.mark.parametrize("age", [LONG_UP // 2, 2 * LONG_UP])
def test_two_that_never_answer_the_same_question_are_known_by_when_they_started(clock: Clock, age: int) -> None:
    for number in range(6):
        other = said(uptime=age + 5 * number, send=5_000)
        taken = clock.round(said(send=100) if number % 2 else other)
        assert taken.by_worker == {}


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.booleans(), st.booleans()), min_size=2, max_size=30)
)
def test_whatever_two_do_no_more_is_counted_than_they_accepted(life: list[tuple[int, int, bool, bool]]) -> None:
    clock, one, other, unheard = Clock(), 100, 130, 0
    clock.round(said(send=one), said(send=other))
    for grew_one, grew_other, first_answers, second_answers in life:
        one, other, unheard = one + grew_one, other + grew_other, unheard + grew_one + grew_other
        answered = [said(send=one)] * first_answers + [said(send=other)] * second_answers
        taken = clock.round(*answered)
        assert taken.by_worker.get("mail@a", 0) <= unheard
        if first_answers and second_answers:
            unheard = 0


# --- their heartbeats -------------------------------------------------------------------------------------------------

TWIN = WorkerFacts("mail@a", pid=1, pool="threads", concurrency=2, active=0, queues=("mail",), uptime_seconds=9_000)


def told(rounds: Rounds) -> list[dict[str, Any]]:
    return [dict(row) for row in rounds.presence.rows(rounds.now)]


def test_heartbeats_that_say_now_one_total_and_now_the_other_are_no_work() -> None:
    rounds = Rounds()
    for processed in (100, 5_000, 100, 5_000):
        rounds.ask(TWIN, TWIN, beating={("mail@a", 1): {"active": 2, "processed": processed}})
    assert [row["verdict"] for row in told(rounds)] == ["idle", "idle"]
    assert [row["heartbeat_age"] for row in told(rounds)] == [None, None]
    assert "a heartbeat may be of either" in told(rounds)[0]["evidence"]


def test_one_that_is_gone_does_not_live_on_by_the_heartbeats_of_the_other() -> None:
    rounds = Rounds()
    beating: dict[Key, dict[str, int]] = {("mail@a", 1): {"active": 0, "processed": 7}}
    rounds.ask(TWIN, TWIN, beating=beating)
    for _ in range(4):
        rounds.ask(TWIN, beating=beating, all_heard=True)
    assert sorted(row["verdict"] for row in told(rounds)) == ["gone", "idle"]
    assert sorted(row["heartbeat_age"] is None for row in told(rounds)) == [False, True]


def test_a_recorder_that_starts_remembers_both() -> None:
    before = Rounds()
    before.ask(TWIN, TWIN)
    after = Rounds(earlier=before.presence.rows(before.now))
    assert len(told(after)) == 2


# --- what they consume ------------------------------------------------------------------------------------------------

STATS = {"pid": 1, "total": {}, "pool": {"max-concurrency": 2}}
MAIL, BULK = {"name": "mail"}, {"name": "bulk"}


def reading(*replies: tuple[str, str, Any]) -> WorkersReading:
    clock, facts = Clock(), workers_facts(snapshot(*replies))
    clock.round(*facts)
    return WorkersReading(clock.presence.rows(clock.now), len(facts), ())


def two(first: list[Any], second: list[Any]) -> tuple[tuple[str, str, Any], ...]:
    return (
        *(("a@h", "stats", STATS), ("a@h", "stats", STATS)),
        *(("a@h", "active", []), ("a@h", "active", [])),
        *(("a@h", "active_queues", first), ("a@h", "active_queues", second)),
        *(("b@h", "stats", STATS), ("b@h", "active_queues", [MAIL])),
    )


def test_what_two_of_one_name_agree_on_is_true_of_each() -> None:
    same = reading(*two([MAIL], [MAIL]))
    assert [(row["queues"], row["active"]) for row in same.rows] == [(["mail"], 0), (["mail"], 0), (["mail"], None)]
    assert same.consumers() == {"mail": 3}


def test_two_that_differ_are_doubted_for_the_queues_they_name_alone() -> None:
    """So that it can still be told of another queue that nobody consumes it."""
    differing = reading(*two([MAIL, BULK], [MAIL]))
    assert [(row["queues"], row["may_consume"]) for row in differing.rows] == [
        (None, ["mail", "bulk"]),
        (None, ["mail", "bulk"]),
        (["mail"], None),
    ]
    assert differing.consumers() == {"mail": None, "bulk": None}


def test_while_one_of_two_has_not_said_what_it_consumes_nothing_is_known_of_any_queue() -> None:
    replies = [reply for reply in two([MAIL], [MAIL]) if reply[:2] != ("a@h", "active_queues")]
    assert reading(*replies, ("a@h", "active_queues", [MAIL])).consumers() is None
