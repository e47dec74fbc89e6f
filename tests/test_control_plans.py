"""What a plan says before anything is sent: what is now, what will be, and what to know before one says yes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from control import carrying_out
from control.desk import Desk
from control.plan import Line, Outcome, Plan
from control.sending import Retry
from data_sources.brokers import rabbitmq_declared
from data_sources.config import Broker
from data_sources.errors import BadParameter, NotConfirmed, QueryRejected, SourceUnreachable
from data_sources.failure import Failure
from data_sources.query import Depths
from data_sources.scope import Scope
from data_sources.task_query import TaskFilter
from data_sources.workers.celery_control import Reply
from data_sources.workers.look_inside import LookInside
from data_sources.workers.orders import (
    AddConsumer,
    Autoscale,
    CancelConsumer,
    DisableEvents,
    EnableEvents,
    Order,
    PoolGrow,
    PoolRestart,
    PoolShrink,
    Purge,
    RateLimit,
    Revoke,
    Shutdown,
    TimeLimit,
)
from data_sources.workers.send_task import SendTask
from tests.steered import ANN, Stage, steering

A, B, C, D = (f"celery@{name}" for name in "abcd")


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(carrying_out, "READ_BACK_SECONDS", 0.0)
    return Stage()


@pytest.fixture
def desk(stage: Stage, tmp_path: Path) -> Iterator[Desk]:
    with steering(stage, tmp_path) as desk:
        yield desk


@pytest.fixture
def four(stage: Stage) -> Stage:
    for name in (A, B, C, D):
        stage.add(name, "prefork", "mail")
    stage.add_queue("mail", 120, unacked=3)
    return stage


def plan(desk: Desk, order: Order, *workers: str) -> Plan:
    return desk.plan(ANN, order, "default", workers)


def act(desk: Desk, order: Order, *workers: str) -> Outcome:
    made = plan(desk, order, *workers)
    return desk.act(ANN, made.nonce, made.phrase)


def test_a_rate_limit_is_told_per_worker_and_in_total(desk: Desk, four: Stage) -> None:
    made = plan(desk, RateLimit("shop.mail", "10/m"), A, B, C, D)

    assert made.summary == "shop.mail: 10/m on each of 4 workers: 40/m together; now none"
    assert made.lines[0] == Line(A, "no limit", "10/m")
    assert made.undo == RateLimit("shop.mail", "0")
    assert made.warnings == ()


def test_lifting_a_rate_limit_says_what_it_was_and_undo_sets_it_again(desk: Desk, stage: Stage) -> None:
    stage.add(A)
    stage.says[A]["registered"] = ["shop.mail [exchange=rate_limit=9/h rate_limit=10/m]"]

    made = plan(desk, RateLimit("shop.mail", "0"), A)

    assert (made.summary, made.lines) == (
        "shop.mail: no limit on 1 worker; now 10 a minute",
        (Line(A, "10/m", "no limit"),),
    )
    assert made.undo == RateLimit("shop.mail", "10/m")


def test_where_limits_differ_no_single_order_undoes_it(desk: Desk, four: Stage) -> None:
    four.says[B]["registered"] = ["shop.mail [rate_limit=10/m]"]

    made = plan(desk, RateLimit("shop.mail", "5"), A, B)

    assert made.undo is None
    assert made.summary == "shop.mail: 5 on each of 2 workers: 10 together; now not the same everywhere"


def test_who_does_not_know_the_task_is_left_out_and_named(desk: Desk, four: Stage) -> None:
    four.says[B]["registered"] = ["shop.other"]
    del four.says[C]

    made = plan(desk, RateLimit("shop.mail", "10/m"), A, B, C)

    assert made.workers == (A, C)
    assert made.lines == (Line(A, "no limit", "10/m"), Line(C, "does not answer", "10/m"))
    assert made.warnings == (
        f"{B} is left out: it does not know this task",
        f"{C} does not answer now: it is sent, and may not be confirmed",
    )
    with pytest.raises(BadParameter, match="task: no worker that was chosen knows"):
        plan(desk, RateLimit("shop.mail", "10/m"), B)


def test_time_limits_are_both_told_and_undone_to_what_they_were(desk: Desk, stage: Stage) -> None:
    stage.add(A)
    stage.add(B, "threads")
    stage.add(C, "eventlet")
    stage.add(D, "gevent")
    for name in (A, B, C, D):
        stage.says[name]["registered"] = ["shop.mail [soft_time_limit=20 time_limit=30.5]"]

    made = plan(desk, TimeLimit("shop.mail", None, 60.0), A, B, C, D)

    assert made.lines[0] == Line(A, "soft 20 s, hard 30.5 s", "hard 60 s")
    assert made.undo == TimeLimit("shop.mail", 20.0, 30.5)
    assert made.warnings == (f"{B}, {C} will not keep it: their pool knows no time limits",)
    assert plan(desk, TimeLimit("shop.mail", 1.0, 60.0), A, D).warnings == (
        f"{D} will not keep the soft limit: their pool knows none",
    )


def test_a_limit_that_nobody_could_have_set_breaks_no_plan(desk: Desk, stage: Stage) -> None:
    stage.add(A)
    stage.says[A]["registered"] = ["shop.mail [rate_limit=many/fortnight soft_time_limit=99 time_limit=9]"]

    assert plan(desk, RateLimit("shop.mail", "10/m"), A).undo is None
    assert plan(desk, TimeLimit("shop.mail", 1.0, 2.0), A).undo is None


def test_growing_counts_processes_now_and_then(desk: Desk, four: Stage) -> None:
    made = plan(desk, PoolGrow(3), A, B)

    assert made.summary == "3 more on 2 workers: 4 now, 10 then"
    assert made.lines == (Line(A, "2 processes", "5 processes"), Line(B, "2 processes", "5 processes"))
    assert made.undo == PoolShrink(3)


@pytest.mark.parametrize("pool", ["threads", "solo"])
@pytest.mark.parametrize("order", [PoolGrow(1), PoolShrink(1)], ids=["grow", "shrink"])
def test_a_pool_that_cannot_change_is_named_before_anything_is_sent(
    pool: str, order: Order, desk: Desk, stage: Stage
) -> None:
    stage.add(A)
    stage.add(B, pool)

    made = plan(desk, order, A, B)

    assert made.workers == (A,)
    assert any(warning.startswith(f"{B} is left out: the {pool} pool cannot") for warning in made.warnings)
    with pytest.raises(BadParameter, match=f"the {pool} pool cannot"):
        plan(desk, order, B)


def test_who_scales_by_itself_is_told_to_change_its_bounds(desk: Desk, stage: Stage) -> None:
    stage.add(A, autoscaler={"max": 10, "min": 2, "current": 4})
    stage.add(B)

    with pytest.raises(BadParameter, match="scales by itself"):
        plan(desk, PoolGrow(1), A)
    made = plan(desk, Autoscale(max=3, min=1), A, B)

    assert made.lines == (Line(A, "2 to 10 processes", "1 to 3 processes"),)
    assert made.warnings == (f"{B} is left out: it was started without --autoscale",)
    assert made.undo == Autoscale(max=10, min=2)


def test_a_pool_is_not_shrunk_to_nothing(desk: Desk, four: Stage) -> None:
    assert plan(desk, PoolShrink(1), A).lines == (Line(A, "2 processes", "1 process"),)
    with pytest.raises(BadParameter, match="one must stay") as error:
        plan(desk, PoolShrink(2), A)
    assert error.value.name == "n"


def test_a_pool_is_restarted_where_that_is_switched_on(desk: Desk, four: Stage) -> None:
    four.says[B]["conf"] = {"worker_pool_restarts": True}

    made = plan(desk, PoolRestart(), A, B)

    assert made.workers == (B,)
    assert made.warnings == (f"{A} is left out: its setting worker_pool_restarts is off",)


def test_the_last_consumer_of_a_queue_is_told_so(desk: Desk, stage: Stage) -> None:
    stage.add(A, "prefork", "mail")
    stage.add(B, "prefork", "mail", "slow")
    stage.add_queue("mail", 120)

    one = plan(desk, CancelConsumer("mail"), A)
    both = plan(desk, CancelConsumer("mail"), A, B)

    assert (one.warnings, one.lines) == ((), (Line(A, "takes from it", "does not take from it"),))
    assert both.warnings == ("Nobody will take from mail: 120 tasks wait there",)
    assert both.undo == AddConsumer("mail")
    with pytest.raises(BadParameter, match="does not take from “slow”"):
        plan(desk, CancelConsumer("slow"), A)


def test_whether_others_consume_is_not_said_to_be_known_when_it_is_not(desk: Desk, four: Stage) -> None:
    for row in four.workers[1:]:
        row["queues"] = None

    made = plan(desk, CancelConsumer("mail"), A)

    assert made.warnings == (
        "Nobody will take from mail, as far as is known: 3 workers did not say: 120 tasks wait there",
    )


def test_a_queue_that_is_not_there_yet_is_said_to_be_made(desk: Desk, four: Stage) -> None:
    made = plan(desk, AddConsumer("new"), A)

    assert made.warnings == ("There is no queue “new” yet: it is made",)
    assert made.undo == CancelConsumer("new")


def test_who_takes_from_a_queue_already_is_left_out(desk: Desk, four: Stage) -> None:
    four.says[B]["active_queues"] = []
    made = plan(desk, AddConsumer("mail"), A, B)

    assert (made.workers, made.lines) == ((B,), (Line(B, "does not take from it", "takes from it"),))
    assert made.warnings == (f"{A} is left out: it takes from this queue already",)
    assert act(desk, AddConsumer("mail"), A, B).undo_workers == (B,)
    with pytest.raises(BadParameter, match="takes from “mail” already"):
        plan(desk, AddConsumer("mail"), A)


@pytest.mark.parametrize(
    ("odd", "phrase", "warning"),
    [
        ((), "", ""),
        (("x-queue-type",), A, "The queue was declared with x-queue-type: RabbitMQ refuses a worker"),
        (None, "", "How the queue was declared is not known"),
    ],
)
def test_a_queue_that_celery_would_not_declare_so_may_end_the_worker(
    odd: tuple[str, ...] | None, phrase: str, warning: str, desk: Desk, four: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq_declared, "peculiar", lambda *given: odd)
    four.broker = Broker.from_url("amqp://guest@nowhere//")
    four.add_queue("slow")
    with at(seconds_ago=600):
        made = plan(desk, AddConsumer("slow"), A)
        assert (made.phrase, made.warnings[:1]) == (phrase, made.warnings if warning else ())
        assert "".join(made.warnings).startswith(warning)
        assert plan(desk, AddConsumer("slow"), A, B).phrase == (phrase and "risk 2 workers")
        assert plan(desk, AddConsumer("new"), A).warnings == ("There is no queue “new” yet: it is made",)
        desk.act(ANN, made.nonce, made.phrase)
    four.says[A]["stats"] |= {"pid": 8, "uptime": 60}
    assert desk.plan_again(ANN, "default", A).phrase == phrase


@pytest.mark.parametrize(
    "order",
    [RateLimit("shop.mail", "5/m"), TimeLimit("shop.mail", 1.0, 2.0), PoolGrow(2), PoolShrink(1), AddConsumer("new")],
    ids=lambda order: order.kind,
)
def test_only_who_was_known_before_and_did_it_is_given_back_what_it_had(order: Order, desk: Desk, four: Stage) -> None:
    """A was silent when it was planned, and B did not say that it did it."""
    del four.says[A]
    four.replies = {B: Reply(B, "no reply", "")}

    outcome = act(desk, order, A, B, C)

    assert (outcome.undo, outcome.undo_workers) == (outcome.plan.undo, (C,))
    assert outcome.undo is not None


def test_what_nobody_told_before_cannot_be_brought_back(desk: Desk, four: Stage) -> None:
    del four.says[A]

    for order in (PoolGrow(2), AddConsumer("new"), CancelConsumer("mail")):
        assert plan(desk, order, A).undo is None


@pytest.mark.parametrize("order", [PoolRestart(), PoolShrink(1), CancelConsumer("mail"), Shutdown()])
def test_what_runs_where_something_is_taken_away_is_counted(order: Order, desk: Desk, four: Stage) -> None:
    for name, active in ((A, 2), (B, 3)):
        four.says[name]["conf"] = {"worker_pool_restarts": True}
        four.workers[[A, B].index(name)]["active"] = active

    made = plan(desk, order, A, B)
    assert made.tasks == 5
    assert "; 5 running tasks now" in made.summary
    four.workers[1]["active"] = None
    made = plan(desk, order, A, B)
    assert made.tasks is None
    assert "; how many tasks run there is not known" in made.summary


def test_a_shutdown_tells_what_runs_and_which_queue_loses_its_last_worker(desk: Desk, stage: Stage) -> None:
    stage.add(A, "prefork", "mail")
    stage.add(B, "prefork", "slow")
    stage.workers[0] |= {"active": 2, "reserved": 8}
    stage.add_queue("mail", None)

    made = plan(desk, Shutdown(), A)

    assert (made.phrase, made.tasks, made.undo) == (A, 2, None)
    assert made.lines == (Line(A, "runs 2, holds 8", "answers no more"),)
    assert made.warnings[0] == "Nobody will take from mail: how many tasks wait there is not known"


def test_while_nothing_is_recorded_plans_are_made_of_who_answers_now(desk: Desk, four: Stage) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    four.silence = Failure("unreachable", "Recorder", "has written nothing since noon", "", noon, noon)
    del four.says[B]
    made = plan(desk, PoolGrow(1), A, C)
    assert made.lines == (Line(A, "2 processes", "3 processes"), Line(C, "2 processes", "3 processes"))
    assert "Only workers that answer now are known: Recorder: has written nothing since noon" in made.warnings
    assert plan(desk, Shutdown(), A).lines == (Line(A, "what it runs is not known", "answers no more"),)
    assert plan(desk, Revoke(("abc",))).workers == (A, C, D)
    with pytest.raises(BadParameter, match=r"celery@b” does not answer, and .* nothing since noon"):
        plan(desk, PoolGrow(1), B)
    with pytest.raises(SourceUnreachable, match="nothing since noon"):
        plan(desk, Purge("mail"))
    four.says.clear()
    with pytest.raises(SourceUnreachable, match="nothing since noon, and no worker answers now"):
        plan(desk, PoolGrow(1), A)


def test_a_purge_counts_what_is_deleted_and_says_what_stays(desk: Desk, four: Stage) -> None:
    four.add_queue("celeryev.x", 3, internal=True)
    four.add_queue("dark", None)

    made = plan(desk, Purge("mail"))

    assert (made.tasks, made.phrase, made.workers) == (120, "mail", ())
    assert made.lines == (
        Line("mail", "120 messages wait, 3 are with workers", "nothing waits, the 3 with workers stay"),
    )
    assert plan(desk, Purge("dark")).tasks is None
    for queue in ("other", "celeryev.x"):
        with pytest.raises(BadParameter):
            plan(desk, Purge(queue))


def test_a_look_tells_how_many_messages_are_redelivered_for_it_and_who_may_get_ahead(desk: Desk, four: Stage) -> None:
    four.broker = Broker.from_url("amqp://guest@nowhere//")
    four.add_queue("quorum", 5)
    four.add_queue("empty", 0)
    four.queues[0]["consumers"] = 2

    made = plan(desk, LookInside("mail", 200))

    assert made.summary == "120 messages of mail: taken out and put back at once, marked as redelivered"
    assert (made.tasks, made.phrase, made.workers, made.undo) == (120, "", (), None)
    assert made.lines == (Line("mail", "120 messages wait", "as many, in the same order"),)
    assert made.warnings[1].endswith("2 consumers may take those behind them first")
    with pytest.raises(QueryRejected, match="is not looked into"):
        plan(desk, LookInside("quorum"))
    for queue in ("other", "empty"):
        with pytest.raises(BadParameter):
            plan(desk, LookInside(queue))


def test_on_redis_a_look_needs_no_order(desk: Desk, four: Stage) -> None:
    with pytest.raises(BadParameter, match="its transport is redis"):
        plan(desk, LookInside("mail"))


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


@pytest.mark.parametrize(
    ("order", "method", "then", "told"),
    [
        (RateLimit("shop.mail", "10/m"), "registered", ["shop.mail [rate_limit=10/m]"], "10/m"),
        (TimeLimit("shop.mail", None, 2.0), "registered", ["shop.mail [time_limit=2.0]"], "hard 2 s"),
        (PoolGrow(1), "stats", {"pool": {"implementation": "x.prefork:T", "processes": [1, 2, 3]}}, "3 processes"),
        (AddConsumer("slow"), "active_queues", [{"name": "mail"}, {"name": "slow"}], "takes from it"),
        (CancelConsumer("mail"), "active_queues", [], "does not take from it"),
        (Revoke(("t",)), "revoked", ["t", "u"], "knows 1 of 1 as revoked"),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_what_celery_can_tell_is_read_back(
    order: Order, method: str, then: object, told: str, desk: Desk, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying_out, "READ_BACK_SECONDS", 5.0)
    stage.add(A, "prefork", "mail")
    stage.replies = {A: Reply(A, "done", "ok")}
    looks: list[str] = []
    ask = stage.ask

    def later(query, scope, wait):  # type: ignore[no-untyped-def]
        if stage.given and getattr(query, "method", "") == method:
            looks.append(method)
            if len(looks) > 1:  # it is not so at once
                stage.says[A][method] = then
        return ask(query, scope, wait)

    monkeypatch.setattr(stage, "ask", later)

    outcome = act(desk, order, A)

    assert outcome.read_back == (Line(A, told, told),)
    assert len(looks) > 1


def test_an_effect_that_does_not_come_is_shown_as_it_is(desk: Desk, four: Stage) -> None:
    assert act(desk, RateLimit("shop.mail", "10/m"), A).read_back == (Line(A, "no limit", "10/m"),)


def test_whether_a_worker_went_is_read_back(desk: Desk, stage: Stage) -> None:
    stage.add(A)
    stage.replies = {A: Reply(A, "no reply", "as expected")}

    (line,) = act(desk, Shutdown(), A).read_back

    assert line.now.startswith("still answers")


def test_who_was_silent_before_it_was_shut_down_is_not_said_to_be_gone(desk: Desk, four: Stage) -> None:
    del four.says[A]
    four.replies = {name: Reply(name, "no reply", "as expected") for name in (A, B, C)}
    made = plan(desk, Shutdown(), A, B, C)
    shut = four.give

    def give(*given: Any) -> tuple[Reply, ...]:
        del four.says[B]
        return shut(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("data_sources.workers.celery_control.give", give)
        outcome = desk.act(ANN, made.nonce, made.phrase)

    assert [line.now for line in outcome.read_back] == [
        "did not answer before either: whether it is gone is not known",
        "answers no more",
        "still answers: it ends once what it runs has ended",
    ]


def test_what_was_changed_is_told_until_the_worker_restarts_and_can_be_ordered_again(desk: Desk, four: Stage) -> None:
    limit = RateLimit("shop.mail", "10/m")
    act(desk, limit, A, B)
    act(desk, PoolGrow(3), A)
    act(desk, PoolShrink(1), A)
    act(desk, AddConsumer("slow"), A)

    before = desk.changes("default")
    four.says[A]["stats"] |= {"pid": 8, "uptime": 0}
    after = desk.changes("default")

    assert {(one.worker, one.order, one.lost) for one in before} == {
        (A, limit, False),
        (A, PoolGrow(2), False),
        (A, AddConsumer("slow"), False),
        (B, limit, False),
    }
    assert {(one.worker, one.order, one.lost) for one in after} == {
        (A, limit, True),
        (A, PoolGrow(2), True),
        (A, AddConsumer("slow"), True),
        (B, limit, False),
    }
    assert {one.who for one in after} == {"ann"}
    assert desk.changes("shop") == ()

    again = desk.plan_again(ANN, "default", A)
    outcome = desk.act(ANN, again.nonce)

    assert [order for order, _ in four.given[-3:]] == [one.order for one in after if one.worker == A]
    assert [reply.outcome for reply in outcome.replies] == ["done"] * 3
    with pytest.raises(BadParameter, match="has lost nothing"):
        desk.plan_again(ANN, "default", B)


@contextmanager
def at(seconds_ago: float) -> Iterator[None]:
    """What is written into the audit meanwhile was done then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workspace.audit.now_us", lambda: int((time.time() - seconds_ago) * 1e6))
        yield


