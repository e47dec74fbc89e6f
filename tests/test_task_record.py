"""One task from its events: any order, any repetition, whatever is missing, the same record."""

from __future__ import annotations

import copy
import itertools
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.events.celery_events import TaskEvent
from data_sources.history.task_record import TaskRecord, merge, take_delivery
from data_sources.schema import STATES
from data_sources.workers.delivery import Delivery

SECOND = 1_000_000
START = 1_800_000_000 * SECOND


def event(kind: str, seconds: float, **fields: Any) -> TaskEvent:
    worker = None if kind == "sent" else fields.pop("worker", "w@1")
    return TaskEvent(kind, "id", START + round(seconds * SECOND), worker, **fields)


def record_of(*events: TaskEvent) -> TaskRecord:
    record = None
    for one in events:
        record = merge(record, one)
    assert record is not None
    return record


def state(record: TaskRecord) -> str:
    return STATES[record.state]


LIFE = (
    event("sent", 0, name="mail", queue="q", routing_key="q", args="(1,)", kwargs="{}", retries=0),
    event("received", 1, name="mail", args="(1,)", kwargs="{}", retries=0),
    event("started", 3),
    event("succeeded", 5, result="'ok'", runtime_us=1_990_000),
)


def test_a_life_from_sent_to_succeeded() -> None:
    assert record_of(*LIFE) == TaskRecord(
        "id",
        state=STATES.index("SUCCESS"),
        state_us=START + 5 * SECOND,
        outcome_us=START + 5 * SECOND,
        name="mail",
        worker="w@1",
        queue="q",
        routing_key="q",
        retries=0,
        sent_us=START,
        received_us=START + SECOND,
        started_us=START + 3 * SECOND,
        finished_us=START + 5 * SECOND,
        runtime_us=1_990_000,
        args="(1,)",
        kwargs="{}",
        result="'ok'",
    )
    assert record_of(*LIFE).wait_us == 3 * SECOND


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_how_it_was_delivered_is_told_by_its_worker_at_any_moment(place: int) -> None:
    told = Delivery("shop", "q", 7)
    record = record_of(*LIFE[:place])
    assert take_delivery(record, told)
    for one in LIFE[place:]:
        record = merge(record, one)

    expected = record_of(*LIFE)
    expected.exchange, expected.priority = "shop", 7
    assert record == expected
    assert not any(take_delivery(record, one) for one in (told, Delivery(), Delivery(None, "q", 0)))


def test_each_event_alone_gives_its_state() -> None:
    states = {kind: state(record_of(event(kind, 0))) for kind in ("sent", "received", "started", "retried", "revoked")}
    assert states == {
        "sent": "PENDING",
        "received": "RECEIVED",
        "started": "STARTED",
        "retried": "RETRY",
        "revoked": "REVOKED",
    }


def test_a_client_whose_clock_is_ahead_does_not_make_a_running_task_wait_again() -> None:
    record = record_of(event("started", 0), event("sent", 10))
    assert (state(record), record.worker) == ("STARTED", "w@1")


def test_a_task_that_is_given_back_waits_again_and_is_not_finished() -> None:
    record = record_of(event("received", 0), event("started", 1), event("rejected", 2, requeue=True))
    assert (state(record), record.finished_us) == ("PENDING", None)
    assert state(merge(record, event("received", 3, worker="w@2"))) == "RECEIVED"


def test_a_failure_that_is_also_rejected_is_a_failure_with_its_exception() -> None:
    for at in (1, 3):
        record = record_of(event("failed", 2, exception="E()"), event("rejected", at))
        assert (state(record), record.exception) == ("FAILURE", "E()")


def test_a_task_that_was_retried_shows_its_last_attempt() -> None:
    record = record_of(
        event("received", 0, retries=0),
        event("started", 1),
        event("retried", 2, exception="OSError()"),
        event("received", 2.1, retries=1, eta_us=START + 12 * SECOND),
    )
    assert (state(record), record.exception, record.finished_us) == ("RECEIVED", "OSError()", None)
    assert record.wait_us is None
    record = record_of(
        event("started", 12.5),
        event("succeeded", 13, result="1", runtime_us=5),
        event("received", 0, retries=0),
        event("started", 1),
        event("retried", 2, exception="OSError()"),
        event("received", 2.1, retries=1, eta_us=START + 12 * SECOND),
    )
    assert (state(record), record.exception, record.retries, record.result) == ("SUCCESS", None, 1, "1")
    assert record.wait_us == SECOND // 2


def test_an_attempt_that_is_repeated_at_once_waits_from_its_own_sending() -> None:
    record = record_of(
        event("sent", 0, retries=0),
        event("started", 1),
        event("retried", 61),
        event("sent", 60.9, retries=1),
        event("started", 62),
    )
    assert record.wait_us == 1_100_000


