"""Which workers send events of the tasks they run: what they say that they accepted, held against what is heard.

One that goes on accepting tasks of which nothing is heard has ceased to send events (a deploy without -E, or
`disable_events`), and what it does is not recorded. Where some workers never sent any, beside others that do, the
throughput of theirs is known to be missing; that is no gap in what the others do.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from data_sources.events.celery_events import TaskEvent
from data_sources.note import listed
from data_sources.workers.seen import Key
from data_sources.workers.worker_rows import Row

UNHEARD = 3  # tasks accepted; of fewer the events may be under way
MOST_NAMES = 10_000
MOST_SENDERS = 10_000
AWAY = ("gone", "silent")  # verdicts of workers that take no task


@dataclass(frozen=True)
class Round:
    """What workers answered. `accepted`: tasks since each process began, by their names. `at`: when they were asked, on
    the monotonic clock.
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
    """Nothing was heard `since` then. `had_sent`: it did send events before."""

    since: float
    had_sent: bool


class Senders:
    """Of one cluster, in the follower's thread.

    `sends`: workers, and `names`: tasks, of which events came before this process began. A task can be told to send
    none (`send_events = False`), so those alone count of which events are known.
    """

    def __init__(self, sends: Collection[str] = (), names: Collection[str] = ()) -> None:
        self.silent: dict[str, Silent] = {}
        self._sends = set(sends)
        self._names = set(names)
        self._present: Collection[str] = ()
        self._accounts: dict[Key, Account] = {}
        self._spoke: set[str] = set()  # since the last round
        self._heard_at = self._listens_since = time.monotonic()

    def listen(self) -> None:
        """What was accepted before now may not have been heard."""
        self._accounts.clear()
        self._listens_since = time.monotonic()

    def hear(self, events: Sequence[TaskEvent]) -> None:
        workers = {event.worker for event in events if event.worker}
        if workers:
            self._heard_at = time.monotonic()
            self._spoke |= workers
            self._sends |= workers
        if len(self._names) < MOST_NAMES:
            self._names.update(event.name for event in events if event.name and event.kind == "received")
        for worker in self.silent.keys() & workers:
            del self.silent[worker]

    def judge(self, told: Round) -> None:
        """Takes in a round. Events lag behind answers, so a worker is silent when a round later nothing was heard."""
        if told.at < self._listens_since:
            return
        accounts = {key: self._account(key, accepted, told.at) for key, accepted in told.accepted.items()}
        for key, account in accounts.items():
            before, worker = self._accounts.get(key), key[0]
            if before and before.at == account.at and min(before.unheard, account.unheard) >= UNHEARD:
                self.silent.setdefault(worker, Silent(account.at, worker in self._sends))
                self._sends.discard(worker)
        if len(self._sends) > MOST_SENDERS:  # names come from outside, and without end
            self._sends.intersection_update(told.present)
        self.silent = {worker: one for worker, one in self.silent.items() if worker in told.present}
        self._accounts, self._present = accounts, told.present
        self._spoke.clear()

    @property
    def gap(self) -> tuple[str, float] | None:
        """Why nothing is recorded of tasks that run, and since when: workers ceased to send events, or nobody does."""
        found = {worker: one.since for worker, one in self.silent.items() if one.had_sent}
        if not found and not self._sends.intersection(self._present):
            found = {worker: max(one.since, self._heard_at) for worker, one in self.silent.items()}
        if not found:
            return None
        send = "sends" if len(found) == 1 else "send"
        return f"{listed(sorted(found))} {send} no events of tasks; workers send them with -E", min(found.values())

    def _account(self, key: Key, accepted: Mapping[str, int], at: float) -> Account:
        before = self._accounts.get(key)
        if before is None or key[0] in self._spoke:
            return Account(accepted, at)
        if any(accepted.get(name, 0) < count for name, count in before.accepted.items()):
            return Account(accepted, before.at)  # it began anew, and was heard until the round before
        grown = (accepted[name] - before.accepted.get(name, 0) for name in accepted.keys() & self._names)
        unheard = sum(grown)
        return replace(before, unheard=unheard) if unheard else Account(accepted, at)


def present(rows: Sequence[Row]) -> frozenset[str]:
    """The workers that may run tasks."""
    return frozenset(row["worker"] for row in rows if row["verdict"] not in AWAY)
