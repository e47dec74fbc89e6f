"""Many events at once, and many for long: every one is recorded, in memory that does not grow."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from data_sources.config import Secret
from demo.servers import Redis, wait_until
from tests.event_load import Publisher
from tests.recording import RecorderProcess

SETTLES_SECONDS = 120.0  # then tasks that ended leave memory as others come, and the database's cache is full
CATCH_UP_SECONDS = 240.0
GROWTH = 1.15  # of memory, between then and the end


@dataclass
class Flood:
    """What was published and what of it was recorded, and the recorder's processor time and memory meanwhile."""

    events: int
    seconds: float
    tasks: int
    recorded: int
    dropped: int
    cpu_us_an_event: float
    settled_bytes: int | None  # None: it was over before
    end_bytes: int

    @property
    def missed(self) -> bool:
        grew = self.settled_bytes is not None and self.end_bytes > GROWTH * self.settled_bytes
        return self.recorded != self.tasks or self.dropped > 0 or grew


def run(tasks: int, rate: float, history_url: Secret) -> Flood:
    """`tasks` of three events each, so many events a second."""
    with (
        tempfile.TemporaryDirectory() as name,
        Redis(Path(name) / "redis") as redis,
        RecorderProcess(Path(name), redis.url, history_url=history_url) as recorder,
    ):
        began, spent = time.monotonic(), recorder.cpu_seconds()
        settled = None
        with Publisher(Path(name), redis.url, "--tasks", str(tasks), "--rate", str(rate)) as publisher:
            while publisher.alive:
                time.sleep(0.1)
                if settled is None and time.monotonic() - began > SETTLES_SECONDS:
                    settled = recorder.memory_bytes()
            published = publisher.counts()
        with suppress(TimeoutError):
            wait_until(lambda: recorder.history.ended() >= published.tasks, "every task", CATCH_UP_SECONDS)
        state = recorder.history.state()
        return Flood(
            events=published.events,
            seconds=published.seconds,
            tasks=published.tasks,
            recorded=recorder.history.ended(),
            dropped=state.dropped if state else 0,
            cpu_us_an_event=round((recorder.cpu_seconds() - spent) / published.events * 1e6, 1),
            settled_bytes=settled,
            end_bytes=recorder.memory_bytes(),
        )
