"""The tasks under way: the same record however often the recorder starts, and never too many of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from data_sources.config import Cluster, Secret
from data_sources.events.celery_events import TaskEvent
from data_sources.history.place import place
from data_sources.history.task_record import TaskRecord, merge, take_delivery
from data_sources.workers.delivery import Delivery
from recorder.batch import Batch
from recorder.database import StoreFailed
from recorder.live_tasks import FINAL_SECONDS, HELD_SECONDS, LiveTasks
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


def write_due(live: LiveTasks, store: Store, held_seconds: float = HELD_SECONDS) -> list[str]:
    """Writes what is to be written; its ids."""
    records = live.due(held_seconds)
    store.write(Batch(records))
    live.written(records)
    return [record.id for record in records]


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
    live.absorb(events("a"))
    write_due(live, store)
    assert len(live) == 1

    now = FINAL_SECONDS + 1
    live.absorb([])
    assert len(live) == 0
    assert live.absorb([events("a")[1]]) == [whole("a")]


def test_how_a_task_was_delivered_is_written_once_beside_its_events(store: Store) -> None:
    told = {"slow": Delivery("shop", "mail", 7)}
    live = LiveTasks(store)
    live.absorb(events("slow")[:3])
    write_due(live, store, held_seconds=0)
    live.take_deliveries(told)
    assert write_due(live, store, held_seconds=0) == ["slow"]
    live.take_deliveries(told)
    assert write_due(live, store, held_seconds=0) == []

    live.absorb(events("slow")[3:])
    write_due(live, store)
    expected = whole("slow")
    take_delivery(expected, told["slow"])
    assert store.known(["slow"]) == {"slow": expected}


def test_a_recorder_that_starts_learns_how_a_task_was_delivered_that_the_one_before_heard(store: Store) -> None:
    store.write(Batch(LiveTasks(store).absorb(events("a"))))
    now = 0.0
    live = LiveTasks(store, clock=lambda: now)
    live.take_deliveries({"a": Delivery(priority=3)})
    write_due(live, store)
    assert store.known(["a"])["a"].priority == 3

    now = FINAL_SECONDS + 1
    live.absorb([])
    assert len(live) == 0


def test_a_task_that_runs_and_of_which_no_event_came_is_not_made_of_how_it_was_delivered(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, told = LiveTasks(store), {"a": Delivery(priority=3)}
    live.take_deliveries(told)
    assert write_due(live, store, held_seconds=0) == []
    with monkeypatch.context() as patched:
        patched.setattr(store, "known", lambda ids: dict.fromkeys(ids) and pytest.fail("it was looked up again"))
        live.take_deliveries(told)

    live.absorb(events("a"))
    live.take_deliveries(told)
    write_due(live, store)
    assert store.known(["a"])["a"].priority == 3


def test_never_more_than_the_most(store: Store) -> None:
    live = LiveTasks(store, most=3)
    live.absorb([event for id in "abcd" for event in events(id)[:2]])
    write_due(live, store, held_seconds=0)
    live.absorb(events("z"))
    write_due(live, store)
    live.absorb([])

    assert len(live) == 3
    assert live.absorb(events("a")[2:]) == [whole("a")]  # it left, and came back as it was


def test_a_task_that_ends_soon_is_written_once_and_one_under_way_after_a_while(store: Store) -> None:
    now = 0.0
    live = LiveTasks(store, clock=lambda: now)
    live.absorb([*events("quick"), *events("slow")[:3]])
    assert write_due(live, store) == ["quick"]
    assert live.lag_seconds() == 0

    now = HELD_SECONDS
    assert live.lag_seconds() == HELD_SECONDS
    assert live.lag_seconds(live.due()) == 0
    assert write_due(live, store) == ["slow"]
    assert write_due(live, store) == []
    assert live.lag_seconds() == 0

    live.absorb(events("slow"))
    assert write_due(live, store) == ["slow"]
    assert store.known(["quick", "slow"]) == {"quick": whole("quick"), "slow": whole("slow")}


def test_what_is_not_written_stays_however_many_there_are(store: Store) -> None:
    now = 0.0
    live = LiveTasks(store, most=3, clock=lambda: now)
    live.absorb([event for id in "abcdef" for event in events(id)])
    now = FINAL_SECONDS + 1
    live.absorb(events("g")[:1])

    assert sorted(write_due(live, store, held_seconds=0)) == list("abcdefg")


def test_a_history_begun_anew_gets_all_that_is_at_hand(store: Store, tmp_path_factory: pytest.TempPathFactory) -> None:
    live = LiveTasks(store)
    live.absorb([*events("ended"), *events("open")[:2]])
    write_due(live, store, held_seconds=0)
    fresh = Secret(f"sqlite:///{tmp_path_factory.mktemp('fresh')}")
    with closing(Store.open(place(fresh, Cluster()))) as other:
        live.move_to(other)

        assert sorted(write_due(live, other, held_seconds=0)) == ["ended", "open"]
        assert other.known(["ended"]) == {"ended": whole("ended")}


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
