"""Where orders are planned and carried out; pages and routes alike come here, and here it is checked who may.

    plan    looks what the order would do, sends nothing, and gives a plan that its person may act upon once
    act     checks the person, the plan, what was typed and the workers once more; writes the audit; gives the order

Raises Denied, Stale, Unconfirmed, BadParameter and SourceError; after any of these nothing was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from control import journal
from control.carrying_out import carried_out, read_back
from control.changes import LASTING, LOOKED_BACK, Change, changes
from control.denials import Denials
from control.errors import Denied, Stale, Unconfirmed
from control.facts import Facts
from control.finding import found
from control.pending import SEE_ANEW, Pending
from control.plan import Draft, Line, Outcome, Plan
from control.planning import Again, drafted, whom
from control.runs import Runs, changed
from control.sending import Retry, once_more
from data_sources import ask
from data_sources.config import Settings
from data_sources.errors import BadParameter, SourceError
from data_sources.fields import Fields
from data_sources.scope import Scope
from data_sources.task_query import TaskFilter
from data_sources.workers.orders import Order, Revoke
from data_sources.workers.send_task import SendTask
from identity import Person
from workspace import opened
from workspace.audit import entries
from workspace.audit_answer import audit_answer
from workspace.store import Workspace

MOST_ENTRIES = 10_000  # looked at for what was changed
NO_FIELDS: Fields = MappingProxyType({})


class Desk:
    """`watched` tells what is; any thread may use it."""

    def __init__(self, watched: ask.Desk, kept: Workspace) -> None:
        self.watched = watched
        self.workspace = kept
        self._pending = Pending()
        self._denials = Denials(kept)
        if self.enabled:
            watched.audit = partial(audit_answer, kept)

    @property
    def enabled(self) -> bool:
        """Whether anybody at all may change something."""
        return self.watched.settings.access.control

    def plan(self, person: Person, order: Order, cluster: str, workers: Sequence[str] = ()) -> Plan:
        """What `order` would do; nothing is sent. `workers`: to whom it is given, where that is to be said."""
        self._check(person, order.kind, cluster, workers)
        return self._planned(person, order, self._facts(cluster), workers)

    def plan_found(
        self,
        person: Person,
        kind: str,
        scope: Scope,
        filter: TaskFilter,
        more: Fields = NO_FIELDS,
        workers: Sequence[str] = (),
    ) -> Plan:
        """The same of the tasks that a filter finds now; the plan holds their ids.

        `kind`: revoke or retry; `more`: what else such an order says, and is not the ids.
        """
        self._check(person, kind, scope.cluster, workers)
        facts = self._facts(scope.cluster)
        order, notes = found(facts, kind, filter, scope, more)
        return self._planned(person, order, facts, workers, notes)

    def plan_again(self, person: Person, cluster: str, worker: str) -> Plan:
        """What this worker lost when it was started anew."""
        self._check(person, Again.kind, cluster, (worker,))
        facts = self._facts(cluster)
        runs = facts.runs(facts.chosen((worker,)))  # who has just been started may be recorded as silent
        if not runs:
            raise BadParameter("worker", f"“{worker[:80]}” does not answer, so it is not known what it lost")
        lost = tuple(change.order for change in self.changes(cluster, runs) if change.lost)
        if not lost:
            raise BadParameter("worker", f"“{worker[:80]}” has lost nothing that was changed here")
        return self._planned(person, Again(lost), facts, (worker,))

    def retry_of(self, person: Person, cluster: str, id: str, queue: str = "") -> SendTask:
        """The order that sends a task once more, for a form; `queue`: there, and not where it came from.

        Raises QueryRejected with the reason why there is none.
        """
        self._check(person, Retry.kind, cluster, ())
        facts = self._facts(cluster)
        return once_more(id, facts.recorded((id,)).get(id), facts, queue)

    def act(self, person: Person, nonce: str, typed: str = "", kind: str = "") -> Outcome:
        """Does what was planned, an order of that `kind`, once; nothing is raised once its entry is in the audit."""
        self._check(person, kind or "act", "", ())
        plan = self._pending.look(person, nonce)
        if kind and kind != plan.order.kind:
            raise BadParameter("nonce", f"is of another order: {plan.order.kind}")
        if plan.phrase and typed != plan.phrase:
            raise Unconfirmed(plan.phrase)
        plan = self._pending.take(person, nonce)
        facts = self._facts(plan.cluster)
        self._look_again(plan, facts)
        asked = journal.record_asked(self.workspace, person, plan)
        replies, failure = carried_out(plan, facts)
        warnings = []
        try:
            journal.record_outcome(self.workspace, person, plan, asked, replies, failure)
        except SourceError as error:
            warnings.append(f"The audit has that it was asked, and not what came of it: {error}")
        now: tuple[Line, ...] = ()
        try:
            now = read_back(plan, facts, replies)
        except (SourceError, BadParameter) as error:
            warnings.append(f"What became of it could not be read: {error}")
        done = {reply.worker for reply in replies if reply.outcome == "done" and not reply.already}
        back = tuple(name for name in plan.undo_for if name in done)
        return Outcome(
            plan=plan,
            replies=replies,
            read_back=now,
            failure=failure,
            audit_id=asked,
            undo=plan.undo if back else None,
            undo_workers=back if plan.undo else (),
            warnings=tuple(warnings),
        )

    def deny(self, person: Person, kind: str = "act", cluster: str = "", workers: Sequence[str] = ()) -> None:
        """Has the audit tell what was tried by who may not, as far as it can be written."""
        with suppress(SourceError):
            self._denials.record(person, cluster, kind, workers)

    def changes(self, cluster: str, runs: Runs | None = None) -> tuple[Change, ...]:
        """What was changed of workers that answer since each was started, and what they lost when they were.

        `runs`: what they said of themselves; without it they are asked.
        """
        facts = self._facts(cluster)
        runs = facts.runs(facts.answering) if runs is None else runs
        began = [run.began for run in runs.values() if run.began]
        if not began:
            return ()
        told = entries(
            self.workspace,
            MOST_ENTRIES,
            cluster=cluster,
            actions=(*(order.kind for order in LASTING), Again.kind),
            outcomes=(journal.DONE, journal.PARTLY),
            since=min(began) - LOOKED_BACK,
        )
        return changes(told, runs)

    def _look_again(self, plan: Plan, facts: Facts) -> None:
        """Raises Stale when a worker is not what it was; of tasks that are revoked the ids tell which are meant."""
        if isinstance(plan.order, Revoke):
            return
        if why := changed(plan.runs, facts.runs(plan.runs.keys() & set(plan.workers)), plan.workers):
            raise Stale(f"{why} since this was planned. {SEE_ANEW}")

    def _planned(
        self, person: Person, order: Order, facts: Facts, workers: Sequence[str], notes: Sequence[str] = ()
    ) -> Plan:
        chosen = whom(order, facts, workers)
        runs = facts.runs(chosen)
        draft: Draft = drafted(order, facts, chosen, runs)
        silent = [name for name in draft.workers if name not in runs]
        more = [f"{name} does not answer now: it is sent, and may not be confirmed" for name in silent[:3]]
        more += [
            f"Several workers go by the name {name}: all are told" for name in sorted(facts.twins & {*draft.workers})
        ]
        if chosen and facts.unrecorded:
            more.append(f"Only workers that answer now are known: {facts.unrecorded}")
        draft = replace(draft, warnings=(*draft.warnings, *more, *notes))
        return self._pending.add(person, draft, facts.name, runs)

    def _facts(self, cluster: str) -> Facts:
        if cluster not in self.watched.histories():
            raise BadParameter("cluster", f"there is no cluster “{cluster[:60]}”")
        return Facts(self.watched, cluster)

    def _check(self, person: Person, kind: str, cluster: str, workers: Sequence[str]) -> None:
        """Raises Denied, which the audit tells too, as far as it can be written."""
        if self.enabled and person.controls and not person.over:
            return
        if self.enabled:
            self.deny(person, kind, cluster, workers)
        raise Denied


_desk: Desk | None = None


def start(settings: Settings) -> None:
    """After `ask.start`, once a process."""
    global _desk
    if _desk is None or _desk.watched is not ask.desk():
        _desk = Desk(ask.desk(), opened.start(settings))


def stop() -> None:
    global _desk
    _desk = None


def desk() -> Desk:
    """The desk of this process; raises RuntimeError before `start`."""
    if _desk is None:
        raise RuntimeError("nothing is steered yet: the dashboard's lifespan calls control.desk.start()")
    return _desk
