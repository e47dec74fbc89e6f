"""Plans that wait for a yes: each for one person, once, and not for long."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from datetime import UTC, datetime, timedelta

from control.errors import Stale
from control.plan import Draft, Plan
from control.runs import Runs
from identity import Person

LASTS = timedelta(minutes=2)
MOST = 1_000  # of all people; the oldest goes first
SEE_ANEW = "Look at what it would do now, and confirm that"

Whose = tuple[str, str]


class Pending:
    """In this process alone: after a restart every plan is to be made anew."""

    def __init__(self) -> None:
        self._plans: OrderedDict[str, tuple[Whose, Plan]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, person: Person, draft: Draft, cluster: str, runs: Runs) -> Plan:
        plan = Plan(
            **vars(draft),
            nonce=secrets.token_urlsafe(24),
            cluster=cluster,
            expires=datetime.now(UTC) + LASTS,
            runs=runs,
        )
        with self._lock:
            self._plans[plan.nonce] = (whose(person), plan)
            while len(self._plans) > MOST:
                self._plans.popitem(last=False)
        return plan

    def look(self, person: Person, nonce: str) -> Plan:
        """The plan, which stays. Raises Stale."""
        with self._lock:
            return self._find(person, nonce)

    def take(self, person: Person, nonce: str) -> Plan:
        """The plan, which nobody gets once more. Raises Stale."""
        with self._lock:
            plan = self._find(person, nonce)
            del self._plans[nonce]
            return plan

    def _find(self, person: Person, nonce: str) -> Plan:
        owner, plan = self._plans.get(nonce, (None, None))
        if plan is None or owner != whose(person):
            raise Stale(f"This was sent already, or was never planned here. {SEE_ANEW}")
        if plan.expires < datetime.now(UTC):
            raise Stale(f"This was planned more than {LASTS.seconds // 60} minutes ago. {SEE_ANEW}")
        return plan


def whose(person: Person) -> Whose:
    return (person.how, person.name)
