"""How each kind of order is planned, and how it is read back what became of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from control import consumers, limits, looking, pools, purging, revoking, sending, shutting
from control.facts import Facts
from control.plan import Draft
from control.runs import Runs
from control.sending import Retry
from data_sources.errors import BadParameter
from data_sources.fields import Fields, Params, one
from data_sources.workers import orders
from data_sources.workers.look_inside import LookInside
from data_sources.workers.orders import Order, Purge, Revoke
from data_sources.workers.send_task import SendTask

Planner = Callable[[Any, Facts, Sequence[str], Runs], Draft]
Reader = Callable[[Any, Facts, Collection[str]], dict[str, str]]  # what it is now, by worker, in the words of a plan

PLANNERS: Mapping[type[Order], Planner] = {
    orders.Revoke: revoking.plan_revoke,
    orders.RateLimit: limits.plan_rate,
    orders.TimeLimit: limits.plan_time,
    orders.PoolGrow: pools.plan_size,
    orders.PoolShrink: pools.plan_size,
    orders.Autoscale: pools.plan_scale,
    orders.PoolRestart: pools.plan_restart,
    orders.AddConsumer: consumers.plan_add,
    orders.CancelConsumer: consumers.plan_cancel,
    orders.EnableEvents: consumers.plan_events,
    orders.DisableEvents: consumers.plan_events,
    orders.Shutdown: shutting.plan_shutdown,
    orders.Purge: purging.plan_purge,
    LookInside: looking.plan_look,
    SendTask: sending.plan_send,
    Retry: sending.plan_retry,
}
READERS: Mapping[type[Order], Reader] = {
    orders.Revoke: revoking.marked,
    orders.RateLimit: limits.rates,
    orders.TimeLimit: limits.times,
    orders.PoolGrow: pools.slots,
    orders.PoolShrink: pools.slots,
    orders.Autoscale: pools.scales,
    orders.AddConsumer: consumers.consumed,
    orders.CancelConsumer: consumers.consumed,
    orders.Shutdown: shutting.presence,
}
KINDS: Mapping[str, type[Order]] = {order.kind: order for order in PLANNERS}


@dataclass(frozen=True)
class Again:
    """Several orders, one after the other, to one worker: what it has lost at its restart. No form makes one.

    Its plan has a line for each part, and its outcome a reply, in their order.
    """

    kind: ClassVar[str] = "again"
    orders: tuple[Order, ...]

    def to_params(self) -> Params:
        return [("order", self.kind), *[("each", json.dumps(one.to_params())) for one in self.orders]]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        try:
            each = [grouped(json.loads(text)) for text in fields.get("each", ())]
        except (ValueError, TypeError) as error:
            raise BadParameter("each", "must be an order") from error
        return cls(tuple(from_fields(one) for one in each))


def short(part: Order) -> str:
    """Which of several it is: `rate_limit shop.mail 10/m`."""
    return " ".join(value for _, value in part.to_params())


def from_fields(fields: Fields) -> Order:
    """The order that these fields tell; raises BadParameter naming the field that is wrong."""
    kind = one(fields, "order")
    if kind not in KINDS:
        raise BadParameter("order", f"must be one of {', '.join(KINDS)}")
    return KINDS[kind].from_fields(fields)


def grouped(pairs: Params) -> dict[str, list[str]]:
    """Every value of every name."""
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def whom(order: Order, facts: Facts, workers: Sequence[str]) -> tuple[str, ...]:
    """Who is told: the workers that were chosen, all of what they may have when tasks are revoked, nobody else.

    Raises BadParameter.
    """
    if isinstance(order, Purge | LookInside | SendTask | Retry):
        if workers:
            raise BadParameter("workers", f"are not told of it: {order.kind} is given to the broker")
        return ()
    if isinstance(order, Revoke) and not workers:
        return facts.everyone()
    return facts.chosen(workers)


def drafted(order: Order, facts: Facts, workers: Sequence[str], runs: Runs) -> Draft:
    """What the order will do. Raises BadParameter where it cannot do anything, and SourceError."""
    if isinstance(order, Again):
        return plan_each(order, facts, workers, runs)
    return PLANNERS[type(order)](order, facts, workers, runs)


def plan_each(order: Again, facts: Facts, workers: Sequence[str], runs: Runs) -> Draft:
    """Of those orders that can still be given. Raises BadParameter when there is none."""
    drafts, refused = [], []
    for part in order.orders:
        try:
            drafts.append(drafted(part, facts, workers, runs))
        except BadParameter as error:
            refused.append(error)
    if not drafts:
        raise refused[0]
    warnings = [warning for draft in drafts for warning in draft.warnings]
    warnings += [f"Left out: {error.message}" for error in refused]
    return Draft(
        order=Again(tuple(draft.order for draft in drafts)),
        summary="; ".join(draft.summary for draft in drafts),
        lines=tuple(replace(line, about=short(draft.order)) for draft in drafts for line in draft.lines),
        workers=drafts[0].workers,
        phrase=next((draft.phrase for draft in drafts if draft.phrase), ""),
        warnings=tuple(dict.fromkeys(warnings)),
    )
