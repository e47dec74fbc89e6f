"""What one refresh of the Overview's charts costs the server, beside st.plotly_chart with plotly.express."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import plotly.express as px
import plotly.io

from benchmarks._interleaved import interleaved
from cells.cell import Cell, Row, over, row
from cells.payload import made_figure
from data_sources.answer import Answer
from data_sources.query import Query, Signal
from data_sources.range_frame import tidy_frame
from data_sources.scope import EPOCH, Range, Window

RUNS = 15
GOAL = 4.0
SERIES = {"throughput": ("name", 6), "failures": ("", 1), "depth": ("queue", 6), "memory": ("container", 4)}


def run() -> list[dict[str, object]]:
    window = Range.live("1h").resolve(datetime.now(UTC), at_least=timedelta(seconds=5))
    throughput, failures, depth, memory = (Signal(name, by) for name, (by, _) in SERIES.items())
    cell = Cell(
        "cockpit",
        "",
        "",
        (
            row("tasks", throughput, "stacked", over(failures, "failed")),
            row("waiting", depth, "lines"),
            row("memory", memory, "lines"),
        ),
    )

    def ours() -> None:
        answers = [[answer(layer.query, window) for layer in part.layers] for part in cell.rows]
        made_figure(cell, answers, window)  # as for the first viewer: nothing is shared yet

    def peer() -> None:
        for part in cell.rows:
            for frame, by in frames(part, window):
                # What st.plotly_chart does with a figure at every run (streamlit/elements/plotly_chart.py).
                plotly.io.to_json(px.line(frame, x="time", y="value", color=by or None), validate=False)

    ours_seconds, peer_seconds = interleaved(ours, peer, runs=RUNS)
    return [
        {
            "name": "server's work for one refresh of the charts, against px and st.plotly_chart",
            "ours": ours_seconds,
            "peer": peer_seconds,
            "ratio": peer_seconds / ours_seconds,
            "goal": GOAL,
            "runs": RUNS,
            "unit": "s",
        }
    ]


def frames(part: Row, window: Window) -> Sequence[tuple[pd.DataFrame, str]]:
    return [
        (answer(layer.query, window).frame, SERIES[layer.query.name][0])
        for layer in part.layers
        if isinstance(layer.query, Signal)
    ]


def answer(query: Query, window: Window) -> Answer:
    """A frame of its own each time, as a new answer brings it; both sides pay for making it."""
    assert isinstance(query, Signal)
    by, count = SERIES[query.name]
    seconds = (window.start - EPOCH).total_seconds() + window.step.total_seconds() * np.arange(window.points)
    times = (seconds * 1000).astype(np.int64)
    metrics = [{by: f"{by}-{k}"} if by else {} for k in range(count)]
    points = [(times, 10.0 * (k + 1) + np.sin(seconds / (60.0 + k))) for k in range(count)]
    return Answer(tidy_frame(metrics, points, (by,) if by else ()), query, window=window)


if __name__ == "__main__":
    for result in run():
        print(json.dumps(result))
