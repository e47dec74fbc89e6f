"""Sending a task: a new one, or one of those that ended once more, with the arguments it had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from control.facts import Facts
from control.plan import Draft, Line
from control.runs import Runs
from control.words import many
from data_sources.errors import BadParameter, QueryRejected
from data_sources.fields import Fields, Params, one
from data_sources.history.task_run import TaskRun
from data_sources.note import listed
from data_sources.workers.order_fields import check_ids, check_name, ids_given
from data_sources.workers.send_task import SendTask
from data_sources.workers.task_arguments import recorded_arguments

SHOWN = 500  # characters of arguments in a line


@dataclass(frozen=True)
class Retry:
    """The tasks are sent once more as new ones, as they were recorded; `queue`: there, and not where each came from."""

    kind: ClassVar[str] = "retry"
    ids: tuple[str, ...]
    queue: str = ""

    def __post_init__(self) -> None:
        check_ids(self.ids)
        if self.queue:
            check_name("queue", self.queue)

    def to_params(self) -> Params:
        return [("order", self.kind), *ids_given(self.ids), *([("queue", self.queue)] if self.queue else [])]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        return cls(tuple(fields.get("id", ())), one(fields, "queue"))


def plan_send(order: SendTask, facts: Facts, workers: Sequence[str], runs: Runs) -> Draft:
    return Draft(
        order=order,
        summary=f"A new {order.name} is sent to {order.queue}",
        lines=(line(order),),
        sends=(order,),
        tasks=1,
        warnings=(*of_queues(facts, [order]), *of_names(facts, [order])),
    )


def plan_retry(order: Retry, facts: Facts, workers: Sequence[str], runs: Runs) -> Draft:
    """Tasks whose arguments are not wholly known are left out and named. Raises BadParameter when none is left."""
    recorded = facts.recorded(order.ids)
    sends, refused = [], {}
    for id in dict.fromkeys(order.ids):
        try:
            sends.append(once_more(id, recorded.get(id), facts, order.queue))
        except QueryRejected as error:
            refused[id] = error.what
    if not sends:
        raise BadParameter("id", next(iter(refused.values())))
    reasons = [f"{list(refused.values()).count(why):,} left out: {why}" for why in dict.fromkeys(refused.values())]
    succeeded = sum(recorded[send.retry_of].state == "SUCCESS" for send in sends)
    return Draft(
        order=order,
        summary=f"{many(len(sends), 'task')} sent once more, as new {'one' if len(sends) == 1 else 'ones'}",
        lines=tuple(line(send, recorded[send.retry_of].state) for send in sends),
        sends=tuple(sends),
        tasks=len(sends),
        phrase=f"retry {many(len(sends), 'task')}" if len(sends) > 1 else "",
        warnings=(
            *reasons,
            *([f"{many(succeeded, 'task')} of them succeeded, and will be done twice"] if succeeded else []),
            *of_queues(facts, sends),
            *of_names(facts, sends),
        ),
    )


def once_more(id: str, run: TaskRun | None, facts: Facts, queue: str = "") -> SendTask:
    """The task with the arguments it was recorded with; `queue`: there, and not where it came from.

    Raises QueryRejected with the reason when it cannot be made.
    """
    if run is None:
        raise refusal("it is not recorded, so its arguments are not known")
    if not run.ended:
        raise refusal(f"it has not ended: {run.state}")
    if not run.name:
        raise refusal("its name is not recorded")
    queue = queue or run.queue or only_queue(facts, run.worker)
    if not queue:
        raise refusal("its queue is not recorded, and its worker takes from several or is gone; name one")
    args, kwargs = recorded_arguments(run.args, run.kwargs, run.cut)
    try:
        return SendTask(run.name, args, kwargs, queue, retry_of=id)
    except BadParameter as error:
        raise refusal(str(error)) from None


def only_queue(facts: Facts, worker: str | None) -> str:
    """Where a task of this worker came from, where it takes from one queue alone."""
    row = facts.workers.get(worker or "")
    queues = row["queues"] if row else None
    return str(queues[0]) if queues and len(queues) == 1 else ""


def refusal(what: str) -> QueryRejected:
    return QueryRejected("History", what)


def line(send: SendTask, state: str = "") -> Line:
    shown = ", ".join(text if len(text) <= SHOWN else f"{text[:SHOWN]}…" for text in (send.args, send.kwargs))
    return Line(send.retry_of or send.name, state, f"{send.name} to {send.queue}: {shown}")


def of_queues(facts: Facts, sends: Sequence[SendTask]) -> list[str]:
    """Warnings of the queues that nobody takes from, or of which nothing is known."""
    warnings = []
    for queue in dict.fromkeys(send.queue for send in sends):
        row = facts.queue(queue)
        if row is None:
            warnings.append(f"No queue “{queue}” is known; none is made, so the broker may refuse")
        elif row["consumers"] == 0:
            warnings.append(f"Nobody takes from {queue}")
    return warnings


def of_names(facts: Facts, sends: Sequence[SendTask]) -> list[str]:
    """A warning of the tasks that no worker which answers knows."""
    known = {row["task"] for row in facts.said("registered", facts.answering)}
    strangers = sorted({send.name for send in sends} - known)
    return [f"No worker that answers knows {listed(strangers)}"] if strangers and known else []
