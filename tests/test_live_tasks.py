"""The tasks under way: the same record however often the recorder starts, and never too many of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from data_sources.celery_events import TaskEvent
from data_sources.config import Cluster, Secret
from data_sources.history_place import place
from data_sources.task_record import TaskRecord, merge
from recorder.batch import Batch
from recorder.database import StoreFailed
from recorder.live_tasks import FINAL_SECONDS, LiveTasks
from recorder.store import Store

NOW_US = 1_800_000_000_000_000


@pytest.fixture
def store(history_url: Secret) -> Iterator[Store]:
    with closing(Store.open(place(history_url, Cluster()))) as opened:
        yield opened


def events(id: str) -> list[TaskEvent]:
    """A task's whole life."""
    return [
        TaskEvent("sent", id, NOW_US, name="shop.pay", args="(1,)", queue="mail"),
        TaskEvent("received", id, NOW_US + 1, "w1@host", name="shop.pay", args="(1,)"),
        TaskEvent("started", id, NOW_US + 2, "w1@host"),
        TaskEvent("succeeded", id, NOW_US + 3, "w1@host", result="'ok'", runtime_us=1),
    ]


def whole(id: str) -> TaskRecord:
    record = None
    for event in events(id):
        record = merge(record, event)
    assert record
    return record


def test_events_of_a_task_are_one_record(store: Store) -> None:
    assert LiveTasks(store).absorb([*events("a"), *events("b")]) == [whole("a"), whole("b")]


def test_a_recorder_that_starts_goes_on_with_what_is_stored(store: Store) -> None:
    for event in events("a"):
        store.write(Batch(LiveTasks(store).absorb([event])))

    assert store.known(["a"]) == {"a": whole("a")}


def test_final_tasks_leave_after_their_time_and_are_found_again(store: Store) -> None:
    now = 0.0
    live = LiveTasks(store, clock=lambda: now)
    store.write(Batch(live.absorb(events("a"))))
    assert len(live) == 1

    now = FINAL_SECONDS + 1
    live.absorb([])
    assert len(live) == 0
    assert live.absorb([events("a")[1]]) == [whole("a")]


def test_never_more_than_the_most(store: Store) -> None:
    live = LiveTasks(store, most=3)
    store.write(Batch(live.absorb([event for id in "abcd" for event in events(id)[:2]])))
    store.write(Batch(live.absorb(events("z"))))
    live.absorb([])

    assert len(live) == 3
    assert live.absorb(events("a")[2:]) == [whole("a")]  # it left, and came back as it was


def test_a_failed_look_up_changes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    live = LiveTasks(store)

    def fail(ids: object) -> dict[str, TaskRecord]:
        raise StoreFailed("no")

    with monkeypatch.context() as patched:
        patched.setattr(store, "known", fail)
        with pytest.raises(StoreFailed):
            live.absorb(events("a"))

    assert len(live) == 0
    assert live.absorb(events("a")) == [whole("a")]
