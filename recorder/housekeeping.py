"""What a history needs in the background: roll-ups, thinning, retention, each in steps that take a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from data_sources.microseconds import now_us
from recorder.careful_clock import CarefulClock
from recorder.forgetting import Forgetting
from recorder.retention import Keep, Retention
from recorder.rollups import Rollups
from recorder.store import Store
from recorder.thinning import Thinning

EVERY_SECONDS = 5.0  # between two looks for work, when the last found none


class Chore(Protocol):
    def step(self, now_us: int) -> bool:
        """Does a piece of what is due; False: there is nothing."""


class Housekeeping:
    """In the thread of the store. Raises StoreFailed; then the same step is due again."""

    def __init__(self, store: Store, keep: Keep, clock: CarefulClock) -> None:
        self.keep = keep
        self._clock = clock
        self._retention, rollups = Retention(store, keep), Rollups(store)
        self._chores: list[tuple[Chore, Callable[[], int]]] = [
            (rollups, now_us),
            (Thinning(store, keep.size_bytes), clock.now_us),
            (self._retention, clock.now_us),
            (Forgetting(store, rollups.cells), now_us),
        ]
        self._due = [0.0] * len(self._chores)

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
            if time.monotonic() >= self._due[place] and not chore.step(at_us()):
                self._due[place] = time.monotonic() + EVERY_SECONDS
