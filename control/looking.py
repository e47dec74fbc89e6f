"""Looking into a queue of RabbitMQ, which changes it: its messages are redelivered for it."""

from __future__ import annotations

from collections.abc import Sequence

from control.facts import Facts
from control.plan import Draft, Line
from control.runs import Runs
from control.words import many, wait_words
from data_sources.brokers import rabbitmq_xray
from data_sources.errors import BadParameter
from data_sources.workers.look_inside import LookInside

CHECK_SECONDS = 4.0
MARKED = (
    "The mark stays. Celery itself heeds it only under worker_deduplicate_successful_tasks, and tasks may look for it"
)


def plan_look(order: LookInside, facts: Facts, workers: Sequence[str], runs: Runs) -> Draft:
    """Raises BadParameter, and QueryRejected where it could do harm."""
    row, transport = facts.own_queue(order.queue), facts.cluster.broker.transport
    if transport != "amqp":
        raise BadParameter("queue", f"is looked into on its page without this: its transport is {transport}")
    rabbitmq_xray.check(facts.cluster, order.queue, CHECK_SECONDS)
    ready, consumers = row["ready"], row["consumers"]
    if ready == 0:
        raise BadParameter("queue", "nothing waits in it")
    few = order.n if ready is None else min(order.n, ready)
    warnings = [MARKED]
    if consumers != 0:
        who = "workers" if consumers is None else many(consumers, "consumer")
        warnings.append(f"While they are out, for some milliseconds, {who} may take those behind them first")
    return Draft(
        order=order,
        summary=f"{many(few, 'message')} of {order.queue}: taken out and put back at once, marked as redelivered",
        lines=(Line(order.queue, wait_words(ready), "as many, in the same order"),),
        tasks=few,
        warnings=tuple(warnings),
    )
