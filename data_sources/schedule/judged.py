"""Was a schedule kept? Its due times beside the runs that were recorded: on time, late, missed, doubled.

On time is within 30 s after the due time, or half of the interval where that is shorter. Between two times of a clock
nothing is due: what comes then is late, or one run more than was due, of a second beat or by somebody's own call. An
interval begins anew with each run, and may seem to be shorter when one was received late: by half as much as is borne.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data_sources.schedule.forms import MOST_MOMENTS, Crontab, Form, Interval, Moments, Once, due_times, evenly
from data_sources.schedule.runs import Deaf, Run

TOLERANCE_SECONDS = 30.0
SKEW_SECONDS = 2.0  # that beat's clock may be ahead of that of who reports the run
STRIP = 60  # blocks
CALLED_BY_OTHERS = 3  # runs more than due, for each that was due: beats that run twice give one or two

JUDGED = ("on_time", "late", "missed", "doubled")


@dataclass(frozen=True)
class Block:
    """One due time, or one run that was not due.

    `kind`: on_time, late, missed, doubled; unknown (nothing was recorded then); ran (seen, and not compared).
    """

    kind: str
    due: float | None
    run: Run | None = None

    @property
    def moment(self) -> float:
        return self.due if self.due is not None else self.run.at if self.run else 0.0


@dataclass(frozen=True)
class Kept:
    """`blocks` in order of time; `counts` by kind, None where it cannot be compared.

    `overdue_since`: the last due time, when nothing came and more time has passed than is borne with.
    """

    blocks: Sequence[Block]
    counts: Counter[str] | None
    overdue_since: float | None = None


def not_compared(runs: Sequence[Run]) -> Kept:
    return Kept([Block("ran", None, one) for one in runs], None)


def judged(form: Form, runs: Sequence[Run], deaf: Deaf, since: float, until: float) -> Kept:
    """The runs from `since` to `until`, in order of time, beside the times `form` is due; `until` is at most now."""
    since = max(since, until - MOST_MOMENTS * (form.seconds if isinstance(form, Interval) else 60.0))
    first = bisect_left(runs, since, key=lambda one: one.at)
    runs = runs[max(0, first - 1) :]  # an interval runs from the last before
    plain = [one for one in runs if not one.retried]
    match form:
        case Interval(seconds=seconds):
            bear = min(TOLERANCE_SECONDS, seconds / 2)
            blocks, missed = by_interval(plain, seconds, bear, since, until)
        case Crontab() | Once():
            due = due_times(form, since, until)
            bear = min(TOLERANCE_SECONDS, float(np.diff(due).min()) / 2) if len(due) > 1 else TOLERANCE_SECONDS
            blocks, missed = by_clock(plain, due, bear, until)
        case _:
            return not_compared(runs)
    unknown = deaf.at(missed - bear, missed + bear)
    gone = [
        Block("unknown" if is_unknown else "missed", float(at)) for at, is_unknown in zip(missed, unknown, strict=True)
    ]
    blocks += fill(gone, [one for one in runs if one.retried])
    blocks = sorted(forgiving(blocks, deaf, bear), key=lambda block: block.moment)
    counts = Counter(block.kind for block in blocks)
    if counts["doubled"] > CALLED_BY_OTHERS * max(1, counts["on_time"] + counts["late"] + counts["missed"]):
        return not_compared(runs)
    last = next((block for block in reversed(blocks) if block.kind != "doubled"), None)
    return Kept(blocks, counts, last.due if last and last.kind == "missed" else None)


def by_interval(
    runs: Sequence[Run], seconds: float, bear: float, since: float, until: float
) -> tuple[list[Block], Moments]:
    """Blocks of the runs, each due so long after the one before; and when nothing came."""

    def gone(before: float, end: float) -> Moments:
        """Due times after the run at `before` and before `end`."""
        return evenly(before + seconds * max(1, math.ceil((since - before) / seconds)), end, seconds)

    blocks: list[Block] = []
    missed: list[Moments] = []
    before: float | None = None
    for one in runs:
        steps = 1 if before is None else int((one.at - before + bear / 2) // seconds)
        if steps < 1:
            blocks.append(Block("doubled", None, one))
            continue
        if before is not None:
            due = before + steps * seconds
            missed.append(gone(before, due - seconds / 2))
            blocks.append(Block("late" if one.at - due > bear else "on_time", due, one))
        else:
            blocks.append(Block("ran", None, one))
        before = one.at
    if before is not None:
        missed.append(gone(before, until - bear))
    return blocks, np.concatenate([np.empty(0), *missed])


def by_clock(runs: Sequence[Run], due: Moments, bear: float, until: float) -> tuple[list[Block], Moments]:
    """The same for times of the clock: the first run from a due time on is its own, those before the next are more."""
    blocks: list[Block] = []
    places = np.searchsorted(due - min(SKEW_SECONDS, bear), [one.at for one in runs], side="right") - 1
    came: set[int] = set()
    for one, place in zip(runs, places.tolist(), strict=True):
        if place < 0:  # of a due time before all these
            blocks.append(Block("ran", None, one))
        elif place in came:
            blocks.append(Block("doubled", None, one))
        else:
            late = one.at - due[place] > bear
            blocks.append(Block("late" if late else "on_time", float(due[place]), one))
            came.add(place)
    missed = np.delete(due, sorted(came))
    return blocks, missed[missed < until - bear]


def fill(gone: list[Block], retried: Sequence[Run]) -> list[Block]:
    """A task that was tried again stands in for the last due time before it at which nothing else came."""
    filled = list(gone)
    for one in retried:
        place = next(
            (k for k in range(len(filled) - 1, -1, -1) if filled[k].moment <= one.at and not filled[k].run), None
        )
        if place is not None:
            filled[place] = Block("ran", filled[place].due, one)
    return filled


def forgiving(blocks: Sequence[Block], deaf: Deaf, bear: float) -> list[Block]:
    """What came late just after nothing was recorded may not be the first that came."""
    late = [block for block in blocks if block.kind == "late" and block.due is not None and block.run is not None]
    due = np.array([block.due or 0.0 for block in late])
    came = np.array([block.run.at if block.run else 0.0 for block in late])
    unsure = {id(block) for block, is_unsure in zip(late, deaf.at(due - bear, came), strict=True) if is_unsure}
    return [replace(block, kind="ran") if id(block) in unsure else block for block in blocks]
