"""Which queues a worker takes from: what adding and cancelling says before, and of which queues."""

from __future__ import annotations

from typing import Any

import pytest

from control.desk import Desk
from control.plan import Line
from data_sources.brokers import rabbitmq_declared
from data_sources.config import Broker
from data_sources.errors import BadParameter
from data_sources.workers.orders import AddConsumer, CancelConsumer
from tests.steered import ANN, A, B, Stage, act, at, plan


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


@pytest.mark.parametrize(
    "other",
    [{"verdict": "silent"}, {"verdict": "unknown", "last_seen": None}, {"verdict": "silent", "queues": None}],
    ids=["stopped", "never seen", "stopped before it said"],
)
def test_who_takes_nothing_is_no_consumer_that_is_left(other: dict[str, Any], desk: Desk, stage: Stage) -> None:
    for name in (A, B):
        stage.add(name, "prefork", "mail")
    stage.workers[1] |= other

    made = plan(desk, CancelConsumer("mail"), A)

    assert made.warnings == ("Nobody will take from mail: how many tasks wait there is not known",)


def test_a_queue_that_is_not_there_yet_is_said_to_be_made(desk: Desk, four: Stage) -> None:
    made = plan(desk, AddConsumer("new"), A)

    assert made.warnings == ("There is no queue “new” yet: it is made",)
    assert made.undo == CancelConsumer("new")


def test_where_a_broker_does_not_list_its_queues_none_is_said_to_be_made(
    desk: Desk, four: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over AMQP alone, only the queues that workers consume are known; the one that is added may be a quorum queue."""
    monkeypatch.setattr(rabbitmq_declared, "peculiar", lambda *given: None)
    four.lists_queues = False
    assert plan(desk, AddConsumer("new"), A).warnings == ()

    four.broker = Broker.from_url("amqp://guest@nowhere//")
    (warning,) = plan(desk, AddConsumer("new"), A).warnings

    assert warning.startswith("How the queue was declared is not known")


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
