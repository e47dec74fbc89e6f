"""Of two recorders the one that stands by takes over when the other is killed under load: how soon it records."""

from __future__ import annotations

import signal
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from data_sources.config import Secret
from demo.servers import Redis
from tests.event_load import Publisher
from tests.recording import RecorderProcess
from tests.reliability.kills import RATE, how_slow

WITHIN_SECONDS = 5.0  # on a quiet machine


@dataclass
class TakeOvers:
    """What is counted; seconds are from a kill until the other has written that it records, and listens."""

    times: int = 0
    mean_seconds: float = 0.0
    slowest_seconds: float = 0.0
    slow: int = 0

    @property
    def missed(self) -> bool:
        return self.slow > 0


def run(times: int, history_url: Secret) -> TakeOvers:
    took: list[float] = []
    slow = 0
    with (
        tempfile.TemporaryDirectory() as name,
        Redis(Path(name) / "redis") as redis,
        Publisher(Path(name), redis.url, "--rate", str(RATE)),
        ExitStack() as running,
    ):
        begin = partial(RecorderProcess, broker_url=redis.url, history_url=history_url)
        first = running.enter_context(begin(Path(name) / "first"))
        for number in range(times):
            second = running.enter_context(begin(Path(name) / str(number), stands_by=True))
            first.signal(signal.SIGKILL)
            killed = time.monotonic()
            second.wait_until(second.records)
            took.append(time.monotonic() - killed)
            slow += took[-1] > WITHIN_SECONDS * how_slow()
            first = second
    return TakeOvers(times, round(sum(took) / times, 2), round(max(took), 2), slow)
