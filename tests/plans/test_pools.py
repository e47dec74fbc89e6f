"""The size of a worker's pool: what can change it, and to what."""

from __future__ import annotations

import pytest

from control.desk import Desk
from control.plan import Line
from data_sources.errors import BadParameter
from data_sources.workers.orders import Autoscale, Order, PoolGrow, PoolRestart, PoolShrink
from tests.steered import A, B, Stage, plan


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
