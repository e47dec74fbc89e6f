"""Who was seen, what each said last, and how much each took on between two times it was asked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from data_sources.note import Note
from data_sources.worker_facts import WorkerFacts

GONE_AFTER = timedelta(minutes=10)
FORGET_AFTER = timedelta(hours=24)
MOST_WORKERS = 5_000

COLUMNS = {
    "worker": "str",
    "verdict": "str",
    "pool": "str",
    "concurrency": "Int64",
    "active": "Int64",
    "reserved": "Int64",
    "processed": "Int64",
    "queues": "object",  # a list of names; None when unknown
    "last_seen": "datetime64[ms, UTC]",
    "silent_since": "datetime64[ms, UTC]",
    "prefetch": "Int64",
    "uptime": "Float64",
    "pid": "Int64",
}
UNITS = {"uptime": "s"}

Row = Mapping[str, Any]  # a worker: all of COLUMNS, None where unknown
Key = tuple[str, int | None]  # a worker's name and process: two processes of one name are two


@dataclass(frozen=True)
class Accepted:
    """The tasks a process had accepted since its start, by name, as it said `at` that time."""

    totals: Mapping[str, int]
    at: datetime


@dataclass(frozen=True)
class Seen:
    """What a process said last, heard `at` that time. `accepted` may be older: a reply can lack its totals."""

    facts: WorkerFacts
    at: datetime
    accepted: Accepted | None = None
    silent_since: datetime | None = None


@dataclass(frozen=True)
class Taken:
    """Tasks accepted since each worker's previous answer, brought to one span of time.

    A worker of which it cannot be told is in neither.
    """

    by_task: Mapping[str, float]
    by_worker: Mapping[str, float]
    span_seconds: float


@dataclass(frozen=True, eq=False)  # each is one of its own, so that its frame is made once
class WorkersReading:
    """`rows` as `Presence.rows` promises them; `answered`: how many workers answered this round, beats not counted."""

    rows: Sequence[Row]
    answered: int
    notes: tuple[Note, ...]

    @property
    def expected(self) -> tuple[str, ...]:
        """The names that should answer when asked: whoever is not silent."""
        return tuple(dict.fromkeys(row["worker"] for row in self.answering()))

    def answering(self) -> list[Row]:
        """Those that are not silent."""
        return [row for row in self.rows if row["silent_since"] is None]

    def consumers(self) -> Counter[str] | None:
        """How many answering workers consume each queue; None while one of them has not said what it consumes."""
        consumed = [row["queues"] for row in self.answering()]
        if None in consumed:
            return None
        return Counter(queue for queues in consumed for queue in queues)


class Presence:
    """One cluster's workers. One thread updates it; others may read meanwhile, so what they read is never changed."""

    def __init__(self) -> None:
        self._seen: Mapping[Key, Seen] = {}
        self._began: datetime | None = None
        self._asked_at: datetime | None = None

    def update(self, answered: Iterable[WorkerFacts], late: Collection[str], at: datetime) -> Taken:
        """Takes in one round; `late` names workers heard from, but not in time to say anything new."""
        before, current = self._seen, self._by_process(answered)
        self._began = self._began or at
        span = (at - (self._asked_at or at)).total_seconds()
        watched = min(at - self._began, FORGET_AFTER).total_seconds()  # who started since then cannot be forgotten yet
        by_task: defaultdict[str, float] = defaultdict(float)
        by_worker: defaultdict[str, float] = defaultdict(float)
        seen = self._not_answering(current, late, at)
        for key, facts in current.items():
            earlier = before[key].accepted if key in before else None
            said = Accepted(facts.totals, at) if facts.processed is not None else None
            taken = accepted_between(earlier, said, facts.uptime_seconds, span, watched)
            for task, count in (taken or {}).items():
                by_task[task] += count
            if taken is not None:
                by_worker[facts.worker] += sum(taken.values())
            seen[key] = Seen(replace(facts, pid=key[1]), at, said or earlier)
        latest_first = sorted(seen.items(), key=lambda item: item[1].at, reverse=True)
        self._seen, self._asked_at = dict(latest_first[:MOST_WORKERS]), at
        return Taken(by_task, by_worker, span)

    def _by_process(self, answered: Iterable[WorkerFacts]) -> dict[Key, WorkerFacts]:
        """A reply without `stats` does not say whose it is: it is the process's that has this name alone."""
        heard = [key for key, seen in self._seen.items() if seen.silent_since is None]
        count = Counter(name for name, _ in heard)
        alone = {name: pid for name, pid in heard if count[name] == 1}
        return {(one.worker, alone.get(one.worker) if one.pid is None else one.pid): one for one in answered}

    def _not_answering(self, current: Collection[Key], late: Collection[str], at: datetime) -> dict[Key, Seen]:
        """Those seen before and not `current`: each new process takes the place of one of its name."""
        newcomers = Counter(name for name, pid in current if (name, pid) not in self._seen)
        kept = {}
        for key, seen in sorted(self._seen.items(), key=lambda item: item[1].at):
            if key in current or at - seen.at > FORGET_AFTER:
                continue
            if newcomers[key[0]]:
                newcomers[key[0]] -= 1
            elif key[0] in late:  # alive, and busy until now; what it does now it has not said
                kept[key] = replace(seen, facts=replace(seen.facts, active=None), at=at, silent_since=None)
            else:
                kept[key] = replace(seen, silent_since=seen.silent_since or at)
        return kept

    @property
    def expected(self) -> tuple[str, ...]:
        """The names that should answer the next round: whoever is not silent."""
        return tuple({name for (name, _), seen in self._seen.items() if seen.silent_since is None})

    @property
    def queues(self) -> frozenset[str]:
        """Every queue that a worker on the roster consumes."""
        return frozenset(queue for seen in self._seen.values() for queue in seen.facts.queues or ())

    def rows(self, now: datetime) -> list[Row]:
        """One row a worker, see COLUMNS; what a worker did not say is None, never 0."""
        by_name = sorted(self._seen.items(), key=lambda item: (item[0][0], item[0][1] or 0))
        return [row(seen, now) for _, seen in by_name]


