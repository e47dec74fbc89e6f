"""Limits of a task: how often it is started and how long it may run, now and then."""

from __future__ import annotations

import pytest

from control.desk import Desk
from control.plan import Line
from data_sources.errors import BadParameter
from data_sources.workers.orders import RateLimit, TimeLimit
from tests.steered import A, B, C, D, Stage, plan


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
