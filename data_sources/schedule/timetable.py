"""Beat's entries, wherever they are kept: each store is asked at most once a while, whoever looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from data_sources.errors import SourceError
from data_sources.note import Note
from data_sources.schedule.conf import Configured, read_configured
from data_sources.schedule.database import read_database
from data_sources.schedule.entry import Entry
from data_sources.schedule.redbeat import read_redbeat
from data_sources.watch import Watch
from data_sources.workers.snapshot import BEAT

T = TypeVar("T")

EVERY_SECONDS = 30.0
EVERY_SECONDS_WITHOUT = 3.0  # while nobody tells of any entry, as when workers start
DEADLINE_SECONDS = 3.0  # of each store


@dataclass(frozen=True)
class Entries:
    """`beats`: how many showed that they live, by answering a ping or by RedBeat's lock. None: none, as most cannot."""

    entries: tuple[Entry, ...]
    beats: int | None
    notes: tuple[Note, ...]


class Timetable:
    """For any number of threads."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._lock = threading.Lock()
        self._known: Entries | None = None
        self._read_at = float("-inf")

    def read(self) -> Entries:
        """As they were at most EVERY_SECONDS ago. Raises SourceError when no store answered."""
        with self._lock:
            lasts = EVERY_SECONDS if self._known and self._known.entries else EVERY_SECONDS_WITHOUT
            if self._known is None or time.monotonic() - self._read_at > lasts:
                self._known, self._read_at = read_entries(self._watch), time.monotonic()
            return self._known


def read_entries(watch: Watch) -> Entries:
    """A store that gives no answer is a note, unless none gives any. Raises SourceError."""
    failures: list[SourceError] = []

    def tried(read: Callable[[], T]) -> T | None:
        try:
            return read()
        except SourceError as error:
            failures.append(error)
            return None

    cluster, stored, notes = watch.cluster, list[Entry](), list[Note]()
    configured, beats, answered = tried(lambda: of_workers(watch)) or (Configured((), None), 0, False)
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
    notes += [Note(f"{error.source}: {error.what}", "warning") for error in failures]
    if not answered:
        notes.append(Note("No worker answered: what their configuration schedules is not known", "warning"))
    entries = (*stored, *unstored(configured.entries, stored))
    return Entries(entries, beats or None, tuple(notes))


def of_workers(watch: Watch) -> tuple[Configured, int, bool]:
    """What workers have configured, how many beats answered beside them, and whether any worker did."""
    sampled = watch.workers()
    expected = sampled.value.expected if sampled.value and not sampled.failure else ()
    snapshot = watch.inspector.snapshot(
        ("ping", "conf"),
        expected=expected,
        arguments={"conf": {"with_defaults": True}},  # without them what add_periodic_task added is left out
        deadline_seconds=DEADLINE_SECONDS,
    )
    replies = snapshot.values("conf")
    beats = sum(worker.startswith(BEAT) for worker, _ in snapshot.values("ping"))
    return read_configured(replies), beats, bool(replies)


def unstored(configured: Sequence[Entry], stored: Sequence[Entry]) -> list[Entry]:
    """RedBeat and django-celery-beat copy the configuration's entries into their store, which then decides."""
    known = {entry.name for entry in stored}
    return [entry for entry in configured if entry.name not in known]
