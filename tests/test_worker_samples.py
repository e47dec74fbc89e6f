"""What is sampled of workers: no total is too low because one of them is too busy to answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from data_sources.config import Cluster
from data_sources.poller import Reading
from data_sources.workers.seen import Beside
from data_sources.workers.worker_facts import WorkerFacts
from data_sources.workers.worker_rows import WorkersReading
from recorder.follow import Follower
from recorder.gaps import Gaps
from recorder.inbox import Inbox
from recorder.sampler import BucketSums, Sampler, worker_samples
from tests.test_presence import Clock, said

AT = 1_772_359_200


def solo(name: str, **totals: int) -> WorkerFacts:
    return replace(said(name, **totals), pool="solo", concurrency=1)


def sampled(rows: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    return {(one.measure, one.text): one.value for one in worker_samples(AT, rows)}


def test_busy_slots_of_all_are_not_known_while_one_has_not_said_and_slots_are() -> None:
    clock = Clock()
    clock.round(solo("a@h"), solo("b@h"))
    assert sampled(clock.rows()) == {
        ("busy_slots", "a@h"): 0,
        ("busy_slots", "b@h"): 0,
        ("busy_slots", ""): 0,
        ("slots", "a@h"): 1,
        ("slots", "b@h"): 1,
        ("slots", ""): 2,
    }
    clock.round(solo("a@h"))  # b runs a task, and answers when it has ended
    assert sampled(clock.rows()) == {
        ("busy_slots", "a@h"): 0,
        ("slots", "a@h"): 1,
        ("slots", "b@h"): 1,
        ("slots", ""): 2,
    }
    clock.round(solo("a@h"), beside=Beside(all_heard=True))  # b is gone
    assert sampled(clock.rows()) == {
        ("busy_slots", "a@h"): 0,
        ("busy_slots", ""): 0,
        ("slots", "a@h"): 1,
        ("slots", ""): 1,
    }


def test_who_is_silent_for_long_is_left_out_unless_it_is_too_busy_to_answer() -> None:
    clock = Clock()
    clock.round(solo("a@h"), said("stopped@h"), said("busy@h"))
    clock.round(solo("a@h"), said("busy@h"))
    assert ("busy_slots", "") not in known(clock)
    taken = clock.round(solo("a@h"), said("busy@h"), after=61)
    assert (known(clock)["busy_slots", ""], known(clock)["slots", ""]) == (0, 3)
    assert taken.by_task == {}

    clock.round(solo("a@h"), late=["busy@h"], after=5)
    taken = clock.round(solo("a@h"), late=["busy@h"], after=300)
    assert ("busy_slots", "") not in known(clock)
    assert taken.by_task is None


def known(clock: Clock) -> dict[tuple[str, str], float]:
    samples = worker_samples(int(clock.now.timestamp()), clock.rows())
    return {(one.measure, one.text): one.value for one in samples}


def test_nobody_there_has_no_total() -> None:
    assert sampled(Clock().rows()) == {}


def test_what_all_accepted_is_of_the_rounds_that_all_answered_and_of_each_of_its_own() -> None:
    clock, accepted = Clock(), BucketSums()
    rounds = [
        [solo("a@h", send=0), solo("b@h", send=0)],
        [solo("a@h", send=5), solo("b@h", send=5)],
        [solo("a@h", send=10)],
        [solo("a@h", send=15), solo("b@h", send=9)],
    ]
    for answered in rounds:
        samples = accepted.samples(AT, clock.round(*answered))
    assert {(one.label, one.text): (one.value, one.span) for one in samples} == {
        ("worker", "a@h"): (15, 15),
        ("worker", "b@h"): (7, 10),  # 4 in the 10 s after its silence are 2 in 5 s
        ("name", "send"): (17, 10),
        ("", ""): (17, 10),
    }


def test_how_much_a_queue_was_rid_of_is_not_known_while_one_that_consumes_it_sends_no_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inbox, gaps = Inbox(), Gaps("shop")
    follower = Follower(Cluster(), inbox, gaps, {}, (), hide_arguments=False)
    follower.hears = True
    sampler = Sampler(Cluster(), inbox, gaps, follower)
    sampler.ended = lambda: {"mail": 7, "images": 3}
    clock = Clock()
    clock.round(replace(said("a@h"), queues=("mail",)), replace(said("b@h"), queues=("images",)))
    reading = Reading(WorkersReading(clock.rows(), 2, ()), clock.now)
    monkeypatch.setattr(sampler.workers, "read", lambda: reading)

    assert sampler._heard_to_end() == {"mail": 7, "images": 3}
    follower.unheard = frozenset({"b@h"})
    assert sampler._heard_to_end() == {"mail": 7}
    follower.unheard = frozenset()
    assert sampler._heard_to_end() is None  # what ended meanwhile is not counted
    assert sampler._heard_to_end() == {"mail": 7, "images": 3}
    sampler.stop()


def test_a_new_bucket_begins_at_nothing() -> None:
    clock, accepted = Clock(), BucketSums()
    clock.round(solo("a@h", send=0))
    accepted.samples(AT, clock.round(solo("a@h", send=5)))
    samples = accepted.samples(AT + 10, clock.round(solo("a@h", send=7)))
    assert {one.value for one in samples} == {2}
    assert {one.span for one in samples} == {5}
