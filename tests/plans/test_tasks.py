"""Tasks that are revoked, terminated, sent, or sent once more, by their ids or by a filter."""

from __future__ import annotations

import pytest

from control.desk import Desk
from control.plan import Line
from control.sending import Retry
from data_sources.errors import BadParameter, NotConfirmed, QueryRejected, SourceUnreachable
from data_sources.scope import Scope
from data_sources.task_query import TaskFilter
from data_sources.workers.celery_control import Reply
from data_sources.workers.orders import Revoke
from data_sources.workers.send_task import SendTask
from tests.steered import ANN, A, B, C, D, Stage, plan


def test_a_revoke_tells_the_state_of_each_task_and_leaves_out_what_ended(desk: Desk, four: Stage) -> None:
    four.add_task("ended", "SUCCESS", finished=9)
    four.add_task("waits", "RECEIVED", received=1)
    running = {"id": "runs", "name": "shop.mail", "worker_pid": 41, "time_start": 5.0}
    four.says[A]["query_task"] = {"runs": ["active", running]}

    made = plan(desk, Revoke(("ended", "waits", "runs", "other")))

    assert made.order == Revoke(("waits", "runs", "other"))
    assert made.workers == (A, B, C, D)
    assert (made.tasks, made.phrase) == (3, "revoke 3 tasks")
    assert made.lines == (
        Line("waits", "shop.mail, RECEIVED as recorded", "is not run"),
        Line("runs", f"shop.mail runs on {A}, process 41", "runs on"),
        Line("other", "nothing is known of it", "is not run"),
    )
    assert made.warnings[:2] == (
        "1 task left out, having ended: 1 SUCCESS",
        "Of 1 task nothing is known: not recorded, and no worker has it",
    )
    with pytest.raises(BadParameter, match="has ended: 1 SUCCESS"):
        plan(desk, Revoke(("ended",)))


def test_one_task_is_revoked_without_typing_and_terminated_with_it(desk: Desk, four: Stage) -> None:
    assert plan(desk, Revoke(("a",))).phrase == ""
    assert plan(desk, Revoke(("a",), terminate=True)).phrase == "terminate 1 task"


def test_terminate_names_the_process_and_who_shares_it(desk: Desk, stage: Stage) -> None:
    stage.add(A)
    stage.add(B, "threads")
    on_a = {"id": "a", "name": "shop.mail", "worker_pid": 41}
    on_b = {"id": "b", "name": "shop.mail", "worker_pid": 42}
    stage.says[A] |= {"query_task": {"a": ["active", on_a]}, "active": [on_a, {**on_a, "id": "a2"}]}
    stage.says[B] |= {"query_task": {"b": ["active", on_b]}, "active": [on_b]}

    made = plan(desk, Revoke(("a", "b"), terminate=True, signal="SIGKILL"))

    assert made.lines == (
        Line(
            "a",
            f"shop.mail runs on {A}, process 41",
            "its process gets SIGKILL, and with it 1 other task; another takes its place",
        ),
        Line("b", f"shop.mail runs on {B}, process 42", "runs on: the threads pool cannot end a task"),
    )


def test_a_retry_shows_the_arguments_as_they_will_be_sent(desk: Desk, four: Stage) -> None:
    four.add_task("a", "FAILURE", finished=9, args="(1, 'ä')", kwargs="{'to': [None, True, 1.5]}")

    made = plan(desk, Retry(("a",)))
    send = SendTask("shop.mail", made.sends[0].args, made.sends[0].kwargs, "mail", retry_of="a")

    assert made.sends == (send,)
    assert desk.retry_of(ANN, "default", "a") == send
    assert (made.phrase, made.tasks) == ("", 1)
    assert made.lines == (Line("a", "FAILURE", f"shop.mail to mail: {send.args}, {send.kwargs}"),)
    outcome = desk.act(ANN, made.nonce)
    assert four.sent == [send]
    assert outcome.replies == (Reply("a", "done", "new-1"),)


@pytest.mark.parametrize(
    ("known", "why"),
    [
        ({"state": "STARTED"}, "has not ended"),
        ({"name": None}, "name is not recorded"),
        ({"queue": None, "worker": B}, "queue is not recorded"),
        ({"args": None}, "are not recorded"),
        ({"args": "('a...',)"}, "cut"),
        ({"kwargs": "{'password': '********'}"}, "hold a secret"),
        ({"cut": '{"args": 90000}'}, "90,000 characters"),
    ],
    ids=str,
)
def test_a_retry_is_refused_with_the_reason(known: dict[str, str], why: str, desk: Desk, four: Stage) -> None:
    four.workers[1]["queues"] = ["mail", "slow"]
    four.add_task("a", **{"state": "FAILURE", "finished": 9, **known})  # type: ignore[arg-type]

    with pytest.raises(QueryRejected, match=why):
        desk.retry_of(ANN, "default", "a")
    with pytest.raises(BadParameter, match=why):
        plan(desk, Retry(("a",)))


