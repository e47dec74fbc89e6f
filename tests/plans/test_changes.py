"""What was changed of workers here: what holds, what a restart has undone, and that given again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from control.desk import Desk
from data_sources.errors import BadParameter, SourceUnreachable
from data_sources.workers.celery_control import Reply
from data_sources.workers.orders import AddConsumer, DisableEvents, EnableEvents, Order, PoolGrow, PoolShrink, RateLimit
from tests.steered import ANN, A, B, C, Stage, act, at
from workspace.audit import entries


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


@pytest.mark.parametrize("again", [False, True], ids=["pressed", "applied again"])
def test_events_that_a_worker_was_started_with_are_not_lost_and_nobody_switched_them_on(
    again: bool, desk: Desk, four: Stage
) -> None:
    with at(seconds_ago=600):
        act(desk, EnableEvents(), A)
        act(desk, AddConsumer("slow"), A)
    four.says[A]["stats"] |= {"pid": 8, "uptime": 60}
    four.replies = {A: Reply(A, "done", "task events already disabled", already=True)}
    act(desk, DisableEvents(), A)
    assert {(one.order, one.lost) for one in desk.changes("default")} == {
        (EnableEvents(), True),
        (AddConsumer("slow"), True),
    }

    def give(broker: object, order: Order, workers: Sequence[str], seconds: float) -> tuple[Reply, ...]:
        so = order == EnableEvents()
        return (Reply(A, "done", "task events already enabled" if so else "add consumer slow", already=so),)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("data_sources.workers.celery_control.give", give)
        if again:
            desk.act(ANN, desk.plan_again(ANN, "default", A).nonce)
        else:
            act(desk, EnableEvents(), A)

    told = entries(desk.workspace)[0]
    assert (told.outcome, told.arguments["already"]) == ("done", [A])
    assert told.arguments.get("parts", ["already", "done"]) == ["already", "done"]
    assert [(one.order, one.lost) for one in desk.changes("default")] == [(AddConsumer("slow"), not again)]


def test_what_cannot_be_ordered_again_is_left_out(desk: Desk, four: Stage) -> None:
    act(desk, RateLimit("shop.mail", "10/m"), A)
    act(desk, PoolGrow(3), A)
    four.says[A] |= {"stats": {**four.says[A]["stats"], "uptime": 0}, "registered": ["shop.other"]}

    again = desk.plan_again(ANN, "default", A)

    assert [order.kind for order in again.order.orders] == ["pool_grow"]  # type: ignore[attr-defined]
    assert again.warnings == ("Left out: no worker that was chosen knows “shop.mail”",)


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
