"""What a query cost its server, as it says itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def query_cost(stats: Any) -> Mapping[str, int]:
    """`samples` read, how many of them at once at the `peak`, and `microseconds` from its start to its end.

    What the server does not tell is left out: Prometheus tells all three (util/stats/query_stats.go), VictoriaMetrics
    the time alone, and others nothing.
    """
    match stats:
        case {"samples": {"totalQueryableSamples": int(samples), "peakSamples": int(peak)}, "timings": timings}:
            return {"samples": samples, "peak": peak, **seconds(timings)}
        case {"timings": timings}:
            return seconds(timings)
        case {"executionTimeMsec": int(milliseconds)}:
            return {"microseconds": milliseconds * 1000}
    return {}


def seconds(timings: Any) -> Mapping[str, int]:
    match timings:
        case {"evalTotalTime": float(evaluated) | int(evaluated)} if 0 <= evaluated < 1e6:
            return {"microseconds": round(evaluated * 1e6)}
    return {}
