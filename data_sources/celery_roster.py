"""Whom an inspector knows: how many processes answer to a name, which are beats, who owes an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from data_sources.celery_mailbox import Answer
from data_sources.celery_snapshot import BEAT, Round

ASK_AGAIN_SECONDS = 60.0  # a worker that owes an answer: it may have been restarted under its name
FORGET_SECONDS = 3600.0  # a worker that owes an answer, when nobody expects it any more


@dataclass(frozen=True)
class Debt:
    """The answer a worker owes. `sure`: it was asked; otherwise it is a name that is bound, and may be dead."""

    ticket: str  # of the last question: workers answer in the order they are asked
    asked_at: float  # monotonic seconds
    since: float
    sure: bool


class Roster:
    """Learns from each round. A busy worker works off every question it was sent, even those nobody waits for any
    more (4,560 in an experiment), so who owes an answer is excused from the next rounds.
    """

    def __init__(self) -> None:
        self.beats: set[str] = set()
        self._known: Counter[str] = Counter()
        self._debts: dict[str, Debt] = {}

    @property
    def debtors(self) -> set[str]:
        return {name for name, debt in self._debts.items() if debt.sure}

    def excused(self, expected: Collection[str], now: float) -> set[str]:
        """Who is not to be asked now."""
        self._debts = {
            name: debt for name, debt in self._debts.items() if name in expected or now - debt.since < FORGET_SECONDS
        }
        return {name for name, debt in self._debts.items() if now - debt.asked_at < ASK_AGAIN_SECONDS}

    def expected(self, names: Iterable[str]) -> Counter[str]:
        """How many processes should answer to each name: the known, the debtors, and `names`."""
        return self._known | Counter(dict.fromkeys([*names, *self.debtors], 1))

    def only(self, names: Iterable[str]) -> Counter[str]:
        """The same for `names` and nobody else."""
        return Counter({name: max(1, self._known[name]) for name in names})

    def settle(self, answer: Answer) -> None:
        """Strikes out the debt that this is the answer to."""
        if answer.worker is not None and (debt := self._debts.get(answer.worker)) and debt.ticket == answer.ticket:
            del self._debts[answer.worker]

    def forget_debts(self) -> None:
        """When the queue they would be paid into is gone."""
        self._debts = {}

    def learn(self, asked: Round, everyone: bool, now: float, nodes: Callable[[], set[str]]) -> None:
        """Remembers who answered `asked` and who owes. `nodes`: the names bound on a broker that counts."""
        heard = asked.heard()
        if not everyone:
            self._known |= heard
        else:
            self._known = heard | Counter(dict.fromkeys(asked.late, 1))
            if any(request.method == "ping" for request in asked.requests):
                self.beats = {name for name in heard if name.startswith(BEAT)}
        if everyone and asked.reached is not None and asked.unheard == 0:
            self._debts = {}  # all who listen have answered: who has not is gone
            return
        for name in asked.expected.keys() - asked.caught_up - self.excepted(asked):
            self._owe(name, asked, now, sure=True)
        unnamed = asked.unheard - len(self._debts) - len(self.excepted(asked))
        if unnamed > 0:
            self._suspect(nodes() - asked.caught_up - self._debts.keys(), unnamed, asked, now)

    def _suspect(self, names: set[str], unnamed: int, asked: Round, now: float) -> None:
        """The broker counted more than we know; among `names` are those, and others that were killed."""
        self.beats |= {name for name in names if name.startswith(BEAT)}
        workers = names - self.beats
        for name in workers:
            self._owe(name, asked, now, sure=len(workers) <= unnamed)

    def _owe(self, name: str, asked: Round, now: float, sure: bool) -> None:
        before = self._debts.get(name)
        self._debts[name] = Debt(asked.requests[-1].ticket, now, before.since if before else now, sure)

    def excepted(self, asked: Round) -> set[str]:
        """Who will not answer the last question, and owes nothing for that."""
        return set() if asked.requests[-1].method == "ping" else self.beats
