"""Fair timing on a busy machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median


def interleaved(*tasks: Callable[[], object], runs: int) -> list[float]:
    """The median seconds of each task, all of them run in turns after one turn to warm up."""
    for task in tasks:
        task()
    seconds: list[list[float]] = [[] for _ in tasks]
    for _ in range(runs):
        for task, measured in zip(tasks, seconds, strict=True):
            began = time.perf_counter()
            task()
            measured.append(time.perf_counter() - began)
    return [median(measured) for measured in seconds]
