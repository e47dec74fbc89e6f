"""What there is to be steered of workers and queues: buttons and their forms, made of what the page knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from cells.steer_offer import WORKER, Asked, Field, Objects, Offer, Option, Told, options, plain
from cells.steer_words import named, sentence
from cells.table import records
from control.changes import Change
from control.facts import run as process
from control.limits import read
from control.plan import Plan
from control.planning import Again
from control.runs import Runs
from data_sources.answer import Answer
from data_sources.errors import SourceError
from data_sources.microseconds import ms
from data_sources.workers.look_inside import FEW, MOST_MESSAGES, LookInside
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
    Shutdown,
    TimeLimit,
)
from data_sources.workers.worker_rows import may_consume

Answers = Mapping[str, Answer]
Changes = Callable[[Runs], Sequence[Change]]

MOST_OPTIONS = 500  # that a form offers; any other can be typed
UNTOLD = "What was changed here is not known while it does not say since when it runs."
UNTIL_RESTART = "A worker keeps it until it restarts."
SECONDS = "Seconds. Empty: no limit. Both are set together, as shown here."


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
        plain(PoolRestart, "Restart pool", "Restart its pool: replace its processes", destroys=True),
        plain(Shutdown, "Shut down", "Shut down", destroys=True),
    )


def again(worker: str, told: Changes, answers: Answers) -> Offer:
    """What was changed of it, and what of that it lost when it was started anew. `stats`: what it says of itself."""
    stats = answers["stats"]
    if stats.pending:
        return Offer(Again.kind, "")
    runs = {
        row["worker"]: process(row, stats.measured_at or datetime.now(UTC), stats.took) for row in records(stats.frame)
    }
    if worker not in runs or runs[worker].began is None:
        return Offer(Again.kind, "", told=(Told(UNTOLD),))
    try:
        changes = told(runs)
    except SourceError as error:
        return Offer(Again.kind, "", told=(Told(f"What was changed here is not known: {error}"),))
    lines = tuple(
        Told(sentence(one.order, [worker]), ms(one.at), one.who, one.lost) for one in changes if one.worker == worker
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
    every = queues(answers["depths"])
    taken = options(answers["active"].frame["queue"]) if "active" in answers else every
    kind = "choice" if "active" in answers and taken else "text"
    return (
        plain(
            AddConsumer,
            "Add consumer",
            "Add a consumer: take tasks from another queue too",
            Field("queue", "Queue", options=every, help="One that does not exist is made."),
            line=UNTIL_RESTART,
        ),
        plain(
            CancelConsumer,
            "Cancel consumer",
            "Cancel a consumer: take no more tasks from a queue",
            Field("queue", "Queue", kind, options=taken),
            line=UNTIL_RESTART,
        ),
    )


def queue(name: str, answers: Answers) -> tuple[Offer, ...]:
    """Who takes from it, and what waits in it. `workers`: all that are known; `depths`: of this queue."""
    rows = [row for row in records(answers["workers"].frame) if row["verdict"] != "gone"]
    own = [row["worker"] for row in rows if may_consume(row, name)]
    others = [row["worker"] for row in rows if row["worker"] not in own]
    about, given = named("queue", [name]), (("queue", name),)

    def of(order: type[Order], label: str, title: str, workers: Sequence[str], why_not: str) -> Offer:
        refused = "" if workers else why_not
        fields = several(workers)
        return plain(order, label, title, fields, given=given, about=about, line=UNTIL_RESTART, refused=refused)

    return (
        of(
            AddConsumer,
            "Add consumers",
            "Let workers take tasks from it",
            others,
            "Every worker that is known takes from it already.",
        ),
        of(
            CancelConsumer,
            "Cancel consumers",
            "Let workers take no more tasks from it",
            own,
            "No worker that is known takes from it.",
        ),
        *looks(answers["depths"], given, about),
        plain(Purge, "Purge", "Purge it: delete all that waits", given=given, about=about, destroys=True),
    )


def looks(depths: Answer, given: tuple[tuple[str, str], ...], about: Objects) -> tuple[Offer, ...]:
    """Where only who takes messages out can look: in queues of which RabbitMQ's management API tells the type."""
    if depths.frame["type"].isna().all():
        return ()
    most = Field("n", "Messages", "number", str(FEW), help=f"The first so many, {MOST_MESSAGES} at most.")
    line = "They are taken out and put back at once. RabbitMQ marks them as redelivered."
    return (
        plain(
            LookInside, "Look inside", "Look inside: see what waits in it", most, given=given, about=about, line=line
        ),
    )


def slots(label: str) -> Field:
    return Field("n", label, "number", "1", help=f"Processes, or greenlets. {UNTIL_RESTART}")


def several(workers: Sequence[str]) -> Field:
    return Field(WORKER, "Workers", "several", options=options(workers))


def registered(answer: Answer) -> tuple[Option, ...]:
    """The tasks that workers know, with the limits on which all agree."""
    told = answer.frame.fillna({"attributes": ""}).groupby("task")["attributes"].unique()
    return tuple(
        Option(str(task), fills=alike([*map(fills, texts)])) for task, texts in told.head(MOST_OPTIONS).items()
    )


def fills(attributes: str) -> dict[str, str]:
    limits = read(attributes)
    return {"rate": limits.rate, "soft": text(limits.soft), "hard": text(limits.hard)}


def queues(answer: Answer) -> tuple[Option, ...]:
    """Those that hold tasks, of an answer to Depths."""
    return options(answer.frame[~answer.frame["internal"]]["queue"].head(MOST_OPTIONS))


def alike(every: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {name: value for name, value in every[0].items() if all(one[name] == value for one in every)}


def text(number: float | None) -> str:
    return "" if number is None else f"{number:.10g}"
