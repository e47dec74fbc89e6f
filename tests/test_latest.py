"""The answers of the moment: what the recorder writes is what the dashboard reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources import latest
from data_sources.brokers.queue_depths import DepthReading, depth_rows
from data_sources.failure import Failure
from data_sources.latest import RecorderState
from data_sources.microseconds import microseconds
from data_sources.note import Note
from data_sources.poller import Reading
from data_sources.workers.heartbeat import Heartbeat
from data_sources.workers.presence import Presence
from data_sources.workers.worker_facts import WorkerFacts
from data_sources.workers.worker_rows import WorkersReading

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)

texts = st.text(st.characters(codec="utf-8"), max_size=12)
counts = st.none() | st.integers(0, 2**53)
facts = st.builds(
    WorkerFacts,
    texts.filter(bool),
    pid=counts,
    pool=st.none() | texts,
    concurrency=counts,
    active=counts,
    processed=counts,
    queues=st.none() | st.lists(texts, max_size=3).map(tuple),
    uptime_seconds=st.none() | st.integers(0, 10**9),
)
notes = st.lists(st.builds(Note, texts, st.sampled_from(["info", "warning"])), max_size=2).map(tuple)


@dataclass
class Kept:
    measured_us: int | None = None
    took_us: int = 0
    failure: str | None = None
    body: str | None = None


@given(st.lists(facts, max_size=5), st.lists(facts, max_size=5), notes)
def test_workers_read_back_as_they_were_told(first: list[WorkerFacts], then: list[WorkerFacts], notes: object) -> None:
    presence = Presence()
    presence.update(first, AT, 0.0)
    presence.update(then, AT + timedelta(seconds=5), 5.0)
    told = WorkersReading(presence.rows(AT + timedelta(seconds=5)), len(then), notes)  # type: ignore[arg-type]
    read = latest.workers_from_json(latest.workers_to_json(told))
    assert read.rows == told.rows
    assert (read.answered, read.notes, read.expected) == (told.answered, told.notes, told.expected)
    assert read.consumers() == told.consumers()


@given(st.dictionaries(texts, st.tuples(counts, counts, st.none() | st.floats(0, 1e9)), max_size=5), notes)
def test_queues_read_back_as_they_were_told(
    queues: dict[str, tuple[int | None, int | None, float | None]], notes: object
) -> None:
    ready, unacked, oldest = zip(*queues.values(), strict=True) if queues else ((), (), ())
    rows = depth_rows([*queues], ready=ready, unacked=unacked, oldest=oldest)
    told = DepthReading(rows, {"ready": 3, "unacked": None}, notes, "Redis", timedelta(milliseconds=2), AT)  # type: ignore[arg-type]
    told = replace(told, managed=True, management=Failure("unreachable", "RabbitMQ management", "is not", "", AT, None))
    read = latest.depths_from_json(latest.depths_to_json(told))
    assert read.rows == told.rows
    assert (read.managed, read.management) == (told.managed, told.management)
    assert (read.totals, read.notes, read.origin, read.latency, read.measured_at) == (
        told.totals,
        told.notes,
        told.origin,
        told.latency,
        told.measured_at,
    )


def test_a_row_is_a_reading_with_its_failure_beside_the_last_good_value() -> None:
    failure = Failure("unreachable", "broker", "refused", "Is it running?", AT, AT + timedelta(seconds=2))
    row = Kept(microseconds(AT), 1500, latest.failure_to_json(failure), "7")
    assert latest.reading(row, int) == Reading(7, AT, timedelta(microseconds=1500), failure)
    assert latest.reading(None, int).pending
    assert latest.reading(Kept(failure=row.failure), int) == Reading(failure=failure)


def test_a_recorders_state_reads_back_and_what_a_newer_one_adds_is_left_out() -> None:
    beat = Heartbeat(5, processed=3, active=None, software="py-celery 5.7.0", sends_events=True)
    state = RecorderState(7, "host", "0.1", 1, "/a.db", events=9, hears=True, workers={"w@a": beat}, quiet=("q@a",))
    assert RecorderState.from_json(state.to_json()) == state
    newer = orjson.loads(state.to_json()) | {"moods": 3}
    newer["workers"]["w@a"]["mood"] = "fine"
    assert RecorderState.from_json(orjson.dumps(newer).decode()) == state
    older = {name: value for name, value in orjson.loads(state.to_json()).items() if name not in ("hears", "quiet")}
    assert RecorderState.from_json(orjson.dumps(older).decode()) == replace(state, hears=False, quiet=())
    with pytest.raises(ValueError, match="unexpected end"):
        RecorderState.from_json("{")
