"""A worker that is ended: what it takes along, and whether it is gone."""

from __future__ import annotations

from typing import Any

import pytest

from control.desk import Desk
from control.plan import Line
from data_sources.workers.celery_control import Reply
from data_sources.workers.orders import Shutdown
from tests.steered import ANN, A, B, C, Stage, act, plan


def test_a_shutdown_tells_what_runs_and_which_queue_loses_its_last_worker(desk: Desk, stage: Stage) -> None:
    stage.add(A, "prefork", "mail")
    stage.add(B, "prefork", "slow")
    stage.workers[0] |= {"active": 2}
    stage.add_queue("mail", None)

    made = plan(desk, Shutdown(), A)

    assert (made.phrase, made.tasks, made.undo) == (A, 2, None)
    assert made.lines == (Line(A, "runs 2", "answers no more"),)
    assert made.warnings[0] == "Nobody will take from mail: how many tasks wait there is not known"


def test_of_two_workers_of_one_name_all_that_runs_is_told(desk: Desk, stage: Stage) -> None:
    stage.add(A, "prefork", "mail")
    stage.workers.append({**stage.workers[0], "queues": ["slow"], "active": 1})
    stage.workers[0] |= {"active": 3}

    made = plan(desk, Shutdown(), A)

    assert (made.tasks, made.lines) == (4, (Line(A, "runs 4", "answers no more"),))
    assert [warning[:30] for warning in made.warnings[:2]] == [
        "Nobody will take from mail: ho",
        "Nobody will take from slow: ho",
    ]
    stage.workers[1]["active"] = None
    assert plan(desk, Shutdown(), A).lines == (Line(A, "what it runs is not known", "answers no more"),)


def test_workers_of_one_name_of_whom_none_said_which_queue_is_its_own_lose_them_all_together(
    desk: Desk, stage: Stage
) -> None:
    stage.add(A)
    stage.workers[0] |= {"queues": None, "may_consume": ["mail", "slow"]}
    stage.workers.append(stage.workers[0])
    stage.add(B, "prefork", "slow")

    warnings = plan(desk, Shutdown(), A).warnings

    assert [warning for warning in warnings if warning.startswith("Nobody")] == [
        "Nobody will take from mail: how many tasks wait there is not known"
    ]
    assert not any("Nobody" in warning for warning in plan(desk, Shutdown(), B).warnings)


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
