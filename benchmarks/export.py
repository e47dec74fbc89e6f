"""CSV of a million rows, beside DataFrame.to_csv made to follow the same rules: how fast, and in how much memory.

The rules: times in ISO 8601 with their offset, numbers bare and exact, NaN by name, no text that a spreadsheet would
run. Memory is what the process takes at most beyond what it has with the frame, in a fresh process for each run.
"""

from __future__ import annotations

import contextlib
import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from benchmarks._interleaved import interleaved
from data_sources.range_frame import tidy_frame
from exports.csv_text import csv_chunks

SERIES, POINTS = 100, 10_000
RUNS = 3
MEGABYTES = 200.0
FORMULA = re.compile("^[=+\\-@\\t\\r\\n＝＋－＠]")


def run() -> list[dict[str, object]]:
    frame = million()
    assert b"".join(csv_chunks(frame, nan_is_data=True)).decode() == by_pandas(frame), "not the same file"
    ours, peer = interleaved(lambda: drain(frame), lambda: by_pandas(frame), runs=RUNS)
    extra = median(float(in_new_process("extra_memory")) for _ in range(RUNS))
    what = f"CSV of {len(frame):,} rows"
    return [
        row(f"{what}, against to_csv with the same rules", ours, peer, 4.0, "s"),
        row(f"{what}, memory beyond the frame", extra, MEGABYTES, 1.0, "MB"),
    ]


def row(name: str, ours: float, peer: float, goal: float, unit: str) -> dict[str, object]:
    return {"name": name, "ours": ours, "peer": peer, "ratio": peer / ours, "goal": goal, "runs": RUNS, "unit": unit}


def million() -> pd.DataFrame:
    """A range result: series of tasks, one with a name that is a formula, with some NaN in them."""
    chance = np.random.default_rng(1)
    times = 1_767_571_200_000 + np.arange(POINTS, dtype=np.int64) * 15_000
    metrics, points = [], []
    for number in range(SERIES):
        name = f"=cmd|{number}" if number == 7 else f'shop.tasks["{number}"]'
        metrics.append({"name": name, "queue": f"queue {number % 5}", "worker": f"celery@shop-{number % 8}"})
        values = np.where(chance.random(POINTS) < 0.01, np.nan, chance.random(POINTS) * 1000)
        points.append((times, values))
    return tidy_frame(metrics, points, ())


def drain(frame: pd.DataFrame) -> int:
    """As a route sends it: each piece is gone when the next is made."""
    return sum(map(len, csv_chunks(frame, nan_is_data=True)))


def by_pandas(frame: pd.DataFrame) -> str:
    """The least that makes to_csv follow our rules: texts made inert, once each, and times written as ISO 8601."""
    safe = {name: inert(frame[name]) for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)}
    written = frame.assign(**safe)
    return str(written.to_csv(index=False, na_rep="NaN", date_format="%Y-%m-%dT%H:%M:%S+00:00", lineterminator="\n"))


def inert(column: pd.Series) -> pd.Series:
    return column.cat.rename_categories(lambda text: f"'{text}" if FORMULA.match(text) else text)


# --- memory, in a process of its own -----------------------------------------------------------------------------


def in_new_process(name: str) -> str:
    """What the function `name` of this file prints there."""
    code = f"from benchmarks import export; export.{name}()"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    return done.stdout


ROOT = Path(__file__).resolve().parents[1]


def extra_memory() -> None:
    """In megabytes: how far a million rows raise the most that this process ever had."""
    frame = million()
    drain(frame.head(1000))  # what is loaded when it is first used stays for ever
    before = highest_since_now()
    drain(frame)
    print(highest() - before)


def highest_since_now() -> float:
    """What the process has now, from which its most is counted on (Linux); its most so far where that is not told."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return highest()


def highest() -> float:
    status = Path("/proc/self/status")
    if status.is_file() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    for measured in run():
        print(json.dumps(measured))