@pytest.fixture
def lost(desk: Desk, four: Stage) -> tuple[Order, ...]:
    """What A lost at its restart, in the order in which it is given again."""
    with at(seconds_ago=600):
        for order in (RateLimit("shop.mail", "10/m"), AddConsumer("slow"), PoolGrow(3)):
            act(desk, order, A)
    four.says[A]["stats"] |= {"pid": 8, "uptime": 60}
    four.given.clear()
    return tuple(one.order for one in desk.changes("default"))


def test_each_order_that_is_given_again_is_read_back_by_itself(
    desk: Desk, four: Stage, lost: tuple[Order, ...]
) -> None:
    four.says[A]["registered"] = ["shop.mail [rate_limit=9/m]"]
    again = desk.plan_again(ANN, "default", A)

    outcome = desk.act(ANN, again.nonce)

    assert [order for order, _ in four.given] == [*lost]
    assert sorted((line.about, line.now, line.then) for line in outcome.read_back) == [
        ("add_consumer slow", "does not take from it", "takes from it"),
        ("pool_grow 3", "2 processes", "5 processes"),
        ("rate_limit shop.mail 10/m", "9/m", "10/m"),
    ]
    assert sorted((line.about, line.now) for line in again.lines) == [
        ("add_consumer slow", "does not take from it"),
        ("pool_grow 3", "2 processes"),
        ("rate_limit shop.mail 10/m", "9/m"),
    ]
    assert {reply.text for reply in outcome.replies} == {f"{line.about}: ok" for line in again.lines}


