"""Answers without a row: before there is anything, and to what cannot be asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pandas as pd

from data_sources.answer import Answer
from data_sources.audit_query import AUDIT_COLUMNS, Audit
from data_sources.brokers import leftovers, xray
from data_sources.failure import Failure
from data_sources.history.facets import FACET_COLUMNS
from data_sources.history.failures import FAILURE_COLUMNS
from data_sources.history.names import NAME_COLUMNS
from data_sources.history.rows import ONE_TASK_COLUMNS, task_frame
from data_sources.now_frames import depth_frame, source_frame, worker_frame
from data_sources.prometheus.answers import COLUMNS as PROMETHEUS_COLUMNS
from data_sources.promql_query import OfPrometheus
from data_sources.query import METHODS, Depths, Inspect, Query, Signal, Sources, Workers
from data_sources.queue_query import Leftovers, Xray
from data_sources.range_frame import empty_frame
from data_sources.run_query import Held
from data_sources.schedule.answer import COLUMNS as SCHEDULE_COLUMNS
from data_sources.schedule.load import LOAD_COLUMNS
from data_sources.schedule_query import Schedule, ScheduledLoad
from data_sources.setup import answer as setup
from data_sources.setup import recording
from data_sources.setup_query import Recording, Setup
from data_sources.task_query import Facets, Failures, Histogram, Task, TaskNames, Tasks
from data_sources.workers.inspect_frames import inspect_frame


def blank_frame(query: Query) -> pd.DataFrame:
    """The columns that an answer to `query` promises, without a row."""
    match query:
        case Workers():
            return worker_frame()
        case Depths():
            return depth_frame()
        case Sources():
            return source_frame()
        case Setup():
            return without_rows(setup.COLUMNS)
        case Recording():
            return without_rows(recording.COLUMNS)
        case Inspect(method=method) if method in METHODS:
            return inspect_frame(method, None)
        case Held():
            return inspect_frame("query_task", None)
        case Tasks():
            return task_frame(())
        case Task():
            return task_frame((), ONE_TASK_COLUMNS)
        case Facets():
            return without_rows(FACET_COLUMNS)
        case TaskNames():
            return without_rows(NAME_COLUMNS)
        case Failures():
            return without_rows(FAILURE_COLUMNS)
        case Histogram():
            return empty_frame(("state",))
        case ScheduledLoad():
            return without_rows(LOAD_COLUMNS)
        case Xray():
            return without_rows(xray.MIX_COLUMNS if query.by else xray.MESSAGE_COLUMNS)
        case Audit():
            return without_rows(AUDIT_COLUMNS)
        case Leftovers():
            return without_rows(leftovers.COLUMNS)
        case Schedule():
            return without_rows(SCHEDULE_COLUMNS)
        case OfPrometheus():
            return without_rows(PROMETHEUS_COLUMNS[type(query)])
        case Signal(by=by) if by:
            return empty_frame((by,))
    return empty_frame(())


def without_rows(columns: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in columns.items()})


def rejected(query: Query, parameter: str, message: str, source: str = "Celery Notebook") -> Answer:
    """The answer to a question that cannot be asked."""
    failure = Failure("rejected", source, message, "", datetime.now(UTC), None, parameter)
    return Answer(blank_frame(query), query, failure=failure)
