"""The verdict as a function of what three witnesses say, and who Redis's count of listeners tells to be gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.microseconds import microseconds
from data_sources.workers.evidence import evidence, to_json
from data_sources.workers.heartbeat import Heartbeat
from data_sources.workers.listeners import Listeners
from data_sources.workers.verdict import LONG_SILENT, NEGLECT, Running, Waiting, judge
from data_sources.workers.verdict import Testimony as Said  # pytest would collect it by its name

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
VERDICTS = {"working", "idle", "busy_not_answering", "wedged", "silent", "gone", "unknown"}
TASK = (Running("1", "shop.sleep", NOW - 60 * SECOND),)


def beat(ago: float, **said: Any) -> Heartbeat:
    return Heartbeat(microseconds(NOW - ago * SECOND), **said)


def waits(seconds: float, consumed: bool = True) -> dict[str, Waiting]:
    return {"mail": Waiting(NOW - seconds * SECOND, 7, consumed)}


ANSWERS = Said(NOW, answered_at=NOW, beat=beat(1), pool="prefork", active=0, concurrency=2)
MUTE = replace(ANSWERS, answered_at=NOW - 40 * SECOND, unanswered_since=NOW - 35 * SECOND, active=None, beat=beat(40))


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (ANSWERS, "idle"),
        (replace(ANSWERS, beat=None), "idle"),  # --without-heartbeat
        (replace(ANSWERS, active=2), "working"),
        (replace(ANSWERS, grew=True), "working"),
        (replace(ANSWERS, active=None), "unknown"),
        (replace(ANSWERS, active=None, late=True), "busy_not_answering"),
        (replace(ANSWERS, waiting=waits(14)), "idle"),
        (replace(ANSWERS, waiting=waits(16)), "wedged"),
        (replace(ANSWERS, active=1, waiting=waits(16)), "wedged"),  # a slot is free
        (replace(ANSWERS, waiting=waits(16, consumed=False)), "wedged"),
        (replace(ANSWERS, waiting=waits(16), slowest=60 * SECOND), "idle"),
        (replace(ANSWERS, waiting=waits(121), slowest=60 * SECOND), "wedged"),
        (replace(MUTE, beat=beat(1)), "wedged"),
        (replace(MUTE, beat=beat(1), mailbox=False), "wedged"),  # the broker cut a connection that was frozen
        (replace(MUTE, beat=beat(1), unanswered_since=NOW - 5 * SECOND, active=1), "working"),  # one question was lost
        (replace(MUTE, beat=beat(1), unanswered_since=NOW - 5 * SECOND, mailbox=False), "gone"),
        (MUTE, "silent"),
        (replace(MUTE, mailbox=True), "silent"),
        (replace(MUTE, mailbox=False), "gone"),
        (replace(MUTE, beat=beat(36, left=True)), "gone"),
        (replace(MUTE, pool="solo"), "busy_not_answering"),
        (replace(MUTE, pool="solo", mailbox=False), "gone"),
        (replace(MUTE, pool="gevent", tasks=TASK), "busy_not_answering"),
        (replace(MUTE, pool="gevent"), "silent"),
        (replace(MUTE, tasks=TASK), "silent"),  # prefork answers while it is busy
        (replace(MUTE, beat=beat(1), hears=False), "silent"),  # an old heartbeat says nothing while we are deaf
        (Said(NOW, unanswered_since=NOW, beat=beat(1), active=1), "working"),
        (Said(NOW, unanswered_since=NOW, beat=beat(1), active=0), "unknown"),  # its remote control may be off
        (Said(NOW, unanswered_since=NOW, beat=beat(30)), "silent"),
        (Said(NOW, unanswered_since=NOW, beat=beat(3600)), "gone"),
    ],
)
def test_the_verdict(said: Said, verdict: str) -> None:
    assert judge(said).name == verdict


def test_who_is_silent_for_long_is_gone_unless_the_broker_has_its_mailbox() -> None:
    long_ago = NOW - LONG_SILENT - SECOND
    said = replace(MUTE, answered_at=long_ago, unanswered_since=long_ago, beat=None)
    assert judge(said).name == "gone"
    assert judge(replace(said, mailbox=True)).name == "silent"


def test_a_wedged_worker_is_so_since_its_queue_waits_and_names_it() -> None:
    verdict = judge(replace(ANSWERS, waiting=waits(20)))
    assert (verdict.since, verdict.neglected) == (NOW - 20 * SECOND, ("mail",))


def test_a_busy_worker_names_its_tasks_with_when_they_began() -> None:
    said = replace(MUTE, pool="gevent", tasks=TASK)
    facts = evidence(said, judge(said))
    assert ("work", "said that it runs shop.sleep 1, since", NOW - 60 * SECOND) in facts


@pytest.mark.parametrize(
    ("offset", "told"), [(1.9, []), (-1.9, []), (3.25, ["3.2 s ahead of ours"]), (-90, ["90.0 s behind ours"])]
)
def test_a_clock_that_is_wrong_is_told(offset: float, told: list[str]) -> None:
    said = replace(ANSWERS, beat=beat(1, clock_offset=offset))
    assert [fact.text for fact in evidence(said, judge(said)) if fact.witness == "clock"] == told


ages = st.none() | st.integers(0, 2_000).map(lambda seconds: NOW - seconds * SECOND)
testimonies = st.builds(
    Said,
    st.just(NOW),
    answered_at=ages,
    unanswered_since=ages,
    late=st.booleans(),
    mailbox=st.none() | st.booleans(),
    hears=st.booleans(),
    beat=st.none()
    | st.builds(beat, st.integers(0, 2_000), left=st.booleans(), every_seconds=st.none() | st.floats(0, 1e9)),
    pool=st.sampled_from([None, "prefork", "threads", "solo", "gevent", "own"]),
    active=st.none() | st.integers(0, 3),
    concurrency=st.none() | st.integers(0, 3),
    took_at=ages,
    grew=st.booleans(),
    waiting=st.just({}) | st.integers(0, 100).map(waits),
    tasks=st.just(()) | st.just(TASK),
)


@given(testimonies)
def test_whatever_is_said_there_is_one_verdict_with_evidence(said: Said) -> None:
    verdict = judge(said)
    assert verdict.name in VERDICTS
    assert to_json(evidence(said, verdict)).startswith("[[")
    if verdict.name == "wedged":  # it lives
        assert said.unanswered_since is None or said.beats
    if verdict.name == "idle":
        assert said.active == 0
        assert all(NOW - one.since < NEGLECT for one in said.waiting.values())


# --- who listens, where the broker only counts --------------------------------------------------------------------


def told(listeners: Listeners) -> tuple[set[str], set[str]]:
    return listeners.present, listeners.absent


def test_when_nobody_is_left_unheard_all_silent_ones_are_gone() -> None:
    listeners = Listeners()
    listeners.learn({"a", "b"}, {}, 0)
    assert told(listeners) == (set(), {"a", "b"})


def test_as_many_listeners_as_silent_ones_are_all_of_them() -> None:
    listeners = Listeners()
    listeners.learn({"a", "b"}, {}, 2)
    assert told(listeners) == ({"a", "b"}, set())


def test_of_one_that_was_stopped_and_one_that_was_killed_later_each_is_known() -> None:
    listeners = Listeners()
    listeners.learn({"stopped"}, {}, 1)
    listeners.learn({"stopped", "killed"}, {}, 1)
    assert told(listeners) == ({"stopped"}, {"killed"})
    listeners.learn({"stopped", "killed"}, {}, 1)
    assert told(listeners) == ({"stopped"}, {"killed"})


def test_of_two_that_fall_silent_together_it_is_not_said_which_left() -> None:
    listeners = Listeners()
    listeners.learn({"stopped", "killed"}, {}, 1)
    assert told(listeners) == (set(), set())


def test_what_the_broker_tells_of_each_counts() -> None:
    listeners = Listeners()
    listeners.learn({"a", "b", "c"}, {"a": True, "b": False}, None)
    assert told(listeners) == ({"a"}, {"b"})


@given(st.lists(st.tuples(st.sets(st.sampled_from("abcde")), st.sets(st.sampled_from("abcde"))), max_size=8))
def test_nobody_who_listens_is_called_gone_while_nobody_comes_or_goes_twice(
    rounds: list[tuple[set[str], set[str]]],
) -> None:
    """Workers are killed or stopped for good, a round at a time; the broker counts those that were stopped."""
    listeners, killed, stopped = Listeners(), set[str](), set[str]()
    for kill, stop in rounds:
        stopped |= stop - killed
        killed |= kill - stopped
        listeners.learn(killed | stopped, {}, len(stopped))
        assert not listeners.present & killed
        assert not listeners.absent & stopped
