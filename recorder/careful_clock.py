"""The time that is gone by when something is thrown away for its age: a clock that jumped ahead costs little."""

from __future__ import annotations

import time
from collections.abc import Callable

from data_sources.microseconds import now_us

MOST_SPEED = 24  # a day each hour: a clock that is put right costs no more, and after a month off it has caught up soon


class CarefulClock:
    """Follows the system's clock, but ahead at most MOST_SPEED times as fast as time is lived through.

    `known_us`: when something was last recorded, which was before now.
    """

    def __init__(
        self,
        known_us: int,
        system_us: Callable[[], int] = now_us,
        lived: Callable[[], float] = time.monotonic,
    ) -> None:
        self._system_us = system_us
        self._lived = lived
        self._reached_us = known_us
        self._looked_at = lived()

    def now_us(self) -> int:
        now = self._lived()
        ahead_us = int((now - self._looked_at) * MOST_SPEED * 1e6)
        self._looked_at = now
        self._reached_us = min(self._reached_us + ahead_us, self._system_us())
        return self._reached_us
