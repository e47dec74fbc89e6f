"""Presence: who is there, who fell silent, and what each took on, whatever is missing, late or restarted."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.microseconds import microseconds
from data_sources.now_frames import worker_frame
from data_sources.workers.accepted import Taken
from data_sources.workers.heartbeat import Heartbeat
from data_sources.workers.presence import FORGET_AFTER, MOST_WORKERS, Presence
from data_sources.workers.seen import Beside
from data_sources.workers.verdict import LONG_SILENT
from data_sources.workers.worker_facts import WorkerFacts
from data_sources.workers.worker_rows import COLUMNS, WorkersReading

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
LONG_UP = 100_000


def said(worker: str = "mail@a", pid: int | None = 1, uptime: int | None = LONG_UP, **totals: int) -> WorkerFacts:
    """What an idle worker says that has accepted `totals`."""
    return WorkerFacts(
        worker,
        pid=pid,
        pool="prefork",
        concurrency=2,
        active=0,
        processed=sum(totals.values()),
        totals=totals,
        queues=("mail",),
        uptime_seconds=uptime,
        prefetch_count=8,
    )


def without_stats(worker: str = "mail@a", active: int | None = 1) -> WorkerFacts:
    """What is known of a worker whose `stats` did not come in time."""
    return WorkerFacts(worker, active=active, queues=("mail",))


class Clock:
    """Rounds of questions, the first at START. `jump`: by how much the clock on the wall was set meanwhile."""

    def __init__(self) -> None:
        self.presence = Presence()
        self.now = START
        self.steady = 0.0

    def round(
        self,
        *answered: WorkerFacts,
        after: float = 5,
        jump: float = 0,
        late: Collection[str] = (),
        beside: Beside | None = None,
    ) -> Taken:
        self.now += timedelta(seconds=after + jump)
        self.steady += after
        told = replace(beside or Beside(), late=late)
        return self.presence.update(map(self.aged, answered), self.now, self.steady, told)

    def aged(self, facts: WorkerFacts) -> WorkerFacts:
        """Who was LONG_UP at the start is up for longer now."""
        if facts.uptime_seconds != LONG_UP:
            return facts
        return replace(facts, uptime_seconds=LONG_UP + round(self.steady))

    def rows(self) -> list[dict[str, Any]]:
        return [dict(row) for row in self.presence.rows(self.now)]

    def verdicts(self) -> list[tuple[str, str]]:
        return [(row["worker"], row["verdict"]) for row in self.rows()]


@pytest.fixture
def clock() -> Clock:
    return Clock()


# --- who is there -----------------------------------------------------------------------------------------------


def test_nobody_seen_is_an_empty_table_with_all_its_columns() -> None:
    frame = worker_frame(Presence().rows(START))
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == COLUMNS
    assert len(frame) == 0


def test_all_that_a_worker_said_is_in_its_row(clock: Clock) -> None:
    clock.round(said(send=3, bulk=4))
    (row,) = clock.rows()
    assert row.pop("last_seen") == clock.now
    assert [fact[:2] for fact in json.loads(row.pop("evidence"))] == [
        ["heartbeat", "none was heard"],
        ["answer", "the last came"],
        ["work", "0 of 2 slots run a task"],
    ]
    assert row == {
        "worker": "mail@a",
        "verdict": "idle",
        "pool": "prefork",
        "concurrency": 2,
        "active": 0,
        "reserved": None,
        "processed": 7,
        "queues": ["mail"],
        "may_consume": None,
        "silent_since": None,
        "prefetch": 8,
        "uptime": LONG_UP + 5,
        "pid": 1,
        "since": None,
        "neglected": [],
        "heartbeat_age": None,
        "clock_offset": None,
        "load": None,
        "software": None,
        "expected": None,
    }


def test_what_a_worker_did_not_say_is_missing_and_not_zero(clock: Clock) -> None:
    clock.round(WorkerFacts("mail@a"))
    (row,) = clock.rows()
    assert row["verdict"] == "unknown"
    assert row["queues"] is None
    assert all(row[name] is None for name in ("active", "concurrency", "processed", "prefetch", "uptime", "pid"))


def test_a_worker_that_runs_something_is_working(clock: Clock) -> None:
    clock.round(without_stats(active=2), without_stats("bulk@a", active=0), without_stats("slow@a", active=None))
    assert clock.verdicts() == [("bulk@a", "idle"), ("mail@a", "working"), ("slow@a", "unknown")]


def test_a_worker_that_does_not_answer_is_silent_since_the_first_round_without_it(clock: Clock) -> None:
    clock.round(said(), said("bulk@a"))
    answered_at = clock.now
    clock.round(said("bulk@a"))
    silent_since = clock.now
    clock.round(said("bulk@a"))
    assert clock.verdicts() == [("bulk@a", "idle"), ("mail@a", "silent")]
    row = clock.rows()[1]
    assert (row["silent_since"], row["last_seen"]) == (silent_since, answered_at)
    assert row["active"] is None
    assert row["uptime"] is None
    assert clock.presence.expected == ("bulk@a",)


def test_a_silent_worker_that_answers_again_is_there_again(clock: Clock) -> None:
    clock.round(said())
    clock.round()
    clock.round(said())
    assert clock.verdicts() == [("mail@a", "idle")]
    assert clock.rows()[0]["silent_since"] is None


def test_silent_becomes_gone_after_ten_minutes_and_is_forgotten_after_a_day(clock: Clock) -> None:
    clock.round(said())
    clock.round(after=LONG_SILENT.total_seconds())
    assert clock.verdicts() == [("mail@a", "silent")]
    clock.round(after=1)
    assert clock.verdicts() == [("mail@a", "gone")]
    clock.round(after=(FORGET_AFTER - LONG_SILENT).total_seconds() - 1)
    assert clock.verdicts() == [("mail@a", "gone")]
    clock.round(after=1)
    assert clock.verdicts() == []
    assert clock.presence.queues == frozenset()


def test_a_worker_that_always_answers_just_too_late_is_alive(clock: Clock) -> None:
    clock.round(said())
    for _ in range(200):
        clock.round(late=["mail@a"])
    (row,) = clock.rows()
    assert row["verdict"] == "busy_not_answering"  # alive, and what it does now it has not said
    assert row["active"] is None
    assert (row["last_seen"], row["silent_since"]) == (clock.now, None)
    assert clock.presence.expected == ("mail@a",)


def test_somebody_late_whom_we_never_heard_before_makes_no_row(clock: Clock) -> None:
    clock.round(late=["mail@a"])
    assert clock.verdicts() == []


# --- one name, several processes --------------------------------------------------------------------------------


def test_a_restarted_worker_replaces_its_row_at_once(clock: Clock) -> None:
    clock.round(said(pid=1))
    clock.round(said(pid=2, uptime=3))
    assert [(row["pid"], row["verdict"]) for row in clock.rows()] == [(2, "idle")]


def test_a_restart_after_a_silence_replaces_the_silent_row(clock: Clock) -> None:
    clock.round(said(pid=1))
    clock.round()
    clock.round(said(pid=2, uptime=3))
    assert [(row["pid"], row["verdict"]) for row in clock.rows()] == [(2, "idle")]


def test_two_processes_of_one_name_stay_two_and_one_that_falls_silent_is_shown(clock: Clock) -> None:
    for _ in range(3):
        clock.round(said(pid=1), said(pid=2))
    assert [(row["pid"], row["verdict"]) for row in clock.rows()] == [(1, "idle"), (2, "idle")]
    clock.round(said(pid=1))
    clock.round(said(pid=1))
    assert [(row["pid"], row["verdict"]) for row in clock.rows()] == [(1, "idle"), (2, "silent")]
    clock.round(said(pid=1), said(pid=3, uptime=2))
    assert [(row["pid"], row["verdict"]) for row in clock.rows()] == [(1, "idle"), (3, "idle")]


def test_when_both_of_two_restart_each_new_process_takes_one_place(clock: Clock) -> None:
    clock.round(said(pid=1), said(pid=2))
    clock.round(said(pid=3, uptime=1))
    assert sorted(row["verdict"] for row in clock.rows()) == ["idle", "silent"]
    clock.round(said(pid=3, uptime=6), said(pid=4, uptime=1))
    assert [(row["pid"], row["verdict"]) for row in clock.rows()] == [(3, "idle"), (4, "idle")]


def test_a_reply_that_lacks_its_stats_is_no_restart(clock: Clock) -> None:
    clock.round(said(pid=1, send=100))
    clock.round(without_stats())
    assert [(row["pid"], row["verdict"]) for row in clock.rows()] == [(1, "working")]
    assert clock.round(said(pid=1, send=120)).by_task == {"send": 10.0}  # of 20 in two rounds


def test_a_name_alone_does_not_tell_which_of_two_answered(clock: Clock) -> None:
    clock.round(said(pid=1), said(pid=2))
    clock.round(without_stats())
    assert {row["verdict"] for row in clock.rows() if row["pid"] is not None} <= {"silent", "idle"}
    clock.round(said(pid=1), said(pid=2))
    assert {1, 2} <= {row["pid"] for row in clock.rows() if row["verdict"] == "idle"}


# --- what they took on ------------------------------------------------------------------------------------------


def test_the_first_round_tells_no_rate(clock: Clock) -> None:
    taken = clock.round(said(send=1_000))
    assert (taken.by_task, taken.by_worker, taken.span_seconds) == (None, {}, 0)


def test_what_was_accepted_between_two_answers_is_counted_by_task_and_by_worker(clock: Clock) -> None:
    clock.round(said(send=100), said("bulk@a", send=7, bulk=1))
    taken = clock.round(said(send=110), said("bulk@a", send=8, bulk=1))
    assert taken == Taken({"send": 11.0, "bulk": 0.0}, {"mail@a": 10.0, "bulk@a": 1.0}, 5.0)


def test_a_worker_merely_new_to_us_adds_nothing_and_its_rate_is_not_zero_but_unknown(clock: Clock) -> None:
    clock.round(said(send=100))
    taken = clock.round(said(send=101), said("old@a", uptime=LONG_UP, send=1_000_000))
    assert taken == Taken(None, {"mail@a": 1.0}, 5.0)
    assert clock.round(said(send=101), said("old@a", uptime=LONG_UP, send=1_000_005)).by_worker["old@a"] == 5.0


@pytest.mark.parametrize(("uptime", "expected"), [(0, 30.0), (5, 30.0), (8, 30 * 5 / 8)])
def test_all_that_a_newly_started_worker_accepted_is_new(clock: Clock, uptime: int, expected: float) -> None:
    clock.round(said(send=100))
    clock.round(said(send=100))
    clock.round(said(send=100))
    taken = clock.round(said(send=100), said("new@a", uptime=uptime, send=30))
    assert taken.by_worker == {"mail@a": 0.0, "new@a": expected}


def test_a_worker_of_unknown_age_adds_nothing(clock: Clock) -> None:
    clock.round(said())
    assert clock.round(said(), said("new@a", uptime=None, send=30)) == Taken(None, {"mail@a": 0.0}, 5.0)


def test_an_answer_after_a_silence_is_no_spike(clock: Clock) -> None:
    clock.round(said(send=0))
    for _ in range(11):
        clock.round()
    taken = clock.round(said(send=600))  # 600 in a minute are 50 in five seconds
    assert (taken.by_task, taken.span_seconds) == ({"send": 50.0}, 5.0)


def test_after_an_outage_everything_is_counted_over_all_of_it(clock: Clock) -> None:
    clock.round(said(send=0))
    assert clock.round(said(send=7_200), after=3600) == Taken({"send": 7200.0}, {"mail@a": 7200.0}, 3600.0)


def test_counters_that_begin_again_count_from_zero_as_in_prometheus(clock: Clock) -> None:
    clock.round(said(pid=1, uptime=LONG_UP, send=1_000, bulk=3))
    assert clock.round(said(pid=1, uptime=4, send=20, bulk=5)).by_task == {"send": 20.0, "bulk": 5.0}


def test_a_restart_in_a_container_is_known_by_its_uptime_even_when_no_counter_fell(clock: Clock) -> None:
    clock.round(said(pid=1, uptime=LONG_UP, send=2))
    assert clock.round(said(pid=1, uptime=3, send=20)).by_task == {"send": 20.0}


@pytest.mark.parametrize("jump", [-3600, -5, 3600, 400 * 86_400])
def test_a_clock_that_is_set_changes_no_count_and_no_span(clock: Clock, jump: float) -> None:
    """Whether the worker runs for longer than the clock jumped, or not."""
    young = 60
    clock.round(said(send=10), said("young@a", uptime=young, send=3))
    clock.round(said(send=20), said("young@a", uptime=young + 5, send=4))
    taken = clock.round(said(send=40), said("young@a", uptime=young + 10, send=6), jump=jump)
    assert taken == Taken({"send": 22.0}, {"mail@a": 20.0, "young@a": 2.0}, 5.0)
    taken = clock.round(said(send=45), said("young@a", uptime=young + 15, send=6))
    assert taken == Taken({"send": 5.0}, {"mail@a": 5.0, "young@a": 0.0}, 5.0)


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_of_a_worker_whose_own_clock_is_set_one_round_is_unknown(clock: Clock, jump: int) -> None:
    """Its uptime is the difference of two looks at that clock."""
    clock.round(said(uptime=7_200, send=10))
    clock.round(said(uptime=7_205, send=20))
    assert clock.round(said(uptime=7_210 + jump, send=30), jump=jump) == Taken(None, {}, 5.0)
    assert clock.round(said(uptime=7_215 + jump, send=37)) == Taken({"send": 7.0}, {"mail@a": 7.0}, 5.0)


Life = list[tuple[int, bool, int, str]]
steps = st.tuples(
    st.integers(1, 600),  # seconds to the next round
    st.booleans(),  # whether it answers
    st.integers(0, 500),  # accepted meanwhile
    st.sampled_from(["goes on", "goes on", "restarts", "restarts under its old number"]),
)


@given(st.lists(steps, min_size=2, max_size=30))
def test_a_count_is_what_was_accepted_since_the_last_answer_and_never_negative_nor_a_spike(life: Life) -> None:
    clock, pid, total, up, restarted, unheard, since = Clock(), 1, 0, 2 * LONG_UP, False, 0, 0
    clock.round(said(pid=pid, uptime=up, send=total))
    for seconds, answers, accepted, event in life:
        unheard, since = unheard + accepted, since + seconds
        if event == "goes on":
            total, up = total + accepted, up + seconds
        else:
            pid += event == "restarts"
            total, up, restarted = accepted, 0, True
        taken = clock.round(*[said(pid=pid, uptime=up, send=total)] * answers, after=seconds)
        if not answers:
            assert taken.by_task is None
            continue
        per_second = (taken.by_task or {})["send"] / seconds
        assert 0 <= per_second <= unheard / seconds
        assert restarted or per_second == pytest.approx(unheard / since)
        restarted, unheard, since = False, 0, 0


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 1000)), min_size=1, max_size=50))
def test_what_a_worker_accepts_while_it_answers_is_counted_to_the_last_task(life: list[tuple[int, int]]) -> None:
    clock, total, counted = Clock(), 12_345, 0.0
    clock.round(said(send=total))
    for seconds, accepted in life:
        total += accepted
        counted += clock.round(said(send=total), after=seconds).by_worker["mail@a"]
    assert counted == pytest.approx(total - 12_345)


# --- consumers, bounds, threads ---------------------------------------------------------------------------------


def reading(clock: Clock) -> WorkersReading:
    return WorkersReading(clock.presence.rows(clock.now), 0, ())


def test_consumers_are_the_answering_workers_and_queues_those_of_all(clock: Clock) -> None:
    bulk = WorkerFacts("bulk@a", pid=9, active=0, queues=("bulk", "mail"))
    clock.round(said(), bulk)
    assert reading(clock).consumers() == Counter(mail=2, bulk=1)
    clock.round(said())
    assert reading(clock).consumers() == {"mail": 1, "bulk": None}
    assert clock.presence.queues == {"mail", "bulk"}
    assert reading(clock).expected == clock.presence.expected


def test_while_one_worker_has_not_said_what_it_consumes_nobody_is_said_to_consume_nothing(clock: Clock) -> None:
    clock.round(said(), WorkerFacts("bulk@a", pid=9, active=0))
    assert reading(clock).consumers() is None
    assert clock.presence.queues == {"mail"}


def test_what_one_consumes_that_beats_and_never_answers_is_not_known(clock: Clock) -> None:
    """Its remote control may be off; when it is silent too, nothing speaks of it."""
    beat = Heartbeat(microseconds(START), active=0)
    clock.round(said(), beside=Beside(beats={("bulk@a", 9): beat}))
    assert reading(clock).consumers() is None
    clock.round(said(), after=200, beside=Beside(beats={("bulk@a", 9): beat}))
    assert reading(clock).consumers() == {"mail": 1}


def test_an_endless_stream_of_new_names_keeps_the_newest_and_stays_quick(clock: Clock) -> None:
    clock.round(*(said(f"w{n:05}@a") for n in range(MOST_WORKERS)))
    clock.round(*(said(f"x{n:05}@a") for n in range(MOST_WORKERS - 1)))
    names = {row["worker"] for row in clock.rows()}
    assert len(names) == MOST_WORKERS
    assert {f"x{n:05}@a" for n in range(MOST_WORKERS - 1)} < names
    clock.round(*(said(f"y{n:05}@a") for n in range(10 * MOST_WORKERS)))
    assert len(clock.rows()) == MOST_WORKERS


def test_others_read_while_a_round_is_taken_in(clock: Clock) -> None:
    errors: list[Exception] = []
    ended = threading.Event()

    def read(presence: Presence) -> Iterable[object]:
        return presence.queues, presence.expected, presence.rows(START)

    def reader() -> None:
        while not ended.is_set():
            try:
                read(clock.presence)
            except Exception as error:
                errors.append(error)
                return

    readers = [threading.Thread(target=reader) for _ in range(2)]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 100)  # so that they meet often
    try:
        for thread in readers:
            thread.start()
        for round_ in range(40):
            clock.round(*(said(f"w{round_}-{n}@a") for n in range(30)))
    finally:
        ended.set()
        sys.setswitchinterval(usual)
    for thread in readers:
        thread.join()
    assert errors == []
