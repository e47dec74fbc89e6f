"""How much workers took on between two times they were asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SLACK_SECONDS = 10.0  # an answer came at any time of its round, uptimes are whole seconds, clocks drift


@dataclass(frozen=True)
class Accepted:
    """The tasks a process had accepted since its start, by name, as it said `at` that time, in seconds of a clock that
    nobody sets: the one on the wall jumps.
    """

    totals: Mapping[str, int]
    at: float
    uptime_seconds: float | None = None


@dataclass(frozen=True)
class Taken:
    """Tasks accepted since each worker's previous answer, brought to one span of time.

    A worker of which it cannot be told is not in `by_worker`; `by_task` is None while there is one, as it sums up all.
    """

    by_task: Mapping[str, float] | None
    by_worker: Mapping[str, float]
    span_seconds: float


def accepted_between(
    earlier: Accepted | None, now: Accepted | None, span: float, watched: float
) -> dict[str, float] | None:
    """What a process accepted from `earlier` to `now`, by task, scaled to `span` seconds, so that an answer after a
    silence is no spike. None: it cannot be told.

    Counters that fall have begun again at 0, as Prometheus counts a reset; all of one process do so together.
    """
    if now is None or span <= 0:
        return None
    uptime = now.uptime_seconds
    if earlier is None:
        # Started within the `watched` seconds: all it has accepted is new. Merely new to us: not known of it yet.
        if uptime is None or uptime > watched:
            return None
        elapsed, grown = max(uptime, span), dict(now.totals)
    else:
        elapsed = now.at - earlier.at
        if are_of_two(earlier, now):
            return None
        base = {} if began_anew(earlier, now) else earlier.totals
        grown = {task: total - base.get(task, 0) for task, total in now.totals.items()}
    return {task: count * span / elapsed for task, count in grown.items()}


def began_anew(earlier: Accepted, now: Accepted) -> bool:
    """Whether the process was restarted in between: in containers it has the same number again."""
    elapsed, uptime = now.at - earlier.at, now.uptime_seconds
    return fell(earlier, now) or (uptime is not None and uptime + 1 < elapsed)  # it is cut to whole seconds


def are_of_two(earlier: Accepted, now: Accepted) -> bool:
    """Whether two processes of one name and number said this: one that ran all the time has one start, and counters
    that never fall.
    """
    elapsed, uptime = now.at - earlier.at, now.uptime_seconds
    if uptime is None or uptime <= elapsed + SLACK_SECONDS:
        return False
    moved = 0.0 if earlier.uptime_seconds is None else abs(uptime - earlier.uptime_seconds - elapsed)
    return fell(earlier, now) or moved > SLACK_SECONDS


def fell(earlier: Accepted, now: Accepted) -> bool:
    return any(now.totals.get(task, 0) < count for task, count in earlier.totals.items())
