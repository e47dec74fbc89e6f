"""Which workers send events of the tasks they run: what they say that they accepted, held against what is heard.

One that goes on accepting tasks of which nothing is heard has ceased to send events (a deploy without -E, or
`disable_events`), and what it does is not recorded. While others send, that is a gap in part: what they do is known.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from data_sources.events.celery_events import TaskEvent
from data_sources.note import listed
from data_sources.workers.seen import Key
from data_sources.workers.worker_rows import Row

UNHEARD = 3  # tasks accepted; of fewer the events may be under way, unless it had ceased to send any
MOST_NAMES = 10_000
MOST_SENDERS = 10_000
AWAY = ("gone", "silent")  # verdicts of workers that take no task


@dataclass(frozen=True)
class Totals:
    """What workers answered in one round. `accepted`: tasks since each process began, by their names. `at`: when they
    were asked, on the monotonic clock.
    """

    accepted: Mapping[Key, Mapping[str, int]]
    present: Collection[str]
    at: float


@dataclass(frozen=True)
class Account:
    """What a process had accepted `at` the time when the last of that was heard, and how much came since then."""

    accepted: Mapping[str, int]
    at: float
    unheard: int = 0


@dataclass(frozen=True)
class Silent:
    """Nothing was heard `since` then. `had_sent`: it did send events before, itself or another of its name."""

    since: float
    had_sent: bool


@dataclass(frozen=True)
class Silence:
    """A gap that `workers` make. Its `source`: "senders" while others send, "events" where nobody does."""

    source: str
    workers: Sequence[str]
    since: float

    @property
    def reason(self) -> str:
        send = "sends" if len(self.workers) == 1 else "send"
        return f"{listed(self.workers)} {send} no events of tasks; workers send them with -E"


class Senders:
    """Of one cluster, in the follower's thread alone. `silent`: by worker, of those that are there.

    `sends`: workers that sent events until this process began, and `sent`: those that did once. Who has ceased stays
    known when it is started anew, or the recorder is: else what it does unheard would be taken for nothing.
    `names`: tasks of which events came. A task can be told to send none (`send_events = False`), so those alone count
    of which events are known.
    """

    def __init__(self, sends: Collection[str] = (), sent: Collection[str] = (), names: Collection[str] = ()) -> None:
        self.silent: Mapping[str, Silent] = {}
        self._sends = set(sends)
        self._sent = {*sends, *sent}
        self._names = set(names)
        self._present: set[str] = set()  # by the last round, or heard since
        self._accounts: dict[Key, Account] = {}
        self._spoke: dict[str, float] = {}  # when each was heard last, since the last round was asked
        self._heard_at = self._listens_since = self._judged_at = time.monotonic()
        self._sent_since = self._heard_at  # by anybody, without a time when nobody did

    def listen(self) -> None:
        """What was accepted before now may not have been heard."""
        self._accounts.clear()
        self._listens_since = self._judged_at = time.monotonic()

    def hear(self, events: Sequence[TaskEvent]) -> None:
        workers = {event.worker for event in events if event.worker}
        if workers:
            self._heard_at = time.monotonic()
            if self._nobody_sends:
                self._sent_since = self._heard_at
            self._spoke |= dict.fromkeys(workers, self._heard_at)
            self._sends |= workers
            self._sent |= workers
            self._present |= workers
        if len(self._names) < MOST_NAMES:
            self._names.update(event.name for event in events if event.name and event.kind == "received")
        if not workers.isdisjoint(self.silent):
            self.silent = {worker: one for worker, one in self.silent.items() if worker not in workers}

    def judge(self, told: Totals) -> None:
        """Takes in a round. Events lag behind answers, so a worker is silent when a round later nothing was heard."""
        if told.at < self._listens_since:
            return
        accounts = {key: self._account(key, accepted, told.at) for key, accepted in told.accepted.items()}
        silent = dict(self.silent)
        for key, account in accounts.items():
            before, worker = self._accounts.get(key), key[0]
            enough = 1 if self._has_ceased(worker) else UNHEARD
            if before and before.at == account.at and min(before.unheard, account.unheard) >= enough:
                silent.setdefault(worker, Silent(account.at, worker in self._sent))
                self._sends.discard(worker)
        for known in (self._sends, self._sent):
            if len(known) > MOST_SENDERS:  # names come from outside, and without end
                known.intersection_update(told.present)
        self.silent = {worker: one for worker, one in silent.items() if worker in told.present}
        self._accounts, self._present = accounts, {*self._spoke, *told.present}
        # It is judged up to a second after it was asked. What was heard meanwhile may be of tasks the answers do not
        # count yet, and so belongs to the next round.
        self._spoke = {worker: at for worker, at in self._spoke.items() if at >= told.at}
        self._judged_at = told.at

    @property
    def gap(self) -> Silence | None:
        """Of those that ceased to send events; where nobody is left who sends, of all that run tasks unheard."""
        nobody = self._nobody_sends
        found = {worker: one.since for worker, one in self.silent.items() if nobody or one.had_sent}
        if not found:
            return None
        source, at_first = ("events", self._heard_at) if nobody else ("senders", self._sent_since)
        return Silence(source, sorted(found), max(min(found.values()), at_first))

    @property
    def _nobody_sends(self) -> bool:
        return self._sends.isdisjoint(self._present)

    def _has_ceased(self, worker: str) -> bool:
        return worker in self._sent and worker not in self._sends

    def _account(self, key: Key, accepted: Mapping[str, int], at: float) -> Account:
        before = self._accounts.get(key)
        if key[0] in self._spoke:
            return Account(accepted, at)
        if before is None:
            return Account(accepted, self._judged_at)  # since then it said nothing
        if any(accepted.get(name, 0) < count for name, count in before.accepted.items()):
            return Account(accepted, before.at)  # it began anew, and was heard until the round before
        grown = (accepted[name] - before.accepted.get(name, 0) for name in accepted.keys() & self._names)
        unheard = sum(grown)
        return replace(before, unheard=unheard) if unheard else Account(accepted, at)


def present(rows: Sequence[Row]) -> frozenset[str]:
    """The workers that may run tasks."""
    return frozenset(row["worker"] for row in rows if row["verdict"] not in AWAY)
