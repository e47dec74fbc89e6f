"""Which queues a worker takes tasks from, and whether it tells of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from control.facts import Facts
from control.plan import Draft, Line
from control.runs import Runs
from control.words import NO_ANSWER, many, running_words, unable
from data_sources.brokers import rabbitmq_declared
from data_sources.errors import BadParameter
from data_sources.note import listed
from data_sources.workers import worker_rows
from data_sources.workers.orders import AddConsumer, CancelConsumer, DisableEvents, EnableEvents

DECLARED_SECONDS = 4.0
TAKES, DOES_NOT = "takes from it", "does not take from it"


def consumed(order: AddConsumer | CancelConsumer, facts: Facts, workers: Collection[str]) -> dict[str, str]:
    """Whether each worker that answers takes from the queue now."""
    rows = facts.said("active_queues", workers)
    takes = {row["worker"] for row in rows if row["queue"] == order.queue}
    # one that takes from no queue at all answers with no row
    answering = {row["worker"] for row in rows} | facts.runs(set(workers) - takes).keys() | takes
    return {name: TAKES if name in takes else DOES_NOT for name in answering}


def plan_add(order: AddConsumer, facts: Facts, workers: Sequence[str], runs: Runs) -> Draft:
    now = consumed(order, facts, runs)
    already = [name for name in workers if now.get(name) == TAKES]
    able = tuple(name for name in workers if name not in already)
    if not able:
        raise BadParameter("queue", f"{listed(already)}: takes from “{order.queue[:80]}” already")
    warnings = unable(dict.fromkeys(already, "it takes from this queue already"))
    risk, told = declared(order.queue, facts)
    warnings += told
    known = tuple(name for name in able if name in now)
    return Draft(
        order=order,
        summary=f"{many(len(able), 'worker')} will take from {order.queue}; {waiting(facts, order.queue)}",
        lines=tuple(Line(name, now.get(name, NO_ANSWER), TAKES) for name in able),
        workers=able,
        phrase=(able[0] if len(able) == 1 else f"risk {len(able)} workers") if risk else "",
        warnings=warnings,
        undo=CancelConsumer(order.queue) if known else None,
        undo_for=known,
    )


def declared(queue: str, facts: Facts) -> tuple[bool, tuple[str, ...]]:
    """Whether it is known that declaring the queue anew may end a worker, and warnings.

    A worker whose app does not know a queue declares a plain one; where RabbitMQ has another, the worker ends of that.
    """
    if facts.lacks(queue):
        return False, (f"There is no queue “{queue}” yet: it is made",)
    if facts.cluster.broker.transport != "amqp":
        return False, ()
    ends = "RabbitMQ refuses a worker whose app does not know it so, and the worker ends"
    odd = rabbitmq_declared.peculiar(facts.cluster, queue, DECLARED_SECONDS)
    if odd is None:
        return False, (f"How the queue was declared is not known. If it is no plain classic one: {ends}",)
    return bool(odd), (f"The queue was declared with {listed(odd)}: {ends}",) if odd else ()


def plan_cancel(order: CancelConsumer, facts: Facts, workers: Sequence[str], runs: Runs) -> Draft:
    now = consumed(order, facts, runs)
    idle = [name for name in workers if now.get(name) == DOES_NOT]
    able = tuple(name for name in workers if name not in idle)
    if not able:
        raise BadParameter("queue", f"{listed(idle)}: does not take from “{order.queue[:80]}”")
    known, active = tuple(name for name in able if name in now), facts.active(able)
    return Draft(
        order=order,
        summary=f"{many(len(able), 'worker')} will take nothing more from {order.queue}; {running_words(active)}",
        lines=tuple(Line(name, now.get(name, NO_ANSWER), DOES_NOT) for name in able),
        workers=able,
        warnings=(
            *unable(dict.fromkeys(idle, "it does not take from this queue")),
            *left_alone(facts, {order.queue}, able),
        ),
        tasks=active,
        undo=AddConsumer(order.queue) if known else None,
        undo_for=known,
    )


def plan_events(order: EnableEvents | DisableEvents, facts: Facts, workers: Sequence[str], runs: Runs) -> Draft:
    then = "tells of its tasks" if isinstance(order, EnableEvents) else "tells nothing of its tasks"
    warnings: tuple[str, ...] = ()
    if isinstance(order, DisableEvents):
        warnings += (
            "What they run is not recorded then, here or elsewhere",
            "One that was started with -E answers that its events are off already, and goes on",
        )
    return Draft(
        order=order,
        summary=f"{many(len(workers), 'worker')}: {then}",
        lines=tuple(Line(name, "not known" if name in runs else NO_ANSWER, then) for name in workers),
        workers=tuple(workers),
        warnings=warnings,
        undo=DisableEvents() if isinstance(order, EnableEvents) else EnableEvents(),
        undo_for=tuple(workers),
    )


def left_alone(facts: Facts, queues: Collection[str], leaving: Collection[str]) -> tuple[str, ...]:
    """Warnings of the queues that nobody takes from once `leaving` do not: who is silent takes from none."""
    there = [row for row in facts.processes if row["worker"] not in leaving and worker_rows.is_taking(row)]
    others = [worker_rows.consumed(row) for row in there]
    unsaid = sum(given is None for given in others)
    doubt = f", as far as is known: {many(unsaid, 'worker')} did not say" if unsaid else ""
    kept = {queue for given in others for queue in given or ()}
    return tuple(
        f"Nobody will take from {queue}{doubt}: {waiting(facts, queue)}" for queue in sorted(set(queues) - kept)
    )


def waiting(facts: Facts, queue: str) -> str:
    row = facts.queue(queue)
    if row is None or row["ready"] is None:
        return "how many tasks wait there is not known"
    return f"{many(row['ready'], 'task')} {'waits' if row['ready'] == 1 else 'wait'} there"
