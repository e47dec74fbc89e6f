"""Who was seen, what each said last, and how much each took on between two times it was asked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

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


@dataclass(frozen=True)
class Seen:
    facts: WorkerFacts
    at: datetime
    silent_since: datetime | None = None


@dataclass(frozen=True)
class Taken:
    """Tasks accepted since each worker's previous answer, brought to one span of time."""

    by_task: Mapping[str, float]
    by_worker: Mapping[str, float]
    span_seconds: float


class Presence:
    """One cluster's workers, by node name and process: two processes of one name stay two."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int | None], Seen] = {}
        self._asked_at: datetime | None = None

    def update(self, answered: Iterable[WorkerFacts], late: Collection[str], at: datetime) -> Taken:
        """Takes in one snapshot; `late` names workers heard from, but not in time to say anything new."""
        span = (at - self._asked_at).total_seconds() if self._asked_at else 0.0
        by_task: defaultdict[str, float] = defaultdict(float)
        by_worker: defaultdict[str, float] = defaultdict(float)
        current = {(facts.worker, facts.pid): facts for facts in answered}
        for key, facts in current.items():
            share = self._accepted(key, facts, at, span)
            for task, count in share.items():
                by_task[task] += count
            by_worker[facts.worker] += sum(share.values())
            self._seen[key] = Seen(facts, at)
        for key, seen in list(self._seen.items()):
            restarted = any(name == key[0] and pid != key[1] for name, pid in current)
            if key in current:
                continue
            if at - seen.at > FORGET_AFTER or (restarted and not self._is_twin(key)):
                del self._seen[key]
            elif key[0] not in late:
                self._seen[key] = Seen(seen.facts, seen.at, seen.silent_since or at)
        while len(self._seen) > MOST_WORKERS:
            del self._seen[min(self._seen, key=lambda key: self._seen[key].at)]
        self._asked_at = at
        return Taken(by_task, by_worker, span)

    def _is_twin(self, key: tuple[str, int | None]) -> bool:
        """Whether another process of the same name was seen at the same moment: then this one did not just restart."""
        mine = self._seen[key]
        return any(name == key[0] and pid != key[1] and seen.at == mine.at for (name, pid), seen in self._seen.items())

    def _accepted(self, key: tuple[str, int | None], facts: WorkerFacts, at: datetime, span: float) -> dict[str, float]:
        """Accepted by this worker since its last answer, scaled to `span` so that a late answer is no spike."""
        before = self._seen.get(key)
        if not span:
            return {}
        if before is None:
            # Started since the last round: all it has accepted is new. Merely new to us: nothing is known of it yet.
            if facts.uptime_seconds is None or facts.uptime_seconds > span:
                return {}
            return {task: float(total) for task, total in facts.totals.items()}
        elapsed = (at - before.at).total_seconds()
        grown = {task: total - before.facts.totals.get(task, 0) for task, total in facts.totals.items()}
        return {task: max(0, count) * span / elapsed for task, count in grown.items()} if elapsed > 0 else {}

    @property
    def expected(self) -> tuple[str, ...]:
        """The names that should answer the next round: whoever answered the last ones and is not long silent."""
        return tuple({name for (name, _), seen in self._seen.items() if seen.silent_since is None})

    @property
    def queues(self) -> frozenset[str]:
        """Every queue that a worker on the roster consumes."""
        return frozenset(queue for seen in self._seen.values() for queue in seen.facts.queues or ())

    def consumers(self) -> Counter[str]:
        """How many answering workers consume each queue."""
        return Counter(
            queue for seen in self._seen.values() if not seen.silent_since for queue in seen.facts.queues or ()
        )

    def frame(self, now: datetime) -> pd.DataFrame:
        """One row a worker, see COLUMNS; what a worker did not say is missing, never 0."""
        return worker_frame([row(seen, now) for _, seen in sorted(self._seen.items(), key=lambda item: item[0][0])])


def worker_frame(rows: Sequence[Mapping[str, object]] = ()) -> pd.DataFrame:
    """The columns of COLUMNS, also when there is no row."""
    columns = {name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in COLUMNS.items()}
    return pd.DataFrame(columns)


def row(seen: Seen, now: datetime) -> dict[str, object]:
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
