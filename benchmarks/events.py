"""The processor's time for an event, with the history durably written, beside Flower's, which keeps it in memory.

Both listen to one Redis at the same time, so that both hear the same stream on the same machine, in the batches of 24
that a worker sends under load and, reported beside it, one event a message.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks._flower import Flower
from demo.servers import Redis, wait_until
from tests.event_load import Publisher
from tests.recording import RecorderProcess

RATE = 2_000
WARM_UP_TASKS, TASKS = 2_000, 20_000  # three events each
GOAL = 10.0


@dataclass(frozen=True)
class Spent:
    """Microseconds of the processor for an event."""

    ours: float
    flower: float


def run() -> list[dict[str, object]]:
    return [
        row("an event, of batches of 24 at 2,000 a second, beside Flower 2.2", measure(24), GOAL),
        row("an event, one a message at 2,000 a second, beside Flower 2.2", measure(1), None),
    ]


def measure(buffer: int) -> Spent:
    with (
        tempfile.TemporaryDirectory() as name,
        Redis(Path(name) / "redis") as redis,
        Flower(Path(name), redis.url) as flower,
        RecorderProcess(Path(name), redis.url) as recorder,
    ):
        folder, tasks = Path(name), 0
        for count in (WARM_UP_TASKS, TASKS):
            before = recorder.cpu_seconds(), flower.cpu_seconds()
            heard = flower.events()
            options = ("--tasks", str(count), "--rate", str(RATE), "--buffer", str(buffer))
            with Publisher(folder, redis.url, *options) as publisher:
                published = publisher.counts(120)
            tasks += published.tasks
            wait_until(lambda tasks=tasks: recorder.history.ended() == tasks, "every task recorded", 30)  # type: ignore[misc]
            wait_until(lambda due=heard + published.events: flower.events() >= due, "every event in Flower", 180)  # type: ignore[misc]
        ours, theirs = recorder.cpu_seconds() - before[0], flower.cpu_seconds() - before[1]
    return Spent(ours / published.events * 1e6, theirs / published.events * 1e6)


def row(what: str, spent: Spent, goal: float | None) -> dict[str, object]:
    return {
        "name": what,
        "ours": spent.ours,
        "peer": spent.flower,
        "ratio": spent.flower / spent.ours,
        "goal": goal,
        "runs": TASKS * 3,
        "unit": "us of CPU",
    }


if __name__ == "__main__":
    for measured in run():
        print(json.dumps(measured))
