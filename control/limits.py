"""Limits of a task in each worker: how often it is started, and how long it may run."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from control.facts import Facts
from control.plan import Draft, Line
from control.runs import Runs
from control.words import NO_ANSWER, alike, many, unable
from data_sources.errors import BadParameter
from data_sources.note import listed
from data_sources.workers.orders import RATE, Order, RateLimit, TimeLimit

UNLIMITED = "no limit"
ATTRIBUTE = r"(?:^| ){}=(\S+)"
KEEPS_TIME = ("prefork", "gevent")  # celery's other pools know no time limits (on_apply in celery/concurrency)
KEEPS_SOFT = ("prefork",)
PERIODS = {"": "a second", "s": "a second", "m": "a minute", "h": "an hour"}


@dataclass(frozen=True)
class Limits:
    """Of one task in one worker, as the worker writes them; "" is none."""

    rate: str = ""
    soft: float | None = None
    hard: float | None = None


def limits(facts: Facts, task: str, workers: Collection[str]) -> dict[str, Limits | None]:
    """Of `task`, by the name of each worker that answers; None of one that does not know the task."""
    rows = facts.said("registered", workers)
    known: dict[str, Limits | None] = {row["worker"]: None for row in rows}
    return known | {row["worker"]: read(row["attributes"] or "") for row in rows if row["task"] == task}


def read(attributes: str) -> Limits:
    """`exchange=a rate_limit=10/m time_limit=30`: what an exchange is called stands before, so the last one counts."""
    found = {
        name: re.findall(ATTRIBUTE.format(name), attributes) for name in ("rate_limit", "soft_time_limit", "time_limit")
    }
    rate, soft, hard = (values[-1] if values else "" for values in found.values())
    return Limits("" if number(rate.partition("/")[0]) == 0 else rate, number(soft), number(hard))


def number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,12}(\.\d{1,12})?", text, re.ASCII) else None


def rate_words(rate: str) -> str:
    return rate if rate and number(rate.partition("/")[0]) != 0 else UNLIMITED


def time_words(soft: float | None, hard: float | None) -> str:
    words = [f"{name} {seconds:g} s" for name, seconds in (("soft", soft), ("hard", hard)) if seconds]
    return ", ".join(words) or UNLIMITED


def rates(order: RateLimit, facts: Facts, workers: Collection[str]) -> dict[str, str]:
    """What the limit of starts is now, by worker."""
    now = limits(facts, order.task, workers)
    return {name: rate_words(one.rate) for name, one in now.items() if one}


def times(order: TimeLimit, facts: Facts, workers: Collection[str]) -> dict[str, str]:
    now = limits(facts, order.task, workers)
    return {name: time_words(one.soft, one.hard) for name, one in now.items() if one}


def plan_rate(order: RateLimit, facts: Facts, workers: Sequence[str], runs: Runs) -> Draft:
    now, able, warnings = knowing(order.task, facts, workers, runs)
    then = rate_words(order.rate)
    before, known = alike([one.rate for one in now.values() if one]), tuple(name for name in able if now.get(name))
    return Draft(
        order=order,
        summary=f"{order.task}: {together(order.rate, len(able))}; now {rate_summary(now)}",
        lines=tuple(Line(name, rate_words(of.rate) if (of := now.get(name)) else NO_ANSWER, then) for name in able),
        workers=able,
        warnings=warnings,
        undo=None if before is None else possible(lambda: RateLimit(order.task, before or "0")),
        undo_for=known,
    )


def plan_time(order: TimeLimit, facts: Facts, workers: Sequence[str], runs: Runs) -> Draft:
    now, able, warnings = knowing(order.task, facts, workers, runs)
    then = time_words(order.soft, order.hard)
    pools = {name: run.pool for name in able if (run := runs.get(name)) and run.pool}
    if loose := [name for name, pool in pools.items() if pool not in KEEPS_TIME]:
        warnings += (f"{listed(loose)} will not keep it: their pool knows no time limits",)
    if order.soft and (hard := [name for name, pool in pools.items() if pool in KEEPS_TIME and pool not in KEEPS_SOFT]):
        warnings += (f"{listed(hard)} will not keep the soft limit: their pool knows none",)
    before = alike([(one.soft, one.hard) for one in now.values() if one])
    known = tuple(name for name in able if now.get(name))
    return Draft(
        order=order,
        summary=f"{order.task} may run: {then}, on {many(len(able), 'worker')}",
        lines=tuple(
            Line(name, time_words(of.soft, of.hard) if (of := now.get(name)) else NO_ANSWER, then) for name in able
        ),
        workers=able,
        warnings=warnings,
        undo=None if before is None else possible(lambda: TimeLimit(order.task, *before)),
        undo_for=known,
    )


def knowing(
    task: str, facts: Facts, workers: Sequence[str], runs: Runs
) -> tuple[Mapping[str, Limits | None], tuple[str, ...], tuple[str, ...]]:
    """The limits now, the workers of whom it is not known that they do not know `task`, and warnings of the others."""
    now = limits(facts, task, runs)
    strangers = [name for name in workers if name in now and now[name] is None]
    able = tuple(name for name in workers if name not in strangers)
    if not able:
        raise BadParameter("task", f"no worker that was chosen knows “{task[:80]}”")
    return now, able, unable(dict.fromkeys(strangers, "it does not know this task"))


def together(rate: str, count: int) -> str:
    """`10/m on each of 4 workers: 40/m together`: each worker counts by itself."""
    amount, slash, unit = rate.partition("/")
    if rate_words(rate) == UNLIMITED:
        return f"{UNLIMITED} on {many(count, 'worker')}"
    if not RATE.fullmatch(rate):
        return rate
    if count == 1:
        return f"{amount} {PERIODS[unit]}"
    return f"{rate} on each of {count} workers: {float(amount) * count:g}{slash}{unit} together"


def possible(make: Callable[[], Order]) -> Order | None:
    """What a worker says of its limits may be no limit that can be set."""
    try:
        return make()
    except BadParameter:
        return None


def rate_summary(now: Mapping[str, Limits | None]) -> str:
    known = [one.rate for one in now.values() if one]
    if not known:
        return "not known"
    same = alike(known)
    return "none" if same == "" else together(same, len(known)) if same is not None else "not the same everywhere"
