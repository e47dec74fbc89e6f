"""What is given to the broker: a purge and a look inside a queue."""

from __future__ import annotations

import pytest

from control.desk import Desk
from control.plan import Line
from data_sources.config import Broker
from data_sources.errors import BadParameter, QueryRejected
from data_sources.workers.look_inside import LookInside
from data_sources.workers.orders import Purge
from tests.steered import Stage, plan


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
