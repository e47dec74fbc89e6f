"""The small facts of each worker, from answers as celery gives them; what was not said is unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.workers.snapshot import Reply, Snapshot
from data_sources.workers.verdict import Running
from data_sources.workers.worker_facts import WorkerFacts, concurrency, pool_name, whole, workers_facts

PREFORK = {
    "total": {"shop.mail": 40, "shop.report": 2},
    "pid": 4711,
    "clock": "1234",
    "uptime": 3600,
    "pool": {"implementation": "celery.concurrency.prefork:TaskPool", "max-concurrency": 2, "processes": [1, 2]},
    "prefetch_count": 8,
}


def snapshot(*replies: tuple[str, str, Any]) -> Snapshot:
    return Snapshot(
        replies=tuple(Reply(*reply) for reply in replies),
        errors=(),
        answered=frozenset(worker for worker, _, _ in replies),
        owing=frozenset(),
        late=frozenset(),
        unreadable=(),
        asked_count=None,
        measured_at=datetime(2026, 3, 1, tzinfo=UTC),
        took=timedelta(seconds=0.01),
    )


def test_all_that_a_worker_said_is_in_its_facts() -> None:
    taken = snapshot(
        ("mail@a", "stats", PREFORK),
        ("mail@a", "active", [{"id": "1", "name": "shop.mail", "time_start": 1772323200.5}]),
        ("mail@a", "active_queues", [{"name": "mail"}, {"name": "bulk"}]),
        ("mail@a", "report", {"ok": "\nsoftware -> celery:5.7.0 (collider) kombu:5.7.0 py:3.11.7\n"}),
    )
    assert workers_facts(taken) == (
        WorkerFacts(
            worker="mail@a",
            pid=4711,
            pool="prefork",
            concurrency=2,
            active=1,
            processed=42,
            totals={"shop.mail": 40, "shop.report": 2},
            queues=("mail", "bulk"),
            uptime_seconds=3600,
            prefetch_count=8,
            clock=1234,
            software="celery 5.7.0",
            tasks=(Running("1", "shop.mail", datetime(2026, 3, 1, 0, 0, 0, 500_000, tzinfo=UTC)),),
        ),
    )


def test_what_was_not_said_is_unknown_and_not_zero() -> None:
    assert workers_facts(snapshot(("a@h", "ping", {"ok": "pong"}))) == (WorkerFacts("a@h"),)


def test_two_workers_of_one_name_stay_two_and_lend_each_other_nothing() -> None:
    taken = snapshot(
        ("a@h", "stats", {"pid": 1, "total": {"t": 5}}),
        ("a@h", "active", []),
        ("a@h", "stats", {"pid": 2, "total": {"t": 7}}),
        ("a@h", "active", [{"id": "1"}]),
    )
    assert [(facts.pid, facts.processed, facts.active) for facts in workers_facts(taken)] == [
        (1, 5, None),
        (2, 7, None),
    ]


def test_counts_too_large_to_be_true_are_unknown() -> None:
    (facts,) = workers_facts(snapshot(("a@h", "stats", {"total": {"send": 2**62, "bulk": 2**62}})))
    assert facts.processed is None


def test_a_beat_is_no_worker() -> None:
    assert workers_facts(snapshot(("celerybeat@h", "ping", {"ok": "pong"}))) == ()


def test_an_autoscaled_pool_is_as_large_as_it_is_now() -> None:
    assert concurrency(PREFORK | {"autoscaler": {"max": 8, "min": 1, "current": 5, "qty": 0}}) == 5


@pytest.mark.parametrize(
    ("pool", "slots"),
    [
        ({"max-concurrency": 2, "processes": [7, 8, 9, 10]}, 4),
        ({"max-concurrency": 500}, 500),
        ({}, None),
        ("nonsense", None),
    ],
)
def test_the_slots_of_a_pool(pool: Any, slots: int | None) -> None:
    assert concurrency({"pool": pool}) == slots


@pytest.mark.parametrize(
    ("implementation", "name"),
    [
        ("celery.concurrency.prefork:TaskPool", "prefork"),
        ("celery.concurrency.thread:TaskPool", "threads"),
        ("celery.concurrency.solo:TaskPool", "solo"),
        ("celery.concurrency.gevent:TaskPool", "gevent"),
        ("celery_aio_pool.pool:AsyncIOPool", "pool"),
        (None, None),
        (7, None),
    ],
)
def test_the_short_name_of_a_pool(implementation: Any, name: str | None) -> None:
    assert pool_name({"pool": {"implementation": implementation}}) == name


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["total", "pid", "clock", "uptime", "pool", "autoscaler", "prefetch_count"])


@given(st.dictionaries(NAMES, JSON), st.lists(JSON, max_size=3))
def test_whatever_a_worker_says_facts_are_numbers_or_unknown(stats: dict[str, Any], items: list[Any]) -> None:
    taken = snapshot(("a@h", "stats", stats), ("a@h", "active", items), ("a@h", "active_queues", items))
    (facts,) = workers_facts(taken)
    assert facts.active == len(items)
    assert all(type(value) is int for value in facts.totals.values())
    assert facts.pid is None or facts.pid >= 0


@given(JSON)
def test_only_whole_numbers_are_whole(value: Any) -> None:
    number = whole(value)
    assert number is None or (type(number) is int and 0 <= number < 2**63)