@pytest.mark.parametrize("fails", ["no reply", "refused", "unreachable", "broken"])
def test_of_orders_that_are_given_again_those_that_were_done_are_not_lost_any_more(
    fails: str, desk: Desk, four: Stage, lost: tuple[Order, ...]
) -> None:
    """And no other: the pool would be grown once more, and a limit that was never sent would be said to hold."""

    def give(broker: object, order: Order, workers: Sequence[str], seconds: float) -> tuple[Reply, ...]:
        four.given.append((order, tuple(workers)))
        if order == lost[0]:
            return (Reply(A, "done", "ok"),)
        if fails == "unreachable":
            raise SourceUnreachable("Broker", "gone")
        if fails == "broken":
            raise RuntimeError
        return (Reply(A, "refused" if fails == "refused" else "no reply", ""),)

    again = desk.plan_again(ANN, "default", A)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("data_sources.workers.celery_control.give", give)
        outcome = desk.act(ANN, again.nonce)

    assert outcome.replies[0].outcome == "done"
    assert len(outcome.replies) == (1 if fails == "unreachable" else 3)
    assert (outcome.failure is not None) == (fails == "unreachable")
    told = {one.order: one.lost for one in desk.changes("default")}
    assert told == {lost[0]: False, lost[1]: True, lost[2]: True}
    assert desk.plan_again(ANN, "default", A).order.orders == lost[1:]  # type: ignore[attr-defined]


