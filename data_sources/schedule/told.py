"""What workers told of the schedule they have configured: the last word of a silent one is kept, and said to be old."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from data_sources.note import Note, listed
from data_sources.schedule.conf import Configured, merged, read_configured
from data_sources.schedule.entry import Entry
from data_sources.workers.worker_rows import Row

KEPT = timedelta(hours=1)  # of silence while others answer: a deploy may have put another schedule in its place

Reply = tuple[str, Mapping[str, Any]]  # a worker and its configuration


@dataclass(frozen=True)
class Said:
    at: datetime
    configured: Configured


class Told:
    """For one thread at a time."""

    def __init__(self) -> None:
        self._said: dict[str, Said] = {}  # by worker

    def hear(self, replies: Sequence[Reply], rows: Sequence[Row], now: datetime) -> tuple[Configured, tuple[Note, ...]]:
        """What these workers have configured, and those that are silent had; `rows` is the roster, empty if unknown."""
        heard: dict[str, list[Configured]] = {}
        for worker, conf in replies:
            heard.setdefault(worker, []).append(read_configured(conf))
        if heard and rows:
            there = {row["worker"] for row in rows if row["silent_since"] is None or now - row["silent_since"] < KEPT}
            self._said = {worker: said for worker, said in self._said.items() if worker in there}
        self._said |= {worker: Said(now, merged(parts)) for worker, parts in heard.items()}
        fresh = merged(chain.from_iterable(heard.values()))
        silent = {worker: said for worker, said in self._said.items() if worker not in heard}
        known = {entry.name for entry in fresh.entries}
        kept: dict[Entry, str] = {}
        for worker, said in silent.items():
            kept |= {entry: worker for entry in said.configured.entries if entry.name not in known}
        zone = fresh.zone or next((said.configured.zone for said in silent.values()), None)
        return Configured((*fresh.entries, *kept), zone), self._notes(kept, bool(heard))

    def _notes(self, kept: Mapping[Entry, str], others_answer: bool) -> tuple[Note, ...]:
        if not kept:
            return ()
        workers = sorted(set(kept.values()))
        at = f"as told at {min(self._said[worker].at for worker in workers):%Y-%m-%d %H:%M} UTC"
        why = f"{listed(workers)} {'does' if len(workers) == 1 else 'do'} not answer now"
        what = listed(entry.name for entry in kept) if others_answer else "What workers have configured"
        return (Note(f"{what}: {at}; {why if others_answer else 'no worker answers now'}", "warning"),)
