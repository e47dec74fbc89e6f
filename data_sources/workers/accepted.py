"""How much workers took on between two times they were asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Accepted:
    """The tasks a process had accepted since its start, by name, as it said `at` that time."""

    totals: Mapping[str, int]
    at: datetime


@dataclass(frozen=True)
class Taken:
    """Tasks accepted since each worker's previous answer, brought to one span of time.

    A worker of which it cannot be told is in neither.
    """

    by_task: Mapping[str, float]
    by_worker: Mapping[str, float]
    span_seconds: float


def accepted_between(
    earlier: Accepted | None, now: Accepted | None, uptime_seconds: float | None, span: float, watched: float
) -> dict[str, float] | None:
    """What a process accepted from `earlier` to `now`, by task, scaled to `span` seconds, so that an answer after a
    silence is no spike. None: it cannot be told.

    Counters that fall have begun again at 0, as Prometheus counts a reset; all of one process do so together.
    """
    if now is None or span <= 0:
        return None
    if earlier is None:
        # Started within the `watched` seconds: all it has accepted is new. Merely new to us: not known of it yet.
        if uptime_seconds is None or uptime_seconds > watched:
            return None
        elapsed, grown = max(uptime_seconds, span), dict(now.totals)
    else:
        elapsed = (now.at - earlier.at).total_seconds()
        fell = any(now.totals.get(task, 0) < count for task, count in earlier.totals.items())
        # In containers a restarted worker has the same process number. Its uptime is cut to whole seconds.
        restarted = fell or (uptime_seconds is not None and uptime_seconds + 1 < elapsed)
        base = {} if restarted else earlier.totals
        grown = {task: total - base.get(task, 0) for task, total in now.totals.items()}
    if elapsed <= 0:  # the clock was set back
        return None
    return {task: count * span / elapsed for task, count in grown.items()}
