"""What one process said last, and what is remembered of it beside."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from data_sources.workers.accepted import Accepted, began_anew
from data_sources.workers.heartbeat import Heartbeat
from data_sources.workers.verdict import Testimony, Waiting, judge
from data_sources.workers.worker_facts import WorkerFacts
from data_sources.workers.worker_rows import Row

Key = tuple[str, int | None]  # a worker's name and process: two processes of one name are two


@dataclass(frozen=True)
class Beside:
    """What is known of one round beside the answers: who was late, whose mailbox the broker has or has not, the
    heartbeats, and what is ready in each queue.
    """

    late: Collection[str] = ()
    present: Collection[str] = ()
    absent: Collection[str] = ()
    all_heard: bool = False  # everybody who listens has answered
    beats: Mapping[Key, Heartbeat] = field(default_factory=dict)
    hears: bool = True  # whether the event stream is listened to
    depths: Mapping[str, int] = field(default_factory=dict)
    depths_at: datetime | None = None


@dataclass(frozen=True)
class Seen:
    """What a process said last, heard `at` that time, and what is remembered of earlier rounds.

    `accepted` may be older: a reply can lack its totals. `facts.active` is what it, or its heartbeat, said.
    """

    facts: WorkerFacts
    at: datetime | None = None  # None: it never answered
    accepted: Accepted | None = None
    silent_since: datetime | None = None
    late: bool = False
    mailbox: bool | None = None
    beat: Heartbeat | None = None
    alike: bool = False  # another has its name and its number too, so no heartbeat is known to be its own
    consumed: frozenset[str] = frozenset()  # every queue it ever said that it consumes, since it started
    took_at: datetime | None = None
    grew: bool | None = False  # None: perhaps, as one that is alike did
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    slowest: timedelta | None = None  # see Testimony; 0: none of its tasks is limited, None: not asked yet

    @property
    def last_sign(self) -> datetime:
        return max(sign for sign in (self.at, self.beat.at if self.beat else None) if sign is not None)

    def began_anew(self, said: Accepted | None, at: datetime) -> bool:
        """Whether what it says now shows that it was restarted."""
        if said is None or self.at is None:
            return False
        return began_anew(self.accepted or Accepted({}, said.at - (at - self.at).total_seconds()), said)

    def heard(self, facts: WorkerFacts, at: datetime, steady: float) -> Seen:
        """When it has answered. One that began anew has nothing to do with the queues of its life before."""
        said = accepted(facts, steady)
        before = Seen(self.facts, beat=self.beat) if self.began_anew(said, at) else self
        known = replace(before, facts=facts, at=at, accepted=said or before.accepted)
        return replace(known, silent_since=None, late=False, mailbox=None)


def accepted(facts: WorkerFacts, steady: float) -> Accepted | None:
    """None: it has not said."""
    return Accepted(facts.totals, steady, facts.uptime_seconds) if facts.processed is not None else None


def attend(seen: Seen, beside: Beside, at: datetime, alike: bool) -> Seen:
    """What the other witnesses add: its heartbeat, and the queues that it leaves alone."""
    facts = seen.facts
    beat = None if alike else beside.beats.get((facts.worker, facts.pid)) or seen.beat
    grew = seen.grew
    if beat and seen.beat and beat.processed is not None and seen.beat.processed is not None:
        grew = grew or beat.processed > seen.beat.processed
    consumed = seen.consumed.union(facts.queues or ())
    active = active_of(facts, beat, seen.silent_since, at)
    free = active is not None and facts.concurrency is not None and active < facts.concurrency
    waiting = {
        queue: Waiting(
            seen.waiting[queue].since if queue in seen.waiting else beside.depths_at or at,
            beside.depths[queue],
            queue in (facts.queues or ()),
        )
        for queue in sorted(consumed)
        if free and grew is False and beside.depths.get(queue)
    }
    took_at = at if grew or active else seen.took_at
    slowest = seen.slowest if waiting else None  # limits change
    noted = replace(seen, beat=beat, alike=alike, consumed=consumed, grew=grew, took_at=took_at)
    return replace(noted, waiting=waiting, slowest=slowest)


def active_of(facts: WorkerFacts, beat: Heartbeat | None, silent_since: datetime | None, at: datetime) -> int | None:
    """How many tasks it runs: what it answered, else what its heart said."""
    if silent_since is None and facts.active is not None:
        return facts.active
    return beat.active if beat and beat.is_current(at) else None


def testimony(seen: Seen, now: datetime, hears: bool) -> Testimony:
    facts = seen.facts
    return Testimony(
        now=now,
        answered_at=seen.at,
        unanswered_since=seen.silent_since,
        late=seen.late,
        mailbox=seen.mailbox,
        hears=hears,
        beat=seen.beat,
        alike=seen.alike,
        pool=facts.pool,
        active=active_of(facts, seen.beat, seen.silent_since, now),
        concurrency=facts.concurrency,
        took_at=seen.took_at,
        grew=bool(seen.grew),
        waiting=seen.waiting,
        slowest=seen.slowest,
        tasks=facts.tasks,
    )


def verdict_of(seen: Seen, now: datetime, hears: bool) -> str:
    return judge(testimony(seen, now, hears)).name


def was(row: Row) -> bool:
    """Whether a row is of a worker that answered once."""
    return row["last_seen"] is not None and row["pid"] is not None and row["pool"] is not None


def remembered(row: Row) -> Seen:
    """What a row tells of a worker: enough to miss it."""
    facts = WorkerFacts(
        row["worker"],
        pid=row["pid"],
        pool=row["pool"],
        concurrency=row["concurrency"],
        queues=None if row["queues"] is None else tuple(row["queues"]),
        may_consume=None if row["may_consume"] is None else tuple(row["may_consume"]),
        prefetch_count=row["prefetch"],
    )
    consumed = frozenset([*(row["queues"] or ()), *(row["neglected"] or ())])
    return Seen(facts, at=row["last_seen"], silent_since=row["silent_since"], consumed=consumed)
