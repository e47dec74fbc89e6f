"""Task events as workers send them: `python -m tests.event_load redis://... --tasks 20000 --rate 2000`.

A task is three events, received, started and succeeded (one in ten fails), apart in time, from one of ten workers; a
worker's events go out in one message of 24 at most, as Celery's own buffer does under load. Published straight to
Redis in kombu's envelope. Ends with a line of JSON: how many tasks and events were published, and in how many seconds.
"""

from __future__ import annotations

import argparse
import base64
import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import redis

from demo.servers import Process

ROOT = Path(__file__).resolve().parents[1]
WORKERS = 10
VERBS, NOUNS = ("send", "pay", "ship", "build"), ("order", "mail", "report")
NAMES = tuple(f"shop.{verb}_{noun}" for verb in VERBS for noun in NOUNS)
WAIT_SECONDS, RUN_SECONDS = 0.2, 0.5
HEARTBEAT_SECONDS = 2.0
BUFFER = 24  # events in a message; celery/events/dispatcher.py, buffer_limit

Event = dict[str, Any]


@dataclass
class Counts:
    tasks: int = 0
    events: int = 0
    seconds: float = 0.0


@dataclass
class Load:
    """What is published. `tasks` 0: until it is told to end. `rate`: events a second, as many as go for 0.

    `upset`: tasks are dated up to 50 s back, so that minutes change again and again after they were rolled up, and one
    in twenty ends a second time, later.
    """

    url: str
    tasks: int = 0
    rate: float = 2_000.0
    buffer: int = BUFFER
    upset: bool = False
    counts: Counts = field(default_factory=Counts)
    ending: bool = False

    def publish(self) -> Counts:
        client, began = redis.Redis.from_url(self.url), time.monotonic()
        heartbeat_at = 0.0
        with client:
            for events in self.batches():
                behind = self.counts.events / self.rate - (time.monotonic() - began) if self.rate else 0.0
                if behind > 0:
                    time.sleep(behind)
                if time.monotonic() - heartbeat_at >= HEARTBEAT_SECONDS:
                    heartbeat_at = time.monotonic()
                    self._heartbeats(client)
                pipeline = client.pipeline(transaction=False)
                for start in range(0, len(events), self.buffer):
                    part = events[start : start + self.buffer]
                    one = self.buffer == 1
                    key = str(part[0]["type"]).replace("-", ".") if one else "task.multi"
                    pipeline.publish(f"/0.celeryev/{key}", envelope(part[0] if one else part, key))
                pipeline.execute()
                self.counts.events += len(events)
        self.counts.seconds = round(time.monotonic() - began, 3)
        return self.counts

    def batches(self) -> Iterator[list[Event]]:
        """What a worker has to say at a time: some tasks came, earlier ones began or ended."""
        each = BUFFER // 3
        a_round = WORKERS * BUFFER / self.rate if self.rate else 0.001  # seconds until the same worker speaks again
        wait, run = (max(1, round(seconds / a_round)) * WORKERS for seconds in (WAIT_SECONDS, RUN_SECONDS))
        said: dict[int, list[Task]] = {}
        number = 0
        while said or not self._is_done:
            events: list[Event] = []
            now = time.time()
            if not self._is_done:
                count = min(each, self.tasks - self.counts.tasks) if self.tasks else each
                said[number] = [Task(self.counts.tasks + place, number % WORKERS, self.upset) for place in range(count)]
                self.counts.tasks += count
                events += [task.received(now) for task in said[number]]
            events += [task.started(now) for task in said.get(number - wait, ())]
            for task in said.pop(number - wait - run, ()):
                events += task.ended(now)
            number += 1
            if events:
                yield events

    @property
    def _is_done(self) -> bool:
        return self.ending or bool(self.tasks and self.counts.tasks >= self.tasks)

    def _heartbeats(self, client: redis.Redis) -> None:
        for worker in range(WORKERS):
            beat = event("worker-heartbeat", worker, time.time(), freq=2.0, active=8, processed=self.counts.tasks)
            client.publish("/0.celeryev/worker.heartbeat", envelope(beat, "worker.heartbeat"))


class Task:
    def __init__(self, number: int, worker: int, upset: bool) -> None:
        self.id = str(UUID(bytes=random.randbytes(16), version=4))
        self.number, self.worker = number, worker
        self.back = random.uniform(0, 50) if upset else 0.0
        self.ends_twice = upset and number % 20 == 0

    def received(self, now: float) -> Event:
        return self._event(
            "task-received",
            now,
            name=NAMES[self.number % len(NAMES)],
            args=f"({self.number}, 'customer-{self.number % 1000}@example.com')",
            kwargs="{'retry': True, 'template': 'invoice'}",
            root_id=self.id,
            parent_id=None,
            retries=0,
            eta=None,
            expires=None,
        )

    def started(self, now: float) -> Event:
        return self._event("task-started", now)

    def ended(self, now: float) -> list[Event]:
        if self.number % 10 == 9:
            trace = "Traceback (most recent call last):\n  File \"shop.py\", line 12, in pay\nKeyError: 'sku'\n"
            return [self._event("task-failed", now, exception="KeyError('sku')", traceback=trace)]
        once = self._event("task-succeeded", now, result="{'sent': 1}", runtime=RUN_SECONDS)
        return [once, self._event("task-succeeded", now + 9, result="2", runtime=0.25)] if self.ends_twice else [once]

    def _event(self, kind: str, now: float, **fields: Any) -> Event:
        return event(kind, self.worker, now - self.back, uuid=self.id, **fields)


def event(kind: str, worker: int, at: float, **fields: Any) -> Event:
    return {
        "hostname": f"worker{worker}@shop",
        "utcoffset": 0,
        "pid": 4_000 + worker,
        "clock": int(at * 1000) % 10**9,
        **fields,
        "timestamp": at,
        "type": kind,
    }


def envelope(body: object, routing_key: str) -> bytes:
    """kombu/transport/virtual/base.py, prepare_message."""
    return orjson.dumps(
        {
            "body": base64.b64encode(orjson.dumps(body)).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"hostname": "worker@shop"},
            "properties": {
                "delivery_mode": 1,
                "delivery_info": {"exchange": "celeryev", "routing_key": routing_key},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": "6a1ee5ae-9a2f-4e4a-8d0d-0f0f9f2c1f11",
            },
        }
    )


class Publisher(Process):
    """The same in a process of its own."""

    def __init__(self, folder: Path, url: str, *options: str) -> None:
        command = [sys.executable, "-m", "tests.event_load", url, *options]
        super().__init__(f"publisher-{time.monotonic_ns()}", command, folder, cwd=ROOT)

    def counts(self, timeout_seconds: float = 30.0) -> Counts:
        """What it has published in all, when it has ended."""
        self._child.wait(timeout_seconds)
        return Counts(**orjson.loads(self.log.read_bytes().splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--tasks", type=int, default=0)
    parser.add_argument("--rate", type=float, default=2_000)
    parser.add_argument("--buffer", type=int, default=BUFFER)
    parser.add_argument("--upset", action="store_true")
    load = Load(**vars(parser.parse_args()))
    signal.signal(signal.SIGTERM, lambda *_: setattr(load, "ending", True))
    counts = load.publish()
    sys.stdout.write(orjson.dumps(counts).decode() + "\n")


if __name__ == "__main__":
    main()
