"""What waits to be written: nothing is lost silently, nothing grows without bound."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import recorder.inbox
from data_sources.events.celery_events import TaskEvent
from recorder.batch import Latest, Sample
from recorder.inbox import Inbox


def events(*ids: int) -> list[TaskEvent]:
    return [TaskEvent("started", str(id), id) for id in ids]


def ids(taken: list[TaskEvent]) -> list[int]:
    return [int(event.id) for event in taken]


puts_and_takes = st.lists(st.tuples(st.booleans(), st.integers(0, 12)), max_size=40)


@given(puts_and_takes)
def test_events_come_out_once_in_their_order_and_what_there_was_no_room_for_is_counted(
    steps: list[tuple[bool, int]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder.inbox, "MOST_EVENTS", 20)
        inbox, said, kept, taken = Inbox(), 0, list[int](), list[int]()
        for is_put, count in steps:
            if is_put:
                batch = events(*range(said, said + count))
                said += count
                dropped = inbox.put_events(batch)
                kept += ids(batch[: count - dropped])
                assert dropped == 0 or inbox.waiting == 20
            else:
                taken += ids(inbox.take_events(count, 0.0))
            assert inbox.waiting == len(kept) - len(taken) <= 20
        taken += ids(inbox.take_events(10**6, 0.0))

    assert taken == kept
    assert inbox.waiting == 0


def test_who_waits_is_woken_by_many_events_and_by_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder.inbox, "ENOUGH_EVENTS", 3)
    inbox, taken = Inbox(), list[list[int]]()

    def take_two() -> None:
        taken.extend(ids(inbox.take_events(10, 60.0)) for _ in range(2))

    waiting = threading.Thread(target=take_two)
    waiting.start()
    inbox.put_events(events(1, 2))
    inbox.put_events(events(3))
    while not taken:
        assert waiting.is_alive()
        time.sleep(0.01)
    inbox.put_events(events(4))
    inbox.close()
    waiting.join(30)

    assert taken == [[1, 2, 3], [4]]


def test_after_the_end_what_is_left_can_be_taken() -> None:
    inbox = Inbox()
    inbox.put_events(events(1, 2))
    inbox.close()

    assert ids(inbox.take_events(10, 60.0)) == [1, 2]


def test_an_answer_takes_the_place_of_the_last_and_a_failed_one_keeps_its_body() -> None:
    inbox = Inbox()
    inbox.put_answer(Latest("workers", 1, 5, body="old"))
    inbox.put_answer(Latest("workers", 2, 5, body="good"))
    inbox.put_answer(Latest("queues", 3, 5, body="depths"))
    inbox.put_answer(Latest("workers", None, 6, failure="silent"))

    answers, _ = inbox.take_answers()

    assert answers == [Latest("workers", 2, 6, "silent", "good"), Latest("queues", 3, 5, None, "depths")]
    assert inbox.take_answers() == ([], [])


def test_an_answer_that_could_not_be_written_does_not_take_the_place_of_a_newer_one() -> None:
    inbox = Inbox()
    older, depths = Latest("workers", 1, 5, body="older"), Latest("queues", 1, 5, body="depths")
    inbox.put_answer(newer := Latest("workers", 2, 5, body="newer"))
    inbox.put_back([older, depths])

    assert inbox.take_answers()[0] == [newer, depths]


samples = st.lists(
    st.builds(
        Sample,
        st.integers(0, 4).map(lambda at: 10 * at),
        st.just("depth"),
        st.just("queue"),
        st.sampled_from("abc"),
        st.floats(0, 9),
    )
)


@given(st.lists(samples, max_size=8))
def test_of_one_time_and_series_the_last_sample_is_kept_and_never_too_many(rounds: list[list[Sample]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder.inbox, "MOST_SAMPLES", 6)
        inbox, expected = Inbox(), dict[tuple[int, str], Sample]()
        for one in rounds:
            inbox.put_answer(Latest("queues", 1, 1, body="{}"), one)
            for sample in one:
                if (sample.at, sample.text) in expected or len(expected) < 6:
                    expected[sample.at, sample.text] = sample

        assert inbox.take_answers()[1] == list(expected.values())
