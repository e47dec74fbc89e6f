"""What a cluster's recorder wrote last, as answers: its workers, its queues, the state of its sources."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from data_sources.answer import Answer
from data_sources.brokers import leftovers
from data_sources.brokers.queue_depths import UNITS as QUEUE_UNITS
from data_sources.brokers.queue_depths import DepthReading
from data_sources.failure import Failure
from data_sources.now_frames import SOURCE_COLUMNS, depth_frame, source_frame, worker_frame
from data_sources.poller import Reading
from data_sources.query import Depths, Sources, Workers
from data_sources.queue_query import Leftovers
from data_sources.setup.parts import MANAGEMENT, PARTS
from data_sources.watch import Watch
from data_sources.workers.worker_rows import UNITS as WORKER_UNITS
from data_sources.workers.worker_rows import WorkersReading, may_consume

UNSEEN = "The recorder alone asks, and tells nothing newer"
RECENT = 32  # readings whose frame is kept: more than there are clusters


def workers_answer(query: Workers, watch: Watch, wait_seconds: float) -> Answer:
    reading = watch.workers(wait_seconds)
    frame = frame_of_workers(reading.value)
    if query.queues and reading.value:
        consumes = [any(may_consume(row, queue) for queue in query.queues) for row in reading.value.rows]
        frame = frame[np.array(consumes, dtype=bool)].reset_index(drop=True)
    return Answer(
        frame=chosen(frame, "worker", query.workers),
        query=query,
        units=WORKER_UNITS,
        origin=f"Celery at {watch.cluster.broker.address}",
        measured_at=reading.measured_at,
        took=reading.took,
        notes=reading.value.notes if reading.value else (),
        totals={"answered": reading.value.answered if reading.value and not reading.failure else None},
        failure=reading.failure,
    )


def depths_answer(query: Depths, watch: Watch, wait_seconds: float) -> Answer:
    """The broker's own reading; consumers, where the broker cannot tell, are the workers that can take tasks."""
    reading = watch.queues(wait_seconds)
    workers = watch.workers()
    frame = frame_of_depths(reading.value, workers.value if not workers.failure else None)
    notes = reading.value.notes if reading.value else ()
    return Answer(
        frame=chosen(frame, "queue", query.queues),
        query=query,
        units=QUEUE_UNITS,
        origin=reading.value.origin if reading.value else watch.cluster.broker.address,
        measured_at=reading.measured_at,
        took=reading.took,
        notes=tuple(notes),
        totals=reading.value.totals if reading.value and not query.queues else {},
        failure=reading.failure,
    )


def leftovers_answer(query: Leftovers, watch: Watch, wait_seconds: float) -> Answer:
    """What of the queues nobody fetches, see leftovers.COLUMNS."""
    queues = depths_answer(Depths(), watch, wait_seconds)
    frame = leftovers.leftovers(queues.frame, watch.cluster.broker)
    return replace(queues, frame=frame, query=query, units=leftovers.UNITS, totals={}, notes=())


@lru_cache(RECENT)
def frame_of_workers(reading: WorkersReading | None) -> pd.DataFrame:
    """One for all who ask; without a reading it is empty."""
    return worker_frame(reading.rows if reading else ())


@lru_cache(RECENT)
def frame_of_depths(reading: DepthReading | None, workers: WorkersReading | None) -> pd.DataFrame:
    """One for all who ask; without a reading it is empty."""
    rows = reading.rows if reading else ()
    counted = workers.consumers() if workers else None
    return depth_frame(rows if counted is None else [{**row, **consumed(row, counted)} for row in rows])


def consumed(row: Mapping[str, Any], counted: Mapping[str, int | None]) -> dict[str, int | None]:
    """How many consume a queue, by the workers' word where the broker cannot tell."""
    told = row["internal"] or row["consumers"] is not None
    return {"consumers": row["consumers"] if told else counted.get(row["queue"], 0)}


def chosen(frame: pd.DataFrame, column: str, names: Sequence[str]) -> pd.DataFrame:
    """The rows of these names, or all rows when none is named."""
    return frame[frame[column].isin(list(names))].reset_index(drop=True) if names else frame


def sources_answer(query: Sources, watch: Watch, wait_seconds: float) -> Answer:
    """One row a source, see SOURCE_COLUMNS, in the order people look for them."""
    ends = time.monotonic() + wait_seconds
    queues, workers = watch.queues(wait_seconds), watch.workers(seconds_left(ends))
    broker = watch.cluster.broker.transport
    rows = [source_row(broker, queues, queues.value.latency.total_seconds() if queues.value else None)]
    rows[0]["version"] = queues.value.origin if queues.value else None
    if watch.cluster.rabbitmq_management and broker == "amqp":
        rows.append(management_row(queues))
    rows.append(source_row("workers", workers, workers.took.total_seconds()))
    if watch.facts and (facts := watch.facts.read(seconds_left(ends))) and watch.has_prometheus:
        rows.append(source_row("prometheus", facts, facts.took.total_seconds()))
        rows[-1]["version"] = facts.value.version if facts.value else None
    else:
        rows.append(off_row("prometheus"))
    recorder = watch.recorder(seconds_left(ends))
    rows.append(source_row("recorder", recorder, None))
    rows[-1]["version"] = f"Celery Notebook {recorder.value.version}" if recorder.value else None
    measured = [reading.measured_at for reading in (queues, workers) if reading.measured_at]
    return Answer(
        source_frame(rows),
        query,
        {"latency_ms": "ms"},
        origin="Celery Notebook",
        measured_at=max(measured, default=None),
    )


def seconds_left(ends: float) -> float:
    """Until `ends` on the monotonic clock, never less than none."""
    return max(0.0, ends - time.monotonic())


def management_row(queues: Reading[DepthReading]) -> dict[str, object]:
    """Of RabbitMQ's management API. It is asked before the broker itself, so where that fails, both do."""
    told = queues.value
    if told is None:
        return source_row(MANAGEMENT, queues, None)
    if not (told.managed or told.management):
        return off_row(MANAGEMENT)
    return source_row(MANAGEMENT, replace(queues, failure=queues.failure or told.management), None)


def off_row(name: str) -> dict[str, object]:
    return {**dict.fromkeys(SOURCE_COLUMNS), "source": name, "state": "off", "hint": PARTS[name].setting}


def source_row(name: str, reading: Reading[Any], latency_seconds: float | None) -> dict[str, object]:
    """Of whom the recorder alone asks, nothing is known while that or its history fails: they may be well. So may be
    workers that cannot be asked on the broker's transport.
    """
    failure: Failure | None = reading.failure
    unseen = failure is not None and failure.is_of_recording and name != "recorder"
    unasked = failure is not None and failure.is_of_transport
    state = "unknown" if unseen or unasked else "failing" if failure else "pending" if reading.pending else "ok"
    return {
        "source": name,
        "state": state,
        "since": failure.since if failure else None,
        "latency_ms": latency_seconds * 1000 if latency_seconds is not None and state == "ok" else None,
        "version": None,
        "what": UNSEEN if unseen else failure.what if failure else None,
        "hint": failure.hint if failure and not unseen else None,
        "retry_at": failure.retry_at if failure else None,
    }
