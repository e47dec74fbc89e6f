"""Who was seen, what each said last, and how much each took on between two times it was asked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from data_sources.workers import evidence
from data_sources.workers.accepted import Accepted, Taken, accepted_between
from data_sources.workers.heartbeat import Heartbeat
from data_sources.workers.verdict import Testimony, Waiting, judge
from data_sources.workers.worker_facts import WorkerFacts
from data_sources.workers.worker_rows import COLUMNS, Row

FORGET_AFTER = timedelta(hours=24)
MOST_WORKERS = 5_000

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
    consumed: frozenset[str] = frozenset()  # every queue it ever said that it consumes
    took_at: datetime | None = None
    grew: bool = False
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    slowest: timedelta | None = None  # see Testimony; 0: none of its tasks is limited, None: not asked yet

    @property
    def last_sign(self) -> datetime:
        return max(sign for sign in (self.at, self.beat.at if self.beat else None) if sign is not None)


class Presence:
    """One cluster's workers. One thread updates it; others may read meanwhile, so what they read is never changed.

    `wanted`: names that should be there, perhaps with `*`; `earlier`: the rows that a presence before this one had.
    """

    def __init__(self, wanted: Sequence[str] = (), earlier: Iterable[Row] = ()) -> None:
        self._wanted = tuple(wanted)
        self._seen: Mapping[Key, Seen] = {(row["worker"], row["pid"]): remembered(row) for row in earlier if was(row)}
        self._began: datetime | None = None
        self._asked_at: datetime | None = None
        self._hears = True

    def update(self, answered: Iterable[WorkerFacts], at: datetime, beside: Beside | None = None) -> Taken:
        """Takes in one round of questions."""
        beside = beside or Beside()
        before, current = self._seen, self._by_process(answered)
        self._began = self._began or at
        span = (at - (self._asked_at or at)).total_seconds()
        watched = min(at - self._began, FORGET_AFTER).total_seconds()  # who started since then cannot be forgotten yet
        by_task: defaultdict[str, float] = defaultdict(float)
        by_worker: defaultdict[str, float] = defaultdict(float)
        seen = self._not_answering(current, beside, at)
        for key, facts in current.items():
            earlier = before[key] if key in before else Seen(facts)
            said = Accepted(facts.totals, at) if facts.processed is not None else None
            taken = accepted_between(earlier.accepted, said, facts.uptime_seconds, span, watched)
            for task, count in (taken or {}).items():
                by_task[task] += count
            if taken is not None:
                by_worker[facts.worker] += sum(taken.values())
            heard = replace(earlier, facts=replace(facts, pid=key[1]), at=at, accepted=said or earlier.accepted)
            grew = taken is not None and sum(taken.values()) > 0
            seen[key] = replace(heard, silent_since=None, late=False, mailbox=None, grew=grew)
        for key, beat in self._strangers(seen, beside).items():
            earlier = before.get(key) or Seen(WorkerFacts(key[0], pid=key[1]), silent_since=at)
            seen[key] = replace(earlier, beat=beat)
        attended = {key: attend(one, beside, at) for key, one in seen.items()}
        latest_first = sorted(attended.items(), key=lambda item: item[1].last_sign, reverse=True)
        self._seen, self._asked_at, self._hears = dict(latest_first[:MOST_WORKERS]), at, beside.hears
        return Taken(by_task, by_worker, span)

    def _by_process(self, answered: Iterable[WorkerFacts]) -> dict[Key, WorkerFacts]:
        """A reply without `stats` does not say whose it is: it is the process's that has this name alone."""
        heard = [key for key, seen in self._seen.items() if seen.silent_since is None]
        count = Counter(name for name, _ in heard)
        alone = {name: pid for name, pid in heard if count[name] == 1}
        return {(one.worker, alone.get(one.worker) if one.pid is None else one.pid): one for one in answered}

    def _not_answering(self, current: Collection[Key], beside: Beside, at: datetime) -> dict[Key, Seen]:
        """Those seen before and not `current`: each new process takes the place of one of its name."""
        strangers = {key for key, seen in self._seen.items() if seen.at is None}
        newcomers = Counter(key[0] for key in current if key not in self._seen or key in strangers)
        kept = {}
        for key, seen in sorted(self._seen.items(), key=lambda item: item[1].last_sign):
            name = key[0]
            if key in current or key in strangers or at - seen.last_sign > FORGET_AFTER:
                continue
            if newcomers[name]:
                newcomers[name] -= 1
            elif name in beside.late:  # alive, and busy until now; what it does now it has not said
                facts = replace(seen.facts, active=None)
                kept[key] = replace(seen, facts=facts, at=at, silent_since=None, late=True, mailbox=None, grew=False)
            else:
                mailbox = False if beside.all_heard or name in beside.absent else name in beside.present or None
                if mailbox is None and seen.mailbox is False:  # who left is not looked for again
                    mailbox = False
                since = seen.silent_since or at
                kept[key] = replace(seen, silent_since=since, late=False, mailbox=mailbox, grew=False)
        return kept

    def _strangers(self, seen: Mapping[Key, Seen], beside: Beside) -> dict[Key, Heartbeat]:
        """Those who beat and never answered. The last beats of one that was restarted are no stranger's."""
        names = {name for name, _ in seen}
        return {
            key: beat
            for key, beat in beside.beats.items()
            if key not in seen and (key[0] not in names or (self._asked_at and beat.at > self._asked_at))
        }

    @property
    def expected(self) -> tuple[str, ...]:
        """The names that should answer the next round: whoever is not silent."""
        return tuple({name for (name, _), seen in self._seen.items() if seen.silent_since is None})

    @property
    def suspects(self) -> tuple[str, ...]:
        """Who answers and leaves messages alone, and was not asked yet for its rate limits."""
        seen = self._seen.values()
        return tuple({one.facts.worker for one in seen if one.waiting and one.slowest is None and not one.silent_since})

    def limited(self, slowest: Mapping[str, timedelta]) -> None:
        """Takes in the strictest rate limits, by name."""
        self._seen = {key: replace(one, slowest=slowest.get(key[0], one.slowest)) for key, one in self._seen.items()}

    @property
    def queues(self) -> frozenset[str]:
        """Every queue that a worker on the roster consumes, or did."""
        return frozenset(queue for seen in self._seen.values() for queue in seen.consumed)

    def rows(self, now: datetime) -> list[Row]:
        """One row a worker, see COLUMNS; what a worker did not say is None, never 0. Who is wanted and was not seen
        has one too.
        """
        by_name = sorted(self._seen.items(), key=lambda item: (item[0][0], item[0][1] or 0))
        names = {name for name, _ in self._seen}
        missing = [one for one in self._wanted if not any(fnmatchcase(name, one) for name in names)]
        return [self._row(seen, now) for _, seen in by_name] + [missing_row(name, self._began) for name in missing]

    def _row(self, seen: Seen, now: datetime) -> Row:
        facts, beat, said = seen.facts, seen.beat, testimony(seen, now, self._hears)
        verdict, silent = judge(said), seen.silent_since is not None
        return {
            "worker": facts.worker,
            "verdict": verdict.name,
            "pool": facts.pool,
            "concurrency": facts.concurrency,
            "active": said.active,
            "reserved": None,  # its replies carry every argument: asked for one worker at a time, never sampled
            "processed": facts.processed if facts.processed is not None or not beat else beat.processed,
            "queues": None if facts.queues is None else list(facts.queues),
            "last_seen": seen.at or seen.last_sign,
            "silent_since": seen.silent_since,
            "prefetch": facts.prefetch_count,
            "uptime": None if silent else facts.uptime_seconds,
            "pid": facts.pid,
            "since": verdict.since,
            "neglected": list(verdict.neglected),
            "heartbeat_age": (now - beat.at).total_seconds() if beat else None,
            "clock_offset": beat.clock_offset if beat else None,
            "load": beat.load if beat and said.beats else None,
            "software": beat.software if beat else None,
            "expected": any(fnmatchcase(facts.worker, one) for one in self._wanted) if self._wanted else None,
            "evidence": evidence.to_json(evidence.evidence(said, verdict)),
        }


