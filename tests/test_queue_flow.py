"""What flows through queues, which of them grow, what runs twice: judged from readings that say it or do not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from data_sources.brokers.queue_depths import DepthReading, Hold, depth_rows
from data_sources.brokers.queue_flow import QueueFlow, rises
from data_sources.brokers.visibility import Visibility
from data_sources.config import Broker
from data_sources.now_frames import depth_frame
from data_sources.settings import load

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def reading(seconds: float, held: Mapping[str, list[Hold]] | None = None, **columns: Any) -> DepthReading:
    """Of one queue, `mail`."""
    rows = depth_rows(["mail"], **{name: [value] for name, value in columns.items()})
    return DepthReading(rows, {}, (), "", timedelta(0), AT + timedelta(seconds=seconds), held or {})


def judged(*told: tuple[float, int | None, int | None, int | None]) -> Mapping[str, Any]:
    """The last row of readings of (seconds, ready, unacked, ended)."""
    flow = QueueFlow()
    for seconds, ready, unacked, ended in told:
        last = flow.judged(
            reading(seconds, ready=ready, unacked=unacked), {} if ended is None else {"mail": ended, "else": 7}
        )
    return last.rows[0]


def test_in_is_out_and_the_growth_of_what_is_there() -> None:
    row = judged((0, 100, 4, 0), (30, 130, 4, 60), (60, 160, 10, 120))
    assert (row["out_rate"], row["in_rate"], row["growth"]) == (2.0, pytest.approx(3.1), 1.0)


def test_without_events_of_a_queue_its_flow_is_not_known_and_its_growth_is() -> None:
    row = judged((0, 100, 4, None), (60, 40, 4, None))
    assert (row["out_rate"], row["in_rate"], row["growth"], row["grows"]) == (None, None, -1.0, False)


def test_what_ended_while_events_were_not_heard_is_not_known_and_no_rate_is_told_across_it() -> None:
    flow, rows = QueueFlow(), {}
    for seconds, ended in [(0, 0), (30, 60), (60, 120), (75, None), (90, 120), (120, 180), (150, 240)]:
        told = reading(seconds, ready=5, unacked=0)
        (rows[seconds],) = flow.judged(told, None if ended is None else {"mail": ended}).rows
    rates = {seconds: row["out_rate"] for seconds, row in rows.items()}
    assert rates == {0: None, 30: None, 60: 2.0, 75: None, 90: None, 120: None, 150: 2.0}
    assert rows[120]["growth"] == 0.0


@pytest.mark.parametrize(
    "told",
    [
        [(0, 1, 0, 0), (50, 2, 0, 0)],  # too short
        [(0, None, 0, 0), (60, 2, 0, 0)],
        [(0, 1, 0, 0), (60, None, 0, 0)],
        [(0, 1, 0, 0), (30, 1, 0, 0), (200, 9, 0, 0)],  # nothing was known in between
        [(0, 1, 0, 0), (70, 1, 0, 0), (10, 9, 0, 0)],  # the clock was set back
    ],
)
def test_what_is_not_known_long_enough_is_not_told(told: list[tuple[float, int | None, int, int]]) -> None:
    assert judged(*told)["growth"] is None


def test_what_a_broker_tells_of_its_rates_stays() -> None:
    flow = QueueFlow()
    for seconds in (0, 30, 60):
        last = flow.judged(reading(seconds, ready=0, in_rate=5.0, out_rate=4.0), {"mail": seconds})
    assert (last.rows[0]["in_rate"], last.rows[0]["out_rate"]) == (5.0, 4.0)
    assert not last.notes


def test_a_queue_that_only_grows_is_told_from_a_burst() -> None:
    assert judged(*((20 * k, 10 * k, 0, 0) for k in range(8)))["grows"] is True
    assert judged(*((20 * k, [0, 0, 90, 80, 70, 60, 50, 40][k], 0, 0) for k in range(8)))["grows"] is False
    assert rises([0, None, 1, 2, 3])
    assert not rises([1, 2, 3])


def test_a_queue_that_becomes_empty_is_told_from_one_that_goes_up_and_down() -> None:
    assert judged(*((20 * k, 90 - 10 * k, 0, 0) for k in range(8)))["falls"] is True
    assert judged(*((20 * k, [40, 30, 44, 36, 41, 28, 45, 33][k], 0, 0) for k in range(8)))["falls"] is False
    assert judged(*((20 * k, 900 if k < 7 else 899, 0, 0) for k in range(8)))["falls"] is False
    assert judged((0, None, 0, 0), (20, 9, 0, 0), (40, 8, 0, 0), (60, 7, 0, 0), (80, 6, 0, 0))["falls"] is None


def test_time_to_drain_is_none_never_or_a_number_and_flags_need_knowledge() -> None:
    rows = depth_rows(
        ["drains", "grows", "empty", "unknown", "celeryev.1", "up and down"],
        ready=[120, 5, 0, None, 3, 40],
        growth=[-2.0, 1.0, 0.0, -1.0, 1.0, -0.1],
        grows=[False, True, False, None, True, False],
        falls=[True, False, False, None, False, False],
        consumers=[1, 0, 0, None, 0, 1],
        twice=[0, 3, None, None, None, None],
    )
    frame = depth_frame(rows).set_index("queue")
    assert frame["drain"].to_dict() == pytest.approx(
        {"drains": 60, "grows": np.inf, "empty": 0, "unknown": np.nan, "celeryev.1": np.inf, "up and down": np.nan},
        nan_ok=True,
    )
    assert frame["flags"].to_dict() == {
        "drains": [],
        "grows": ["nobody", "grows", "twice"],
        "empty": [],
        "unknown": [],
        "celeryev.1": [],
        "up and down": [],
    }


HELD = [Hold(10, 600), Hold(10, 4000), Hold(5000, 8000), Hold(20, None)]


def conf(**options: object) -> Mapping[str, Any]:
    return {"broker_transport_options": options} if options else {}


@pytest.mark.parametrize(
    ("confs", "settings", "twice", "overdue"),
    [
        ([], {}, 2, 1),  # an hour, Celery's default
        ([], {"CELERY_VISIBILITY_TIMEOUT": "2h"}, 1, 0),
        ([], {"CELERY_BROKER_TRANSPORT_OPTIONS": '{"visibility_timeout": 7200}'}, 1, 0),
        ([conf(visibility_timeout=3600)], {"CELERY_VISIBILITY_TIMEOUT": "12h"}, 2, 1),  # workers know better
        ([conf(visibility_timeout=43200)], {}, 0, 0),
        ([conf(visibility_timeout=43200), conf()], {}, 2, 1),  # the shortest counts
        ([conf(visibility_timeout="********")], {}, 2, 1),
    ],
)
def test_what_is_due_beyond_the_shortest_visibility_timeout_runs_twice(
    confs: list[Mapping[str, Any]], settings: dict[str, str], twice: int, overdue: int
) -> None:
    visibility = Visibility(load(settings).clusters[0].broker)
    assert visibility.is_due
    visibility.heard(confs)
    assert visibility.is_due is not bool(confs)
    told = visibility.judged(reading(0, {"mail": HELD}, scheduled=3))
    assert (told.rows[0]["twice"], told.rows[0]["overdue"]) == (twice, overdue)
    assert bool(told.notes) is (not confs and not settings)
    assert visibility.judged(reading(0, scheduled=None)).rows[0]["twice"] is None


def test_only_redis_has_a_visibility_timeout() -> None:
    visibility = Visibility(Broker.from_url("amqp://localhost"))
    assert not visibility.is_due
    assert visibility.judged(reading(0, scheduled=3)).rows[0]["twice"] is None
