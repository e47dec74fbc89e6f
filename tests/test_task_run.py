"""Where a task's time went: each part from the recorded moments alone, and what they cannot tell is unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.history.rows import ONE_TASK_COLUMNS, task_frame
from data_sources.history.task_run import TaskRun
from data_sources.schema import STATES

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = NOON + timedelta(seconds=100)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def run(state: str, **moments: Any) -> TaskRun:
    times: dict[str, Any] = {
        name: at(value) for name, value in moments.items() if name != "retries" and value is not None
    }
    return TaskRun("a", state, retries=moments.get("retries"), **times)


def parts(task: TaskRun) -> list[tuple[str, float | None]]:
    return [(span.kind, span.seconds(NOW)) for span in task.spans(NOW)]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        pytest.param(
            run("SUCCESS", sent=0, received=1, started=3, finished=10),
            [("queue", 1), ("worker", 2), ("run", 7)],
            id="it ran",
        ),
        pytest.param(
            run("SUCCESS", sent=0, received=1, eta=60, started=60.5, finished=70),
            [("queue", 1), ("eta", 59), ("worker", 0.5), ("run", 9.5)],
            id="it was held for its ETA",
        ),
        pytest.param(
            run("SUCCESS", sent=0, received=1, eta=60, started=59.9, finished=70),
            [("queue", 1), ("eta", 58.9), ("run", pytest.approx(10.1))],
            id="it began a little before its ETA",
        ),
        pytest.param(
            run("SUCCESS", received=1, started=3, finished=10),
            [("unknown", None), ("worker", 2), ("run", 7)],
            id="nobody told when it was sent",
        ),
        pytest.param(
            run("SUCCESS", sent=0, started=3, finished=10),
            [("wait", 3), ("run", 7)],
            id="its message's way is not known",
        ),
        pytest.param(
            run("FAILURE", sent=0, received=1, finished=10),
            [("queue", 1), ("unknown", None)],
            id="its start is missing",
        ),
        pytest.param(run("SUCCESS", finished=10), [("unknown", None)], id="only its end was heard"),
        pytest.param(
            run("SUCCESS", sent=0, received=1, started=30, finished=20),
            [("queue", 1), ("worker", 29), ("unknown", None)],
            id="it ended before it began",
        ),
        pytest.param(
            run("SUCCESS", sent=0.4, received=0, started=1, finished=2),
            [("worker", 1), ("run", 1)],
            id="a worker had it before the sender noted it",
        ),
        pytest.param(
            run("SUCCESS", sent=30, received=0, started=1, finished=2),
            [("unknown", None), ("worker", 1), ("run", 1)],
            id="two clocks",
        ),
        pytest.param(run("PENDING", sent=90), [("queue", 10)], id="it waits in the queue"),
        pytest.param(run("PENDING", sent=90, eta=200), [("eta", 10)], id="its ETA is to come, no worker has it"),
        pytest.param(run("RECEIVED", sent=90, received=91), [("queue", 1), ("worker", 9)], id="a worker has it"),
        pytest.param(
            run("RECEIVED", sent=50, received=51, eta=80),
            [("queue", 1), ("eta", 29), ("worker", 20)],
            id="its ETA has passed",
        ),
        pytest.param(run("RECEIVED", sent=50, received=51, eta=200), [("queue", 1), ("eta", 49)], id="held"),
        pytest.param(
            run("STARTED", sent=0, received=1, started=3), [("queue", 1), ("worker", 2), ("run", 97)], id="it runs"
        ),
        pytest.param(
            run("REVOKED", sent=0, received=1, finished=10), [("queue", 1), ("worker", 9)], id="revoked before it began"
        ),
        pytest.param(
            run("RETRY", sent=0, received=1, started=3, since=5, retries=0),
            [("queue", 1), ("worker", 2), ("run", 2), ("retry", 95)],
            id="it failed and nobody took it again",
        ),
        pytest.param(
            run("RECEIVED", sent=5, received=6, started=3, eta=200, retries=1),
            [("queue", 1), ("eta", 94)],
            id="the recorded start is of the attempt before",
        ),
        pytest.param(
            run("FAILURE", sent=5, received=6, started=3, finished=9, retries=1),
            [("queue", 1), ("unknown", None)],
            id="the last attempt's start was missed",
        ),
    ],
)
def test_the_time_is_told_part_by_part(task: TaskRun, expected: list[tuple[str, float | None]]) -> None:
    assert parts(task) == expected


moments = st.none() | st.floats(0, 90).map(lambda seconds: round(seconds, 6))


@given(
    st.sampled_from(STATES),
    st.none() | st.integers(0, 3),
    st.fixed_dictionaries(dict.fromkeys(("sent", "received", "started", "finished", "eta", "since"), moments)),
)
def test_whatever_is_recorded_no_part_is_negative_and_known_parts_touch(
    state: str, retries: int | None, known: dict[str, float | None]
) -> None:
    spans = run(state, retries=retries, **known).spans(NOW)

    for span in spans:
        assert bool(span.why) == (span.kind == "unknown")
        if span.kind != "unknown" and span.start and span.end:
            assert span.start <= span.end
    for one, other in pairwise(spans):
        if one.kind != "unknown":
            assert one.end == other.start


def test_a_row_is_read_back_as_it_stands_with_none_for_what_is_not_known() -> None:
    row: dict[str, Any] = {
        f"{name}_us": None for name in ("sent", "received", "started", "finished", "eta", "last", "wait", "runtime")
    }
    row |= {"state_us": 1_772_366_400_123_456, "state": 5, "id": "a", "cut": '{"args": 9000}', "retries": 2}
    row |= dict.fromkeys(
        ("name", "worker", "queue", "exception", "args", "kwargs", "result", "priority", "exchange", "routing_key")
    )
    row |= {"root": None, "parent": "a", "group": None, "traceback": None}

    (task,) = TaskRun.all_of(task_frame([row], ONE_TASK_COLUMNS))

    assert task == TaskRun(
        "a", "FAILURE", since=datetime(2026, 3, 1, 12, 0, 0, 123456, UTC), retries=2, cut={"args": 9000}
    )
    assert (task.attempt, task.ended, task.true_length("args"), task.true_length("result")) == (3, True, 9000, None)
