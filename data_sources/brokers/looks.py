"""What operators saw of queues that only who takes messages out can look into: kept for a while, for all to see."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from data_sources.brokers.xray import Sample

KEPT = timedelta(minutes=15)
MOST_LOOKS = 50


@dataclass(frozen=True)
class Look:
    sample: Sample
    at: datetime
    took: timedelta


class Looks:
    """The last one of each queue of a cluster, in this process; any thread may use it."""

    def __init__(self) -> None:
        self._looks: OrderedDict[str, Look] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, queue: str, look: Look) -> None:
        with self._lock:
            self._looks[queue] = look
            self._looks.move_to_end(queue)
            while len(self._looks) > MOST_LOOKS:
                self._looks.popitem(last=False)

    def last(self, queue: str) -> Look | None:
        look = self._looks.get(queue)
        return look if look and datetime.now(UTC) - look.at < KEPT else None
