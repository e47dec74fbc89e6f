"""What there is to be steered of tasks: to take them back, to send them once more, and to run new ones."""

from __future__ import annotations

import json
from functools import partial

from cells.steer_offer import Asked, Field, Offer, options, plain
from cells.steer_words import named
from cells.table import address
from cells.views.steering import Answers, queues, registered
from control.plan import Plan
from control.sending import Retry
from data_sources.errors import QueryRejected
from data_sources.history.task_run import TaskRun
from data_sources.scope import Scope
from data_sources.task_query import TaskFilter
from data_sources.workers.orders import SIGNALS, Revoke
from data_sources.workers.send_task import SendTask
from data_sources.workers.task_arguments import recorded_arguments

SIGNAL = Field("signal", "Signal to its process", "choice", SIGNALS[0], options(SIGNALS))
JSON_LIST, JSON_OBJECT = 'A JSON list, such as [1, "a"]', 'A JSON object, such as {"to": "a"}'


def task(id: str, answers: Answers) -> tuple[Offer, ...]:
    """To take back what has not ended, and to send once more what has. `task`: as recorded; `depths`: all queues."""
    run = next(iter(TaskRun.all_of(answers["task"].frame)), None)
    given, about = (("id", id),), (*named("task", [run.name] if run and run.name else []), *named("id", [id]))
    if run and run.ended:
        return (retry(run, answers), form_of(run.name or ""))
    return (
        plain(Revoke, "Revoke", "Revoke it: it is not run", given=given, about=about),
        plain(
            Revoke,
            "Terminate",
            "Terminate it: end it while it runs",
            SIGNAL,
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
    title, about = "Send it once more", (*named("task", [run.name or "not known"]), *named("id", [run.id]))
    try:
        args, kwargs = recorded_arguments(run.args, run.kwargs, run.cut)
    except QueryRejected as error:
        return Offer(Retry.kind, "Retry", title, about=about, refused=f"{error.what}.", instead=instead)
    fields = (
        Field("args", "Arguments", "json", readable(args), help=JSON_LIST),
        Field("kwargs", "Keyword arguments", "json", readable(kwargs), help=JSON_OBJECT),
        Field("queue", "Queue", value=run.queue or "", options=queues(answers["depths"])),
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
    words = [f"{name} {value}" for name, value in [*filter.to_params(), *scope.range.to_params().items()]]
    about = named("found by", [", ".join(words)])
    return (
        Offer(Revoke.kind, "Revoke all found", "Revoke all found", plan=revoke, about=about, destroys=True),
        Offer(
            "terminate",
            "Terminate all found",
            "Terminate all found: end those that run",
            (SIGNAL,),
            (("terminate", "1"),),
            revoke,
            about,
            "Those that have not begun are not run. Whatever else their processes do ends with them.",
            destroys=True,
        ),
        Offer(
            Retry.kind, "Retry what failed", "Retry what failed of all found", plan=retry, about=about, destroys=True
        ),
        form_of(filter.names[0] if len(filter.names) == 1 else ""),
    )


def plan_found(kind: str, scope: Scope, filter: TaskFilter, asked: Asked) -> Plan:
    return asked.desk.plan_found(asked.person, kind, scope, filter, asked.fields)


def run(name: str, queue: str, answers: Answers) -> tuple[Offer, ...]:
    """The form that runs a task. `registered`: what workers know; `depths`: all queues."""
    fields = (
        Field("name", "Task", value=name, options=registered(answers["registered"])),
        Field("args", "Arguments", "json", "[]", help=JSON_LIST),
        Field("kwargs", "Keyword arguments", "json", "{}", help=JSON_OBJECT),
        Field("queue", "Queue", value=queue, options=queues(answers["depths"])),
        Field("countdown", "Countdown", "number", optional=True, help="Seconds from now until it may run: its ETA."),
        Field("expires", "Expires", "number", optional=True, help="Seconds from now; then workers drop it unrun."),
        Field("priority", "Priority", "number", optional=True, help="0 to 255, if the queue has any."),
    )
    return (plain(SendTask, "Run", "Run a task", *fields),)
