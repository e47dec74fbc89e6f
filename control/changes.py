"""What was changed of workers here. They keep it until they restart, so what it was can be ordered again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

from control.journal import DONE, fields_of
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
    """By worker of those that answer: what holds since each started, and what it lost then and nobody ordered anew."""
    found = sorted(made(entries), key=attrgetter("worker", "at"))
    told: list[Change] = []
    for worker, group in groupby(found, key=attrgetter("worker")):
        began = runs[worker].began if worker in runs else None
        if began is None:
            continue
        every = list(group)
        kept = netted([change for change in every if change.at >= began])
        lost = netted([change for change in every if change.at < began])
        told += kept.values()
        told += [replace(change, lost=True) for about, change in lost.items() if about not in kept]
    return tuple(told)


def made(entries: Sequence[Entry]) -> Iterator[Change]:
    """One for each worker that said that it has done what lasts."""
    for entry in entries:
        said = entry.arguments
        try:
            order = (Again if entry.action == Again.kind else KINDS[entry.action]).from_fields(said["order"])
        except (BadParameter, KeyError):  # of a newer version, or with what was masked or cut
            continue
        for part in parts_done(order, said) if isinstance(order, Again) else (order,):
            if isinstance(part, LASTING):
                for worker in set(said.get(DONE, ())):
                    yield Change(worker, part, entry.at, entry.who, subject(part), said.get("undo", {}))


def parts_done(order: Again, said: Mapping[str, Any]) -> list[Order]:
    """Those that its worker said it has done: it may have done one, and not the next."""
    return [part for part, outcome in zip(order.orders, said.get("parts", ()), strict=False) if outcome == DONE]


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
