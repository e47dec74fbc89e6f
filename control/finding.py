"""The tasks of a filter, as many as may be steered together."""

from __future__ import annotations

from dataclasses import replace

from control.facts import Facts
from control.planning import from_fields
from control.sending import Retry
from data_sources.errors import BadParameter, QueryRejected
from data_sources.fields import Fields
from data_sources.schema import FINAL, STATES
from data_sources.scope import Scope
from data_sources.task_query import TaskFilter, Tasks
from data_sources.workers.order_fields import MOST_IDS
from data_sources.workers.orders import Order, Revoke

LIVE = tuple(state for state in STATES if state not in FINAL)
FAILED = ("FAILURE",)
ALL = "There is no condition: all tasks of this time are meant"


def check_kind(kind: str) -> None:
    """Raises BadParameter."""
    if kind not in (Revoke.kind, Retry.kind):
        raise BadParameter("order", "of tasks that a filter finds must be revoke or retry")


def found(facts: Facts, kind: str, filter: TaskFilter, scope: Scope, more: Fields) -> tuple[Order, tuple[str, ...]]:
    """The order of `kind`, revoke or retry, for the tasks that `filter` finds within the scope's range, and warnings.

    Of those that have not ended, to revoke; to retry those that failed, unless the filter names states. `more`: what
    else the order says. Raises BadParameter, and QueryRejected when there are none or too many.
    """
    check_kind(kind)
    narrowed, note = narrow(kind, filter)
    answer = facts.ask(Tasks(narrowed, limit=MOST_IDS), scope)
    ids = tuple(answer.frame["id"])
    if answer.next is not None and len(ids) >= MOST_IDS:
        raise QueryRejected("History", f"finds more than {MOST_IDS:,} tasks", "Narrow it, or the time", "filter")
    if not ids:
        raise QueryRejected("History", f"finds no task to {kind}", parameter="filter")
    incomplete = tuple(note.text for note in answer.notes if note.kind in ("cut", "gap"))
    order = from_fields({**more, "order": (kind,), "id": ids})
    return order, (*(() if filter.to_params() else (ALL,)), *note, *incomplete)


def narrow(kind: str, filter: TaskFilter) -> tuple[TaskFilter, tuple[str, ...]]:
    if kind == Revoke.kind:
        states = tuple(state for state in filter.states or LIVE if state in LIVE)
        note = "Tasks that have ended are left out"
    else:
        states = tuple(state for state in filter.states or FAILED if state in FINAL)
        note = "" if filter.states else "Of those found the failed ones alone; name states for others"
    if not states:
        raise BadParameter("state", f"leaves no task that {kind} is for")
    return replace(filter, states=states), (note,) if note else ()
