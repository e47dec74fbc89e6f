"""What events add up to: by labels that are bounded, and in sums that are exact."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.events.celery_events import TaskEvent
from data_sources.history.task_record import TaskRecord, merge
from recorder import counters
from recorder.counters import BUCKETS, KINDS, OTHER, Counters, Histogram, Labels, read_cells

MAIL = ("shop.mail", "w1@h1", "mail")
SECOND = 1_000_000


def record(**times: int) -> TaskRecord:
    return TaskRecord("1", name="shop.mail", queue="mail", **times)  # type: ignore[arg-type]


def counted(one: Counters, labels: Labels) -> dict[str, int]:
    return {kind: count for kind, count in zip(KINDS, one.cells[labels].counts, strict=True) if count}


def test_events_are_counted_under_the_name_and_queue_that_their_task_is_known_by() -> None:
    events = [
        TaskEvent("sent", "1", 0, None, "shop.mail", "mail"),
        TaskEvent("received", "1", 1, "w1@h1", "shop.mail"),
        TaskEvent("started", "1", 2, "w1@h1"),
        TaskEvent("succeeded", "1", 3, "w1@h1", runtime_us=200_000),
    ]
    one = Counters()
    one.absorb(events, [record()])

    assert counted(one, ("shop.mail", "", "mail")) == {"sent": 1}
    assert counted(one, MAIL) == {"received": 1, "started": 1, "succeeded": 1}
    assert one.cells[MAIL].runtime == Histogram([0] * 6 + [1] + [0] * 8, 0.2)


def test_a_task_of_which_nothing_is_known_is_counted_without_name_and_queue() -> None:
    one = Counters()
    one.absorb([TaskEvent("succeeded", "1", 3, "w1@h1")], [])

    assert counted(one, ("", "w1@h1", "")) == {"succeeded": 1}
    assert one.cells["", "w1@h1", ""].runtime is None


@pytest.mark.parametrize(
    ("exception", "told"),
    [
        ("KeyError('sku')", "KeyError"),
        ("shop.errors.Refused('no', 1)", "shop.errors.Refused"),
        ("<html>", ""),
        (None, ""),
    ],
)
def test_failures_are_told_apart_by_the_class_of_the_exception(exception: str | None, told: str) -> None:
    one = Counters()
    one.absorb([TaskEvent("failed", "1", 3, "w1@h1", exception=exception)], [record()])

    assert one.cells[MAIL].failures == {told: 1}


@pytest.mark.parametrize(
    ("known", "wait"),
    [
        ({"sent_us": 1 * SECOND, "started_us": 4 * SECOND}, 3.0),
        ({"received_us": 1 * SECOND, "started_us": 4 * SECOND}, None),
        ({"sent_us": 1 * SECOND, "eta_us": 2 * SECOND, "started_us": 4 * SECOND}, None),
        ({"sent_us": 9 * SECOND, "started_us": 4 * SECOND}, None),
    ],
    ids=["sent", "only received", "with an ETA", "two hosts' clocks"],
)
def test_the_wait_is_that_of_tasks_whose_sending_was_heard(known: dict[str, int], wait: float | None) -> None:
    one = Counters()
    one.absorb([TaskEvent("started", "1", 4 * SECOND, "w1@h1")], [record(**known)])

    histogram = one.cells[MAIL].wait
    assert (histogram and histogram.total) == wait


def test_a_value_on_a_bound_is_within_it() -> None:
    one = Counters()
    one.absorb([TaskEvent("succeeded", "1", 3, "w1@h1", runtime_us=10 * SECOND)], [record()])
    one.absorb([TaskEvent("succeeded", "1", 3, "w1@h1", runtime_us=10 * SECOND + 1)], [record()])

    histogram = one.cells[MAIL].runtime
    assert histogram
    assert histogram.cumulative == [0] * (len(BUCKETS) - 1) + [1, 2]


def test_beyond_the_bounds_sums_stay_exact_and_tasks_are_told_apart_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MOST_NAMES", 4), ("MOST_QUEUES", 2), ("MOST_CELLS", 6), ("MOST_COARSE_CELLS", 8)):
        monkeypatch.setattr(counters, name, most)
    one = Counters()
    for n in range(200):
        task = TaskRecord(str(n), name=f"task-{n % 10}", queue=f"queue-{n % 4}")
        one.absorb([TaskEvent("succeeded", str(n), 0, f"w{n % 7}@h", runtime_us=SECOND)], [task])

    names, workers, queues = (set(labels) for labels in zip(*one.cells, strict=True))
    assert len(one.cells) <= 9
    assert names == {"task-0", "task-1", "task-2", "task-3", OTHER}
    assert queues == {"queue-0", "queue-1", OTHER}
    assert OTHER in workers
    assert sum(sum(cell.counts) for cell in one.cells.values()) == 200
    assert sum(cell.runtime.cumulative[-1] for cell in one.cells.values() if cell.runtime) == 200


def test_exceptions_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MOST_EXCEPTIONS", 2)
    one = Counters()
    one.absorb([TaskEvent("failed", "1", 0, "w1@h1", exception=f"E{n}()") for n in range(5)], [record()])

    assert one.cells[MAIL].failures == {"E0": 1, "E1": 1, OTHER: 3}


def test_the_series_of_failures_are_bounded_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MOST_FAILURES", 3)
    one = Counters()
    for n in range(60):
        task = TaskRecord(str(n), name=f"task-{n % 2}")
        failures = (f"Error{n % 5}()", "<html>")
        one.absorb([TaskEvent("failed", str(n), 0, "w1@h1", exception=exception) for exception in failures], [task])

    assert {name: cell.failures for (name, *_), cell in one.cells.items()} == {
        "task-0": {"Error0": 6, "": 30, "Error2": 6, OTHER: 18},
        "task-1": {"Error1": 6, "": 30, OTHER: 24},
    }


TEXTS = st.text(max_size=20) | st.none()
EVENTS = st.builds(
    TaskEvent,
    kind=st.sampled_from(KINDS),
    id=st.sampled_from("abc"),
    at_us=st.integers(0, 10**15),
    worker=TEXTS,
    name=TEXTS,
    queue=TEXTS,
    exception=TEXTS,
    runtime_us=st.integers(0, 10**12) | st.none(),
)


@given(st.lists(EVENTS, max_size=30))
def test_every_event_is_counted_once_and_read_back_as_written(events: list[TaskEvent]) -> None:
    one, records = Counters(), dict[str, TaskRecord]()
    for event in events:
        records[event.id] = merge(records.get(event.id), event)
    one.absorb(events, records.values())

    assert read_cells(one.to_json()) == one.cells
    totals = [sum(cell.counts[place] for cell in one.cells.values()) for place in range(len(KINDS))]
    assert totals == [sum(event.kind == kind for event in events) for kind in KINDS]
    assert sum(sum(cell.failures.values()) for cell in one.cells.values()) == totals[KINDS.index("failed")]


def test_counters_of_another_version_are_not_taken_for_ours() -> None:
    with pytest.raises(ValueError, match="another version"):
        read_cells(Counters().to_json().replace("0.005", "0.004"))