def test_a_retry_goes_to_the_only_queue_of_its_worker_where_no_other_is_known(desk: Desk, four: Stage) -> None:
    four.add_task("a", "FAILURE", finished=9, queue=None, worker=A)

    assert desk.retry_of(ANN, "default", "a").queue == "mail"
    assert desk.retry_of(ANN, "default", "a", queue="slow").queue == "slow"


def test_a_retry_of_many_names_those_left_out(desk: Desk, four: Stage) -> None:
    for id in ("a", "b"):
        four.add_task(id, "FAILURE", finished=9)
    four.add_task("c", "SUCCESS", finished=9)
    four.add_task("d", "FAILURE", finished=9, args=None)

    made = plan(desk, Retry(("a", "b", "c", "d", "e"), queue="slow"))

    assert [send.retry_of for send in made.sends] == ["a", "b", "c"]
    assert {send.queue for send in made.sends} == {"slow"}
    assert made.phrase == "retry 3 tasks"
    assert [warning[:30] for warning in made.warnings if "left out" in warning] == [
        "1 left out: its positional arg",
        "1 left out: it is not recorded",
    ]
    assert "1 task of them succeeded, and will be done twice" in made.warnings


def test_when_the_broker_goes_in_the_middle_the_rest_is_said_not_to_be_sent(desk: Desk, four: Stage) -> None:
    for id in ("a", "b"):
        four.add_task(id, "FAILURE", finished=9)
    made = plan(desk, Retry(("a", "b")))

    four.failure = NotConfirmed("Broker", "cut")
    first = desk.act(ANN, made.nonce, made.phrase)
    made = plan(desk, Retry(("a", "b")))
    four.failure = SourceUnreachable("Broker", "gone")
    second = desk.act(ANN, made.nonce, made.phrase)

    assert [(reply.outcome, reply.text) for reply in first.replies] == [
        ("no reply", "sent, not confirmed: cut"),
        ("refused", "not sent: cut"),
    ]
    assert [reply.outcome for reply in second.replies] == ["refused", "refused"]
    assert len(four.sent) == 2


def test_a_task_is_sent_where_somebody_knows_it(desk: Desk, four: Stage) -> None:
    four.queues[0]["consumers"] = 0

    made = plan(desk, SendTask("shop.other", "[1]", "{}", "mail"))

    assert made.lines == (Line("shop.other", "", "shop.other to mail: [1], {}"),)
    assert made.warnings == ("Nobody takes from mail", "No worker that answers knows shop.other")


def test_what_a_filter_finds_is_frozen_in_the_plan(desk: Desk, four: Stage) -> None:
    for n in range(3):
        four.add_task(f"r{n}", "RECEIVED", received=1)
    four.add_task("f", "FAILURE", finished=9)

    made = desk.plan_found(ANN, "revoke", Scope(), TaskFilter())
    four.add_task("later", "RECEIVED", received=2)
    desk.act(ANN, made.nonce, "revoke 3 tasks")

    assert [order for order, _ in four.given] == [Revoke(("r0", "r1", "r2"))]
    retried = desk.plan_found(ANN, "retry", Scope(), TaskFilter())
    assert [send.retry_of for send in retried.sends] == ["f"]


def test_a_filter_that_finds_nothing_or_too_much_makes_no_plan(desk: Desk, four: Stage) -> None:
    with pytest.raises(QueryRejected, match="finds no task"):
        desk.plan_found(ANN, "revoke", Scope(), TaskFilter())
    for n in range(1_001):
        four.add_task(f"r{n}", "RECEIVED", received=1)
    with pytest.raises(QueryRejected, match="more than 1,000"):
        desk.plan_found(ANN, "revoke", Scope(), TaskFilter())
    with pytest.raises(BadParameter):
        desk.plan_found(ANN, "revoke", Scope(), TaskFilter(states=("SUCCESS",)))
    with pytest.raises(BadParameter):
        desk.plan_found(ANN, "shutdown", Scope(), TaskFilter())
