"""What a history needs in the background: roll-ups, thinning, retention, what readers found damaged, each in steps that
take a moment.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from data_sources.microseconds import now_us
from recorder.careful_clock import CarefulClock
from recorder.database import StoreFailed
from recorder.forgetting import Forgetting
from recorder.retention import Keep, Retention
from recorder.rollups import Rollups
from recorder.store import Store
from recorder.thinning import Thinning

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0  # between two looks for work, when the last found none


class Chore(Protocol):
    def step(self, now_us: int) -> bool:
        """Does a piece of what is due; False: there is nothing."""


class Readers:
    """Those who read what is recorded."""

    def __init__(self, store: Store) -> None:
        self._database = store.database

    def step(self, now_us: int) -> bool:
        self._database.heed_readers()
        return False


class Housekeeping:
    """In the thread of the store. Raises StoreFailed; then the same step is due again."""

    def __init__(self, store: Store, keep: Keep, clock: CarefulClock) -> None:
        self.keep = keep
        self._clock = clock
        self._retention, rollups = Retention(store, keep), Rollups(store)
        self._chores: list[tuple[Chore, Callable[[], int]]] = [
            (Readers(store), now_us),  # first: the others may stumble over the damage
            (rollups, now_us),
            (Thinning(store, keep.size_bytes), clock.now_us),
            (self._retention, clock.now_us),
            (Forgetting(store, rollups.cells), now_us),
        ]
        self._due = [0.0] * len(self._chores)
        self._stumbled: set[int] = set()  # places of chores that a fault ended, until they go on

    def of(self, store: Store) -> Housekeeping:
        """The same for another store."""
        return Housekeeping(store, self.keep, self._clock)

    @property
    def size_bytes(self) -> int | None:
        """What the history takes; None before the first look."""
        return self._retention.size_bytes

    def make_room(self) -> None:
        """See Retention.make_room."""
        self._retention.make_room(self._clock.now_us())

    def step(self) -> None:
        """One step of each chore that is due; one with more to do is due again at once."""
        for place, (chore, at_us) in enumerate(self._chores):
            if time.monotonic() >= self._due[place] and not self._went_on(place, chore, at_us()):
                self._due[place] = time.monotonic() + EVERY_SECONDS

    def _went_on(self, place: int, chore: Chore, at_us: int) -> bool:
        """A fault of ours, or a row in which bits are turned over, ends this step alone: what is heard goes on being
        written, and other chores being done.
        """
        try:
            more = chore.step(at_us)
        except StoreFailed:
            raise
        except Exception:
            if place not in self._stumbled:
                log.exception("unexpected error in housekeeping; tried again each %.0f s", EVERY_SECONDS)
            self._stumbled.add(place)
            return False
        self._stumbled.discard(place)
        return more
