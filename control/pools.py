"""How many tasks a worker runs at once: its processes or greenlets, and the bounds within which it scales by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from control.facts import Facts
from control.plan import Draft, Line
from control.runs import Run, Runs
from control.words import NO_ANSWER, alike, many, running_words, unable
from data_sources.errors import BadParameter
from data_sources.workers.orders import Autoscale, PoolGrow, PoolRestart, PoolShrink

FIXED = ("threads", "solo")  # pools without grow and shrink (celery/concurrency)
GREEN = ("gevent", "eventlet")
RESTARTS = ("prefork",)

Why = Callable[[Run], str]  # why a worker cannot; empty where it can, or that is not known


def slot_words(run: Run, slots: int | None) -> str:
    if slots is None:
        return "not known"
    return many(slots, "greenlet" if run.pool in GREEN else "process" if run.pool == "prefork" else "slot")


def scale_words(scale: tuple[int, int] | None) -> str:
    return f"{scale[0]:,} to {many(scale[1], 'process')}" if scale else "does not scale by itself"


def slots(order: PoolGrow | PoolShrink, facts: Facts, workers: Collection[str]) -> dict[str, str]:
    """What there is now, by worker."""
    return {name: slot_words(run, run.slots) for name, run in facts.runs(workers).items()}


def scales(order: Autoscale, facts: Facts, workers: Collection[str]) -> dict[str, str]:
    return {name: scale_words(run.scale) for name, run in facts.runs(workers).items()}


def plan_size(order: PoolGrow | PoolShrink, facts: Facts, workers: Sequence[str], runs: Runs) -> Draft:
    grows = isinstance(order, PoolGrow)
    word, change = ("grow", order.n) if grows else ("shrink", -order.n)

    def why(run: Run) -> str:
        if run.pool in FIXED:
            return f"the {run.pool} pool cannot {word} while it runs"
        if run.scale:
            return "it scales by itself; change its bounds (autoscale) instead"
        if not grows and run.slots is not None and run.slots <= order.n:
            return f"it has {slot_words(run, run.slots)}, and one must stay"
        return ""

    able, warnings = those_who_can(workers, runs, why, "n")
    known = {name: run.slots for name in able if (run := runs.get(name)) and run.slots is not None}
    now = sum(known.values())
    total = f": {now:,} now, {now + change * len(known):,} then" if len(known) == len(able) else ""
    active = None if grows else facts.active(able)
    if not grows:
        total += f"; {running_words(active)}"
        warnings += ("Only processes that are idle are taken away: with all of them busy a worker refuses",)
    return Draft(
        order=order,
        summary=f"{order.n:,} {'more' if grows else 'fewer'} on {many(len(able), 'worker')}{total}",
        lines=tuple(
            Line(name, slot_words(run, run.slots), slot_words(run, None if run.slots is None else run.slots + change))
            if (run := runs.get(name))
            else Line(name, NO_ANSWER, f"{order.n:,} {'more' if grows else 'fewer'}")
            for name in able
        ),
        workers=able,
        warnings=warnings,
        tasks=active,
        undo=(PoolShrink(order.n) if grows else PoolGrow(order.n)) if known else None,
        undo_for=tuple(known),
    )


def plan_scale(order: Autoscale, facts: Facts, workers: Sequence[str], runs: Runs) -> Draft:
    able, warnings = those_who_can(
        workers, runs, lambda run: "" if run.scale else "it was started without --autoscale", "worker"
    )
    then = scale_words((order.min, order.max))
    known = {name: run.scale for name in able if (run := runs.get(name)) and run.scale}
    before = alike([*known.values()])
    return Draft(
        order=order,
        summary=f"{many(len(able), 'worker')} {'keeps' if len(able) == 1 else 'keep'} {then}",
        lines=tuple(
            Line(name, scale_words(run.scale) if (run := runs.get(name)) else NO_ANSWER, then) for name in able
        ),
        workers=able,
        warnings=warnings,
        undo=Autoscale(max=before[1], min=before[0]) if before else None,
        undo_for=tuple(known),
    )


def plan_restart(order: PoolRestart, facts: Facts, workers: Sequence[str], runs: Runs) -> Draft:
    enabled = {
        row["worker"]
        for row in facts.said("conf", runs)
        if row["setting"] == "worker_pool_restarts" and row["value"] == "true"
    }

    def why(run: Run) -> str:
        if run.pool is not None and run.pool not in RESTARTS:
            return f"the {run.pool} pool cannot be restarted"
        return "" if run.worker in enabled else "its setting worker_pool_restarts is off"

    able, warnings = those_who_can(workers, runs, why, "worker")
    active, them = facts.active(able), many(len(able), "worker")
    return Draft(
        order=order,
        summary=f"The processes of {them} are replaced, each when its task has ended; {running_words(active)}",
        lines=tuple(
            Line(name, slot_words(run, run.slots), "as many new ones")
            if (run := runs.get(name))
            else Line(name, NO_ANSWER, "new processes")
            for name in able
        ),
        workers=able,
        tasks=active,
        warnings=warnings,
    )


def those_who_can(
    workers: Sequence[str], runs: Runs, why: Why, parameter: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those who can as far as is known, and warnings of the others. Raises BadParameter when nobody can."""
    reasons = {name: reason for name in workers if name in runs and (reason := why(runs[name]))}
    able = tuple(name for name in workers if name not in reasons)
    if not able:
        name, reason = next(iter(reasons.items()))
        raise BadParameter(parameter, f"{name}: {reason}")
    return able, unable(reasons)
