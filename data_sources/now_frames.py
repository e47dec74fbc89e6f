"""Workers, queues and sources of the moment as frames, with their promised columns also when there is no row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from data_sources.brokers import queue_depths, queue_flags
from data_sources.workers import worker_rows

SOURCE_COLUMNS = {
    "source": "str",
    "state": "str",  # ok, failing, pending, off, or unknown: the recorder fails, through which it is asked
    "since": "datetime64[ms, UTC]",  # of a failure
    "latency_ms": "Float64",
    "version": "str",
    "what": "str",
    "hint": "str",
    "retry_at": "datetime64[ms, UTC]",
}

Rows = Sequence[Mapping[str, Any]]


def worker_frame(rows: Rows = ()) -> pd.DataFrame:
    """The columns of worker_rows.COLUMNS."""
    return row_frame(rows, worker_rows.COLUMNS)


def depth_frame(rows: Rows = ()) -> pd.DataFrame:
    """The columns of queue_depths.COLUMNS and of queue_flags.JUDGED_COLUMNS."""
    return queue_flags.judged(row_frame(rows, queue_depths.COLUMNS))


def source_frame(rows: Rows = ()) -> pd.DataFrame:
    """The columns of SOURCE_COLUMNS."""
    return row_frame(rows, SOURCE_COLUMNS)


def row_frame(rows: Rows, kinds: Mapping[str, str]) -> pd.DataFrame:
    """The columns `kinds` promises, by name and dtype."""
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in kinds.items()})


def frame_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows by column; what is not known is None."""
    rows: list[dict[str, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return rows
