"""The audit's entries of what is steered: one before the act, without which there is none, and one of its outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from control.plan import Draft, Plan
from control.planning import Again, grouped
from control.words import many, who
from data_sources.failure import Failure
from data_sources.workers.celery_control import Reply
from data_sources.workers.orders import Order
from identity import Person
from workspace.audit import Act, record
from workspace.store import Workspace

# What an entry's outcome may be. Failed: nothing was sent; unconfirmed: it was, and may have been done.
ASKED, DENIED, DONE, PARTLY = "asked", "denied", "done", "partly"
REFUSED, FAILED, UNCONFIRMED = "refused", "failed", "unconfirmed"
ALREADY = "already"  # in an entry's arguments, beside those that did it: those for whom it changed nothing
MOST_NAMES, MOST_NAME = 5, 200  # of workers, where who named them may not: names, and characters of each


def record_denied(workspace: Workspace, person: Person, cluster: str, kind: str, workers: Sequence[str]) -> None:
    """Raises SourceError."""
    names = [name[:MOST_NAME] for name in workers]
    arguments = {"how": person.how, "workers": names[:MOST_NAMES]}
    record(workspace, act(person, cluster, kind, who(names) if names else "", arguments, DENIED))


def record_asked(workspace: Workspace, person: Person, plan: Plan) -> int:
    """The entry's id, once it is on disk. Raises SourceError: then nothing may be done."""
    arguments = {"how": person.how, "order": fields_of(plan.order), "workers": list(plan.workers)}
    return record(workspace, act(person, plan.cluster, plan.order.kind, target(plan), arguments, ASKED, plan.summary))


def record_outcome(
    workspace: Workspace, person: Person, plan: Plan, asked: int, replies: Sequence[Reply], failure: Failure | None
) -> None:
    """Raises SourceError."""
    told: dict[str, list[str]] = {}
    for reply in replies:
        told.setdefault(word_of(reply), []).append(reply.worker)
    # What was there before is that of all who did it, or of none.
    undo = plan.undo if set(told.get(DONE, ())) <= {*plan.undo_for} else None
    arguments = {
        "how": person.how,
        "asked": asked,
        "order": fields_of(plan.order),
        "undo": fields_of(undo) if undo else {},
        **told,
        **({"parts": [word_of(reply) for reply in replies]} if isinstance(plan.order, Again) else {}),
    }
    outcome, detail = verdict(replies, failure)
    record(workspace, act(person, plan.cluster, plan.order.kind, target(plan), arguments, outcome, detail))


def word_of(reply: Reply) -> str:
    """Under which its worker stands in an entry's arguments."""
    return ALREADY if reply.already else reply.outcome


def act(
    person: Person, cluster: str, kind: str, about: str, arguments: Mapping[str, Any], outcome: str, detail: str = ""
) -> Act:
    return Act(
        who=person.name,
        from_address=person.address,
        cluster=cluster,
        action=kind,
        target=about,
        arguments=arguments,
        outcome=outcome,
        detail=detail,
    )


def verdict(replies: Sequence[Reply], failure: Failure | None) -> tuple[str, str]:
    """One word, and what explains it. What was sent and not answered may have been done: it did not fail."""
    counts = ", ".join(f"{sum(reply.outcome == one for reply in replies)} {one}" for one in outcomes(replies))
    reasons = "; ".join(dict.fromkeys(reply.text for reply in replies if reply.outcome != DONE and reply.text))
    detail = ". ".join(filter(None, (counts, f"{failure.source}: {failure.what}" if failure else "", reasons)))
    if failure and not replies:
        return (REFUSED if failure.kind == "rejected" else FAILED), detail
    match outcomes(replies):
        case ["done"] if not failure:
            return DONE, detail
        case ["refused"]:
            return REFUSED, detail
        case ["no reply"]:
            return UNCONFIRMED, detail
    return PARTLY, detail


def outcomes(replies: Sequence[Reply]) -> list[str]:
    return list(dict.fromkeys(reply.outcome for reply in replies))


def target(draft: Draft) -> str:
    """What it is about: a worker, a queue or a task by name, or how many."""
    if draft.workers and draft.order.kind != "revoke":
        return who(draft.workers)
    return draft.lines[0].about if len(draft.lines) == 1 else many(len(draft.lines), "task")


def fields_of(order: Order) -> dict[str, list[str]]:
    """As `from_fields` reads them; what they hold of secrets is masked when they are written."""
    return grouped(order.to_params())