def test_the_runtime_of_a_failure_is_from_its_start_to_its_end() -> None:
    assert record_of(event("started", 1), event("failed", 3.5)).runtime_us == 2_500_000
    assert record_of(event("failed", 3.5), event("started", 1)).runtime_us == 2_500_000


def test_what_two_clocks_contradict_is_unknown() -> None:
    record = record_of(event("sent", 10), event("started", 1), event("failed", 0.5))
    assert (record.wait_us, record.runtime_us) == (None, None)


def test_a_success_without_a_runtime_was_lost_by_its_worker_and_has_none() -> None:
    assert record_of(event("started", 1), event("succeeded", 9)).runtime_us is None


def test_a_wait_without_a_sending_is_from_the_receipt_and_never_before_the_eta() -> None:
    assert record_of(event("received", 1), event("started", 3)).wait_us == 2 * SECOND
    assert record_of(event("received", 1, eta_us=START + 2 * SECOND), event("started", 3)).wait_us == SECOND
    assert record_of(event("started", 3)).wait_us is None


def test_a_worker_quicker_than_the_clients_stamp_waited_from_its_receipt() -> None:
    assert record_of(event("sent", 1.02), event("received", 1), event("started", 1.01)).wait_us == SECOND // 100


def test_a_task_delivered_twice_shows_its_last_end() -> None:
    again = (event("received", 100, worker="w@2"), event("failed", 110, worker="w@2", exception="E()"))
    record = record_of(*LIFE, *again)
    assert (state(record), record.worker, record.result, record.exception) == ("FAILURE", "w@2", None, "E()")


def test_what_it_did_last_is_always_known() -> None:
    for count in range(1, 5):
        for some in itertools.combinations(LIFE, count):
            assert record_of(*some).last_us == max(one.at_us for one in some)
    assert record_of(event("retried", 4)).last_us == START + 4 * SECOND


def test_true_lengths_stand_beside_what_they_belong_to() -> None:
    record = record_of(
        event("received", 0, args="a", cut={"args": 3_000}),
        event("retried", 1, exception="E", traceback="t", cut={"exception": 2_000, "traceback": 9_000}),
    )
    assert record.cut == {"args": 3_000, "exception": 2_000, "traceback": 9_000}
    merge(record, event("succeeded", 2, result="r", cut={"result": 5_000}))
    assert record.cut == {"args": 3_000, "result": 5_000}


# ---- The algebra

few_texts = st.sampled_from([None, "a", "b"])
times = st.integers(0, 6)


@st.composite
def events(draw: st.DrawFn) -> TaskEvent:
    kind = draw(
        st.sampled_from(["sent", "received", "started", "succeeded", "failed", "retried", "revoked", "rejected"])
    )
    fields: dict[str, Any] = {}
    texts: tuple[str, ...] = ()
    if kind in ("sent", "received"):
        names = ("name", "queue", "exchange", "routing_key", "root", "parent")
        fields = {name: draw(few_texts) for name in names}
        fields["retries"] = draw(st.none() | st.integers(0, 2))
        fields["eta_us"] = draw(st.none() | times)
        texts = ("args", "kwargs")
    elif kind == "succeeded":
        fields["runtime_us"] = draw(st.none() | times)
        texts = ("result",)
    elif kind in ("failed", "retried"):
        texts = ("exception", "traceback")
    elif kind == "rejected":
        fields["requeue"] = draw(st.booleans())
    fields |= {text: draw(few_texts) for text in texts}
    cut = {text: draw(st.integers(5_000, 5_001)) for text in texts if fields[text] and draw(st.booleans())}
    worker = None if kind == "sent" else draw(st.sampled_from(["w@1", "w@2"]))
    return TaskEvent(kind, "id", draw(times), worker, cut=cut or None, **fields)


@given(st.lists(events(), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_give_the_same_record(some: list[TaskEvent], chance: random.Random) -> None:
    expected = record_of(*some)
    again = some + chance.choices(some, k=len(some))
    chance.shuffle(again)
    assert record_of(*again) == expected
    assert merge(copy.deepcopy(expected), chance.choice(some)) == expected


@given(events())
def test_a_first_event_makes_what_an_empty_record_takes_from_it(first: TaskEvent) -> None:
    assert merge(None, first) == merge(TaskRecord(first.id), first)


@given(st.lists(events(), min_size=1, max_size=6))
def test_a_task_is_finished_exactly_when_its_state_is_final(some: list[TaskEvent]) -> None:
    record = record_of(*some)
    assert (record.finished_us is not None) == (state(record) in ("SUCCESS", "FAILURE", "REVOKED", "REJECTED"))
    assert record.wait_us is None or record.wait_us >= 0
    assert record.runtime_us is None or (record.runtime_us >= 0 and record.finished_us is not None)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_every_order_of_a_plain_life(order: tuple[int, ...]) -> None:
    assert record_of(*(LIFE[place] for place in order)) == record_of(*LIFE)