def attend(seen: Seen, beside: Beside, at: datetime) -> Seen:
    """What the other witnesses add: its heartbeat, and the queues that it leaves alone."""
    facts = seen.facts
    beat = beside.beats.get((facts.worker, facts.pid)) or seen.beat
    grew = seen.grew
    if beat and seen.beat and beat.processed is not None and seen.beat.processed is not None:
        grew = grew or beat.processed > seen.beat.processed
    consumed = seen.consumed.union(facts.queues or ())
    active = active_of(facts, beat, seen.silent_since, at)
    idle = active is not None and facts.concurrency is not None and active < facts.concurrency and not grew
    waiting = {
        queue: Waiting(
            seen.waiting[queue].since if queue in seen.waiting else beside.depths_at or at,
            beside.depths[queue],
            queue in (facts.queues or ()),
        )
        for queue in sorted(consumed)
        if idle and beside.depths.get(queue)
    }
    took_at = at if grew or active else seen.took_at
    slowest = seen.slowest if waiting else None  # limits change
    return replace(seen, beat=beat, consumed=consumed, grew=grew, took_at=took_at, waiting=waiting, slowest=slowest)


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
        pool=facts.pool,
        active=active_of(facts, seen.beat, seen.silent_since, now),
        concurrency=facts.concurrency,
        took_at=seen.took_at,
        grew=seen.grew,
        waiting=seen.waiting,
        slowest=seen.slowest,
        tasks=facts.tasks,
    )


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
        prefetch_count=row["prefetch"],
    )
    consumed = frozenset([*(row["queues"] or ()), *(row["neglected"] or ())])
    return Seen(facts, at=row["last_seen"], silent_since=row["silent_since"], consumed=consumed)


def missing_row(name: str, since: datetime | None) -> Row:
    said = evidence.to_json((evidence.Fact("answer", "the configuration names it, and it was never heard", since),))
    return dict.fromkeys(COLUMNS) | {
        "worker": name,
        "verdict": "unknown",
        "silent_since": since,
        "neglected": [],
        "expected": True,
        "evidence": said,
    }
