"""Who was seen, what each said last, and how much each took on between two times it was asked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from data_sources.workers import evidence
from data_sources.workers.accepted import Taken, accepted_between
from data_sources.workers.heartbeat import Heartbeat
from data_sources.workers.seen import Beside, Key, Seen, accepted, attend, remembered, testimony, verdict_of, was
from data_sources.workers.twins import Place, alike, key_of, placed, untold
from data_sources.workers.verdict import Testimony, is_counted, judge
from data_sources.workers.worker_facts import WorkerFacts
from data_sources.workers.worker_rows import COLUMNS, Row

FORGET_AFTER = timedelta(hours=24)
MOST_WORKERS = 5_000

Grown = Mapping[str, float] | None  # what a process accepted since it answered before, by task; None: it cannot be told


class Presence:
    """One cluster's workers. One thread updates it; others may read meanwhile, so what they read is never changed.

    `wanted`: names that should be there, perhaps with `*`; `earlier`: the rows that a presence before this one had.
    """

    def __init__(self, wanted: Sequence[str] = (), earlier: Iterable[Row] = ()) -> None:
        self._wanted = tuple(wanted)
        known: Counter[Key] = Counter()
        self._seen: Mapping[Place, Seen] = {}
        for row in filter(was, earlier):
            key = row["worker"], row["pid"]
            self._seen[*key, known[key]] = remembered(row)
            known[key] += 1
        self._began: datetime | None = None
        self._asked_at: datetime | None = None
        self._began_steady: float | None = None
        self._asked_steady = 0.0
        self._hears = True

    def update(
        self, answered: Iterable[WorkerFacts], at: datetime, steady: float, beside: Beside | None = None
    ) -> Taken:
        """Takes in one round of questions. `steady`: when it was, in seconds of a clock that nobody sets."""
        beside = beside or Beside()
        before, current = self._seen, placed(self._by_process(answered), self._seen, steady)
        self._began = self._began or at
        if self._began_steady is None:
            self._began_steady = self._asked_steady = steady
        span = steady - self._asked_steady
        seen = self._not_answering(current, beside, at)
        for place, facts in current.items():
            seen[place] = (before[place] if place in before else Seen(facts)).heard(facts, at, steady)
        for key, beat in self._strangers(seen, beside).items():
            earlier = before.get((*key, 0)) or Seen(WorkerFacts(key[0], pid=key[1]), silent_since=at)
            seen[*key, 0] = replace(earlier, beat=beat)
        gone = {place for place in alike(seen) if verdict_of(seen[place], at, beside.hears) == "gone"}
        twins = alike(seen, gone)
        # Who started since then cannot be forgotten yet.
        watched = min(steady - self._began_steady, FORGET_AFTER.total_seconds())
        grown = self._grown(current, twins - gone, steady, span, watched)
        for place, grew in whether_they_grew(grown, twins).items():
            seen[place] = replace(seen[place], grew=grew)
        attended = {place: attend(one, beside, at, place in twins) for place, one in seen.items()}
        latest_first = sorted(attended.items(), key=lambda item: item[1].last_sign, reverse=True)
        self._seen, self._hears = dict(latest_first[:MOST_WORKERS]), beside.hears
        self._asked_at, self._asked_steady = at, steady
        counted = (place for place, one in attended.items() if is_in_totals(testimony(one, at, beside.hears)))
        return summed({place: grown.get(place) for place in counted}, span)

    def _by_process(self, answered: Iterable[WorkerFacts]) -> dict[Key, list[WorkerFacts]]:
        """A reply without `stats` does not say whose it is: it is the process's that has this name alone."""
        heard = [key_of(place) for place, seen in self._seen.items() if seen.silent_since is None]
        count = Counter(name for name, _ in heard)
        alone = {name: pid for name, pid in heard if count[name] == 1}
        by_key: defaultdict[Key, list[WorkerFacts]] = defaultdict(list)
        for one in answered:
            pid = alone.get(one.worker) if one.pid is None else one.pid
            by_key[one.worker, pid].append(replace(one, pid=pid))
        return by_key

    def _grown(
        self,
        current: Mapping[Place, WorkerFacts],
        twins: Collection[Place],
        steady: float,
        span: float,
        watched: float,
    ) -> dict[Place, Grown]:
        """Of each that answers."""
        grown: dict[Place, Grown] = {}
        for place, facts in current.items():
            earlier = self._seen[place].accepted if place in self._seen else None
            grown[place] = accepted_between(earlier, accepted(facts, steady), span, watched)
        return grown | dict.fromkeys(current.keys() & set(untold(twins, current, self._seen, steady)))

    def _not_answering(self, current: Collection[Place], beside: Beside, at: datetime) -> dict[Place, Seen]:
        """Those seen before and not `current`: each new process takes the place of one of its name."""
        strangers = {place for place, seen in self._seen.items() if seen.at is None}
        newcomers = Counter(place[0] for place in current if place not in self._seen or place in strangers)
        kept = {}
        for place, seen in sorted(self._seen.items(), key=lambda item: item[1].last_sign):
            name = place[0]
            if place in current or place in strangers or at - seen.last_sign > FORGET_AFTER:
                continue
            if newcomers[name]:
                newcomers[name] -= 1
            elif name in beside.late:  # alive, and busy until now; what it does now it has not said
                facts = replace(seen.facts, active=None)
                kept[place] = replace(seen, facts=facts, at=at, silent_since=None, late=True, mailbox=None, grew=False)
            else:
                mailbox = False if beside.all_heard or name in beside.absent else name in beside.present or None
                if mailbox is None and seen.mailbox is False:  # who left is not looked for again
                    mailbox = False
                since = seen.silent_since or at
                kept[place] = replace(seen, silent_since=since, late=False, mailbox=mailbox, grew=False)
        return kept

    def _strangers(self, seen: Collection[Place], beside: Beside) -> dict[Key, Heartbeat]:
        """Those who beat and never answered. The last beats of one that was restarted are no stranger's."""
        keys = {key_of(place) for place in seen}
        names = {name for name, _ in keys}
        return {
            key: beat
            for key, beat in beside.beats.items()
            if key not in keys and (key[0] not in names or (self._asked_at and beat.at > self._asked_at))
        }

    @property
    def expected(self) -> tuple[str, ...]:
        """The names that should answer the next round: whoever is not silent."""
        return tuple({seen.facts.worker for seen in self._seen.values() if seen.silent_since is None})

    @property
    def suspects(self) -> tuple[str, ...]:
        """Who answers and leaves messages alone, and was not asked yet for its rate limits."""
        seen = self._seen.values()
        return tuple({one.facts.worker for one in seen if one.waiting and one.slowest is None and not one.silent_since})

    def limited(self, slowest: Mapping[str, timedelta]) -> None:
        """Takes in the strictest rate limits, by name."""
        self._seen = {
            place: replace(one, slowest=slowest.get(place[0], one.slowest)) for place, one in self._seen.items()
        }

    @property
    def queues(self) -> frozenset[str]:
        """Every queue that a worker on the roster consumes, or did."""
        known = (queue for seen in self._seen.values() for queue in (*seen.consumed, *(seen.facts.may_consume or ())))
        return frozenset(known)

    def rows(self, now: datetime) -> list[Row]:
        """One row a worker, see COLUMNS; what a worker did not say is None, never 0. Who is wanted and was not seen
        has one too.
        """
        by_name = sorted(self._seen.items(), key=lambda item: (item[0][0], item[0][1] or 0, item[0][2]))
        names = {place[0] for place in self._seen}
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
            "may_consume": None if facts.may_consume is None else list(facts.may_consume),
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


def is_in_totals(said: Testimony) -> bool:
    return is_counted(judge(said).name, said.active, said.unanswered_since, said.now)


def whether_they_grew(grown: Mapping[Place, Grown], twins: Collection[Place]) -> dict[Place, bool | None]:
    """Of twins it is known when none of them did, and not which of them did."""
    busy = {place for place, tasks in grown.items() if tasks and sum(tasks.values()) > 0}
    doubtful = {key_of(place) for place in twins if place in busy or grown.get(place) is None}
    return {place: None if place in twins and key_of(place) in doubtful else place in busy for place in grown}


def summed(grown: Mapping[Place, Grown], span: float) -> Taken:
    """Of all who are there."""
    by_task: defaultdict[str, float] = defaultdict(float)
    by_worker: defaultdict[str, float] = defaultdict(float)
    unknown = {place[0] for place, tasks in grown.items() if tasks is None}
    for place, tasks in grown.items():
        if tasks is not None and place[0] not in unknown:
            by_worker[place[0]] += sum(tasks.values())
            for task, count in tasks.items():
                by_task[task] += count
    return Taken(None if unknown or not grown else by_task, by_worker, span)


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