def test_what_was_changed_long_ago_is_told_while_the_worker_runs(desk: Desk, four: Stage) -> None:
    day = 86_400
    with at(seconds_ago=20 * day):
        act(desk, PoolGrow(3), A)
    four.says[A]["stats"] |= {"uptime": 30 * day}
    assert [(one.order, one.lost) for one in desk.changes("default")] == [(PoolGrow(3), False)]
    four.says[A]["stats"] |= {"uptime": 14 * day}
    assert [(one.order, one.lost) for one in desk.changes("default")] == [(PoolGrow(3), True)]


def test_what_cannot_be_ordered_again_is_left_out(desk: Desk, four: Stage) -> None:
    act(desk, RateLimit("shop.mail", "10/m"), A)
    act(desk, PoolGrow(3), A)
    four.says[A] |= {"stats": {**four.says[A]["stats"], "uptime": 0}, "registered": ["shop.other"]}

    again = desk.plan_again(ANN, "default", A)

    assert [order.kind for order in again.order.orders] == ["pool_grow"]  # type: ignore[attr-defined]
    assert again.warnings == ("Left out: no worker that was chosen knows “shop.mail”",)


def test_workers_of_one_name_are_told_together(desk: Desk, four: Stage) -> None:
    four.workers.append({**four.workers[0], "pid": 8})

    assert plan(desk, EnableEvents(), A).warnings == (f"Several workers go by the name {A}: all are told",)


