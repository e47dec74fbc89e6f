"""What there is to be steered on each page: buttons and their forms, made of what the page knows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from cells.steer_offer import WORKER, Asked, Field, Offer, Option, Told
from cells.steer_words import named, sentence
from cells.table import address, records
from control.changes import Change
from control.facts import run as process
from control.limits import read
from control.plan import Plan
from control.planning import Again
from control.runs import Runs
from control.sending import Retry
from data_sources.answer import Answer
from data_sources.errors import QueryRejected, SourceError
from data_sources.history.task_run import TaskRun
from data_sources.scope import Scope
from data_sources.task_query import TaskFilter
from data_sources.workers.orders import (
    SIGNALS,
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
from data_sources.workers.task_arguments import recorded_arguments

Answers = Mapping[str, Answer]
Changes = Callable[[Runs], Sequence[Change]]

UNTIL_RESTART = "A worker keeps it until it restarts."
SECONDS = "Seconds. Empty: no limit. Both are set together, as shown here."
JSON_LIST, JSON_OBJECT = 'A JSON list, such as [1, "a"]', 'A JSON object, such as {"to": "a"}'


def worker(name: str, told: Changes, answers: Answers) -> tuple[Offer, ...]:
    return (*pool(answers), again(name, told, answers))


def workers(answers: Answers) -> tuple[Offer, ...]:
    """For those that are chosen."""
    return (*pool(answers), *consumers(answers), *limits(answers))


def pool(answers: Answers) -> tuple[Offer, ...]:
    """How much workers do at once, whether they tell of it, and their end. `stats`: of the one worker, if it is one."""
    rows = records(answers["stats"].frame) if "stats" in answers else []
    least, most = (text(rows[0][name]) if rows else "" for name in ("autoscale_min", "autoscale_max"))
    return (
        plain(PoolGrow, "Grow", "Let it do more at once", slots("How many more")),
        plain(PoolShrink, "Shrink", "Let it do less at once", slots("How many fewer")),
        plain(
            Autoscale,
            "Autoscale",
            "Scale it within bounds",
            Field("max", "At most", "number", most),
            Field("min", "At least", "number", least),
            line=f"Only of workers that were started with --autoscale. {UNTIL_RESTART}",
        ),
        plain(EnableEvents, "Events on", "Let it tell of its tasks"),
        plain(DisableEvents, "Events off", "Let it tell nothing of its tasks"),
        plain(PoolRestart, "Restart pool", "Replace its processes", destroys=True),
        plain(Shutdown, "Shut down", "Shut down", destroys=True),
    )


def again(worker: str, told: Changes, answers: Answers) -> Offer:
    """What was changed of it, and what of that it lost when it was started anew. `stats`: what it says of itself."""
    stats = answers["stats"]
    asked_at = stats.measured_at or datetime.now(UTC)
    try:
        changes = told({row["worker"]: process(row, asked_at, stats.took) for row in records(stats.frame)})
    except SourceError as error:
        return Offer(Again.kind, "", told=(Told(f"What was changed here is not known: {error}"),))
    lines = tuple(
        Told(sentence(one.order, [worker]), one.at.timestamp() * 1000, one.who, one.lost)
        for one in changes
        if one.worker == worker
    )
    lost = any(line.lost for line in lines)
    title = "Apply again what it lost at its restart"
    return Offer(Again.kind, "Apply again" if lost else "", title, plan=partial(plan_again, worker), told=lines)


def plan_again(worker: str, asked: Asked) -> Plan:
    return asked.desk.plan_again(asked.person, asked.cluster, worker)


def limits(answers: Answers) -> tuple[Offer, ...]:
    """Of a task that `registered` knows. What its limits are now fills the form, where all workers have the same."""
    tasks = registered(answers["registered"])
    return (
        plain(
            RateLimit,
            "Rate limit",
            "Limit how often a task is started",
            Field("task", "Task", options=tasks),
            Field("rate", "At most", help="Of each worker: 10/s, 10/m or 10/h; 0 lifts it."),
            line=UNTIL_RESTART,
        ),
        plain(
            TimeLimit,
            "Time limits",
            "Limit how long a task may run",
            Field("task", "Task", options=tasks),
            Field("soft", "Soft limit", "number", optional=True, help=f"After it the task is told to end. {SECONDS}"),
            Field("hard", "Hard limit", "number", optional=True, help="After it its process is killed."),
            line=UNTIL_RESTART,
        ),
    )


def consumers(answers: Answers) -> tuple[Offer, ...]:
    """Of what workers consume. `depths`: all queues; `active`: those that the worker takes from, if it is one."""
    every = options(answers["depths"].frame["queue"])
    taken = options(answers["active"].frame["queue"]) if "active" in answers else every
    kind = "choice" if "active" in answers and taken else "text"
    return (
        plain(
            AddConsumer,
            "Add a queue",
            "Take tasks from another queue too",
            Field("queue", "Queue", options=every, help="One that does not exist is made."),
            line=UNTIL_RESTART,
        ),
        plain(
            CancelConsumer,
            "Stop a queue",
            "Take no more tasks from a queue",
            Field("queue", "Queue", kind, options=taken),
            line=UNTIL_RESTART,
        ),
    )


def queue(name: str, answers: Answers) -> tuple[Offer, ...]:
    """Who takes from it, and what waits in it. `workers`: all that are known."""
    rows = [row for row in records(answers["workers"].frame) if row["verdict"] != "gone"]
    own = [row["worker"] for row in rows if name in (row["queues"] or ())]
    others = [row["worker"] for row in rows if row["worker"] not in own]
    about, given = named("queue", [name]), (("queue", name),)
    return (
        plain(
            AddConsumer,
            "Add consumers",
            "Let workers take tasks from it",
            several(others),
            given=given,
            about=about,
            line=UNTIL_RESTART,
            refused="" if others else "Every worker that is known takes from it already.",
        ),
        plain(
            CancelConsumer,
            "Stop consumers",
            "Let workers take no more tasks from it",
            several(own),
            given=given,
            about=about,
            line=UNTIL_RESTART,
            refused="" if own else "No worker that is known takes from it.",
        ),
        plain(Purge, "Delete what waits", "Delete all that waits in it", given=given, about=about, destroys=True),
    )


def task(id: str, answers: Answers) -> tuple[Offer, ...]:
    """To take back what has not ended, and to send once more what has. `task`: as recorded; `depths`: all queues."""
    run = next(iter(TaskRun.all_of(answers["task"].frame)), None)
    about, given = named("task", [run.name, id] if run and run.name else [id]), (("id", id),)
    if run and run.ended:
        return (retry(run, answers), form_of(run.name or ""))
    return (
        plain(Revoke, "Revoke", "Do not run it", given=given, about=about),
        plain(
            Revoke,
            "Terminate",
            "End it while it runs",
            Field("signal", "Signal to its process", "choice", SIGNALS[0], options(SIGNALS)),
            name="terminate",
            given=(*given, ("terminate", "1")),
            about=about,
            line="Whatever else its process does ends with it.",
            destroys=True,
        ),
    )


def retry(run: TaskRun, answers: Answers) -> Offer:
    """With the arguments it had, to be looked at and changed."""
    instead = ("Run it with other arguments", address("/run", name=run.name or ""))
    title, about = "Send it once more", named("task", [run.name or run.id])
    try:
        args, kwargs = recorded_arguments(run.args, run.kwargs, run.cut)
    except QueryRejected as error:
        return Offer(Retry.kind, "Retry", title, about=about, refused=f"{error.what}.", instead=instead)
    fields = (
        Field("args", "Arguments", "json", readable(args), help=JSON_LIST),
        Field("kwargs", "Keyword arguments", "json", readable(kwargs), help=JSON_OBJECT),
        Field("queue", "Queue", value=run.queue or "", options=options(answers["depths"].frame["queue"])),
    )
    given = (("name", run.name or ""), ("retry_of", run.id))
    line = "As it was recorded. It is a new task, with an id of its own."
    return plain(SendTask, "Retry", title, *fields, name=Retry.kind, given=given, about=about, line=line)


def readable(text: str) -> str:
    """The same JSON, its letters not escaped."""
    return json.dumps(json.loads(text), ensure_ascii=False)


def form_of(name: str) -> Offer:
    """A link to the form that runs a task of this name, or any."""
    return Offer(
        "run", "Run another" if name else "Run a task", leads_to=address("/run", **({"name": name} if name else {}))
    )


def found(scope: Scope, filter: TaskFilter, answers: Answers) -> tuple[Offer, ...]:
    """All that a filter finds within the range."""
    revoke, retry = (partial(plan_found, kind, scope, filter) for kind in (Revoke.kind, Retry.kind))
    return (
        Offer(Revoke.kind, "Revoke all found", "Revoke all found", plan=revoke, destroys=True),
        Offer(Retry.kind, "Retry what failed", "Retry what failed of all found", plan=retry, destroys=True),
        form_of(filter.names[0] if len(filter.names) == 1 else ""),
    )


def plan_found(kind: str, scope: Scope, filter: TaskFilter, asked: Asked) -> Plan:
    return asked.desk.plan_found(asked.person, kind, scope, filter)


def run(name: str, queue: str, answers: Answers) -> tuple[Offer, ...]:
    """The form that runs a task. `registered`: what workers know; `depths`: all queues."""
    fields = (
        Field("name", "Task", value=name, options=registered(answers["registered"])),
        Field("args", "Arguments", "json", "[]", help=JSON_LIST),
        Field("kwargs", "Keyword arguments", "json", "{}", help=JSON_OBJECT),
        Field("queue", "Queue", value=queue, options=options(answers["depths"].frame["queue"])),
        Field("countdown", "Not before", "number", optional=True, help="Seconds from now."),
        Field("expires", "Not after", "number", optional=True, help="Seconds from now; a worker drops it then."),
        Field("priority", "Priority", "number", optional=True, help="0 to 255, if the queue has any."),
    )
    return (plain(SendTask, "Run", "Run a task", *fields),)


def plain(order: type[Order], label: str, title: str, *fields: Field, name: str = "", **more: Any) -> Offer:
    """The offer of an order that is made of a form."""
    given = (("order", order.kind), *more.pop("given", ()))
    return Offer(name or order.kind, label, title, fields, given, **more)


def slots(label: str) -> Field:
    return Field("n", label, "number", "1", help=f"Processes, or greenlets. {UNTIL_RESTART}")


def several(workers: Sequence[str]) -> Field:
    return Field(WORKER, "Workers", "several", options=options(workers))


def options(names: Iterable[str]) -> tuple[Option, ...]:
    return tuple(Option(name) for name in sorted(set(names)))


def registered(answer: Answer) -> tuple[Option, ...]:
    """The tasks that workers know, with the limits on which all agree."""
    limits: dict[str, list[dict[str, str]]] = {}
    for row in records(answer.frame):
        own = read(row["attributes"] or "")
        limits.setdefault(row["task"], []).append({"rate": own.rate, "soft": text(own.soft), "hard": text(own.hard)})
    return tuple(Option(task, fills=alike(every)) for task, every in sorted(limits.items()))


def alike(every: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {name: value for name, value in every[0].items() if all(one[name] == value for one in every)}


def text(number: float | None) -> str:
    return "" if number is None else f"{number:.10g}"
