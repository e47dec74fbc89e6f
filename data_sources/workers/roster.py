"""Whom an inspector knows: how many processes answer to a name, which are beats, who owes an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from data_sources.workers.listeners import Listeners
from data_sources.workers.mailbox import Mailbox
from data_sources.workers.messages import Answer
from data_sources.workers.snapshot import BEAT, Round

# After which who owes an answer is asked again: it may have been restarted under its name. Sooner when we have only
# just connected: after a restart of the broker the workers are still coming back.
ASK_AGAIN_SECONDS = 30.0
ASK_AGAIN_AT_START_SECONDS = 5.0
ASK_AGAIN_AWAKE_SECONDS = 4.0  # whose heart beats: it is not busy with a task that lets it do nothing else
FORGET_SECONDS = 3600.0  # when nobody expects it any more


@dataclass(frozen=True)
class Debt:
    """The answer a worker owes. `sure`: it was asked; otherwise it is a name that is bound, and may be dead."""

    ticket: str  # of the last question: workers answer in the order they are asked
    since: float  # monotonic seconds
    ask_again_at: float
    sure: bool


class Roster:
    """Learns from each round. A busy worker works off every question it was sent, even those nobody waits for any
    more (4,560 in an experiment), so who owes an answer is excused from the next rounds.
    """

    def __init__(self) -> None:
        self.beats: set[str] = set()
        self.listeners = Listeners()
        self._located: dict[str, bool] = {}
        self._known: Counter[str] = Counter()
        self._debts: dict[str, Debt] = {}
        self._absent: set[str] = set()

    @property
    def debtors(self) -> set[str]:
        return {name for name, debt in self._debts.items() if debt.sure}

    def review(self, expected: Collection[str], mailbox: Mailbox, now: float) -> None:
        """Before a round: forgets old debts, and finds out who is not even there to pay."""
        self._debts = {
            name: debt for name, debt in self._debts.items() if name in expected or now - debt.since < FORGET_SECONDS
        }
        self._located = mailbox.located(self._debts) if self._debts else {}
        self._absent = {name for name, there in self._located.items() if not there}
        self._debts |= {name: replace(self._debts[name], ask_again_at=now) for name in self._absent}

    def excused(self, now: float) -> set[str]:
        """Who is not to be asked now."""
        return {name for name, debt in self._debts.items() if now < debt.ask_again_at}

    def expected(self, names: Iterable[str], now: float) -> Counter[str]:
        """Who is to be waited for, and how many processes should answer to the name: the known and `names`."""
        everyone = self._known | Counter(dict.fromkeys([*names, *self.debtors], 1))
        return self._without(everyone, self.excused(now) | self._absent)

    def expected_of(self, names: Iterable[str], now: float) -> Counter[str]:
        """The same of `names` and nobody else."""
        return self._without(Counter({name: max(1, self._known[name]) for name in names}), self.excused(now))

    def _without(self, names: Counter[str], others: set[str]) -> Counter[str]:
        return Counter({name: count for name, count in names.items() if name not in others})

    def settle(self, answer: Answer) -> None:
        """Strikes out the debt that this is the answer to."""
        if answer.worker is not None and (debt := self._debts.get(answer.worker)) and debt.ticket == answer.ticket:
            del self._debts[answer.worker]

    def forget_debts(self) -> None:
        """When the queue they would be paid into is gone."""
        self._debts = {}

    def learn(
        self, asked: Round, everyone: bool, mailbox: Mailbox, now: float, awake: Collection[str] = frozenset()
    ) -> None:
        """After a round: remembers who answered and who owes. `awake`: whose heart beats."""
        heard = asked.heard()
        if everyone:
            silent = (asked.expected.keys() | self.debtors) - heard.keys() - asked.late
            self.listeners.learn(silent, self._located, asked.silent_listeners)
        for name in asked.caught_up:
            self._debts.pop(name, None)
        if not everyone:
            self._known |= heard
        else:
            self._known = heard | Counter(dict.fromkeys(asked.late, 1))
            if any(request.method == "ping" for request in asked.requests):
                self.beats = {name for name in heard if name.startswith(BEAT)}
        if everyone and asked.reached is not None and asked.unheard == 0:
            self._debts = {}  # all who listen have answered: who has not is gone
            return
        ask_again_at = now + (ASK_AGAIN_SECONDS if mailbox.rounds > 1 else ASK_AGAIN_AT_START_SECONDS)
        for name in asked.expected.keys() - asked.caught_up - self.excepted(asked):
            again = min(ask_again_at, now + ASK_AGAIN_AWAKE_SECONDS) if name in awake else ask_again_at
            self._owe(name, asked, now, again, sure=True)
        unasked = self._debts.keys() | set(
            asked.excused
        )  # who paid in the midst of the round was counted, and not asked
        unnamed = asked.unheard - len(unasked) - len(self.excepted(asked))
        if unnamed > 0:
            # The broker counted more than we know. Among the names that are bound are those, and some that were killed.
            names = mailbox.nodes() - asked.caught_up - unasked
            self.beats |= {name for name in names if name.startswith(BEAT)}
            workers = names - self.beats
            for name in workers:
                self._owe(name, asked, now, ask_again_at, sure=len(workers) <= unnamed)

    def _owe(self, name: str, asked: Round, now: float, ask_again_at: float, sure: bool) -> None:
        since = self._debts[name].since if name in self._debts else now
        self._debts[name] = Debt(asked.requests[-1].ticket, since, ask_again_at, sure)

    def excepted(self, asked: Round) -> set[str]:
        """Who will not answer the last question, and owes nothing for that."""
        return set() if asked.requests[-1].method == "ping" else self.beats