def accepted_between(
    earlier: Accepted | None, now: Accepted | None, uptime_seconds: float | None, span: float, watched: float
) -> dict[str, float] | None:
    """What a process accepted from `earlier` to `now`, by task, scaled to `span` seconds, so that an answer after a
    silence is no spike. None: it cannot be told.

    Counters that fall have begun again at 0, as Prometheus counts a reset; all of one process do so together.
    """
    if now is None or span <= 0:
        return None
    if earlier is None:
        # Started within the `watched` seconds: all it has accepted is new. Merely new to us: not known of it yet.
        if uptime_seconds is None or uptime_seconds > watched:
            return None
        elapsed, grown = max(uptime_seconds, span), dict(now.totals)
    else:
        elapsed = (now.at - earlier.at).total_seconds()
        fell = any(now.totals.get(task, 0) < count for task, count in earlier.totals.items())
        # In containers a restarted worker has the same process number. Its uptime is cut to whole seconds.
        restarted = fell or (uptime_seconds is not None and uptime_seconds + 1 < elapsed)
        base = {} if restarted else earlier.totals
        grown = {task: total - base.get(task, 0) for task, total in now.totals.items()}
    if elapsed <= 0:  # the clock was set back
        return None
    return {task: count * span / elapsed for task, count in grown.items()}


def row(seen: Seen, now: datetime) -> Row:
    facts, silent = seen.facts, seen.silent_since is not None
    return {
        "worker": facts.worker,
        "verdict": verdict(seen, now),
        "pool": facts.pool,
        "concurrency": facts.concurrency,
        "active": None if silent else facts.active,
        "reserved": None,  # its replies carry every argument: asked for one worker at a time, never sampled
        "processed": facts.processed,
        "queues": None if facts.queues is None else list(facts.queues),
        "last_seen": seen.at,
        "silent_since": seen.silent_since,
        "prefetch": facts.prefetch_count,
        "uptime": None if silent else facts.uptime_seconds,
        "pid": facts.pid,
    }


def verdict(seen: Seen, now: datetime) -> str:
    """From replies alone: who answers works or idles; who was seen and does not is silent, later gone."""
    if seen.silent_since is not None:
        return "gone" if now - seen.at > GONE_AFTER else "silent"
    if seen.facts.active is None:
        return "unknown"
    return "working" if seen.facts.active else "idle"
