"""Times of which something is not known, as they begin and end. Their lengths go by a clock that nobody sets back."""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import dataclass, replace

from data_sources.microseconds import now_us
from recorder.batch import Gap

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Open:
    gap: Gap
    began: float  # on the monotonic clock


class Gaps:
    """Those of one cluster that are open, by what makes them, and the changes that are to be written."""

    def __init__(self, cluster: str) -> None:
        self.begun = 0
        self._cluster = cluster
        self._open: dict[str, Open] = {}
        self._ended: dict[str, float] = {}  # source -> when its last gap ended, on the monotonic clock
        self._changed: list[Gap] = []
        self._lock = threading.Lock()

    def begin(self, cause: str, source: str, reason: str, ago_seconds: float = 0.0) -> None:
        """Opens the gap that `cause` makes in what `source` gives, unless it is open."""
        with self._lock:
            if cause in self._open:
                return
            gap = Gap(source, now_us() - int(ago_seconds * 1e6), None, reason)
            self._open[cause] = Open(gap, time.monotonic() - ago_seconds)
            self._changed.append(gap)
            self.begun += 1
        log.warning("%s: gap in %s: %s", self._cluster, source, reason)

    def reword(self, cause: str, reason: str) -> None:
        """The gap of `cause`, which is open, has another reason by now."""
        with self._lock:
            found = self._open[cause]
            if reason != found.gap.reason:
                self._open[cause] = replace(found, gap=replace(found.gap, reason=reason))
                self._changed.append(self._open[cause].gap)

    def resume(self, cause: str, gap: Gap) -> None:
        """Takes over a gap that began before this process did."""
        with self._lock:
            length = max(0, now_us() - gap.start_us) / 1e6
            gap = replace(gap, start_us=min(gap.start_us, now_us()))  # a clock was set back meanwhile
            self._open[cause] = Open(gap, time.monotonic() - length)
            self._changed.append(gap)
            self.begun += 1
        log.warning("%s: gap in %s: %s", self._cluster, gap.source, gap.reason)

    def end(self, cause: str) -> Gap | None:
        """Closes the gap of `cause` as of now; None when there is none."""
        with self._lock:
            found = self._open.pop(cause, None)
            if found is None:
                return None
            self._ended[found.gap.source] = time.monotonic()
            length_us = int((time.monotonic() - found.began) * 1e6)
            gap = replace(found.gap, end_us=found.gap.start_us + length_us)
            self._changed.append(gap)
        log.info("%s: gap in %s ended after %.1f s", self._cluster, gap.source, length_us / 1e6)
        return gap

    def estimate(self, gap: Gap, missed: int) -> None:
        """What was missed in a gap that has ended."""
        with self._lock:
            self._changed.append(replace(gap, missed=missed))

    def is_open(self, cause: str) -> bool:
        return cause in self._open

    def whole_since(self, source: str) -> float:
        """When the last gap in `source` ended, on the monotonic clock: infinite while there is one."""
        with self._lock:
            is_open = any(one.gap.source == source for one in self._open.values())
            return math.inf if is_open else self._ended.get(source, -math.inf)

    def take(self) -> list[Gap]:
        """The changes since the last call, to be written in this order."""
        with self._lock:
            changed, self._changed = self._changed, []
            return changed

    def put_back(self, gaps: list[Gap]) -> None:
        """What could not be written."""
        with self._lock:
            self._changed = gaps + self._changed
