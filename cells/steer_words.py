"""Orders in the words of buttons and dialogs: what exactly is done, and to what."""

from __future__ import annotations

from collections.abc import Sequence

from cells.steer_offer import Objects
from control.limits import time_words
from control.planning import Again
from control.sending import Retry
from control.words import many, who
from data_sources.workers.look_inside import LookInside
from data_sources.workers.orders import (
    AddConsumer,
    Autoscale,
    CancelConsumer,
    DisableEvents,
    EnableEvents,
    Order,
    PoolGrow,
    PoolRestart,
    PoolShrink,
    Purge,
    RateLimit,
    Revoke,
    Shutdown,
    TimeLimit,
)
from data_sources.workers.send_task import SendTask


def sentence(order: Order, workers: Sequence[str], tasks: int | None = None) -> str:
    """What the button says that does it: `Shut down celery@mail-2`. `tasks`: how many it concerns, where known."""
    whom = who(workers)
    match order:
        case Shutdown():
            return f"Shut down {whom}"
        case PoolRestart():
            return f"Restart the pool of {whom}"
        case PoolGrow(n=n):
            return f"Add {many(n, 'slot')} to {whom}"
        case PoolShrink(n=n):
            return f"Take {many(n, 'slot')} from {whom}"
        case Autoscale(max=most, min=least):
            return f"Scale {whom} between {least} and {most} slots"
        case AddConsumer(queue=queue):
            return f"Let {whom} consume {queue}"
        case CancelConsumer(queue=queue):
            return f"Stop {whom} consuming {queue}"
        case EnableEvents():
            return f"Switch task events on at {whom}"
        case DisableEvents():
            return f"Switch task events off at {whom}"
        case RateLimit(task=task, rate=rate):
            lifted = rate.partition("/")[0].strip("0.") == ""
            return f"Lift the rate limit of {task} on {whom}" if lifted else f"Limit {task} to {rate} on {whom}"
        case TimeLimit(task=task, soft=soft, hard=hard):
            return f"Set the time limits of {task} on {whom}: {time_words(soft, hard)}"
        case Revoke(ids=ids, terminate=terminate):
            return f"{'Terminate' if terminate else 'Revoke'} {some_tasks(ids)}"
        case Retry(ids=ids):
            return f"Retry {some_tasks(ids) if tasks is None else many(tasks, 'task')}"
        case Again(orders=orders):
            return f"Apply {many(len(orders), 'change')} again to {whom}"
        case LookInside(queue=queue, n=n):
            return f"Look at {many(n if tasks is None else tasks, 'message')} of {queue}"
        case Purge(queue=queue):
            return f"Purge {queue}: delete {'all messages' if tasks is None else many(tasks, 'message')}"
        case SendTask(name=name, queue=queue, retry_of=before):
            return f"{'Retry' if before else 'Run'} {name} on {queue}"
    return f"{order.kind} {whom}"


def objects(order: Order, workers: Sequence[str]) -> Objects:
    """What it is about, in the order in which they are to be read."""
    to = named("worker", workers)
    match order:
        case RateLimit(task=task) | TimeLimit(task=task):
            return (*named("task", [task]), *to)
        case AddConsumer(queue=queue) | CancelConsumer(queue=queue):
            return (*named("queue", [queue]), *to)
        case Purge(queue=queue) | LookInside(queue=queue):
            return named("queue", [queue])
        case Revoke(ids=ids) | Retry(ids=ids):
            return named("id", ids) if len(ids) == 1 else (("tasks", (f"{len(ids):,}",)),)
        case SendTask(name=name, queue=queue):
            return (*named("task", [name]), *named("queue", [queue]))
    return to


def named(kind: str, names: Sequence[str]) -> Objects:
    return ((kind, tuple(names)),) if names else ()


def some_tasks(ids: Sequence[str]) -> str:
    return f"task {ids[0]}" if len(ids) == 1 else many(len(ids), "task")
