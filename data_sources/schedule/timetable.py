"""Beat's entries, wherever they are kept: each store is asked at most once a while, whoever looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from data_sources.errors import SourceError
from data_sources.note import Note
from data_sources.poller import Reading
from data_sources.schedule.database import read_database
from data_sources.schedule.entry import Entry
from data_sources.schedule.redbeat import read_redbeat
from data_sources.schedule.told import Reply, Told
from data_sources.watch import Watch
from data_sources.workers.snapshot import BEAT
from data_sources.workers.worker_rows import WorkersReading

T = TypeVar("T")

EVERY_SECONDS = 30.0
EVERY_SECONDS_WITHOUT = 3.0  # while nobody tells of any entry, as when workers start
DEADLINE_SECONDS = 3.0  # of each store


@dataclass(frozen=True)
class Entries:
    """`beats`: how many showed that they live, by answering a ping or by RedBeat's lock. None: none, as most cannot.

    `complete`: whether there are no others, as far as anybody can tell.
    """

    entries: tuple[Entry, ...]
    beats: int | None
    notes: tuple[Note, ...]
    complete: bool = True


class Timetable:
    """For any number of threads."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._lock = threading.Lock()
        self._known: Entries | None = None
        self._read_at = float("-inf")
        self._told = Told()

    def read(self) -> Entries:
        """As they were at most EVERY_SECONDS ago. Raises SourceError when no store answered."""
        with self._lock:
            lasts = EVERY_SECONDS if self._known and self._known.entries else EVERY_SECONDS_WITHOUT
            if self._known is None or time.monotonic() - self._read_at > lasts:
                self._known, self._read_at = read_entries(self._watch, self._told), time.monotonic()
            return self._known


def read_entries(watch: Watch, told: Told) -> Entries:
    """A store that gives no answer is a note, unless none gives any. Raises SourceError."""
    failures: list[SourceError] = []

    def tried(read: Callable[[], T]) -> T | None:
        try:
            return read()
        except SourceError as error:
            failures.append(error)
            return None

    cluster, stored, notes = watch.cluster, list[Entry](), list[Note]()
    sampled = watch.workers()
    rows = sampled.value.rows if sampled.value else ()
    replies, beats = tried(lambda: of_workers(watch, sampled)) or ([], 0)
    configured, old = told.hear(replies, rows, datetime.now(UTC))
    asked = 1
    if cluster.redbeat:
        place, zone = cluster.redbeat, configured.zone or "UTC"
        asked += 1
        if redbeat := tried(lambda: read_redbeat(place.redis, place.key_prefix, zone, DEADLINE_SECONDS)):
            stored += redbeat.entries
            notes += redbeat.notes
            beats += redbeat.locked
    if url := cluster.beat_database:
        asked += 1
        if found := tried(lambda: read_database(url)):
            stored += found[0]
            notes += found[1]
    if len(failures) == asked:
        raise failures[0]
    notes += [*old, *(Note(f"{error.source}: {error.what}", "warning") for error in failures)]
    if not replies and not old:
        notes.append(Note("No worker answered: what their configuration schedules is not known", "warning"))
    entries = (*stored, *unstored(configured.entries, stored))
    silent = not replies and any(row["pool"] is not None for row in rows)  # they did answer, and will tell
    return Entries(entries, beats or None, tuple(notes), complete=not silent)


def of_workers(watch: Watch, sampled: Reading[WorkersReading]) -> tuple[list[Reply], int]:
    """What each worker has configured, and how many beats answered beside them."""
    snapshot = watch.inspector.snapshot(
        ("ping", "conf"),
        expected=sampled.value.expected if sampled.value and not sampled.failure else (),
        arguments={"conf": {"with_defaults": True}},  # without them what add_periodic_task added is left out
        deadline_seconds=DEADLINE_SECONDS,
    )
    return snapshot.values("conf"), sum(worker.startswith(BEAT) for worker, _ in snapshot.values("ping"))


def unstored(configured: Sequence[Entry], stored: Sequence[Entry]) -> list[Entry]:
    """RedBeat and django-celery-beat copy the configuration's entries into their store, which then decides."""
    known = {entry.name for entry in stored}
    return [entry for entry in configured if entry.name not in known]
