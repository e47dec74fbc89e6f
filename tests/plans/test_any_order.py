"""What plans of all kinds have in common: who is told, what runs there, what is known, and the way back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from control.desk import Desk
from control.plan import Line
from data_sources.errors import BadParameter, SourceUnreachable
from data_sources.failure import Failure
from data_sources.query import Depths
from data_sources.workers.celery_control import Reply
from data_sources.workers.orders import (
    AddConsumer,
    CancelConsumer,
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
from tests.steered import A, B, C, D, Stage, act, plan


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


def test_while_nothing_is_recorded_plans_are_made_of_who_answers_now(desk: Desk, four: Stage) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    four.silence = Failure("unreachable", "Recorder", "has written nothing since noon", "", noon, noon)
    del four.says[B]
    made = plan(desk, PoolGrow(1), A, C)
    assert made.lines == (Line(A, "2 processes", "3 processes"), Line(C, "2 processes", "3 processes"))
    assert "Only workers that answer now are known: Recorder: has written nothing since noon" in made.warnings
    assert plan(desk, Shutdown(), A).lines == (Line(A, "what it runs is not known", "answers no more"),)
    assert (
        plan(desk, CancelConsumer("mail"), A).warnings[0].startswith("Nobody will take from mail, as far as is known")
    )
    assert plan(desk, Revoke(("abc",))).workers == (A, C, D)
    with pytest.raises(BadParameter, match=r"celery@b” does not answer, and .* nothing since noon"):
        plan(desk, PoolGrow(1), B)
    with pytest.raises(SourceUnreachable, match="nothing since noon"):
        plan(desk, Purge("mail"))
    four.says.clear()
    with pytest.raises(SourceUnreachable, match="nothing since noon, and no worker answers now"):
        plan(desk, PoolGrow(1), A)


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
