"""What was changed of workers here. They keep it until they restart, so what it was can be ordered again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

from control.journal import ALREADY, DONE, fields_of
from control.planning import KINDS, Again
from control.runs import Runs
from data_sources.errors import BadParameter
from data_sources.workers.orders import (
    AddConsumer,
    Autoscale,
    CancelConsumer,
    DisableEvents,
    EnableEvents,
    Order,
    PoolGrow,
    PoolShrink,
    RateLimit,
    TimeLimit,
)
from workspace.audit import Entry

LASTING = (
    *(RateLimit, TimeLimit, PoolGrow, PoolShrink, Autoscale),
    *(AddConsumer, CancelConsumer, EnableEvents, DisableEvents),
)
LOOKED_BACK = timedelta(days=7)  # before the oldest of the workers that answer began, for what they lost


@dataclass(frozen=True)
class Change:
    """What `who` changed of `worker`; `lost`: it restarted since. `about` tells which of its settings that is."""

    worker: str
    order: Order
    at: datetime
    who: str
    about: tuple[str, str]
    undo: Mapping[str, Sequence[str]]
    lost: bool = False


def changes(entries: Sequence[Entry], runs: Runs) -> tuple[Change, ...]:
    """By worker of those that answer: what holds since each started, and what it lost then and nobody ordered anew.

    Who said of what it lost that it is so already has not lost it: it was started with it.
    """
    found: list[Change] = []
    already: defaultdict[str, list[Change]] = defaultdict(list)
    for outcome, change in said(entries):
        (found if outcome == DONE else already[change.worker]).append(change)
    found.sort(key=attrgetter("worker", "at"))
    told: list[Change] = []
    for worker, group in groupby(found, key=attrgetter("worker")):
        began = runs[worker].began if worker in runs else None
        if began is None:
            continue
        every = list(group)
        kept = netted([change for change in every if change.at >= began])
        lost = netted([change for change in every if change.at < began])
        told += kept.values()
        has = [change.order for change in already[worker] if change.at >= began]
        told += [
            replace(change, lost=True)
            for about, change in lost.items()
            if about not in kept and change.order not in has
        ]
    return tuple(told)


def said(entries: Sequence[Entry]) -> Iterator[tuple[str, Change]]:
    """One for each worker that said that it has done what lasts, under DONE, or under ALREADY that it was so before."""
    for entry in entries:
        told = entry.arguments
        try:
            order = (Again if entry.action == Again.kind else KINDS[entry.action]).from_fields(told["order"])
        except (BadParameter, KeyError):  # of a newer version, or with what was masked or cut
            continue
        for outcome, part in parts(order, told):
            if isinstance(part, LASTING):
                for worker in set(told.get(outcome, ())):
                    yield outcome, Change(worker, part, entry.at, entry.who, subject(part), told.get("undo", {}))


def parts(order: Order, told: Mapping[str, Any]) -> list[tuple[str, Order]]:
    """Each order beside what may have been said of it; of several what was: a worker may do one, and not the next."""
    if not isinstance(order, Again):
        return [(DONE, order), (ALREADY, order)]
    heard = zip(told.get("parts", ()), order.orders, strict=False)
    return [(outcome, part) for outcome, part in heard if outcome in (DONE, ALREADY)]


def subject(order: Order) -> tuple[str, str]:
    match order:
        case RateLimit(task=task) | TimeLimit(task=task):
            return order.kind, task
        case AddConsumer(queue=queue) | CancelConsumer(queue=queue):
            return "queue", queue
        case EnableEvents() | DisableEvents():
            return "events", ""
        case PoolGrow() | PoolShrink():
            return "size", ""
    return order.kind, ""


def netted(changes: Sequence[Change]) -> dict[tuple[str, str], Change]:
    """What is left of them, by setting."""
    groups: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        groups.setdefault(change.about, []).append(change)
    return {about: left for about, group in groups.items() if (left := net(group))}


def net(group: Sequence[Change]) -> Change | None:
    """What changes of one setting come to; None when the last brought it back to what it was before the first."""
    first, last = group[0], group[-1]
    if isinstance(last.order, PoolGrow | PoolShrink):
        more = sum(size(change.order) for change in group)
        return replace(last, order=PoolGrow(more) if more > 0 else PoolShrink(-more)) if more else None
    return None if len(group) > 1 and fields_of(last.order) == first.undo else last


def size(order: Order) -> int:
    match order:
        case PoolGrow(n=n):
            return n
        case PoolShrink(n=n):
            return -n
    return 0