def test_queues_that_cannot_be_read_keep_nobody_from_ending_a_worker(
    desk: Desk, four: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, since = four.ask, datetime.now(UTC)
    down = Failure("unreachable", "Redis", "no answer", "", since, None)
    monkeypatch.setattr(
        four, "ask", lambda query, *more: replace(ask(query, *more), failure=down if query == Depths() else None)
    )

    made = plan(desk, Shutdown(), A, B, C, D)

    assert made.warnings[0] == "Nobody will take from mail: how many tasks wait there is not known"
    assert not any("There is no queue" in warning for warning in plan(desk, AddConsumer("x"), A).warnings)
    with pytest.raises(SourceUnreachable):
        plan(desk, Purge("mail"))


def test_what_was_taken_back_was_not_changed(desk: Desk, four: Stage) -> None:
    for order in (RateLimit("shop.mail", "10/m"), AddConsumer("slow"), EnableEvents(), PoolGrow(1)):
        outcome = act(desk, order, A)
        four.says[A]["active_queues"] = [{"name": "slow"}] if order == AddConsumer("slow") else []
        assert outcome.undo is not None
        act(desk, outcome.undo, *outcome.undo_workers)

    assert desk.changes("default") == ()


def test_what_was_refused_or_not_confirmed_is_no_change(desk: Desk, four: Stage) -> None:
    four.replies = {A: Reply(A, "refused", "no"), B: Reply(B, "no reply", "")}
    act(desk, DisableEvents(), A, B, C)

    assert [(one.worker, one.order) for one in desk.changes("default")] == [(C, DisableEvents())]
