"""What was missed is found from what workers say they have done, whatever they do meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import recorder.heartbeats
from data_sources.events.celery_events import TaskEvent, WorkerEvent
from data_sources.workers.heartbeat import Heartbeat
from recorder.batch import Gap
from recorder.heartbeats import EVENTS_A_TASK, FORGET_US, Heartbeats

NOW_US = 1_800_000_000_000_000
GAP = Gap("events", NOW_US, NOW_US + 1, "the broker was away")


def beat(worker: str, processed: int | None, at_us: int = NOW_US, kind: str = "heartbeat") -> WorkerEvent:
    return WorkerEvent(kind, worker, at_us, at_us, processed=processed, active=0, sw_ident="py-celery", sw_ver="5.5.3")


def started(worker: str, count: int = 1) -> list[TaskEvent]:
    return [TaskEvent("started", f"{worker}-{number}", NOW_US, worker) for number in range(count)]


def after_a_gap(heartbeats: Heartbeats, *beats: WorkerEvent) -> list[tuple[Gap, int | None]]:
    heartbeats.measure(GAP, heartbeats.marks())
    heartbeats.absorb([], beats)
    return heartbeats.due_estimates()


def test_what_a_worker_did_beyond_what_was_heard_of_it_was_missed() -> None:
    heartbeats = Heartbeats({})
    heartbeats.absorb([*started("a", 4), *started("b")], [beat("a", 10), beat("b", 5)])
    before = heartbeats.marks()
    heartbeats.absorb(started("a", 1), [])  # heard before the gap, told of in a heartbeat after it
    heartbeats.measure(GAP, before)
    heartbeats.absorb(started("a", 2), [beat("a", 20)])
    assert heartbeats.due_estimates() == []  # b may tell more
    heartbeats.absorb([], [beat("b", 5)])

    assert heartbeats.due_estimates() == [(GAP, EVENTS_A_TASK * (10 - 3))]
    assert heartbeats.due_estimates() == []


def test_a_worker_that_began_anew_has_done_what_it_counts_since() -> None:
    heartbeats = Heartbeats({})
    heartbeats.absorb(started("a"), [beat("a", 1_000)])

    assert after_a_gap(heartbeats, beat("a", 7)) == [(GAP, EVENTS_A_TASK * 7)]


def test_of_workers_that_send_no_events_none_are_missed() -> None:
    heartbeats = Heartbeats({"mute": Heartbeat(NOW_US, processed=10)})
    assert after_a_gap(heartbeats, beat("mute", 1_010)) == [(GAP, None)]
    heartbeats.absorb([*started("a"), *started("ceased")], [beat("a", 5), beat("ceased", 5)])
    heartbeats.cease(["ceased"])

    assert after_a_gap(heartbeats, beat("a", 7), beat("ceased", 99), beat("mute", 2_010)) == [(GAP, EVENTS_A_TASK * 2)]


def test_a_gap_of_which_no_worker_tells_is_unknown_and_not_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder.heartbeats, "ESTIMATE_SECONDS", 0.0)
    heartbeats = Heartbeats({})
    heartbeats.absorb(started("a"), [beat("a", 10)])

    assert after_a_gap(heartbeats) == [(GAP, None)]


def test_before_any_worker_was_heard_what_was_missed_is_unknown() -> None:
    assert after_a_gap(Heartbeats({}), beat("a", 10)) == [(GAP, None)]


def test_of_two_that_end_together_each_is_measured_from_its_own_beginning() -> None:
    heartbeats = Heartbeats({"a": Heartbeat(NOW_US, processed=10, sends_events=True)})
    first = heartbeats.marks()
    heartbeats.absorb([], [beat("a", 14)])
    heartbeats.measure(GAP, first)
    heartbeats.measure(GAP, heartbeats.marks())
    heartbeats.absorb([], [beat("a", 15)])

    assert heartbeats.due_estimates() == [(GAP, EVENTS_A_TASK * 5), (GAP, EVENTS_A_TASK)]


moves = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 20), st.booleans()).map(lambda m: (m[0], min(m[:2]), m[2])),
    max_size=20,
)


@given(moves, moves)
def test_with_true_counters_the_estimate_is_exact(
    before: Sequence[tuple[int, int, bool]], during: Sequence[tuple[int, int, bool]]
) -> None:
    """A worker does so many tasks, of so many the start is heard, and then there may be a heartbeat."""
    heartbeats, processed = Heartbeats({}), 0

    def do(moves: Sequence[tuple[int, int, bool]]) -> int:
        nonlocal processed
        missed = 0
        for done, heard, beats in moves:
            processed += done
            missed += done - heard
            heartbeats.absorb(started("a", heard), [beat("a", processed)] if beats else [])
        return missed

    do(before)
    heartbeats.absorb([], [beat("a", processed)])
    heartbeats.absorb(started("a"), [])  # it sends events
    processed += 1
    heartbeats.absorb([], [beat("a", processed)])
    marks = heartbeats.marks()
    missed = do([(done, heard, False) for done, heard, _ in during])
    heartbeats.measure(GAP, marks)
    heartbeats.absorb([], [beat("a", processed)])

    assert heartbeats.due_estimates() == [(GAP, EVENTS_A_TASK * missed)]


def test_a_worker_that_works_and_says_nothing_of_its_tasks_is_quiet_while_others_speak() -> None:
    heartbeats = Heartbeats({})
    heartbeats.absorb([], [beat("loud", 0), beat("mute", 100), beat("idle", 0)])
    heartbeats.absorb([], [beat("mute", 102)])
    assert heartbeats.quiet() == []  # nobody sends any: events are not on at all
    heartbeats.absorb(started("loud"), [beat("loud", 1)])
    assert heartbeats.quiet() == []  # two may be under way
    heartbeats.absorb([], [beat("mute", 103), beat("idle", 0)])
    assert heartbeats.quiet() == ["mute"]

    heartbeats.absorb(started("mute"), [beat("mute", 104)])

    assert heartbeats.quiet() == []


def test_a_worker_that_comes_online_has_to_show_again_that_it_sends_events() -> None:
    heartbeats = Heartbeats({})
    heartbeats.absorb([], [beat("a", 1)])
    heartbeats.absorb(started("a"), [])
    assert heartbeats.workers["a"].sends_events
    assert heartbeats.workers["a"].software == "py-celery 5.5.3"

    heartbeats.absorb([], [beat("a", None, kind="online")])

    assert not heartbeats.workers["a"].sends_events


def test_those_not_heard_for_a_day_are_forgotten_and_there_are_never_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder.heartbeats, "MOST_WORKERS", 3)
    heartbeats = Heartbeats({"old": Heartbeat(NOW_US - FORGET_US)})
    for number in range(10):
        heartbeats.absorb(started(f"w{number}"), [beat(f"w{number}", number, NOW_US + number)])

    assert set(heartbeats.workers) == {"w7", "w8", "w9"}
    assert set(heartbeats.marks()) == {"w7", "w8", "w9"}


def test_of_two_processes_of_one_name_each_has_its_own_heartbeat() -> None:
    heartbeats = Heartbeats({})
    heartbeats.absorb([], [replace(beat("a", 5), pid=1), replace(beat("a", 9), pid=2)])

    assert {key: one.processed for key, one in heartbeats.processes.items()} == {("a", 1): 5, ("a", 2): 9}


def test_a_clock_is_told_by_the_heartbeat_that_came_quickest_and_followed_when_it_is_set() -> None:
    heartbeats = Heartbeats({})

    def told(*offsets: float) -> float:
        for offset in offsets:
            heartbeats.absorb([], [replace(beat("a", 1), pid=1, offset_seconds=offset)])
        ahead = heartbeats.processes["a", 1].clock_offset
        assert ahead is not None
        return ahead

    assert told(5.0) == 5.0
    assert told(3.0) == pytest.approx(4.6)  # it came late: the clock is as it was
    assert told(5.0) == 5.0
    assert told(*[0.0] * 20) == pytest.approx(0.0, abs=0.1)


def test_one_that_says_that_it_goes_has_left() -> None:
    heartbeats = Heartbeats({})
    heartbeats.absorb([], [replace(beat("a", 1, kind="offline"), pid=1)])
    assert heartbeats.processes["a", 1].left
    heartbeats.absorb([], [replace(beat("a", 0, kind="online"), pid=1)])
    assert not heartbeats.processes["a", 1].left
