"""What became of an order is asked of those who took it, where Celery can tell."""

from __future__ import annotations

import pytest

from control import carrying_out
from control.desk import Desk
from control.plan import Line
from data_sources.workers.celery_control import Reply
from data_sources.workers.orders import AddConsumer, CancelConsumer, Order, PoolGrow, RateLimit, Revoke, TimeLimit
from tests.steered import A, Stage, act


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
    monkeypatch.setattr(carrying_out, "READ_BACK_SECONDS", 60.0)
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
