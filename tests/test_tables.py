"""Tables: every row as the source gave it, and what is not known stays empty."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cells.table import MOST_ROWS, SPARK_POINTS, Table, View, linked, sparklines
from cells.views.plain import table as plain_table
from cells.views.promql import values
from cells.views.queues import queues
from cells.views.workers import workers
from data_sources.answer import Answer
from data_sources.brokers.queue_depths import depth_rows
from data_sources.now_frames import depth_frame, worker_frame
from data_sources.query import PromQL, Signal
from data_sources.range_frame import tidy_frame
from data_sources.scope import Window

NAN = float("nan")
NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)


def by_name(table: Table) -> dict[str, dict[str, Any]]:
    """What the browser gets: first column -> column -> value."""
    sent = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    names = [column["name"] for column in sent["columns"]]
    return {plain(row[0]): dict(zip(names, row, strict=True)) for row in sent["rows"] + sent["apart"]}


def plain(value: Any) -> Any:
    """Without the page that it leads to."""
    return value["value"] if isinstance(value, dict) else value


def worker(name: str, **said: object) -> dict[str, object]:
    columns = worker_frame().columns
    return {**dict.fromkeys(columns), "worker": name, "verdict": "unknown", "last_seen": NOW, **said}


def over_time(label: str, **lines: list[float]) -> Answer:
    """A range answer; NaN is a hole."""
    points = max(len(line) for line in lines.values())
    step = timedelta(seconds=10)
    window = Window(NOW, NOW + (points - 1) * step, step)
    grid = int(NOW.timestamp() * 1000) + np.arange(points) * 10_000
    known = [(grid[~np.isnan(line)], np.array(line)[~np.isnan(line)]) for line in lines.values()]
    frame = tidy_frame([{label: name} for name in lines], known, [label])
    return Answer(frame, Signal("depth", label), window=window, measured_at=NOW)


def test_a_worker_that_said_nothing_has_empty_fields_and_no_zero() -> None:
    row = by_name(workers(worker_frame([worker("celery@a")]), {}))["celery@a"]
    known = {
        "worker": linked("celery@a", "/worker", name="celery@a"),
        "verdict": {"name": "unknown", "key": "celery@a 0", "evidence": []},
        "last_seen": NOW.timestamp() * 1000,
    }
    assert row == {**dict.fromkeys(row), **known}


def test_a_worker_is_shown_as_it_said() -> None:
    said: dict[str, object] = {
        "active": 0,
        "concurrency": 4,
        "queues": ["mail"],
        "processed": 7,
        "pool": "prefork",
        "uptime": 1.5,
    }
    frame = worker_frame(
        [
            worker("celery@a", verdict="idle", prefetch=16, evidence='[["answer","the last came",5]]', **said),
            worker("celery@b", active=1),
        ]
    )
    rows = by_name(workers(frame, {"throughput": over_time("worker", **{"celery@a": [1.0, NAN, 3.0]})}))
    assert rows["celery@a"] == {
        "worker": linked("celery@a", "/worker", name="celery@a"),
        "verdict": {"name": "idle", "key": "celery@a 0", "evidence": [["answer", "the last came", 5]]},
        "slots": [0, 4],
        "throughput": [1.0, None, 3.0],
        "queues": [linked("mail", "/queue", name="mail")],
        "processed": 7,
        "pool": "prefork",
        "prefetch": 16,
        "uptime": 1.5,
        "last_seen": NOW.timestamp() * 1000,
    }
    assert (rows["celery@b"]["slots"], rows["celery@b"]["throughput"]) == ([1, None], None)


@pytest.mark.parametrize("absurd", [float("inf"), NAN, pd.NA, None])
def test_an_uptime_that_is_no_number_is_not_known(absurd: object) -> None:
    assert by_name(workers(worker_frame([worker("a", uptime=absurd)]), {}))["a"]["uptime"] is None


def test_a_queue_of_which_nothing_is_known_has_empty_fields_and_an_empty_queue_zeros() -> None:
    frame = depth_frame(
        depth_rows(["known", "unknown"], ready=[0, None], unacked=[0, None], consumers=[0, None], oldest=[0.0, NAN])
    )
    rows = by_name(queues(frame, {}))
    named = {name: linked(name, "/queue", name=name) for name in rows}
    assert rows["unknown"] == {**dict.fromkeys(rows["unknown"]), "queue": named["unknown"]}
    known = {"ready": 0, "unacked": 0, "trend": None, "consumers": 0, "oldest": 0.0}
    assert rows["known"] == {"queue": named["known"], **known}


def test_queues_stand_by_name_and_celerys_own_apart() -> None:
    table = queues(depth_frame(depth_rows(["reports", "celery@a.celery.pidbox", "mail", "celeryev.1"])), {})
    assert [row[0]["value"] for row in table.rows] == ["mail", "reports"]
    assert [row[0]["value"] for row in table.apart] == ["celery@a.celery.pidbox", "celeryev.1"]


def test_rows_beyond_the_most_are_counted_and_not_silently_gone() -> None:
    table = queues(depth_frame(depth_rows([f"q{place:05}" for place in range(MOST_ROWS + 7)])), {})
    assert (len(table.rows), table.left_out) == (MOST_ROWS, 7)
    assert workers(worker_frame([worker("a")]), {}).left_out == 0


def test_an_empty_table_teaches_what_to_do() -> None:
    nothing = workers(worker_frame(), {}), queues(depth_frame(), {})
    assert [table.rows for table in nothing] == [[], []]
    assert "$ celery -A yourapp worker" in nothing[0].empty
    assert "global_keyprefix" in nothing[1].empty[1]


def test_a_sparkline_has_the_mean_of_each_stretch_and_none_where_nothing_is_known() -> None:
    line = [*[0.0] * SPARK_POINTS, *[NAN] * SPARK_POINTS, *[0.0000012345] * SPARK_POINTS, *[123_456.0] * SPARK_POINTS]
    quarter = SPARK_POINTS // 4
    expected = [*[0.0] * quarter, *[None] * quarter, *[1.2345e-06] * quarter, *[123_456.0] * quarter]
    assert sparklines(over_time("queue", mail=line)) == {"mail": expected}


def test_a_sparkline_skips_what_is_no_number() -> None:
    answer = over_time("queue", mail=[1.0, float("inf"), 3.0])
    assert sparklines(answer) == {"mail": [1.0, None, 3.0]}
    assert sparklines(None) == {}
    assert sparklines(replace(answer, frame=answer.frame.iloc[:0])) == {}
    assert sparklines(replace(answer, window=None)) == {}


@pytest.mark.parametrize("view", [plain_table, values])
def test_what_is_infinite_is_named_and_not_taken_for_unknown(view: View) -> None:
    frame = pd.DataFrame({"queue": ["a", "b", "c"], "time": [NOW] * 3, "value": [np.inf, -np.inf, NAN]})
    shown = by_name(view(frame, {"rows": Answer(frame, PromQL("a / b", instant=True))}))

    assert [row["value"] for row in shown.values()] == ["+Inf", "-Inf", None]
