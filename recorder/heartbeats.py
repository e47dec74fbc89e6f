"""What workers say of themselves in the event stream: who lives, and how many tasks were missed.

A heartbeat carries `processed`, the tasks a worker has started since its own start. What that grew by over a time, less
the tasks whose start was heard, was missed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from data_sources.events.celery_events import TaskEvent, WorkerEvent
from data_sources.workers.heartbeat import Heartbeat
from data_sources.workers.seen import Key
from recorder.batch import Gap

K = TypeVar("K", bound=Hashable)

MOST_WORKERS = 5_000
FORGET_US = 24 * 3600 * 1_000_000
ESTIMATE_SECONDS = 10.0  # heartbeats come every 2 s, as a rule
EVENTS_A_TASK = 3  # received, started, and how it ended
LATENCY = 0.2  # of what one heartbeat says of a clock, beside those before: one that came late says too little
SILENT_TASKS = 3  # started without an event: a worker that sends them is not that late


@dataclass(frozen=True)
class Mark:
    """At a heartbeat: what the worker had processed, and how many starts had been heard from it."""

    processed: int
    started: int


@dataclass
class Estimate:
    """A gap that ended, and what each worker is found to have done in it."""

    gap: Gap
    before: Mapping[str, Mark]
    ends: float = field(default_factory=lambda: time.monotonic() + ESTIMATE_SECONDS)
    missed: dict[str, int] = field(default_factory=dict)

    def see(self, worker: str, now: Mark) -> None:
        mark = self.before.get(worker)
        if mark is not None and worker not in self.missed:
            begun_anew = now.processed < mark.processed
            done = now.processed - (0 if begun_anew else mark.processed)
            self.missed[worker] = max(0, done - (now.started - mark.started))

    @property
    def is_due(self) -> bool:
        return len(self.missed) == len(self.before) or time.monotonic() >= self.ends


class Heartbeats:
    """Of one cluster, in the follower's thread. Others may read `workers`, by name, and `processes`, by name and pid:
    these are replaced and never changed.

    `earlier`: what was known before this process began.
    """

    def __init__(self, earlier: Mapping[str, Heartbeat]) -> None:
        self.workers: Mapping[str, Heartbeat] = dict(earlier)
        self.processes: Mapping[Key, Heartbeat] = {(name, beat.pid): beat for name, beat in earlier.items()}
        self._started: Counter[str] = Counter()
        self._first = {name: Mark(beat.processed, 0) for name, beat in earlier.items() if beat.processed is not None}
        self._last = dict(self._first)
        self._estimates: list[Estimate] = []

    def marks(self) -> Mapping[str, Mark]:
        """Where each worker that sends events stands now: what a gap that begins is measured from."""
        return {
            name: mark for name, mark in self._last.items() if name in self.workers and self._is_known_to_send(name)
        }

    def measure(self, gap: Gap, before: Mapping[str, Mark]) -> None:
        """Finds out, from the heartbeats to come, what was missed in a gap that has ended."""
        self._estimates.append(Estimate(gap, before))

    def absorb(self, tasks: Sequence[TaskEvent], workers: Collection[WorkerEvent]) -> None:
        """`tasks`: those that are kept."""
        self._started.update(event.worker for event in tasks if event.kind == "started" and event.worker)
        if len(self._started) > 2 * MOST_WORKERS:
            self._forget_strangers()
        beats = {beat.worker: beat for beat in workers}
        speaking = {event.worker for event in tasks if event.worker}
        if not beats and all(self._is_known_to_send(name) for name in speaking):
            return
        changed, processes = dict(self.workers), dict(self.processes)
        for beat in workers:
            processes[beat.worker, beat.pid] = heartbeat(beat, processes.get((beat.worker, beat.pid)))
        for name, beat in beats.items():
            known = changed.get(name)
            changed[name] = replace(
                processes[name, beat.pid],
                sends_events=known is not None and known.sends_events and beat.kind != "online",
                sent_events=known is not None and known.sent_events,
            )
            if beat.processed is not None:
                self._mark(name, Mark(beat.processed, self._started[name]))
        for name in speaking & changed.keys():
            changed[name] = replace(changed[name], sends_events=True, sent_events=True)
        self.workers, self.processes = youngest(changed), youngest(processes)
        if len(self.workers) < len(changed):
            self._forget_strangers()

    def due_estimates(self) -> list[tuple[Gap, int | None]]:
        """Gaps of which it is known by now how many events were missed; None: no worker tells."""
        due = [one for one in self._estimates if one.is_due]
        self._estimates = [one for one in self._estimates if one not in due]
        return [(one.gap, EVENTS_A_TASK * sum(one.missed.values()) if one.missed else None) for one in due]

    def cease(self, workers: Collection[str]) -> None:
        """They were found to send no events any more."""
        changed = {name: replace(beat, sends_events=False) for name, beat in self.workers.items() if name in workers}
        self.workers = {**self.workers, **changed}

    def quiet(self) -> list[str]:
        """Workers that started tasks and sent no events of them, while others do."""
        if not any(beat.sends_events for beat in self.workers.values()):
            return []
        return [
            name
            for name, beat in sorted(self.workers.items())
            if not beat.sends_events
            and name in self._last
            and self._last[name].processed - self._first[name].processed >= SILENT_TASKS
            and self._last[name].started == self._first[name].started
        ]

    def _is_known_to_send(self, name: str) -> bool:
        return name not in self.workers or self.workers[name].sends_events

    def _forget_strangers(self) -> None:
        """Names come from outside, and without end."""
        counted: Sequence[dict[str, int] | dict[str, Mark]] = (self._started, self._first, self._last)
        for by_name in counted:
            for name in by_name.keys() - self.workers.keys():
                del by_name[name]

    def _mark(self, worker: str, now: Mark) -> None:
        first = self._first.get(worker)
        if first is None or now.processed < first.processed or now.started > first.started:
            self._first[worker] = now
        self._last[worker] = now
        for estimate in self._estimates:
            estimate.see(worker, now)


def heartbeat(event: WorkerEvent, before: Heartbeat | None) -> Heartbeat:
    """What `event` says; `before`: the same process's last."""
    ahead = event.offset_seconds
    if ahead is not None and before is not None and before.clock_offset is not None and ahead < before.clock_offset:
        ahead = before.clock_offset + LATENCY * (ahead - before.clock_offset)
    return Heartbeat(
        event.heard_us,
        event.processed,
        event.active,
        " ".join(part for part in (event.sw_ident, event.sw_ver) if part) or None,
        pid=event.pid,
        every_seconds=event.freq,
        clock_offset=ahead,
        load=event.loadavg[0] if event.loadavg else None,
        left=event.kind == "offline",
    )


def youngest(workers: Mapping[K, Heartbeat]) -> dict[K, Heartbeat]:
    """Those heard within a day, at most MOST_WORKERS."""
    newest = max((beat.at_us for beat in workers.values()), default=0)
    kept = {name: beat for name, beat in workers.items() if newest - beat.at_us < FORGET_US}
    if len(kept) > MOST_WORKERS:
        kept = dict(sorted(kept.items(), key=lambda item: item[1].at_us, reverse=True)[:MOST_WORKERS])
    return kept
