"""Workers made up at the protocol's level: `python -m benchmarks._crowd redis://... --workers 200 --queues 2000`.

Each listens for remote control on a connection of its own, so that Redis counts it, beats every 2 s and answers as a
prefork worker of four slots with half of them busy does; the queues are dealt out among them. One thread for all.
"""

from __future__ import annotations

import argparse
import base64
import re
import selectors
import socket
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import redis

from demo.install import ROOT
from demo.servers import Process
from tests.event_load import HEARTBEAT_SECONDS, envelope, event

MAILBOX = "celery.pidbox"
SLOTS, BUSY, PREFETCHED = 4, 2, 4
TASKS = [f"shop.task_{number:02}" for number in range(20)]
CONF = {
    "broker_url": "redis://***@127.0.0.1/0",
    "task_serializer": "json",
    "accept_content": ["json"],
    "broker_transport_options": {"visibility_timeout": 43_200},
    "task_acks_late": True,
    "worker_prefetch_multiplier": 1,
    "include": ["shop.tasks"],
}


class Crowd:
    def __init__(self, url: str, workers: int, queues: int) -> None:
        self._client = redis.Redis.from_url(url)
        self._began = time.time()
        self._names = [f"worker{number}@shop" for number in range(workers)]
        self._queues = [[f"queue{n}" for n in range(number, queues, workers)] for number in range(workers)]
        self._requests = self._client.pubsub()  # type: ignore[no-untyped-call]
        self._selector = selectors.DefaultSelector()

    def live(self) -> None:
        """For ever."""
        bindings = [f"\x06\x16\x06\x16{name}.{MAILBOX}" for name in self._names]
        self._client.sadd(f"_kombu.binding.{MAILBOX}", *bindings)
        self._listen()
        beats_at = 0.0
        while True:
            if time.monotonic() >= beats_at:
                self._beat()
                beats_at = time.monotonic() + HEARTBEAT_SECONDS
            for key, _ in self._selector.select(max(0.0, beats_at - time.monotonic())):
                if key.data:
                    key.fileobj.recv(65_536)  # type: ignore[union-attr]
                else:
                    self._hear()

    def _listen(self) -> None:
        """All are counted; what they hear is read at one of them."""
        settings = self._client.connection_pool.connection_kwargs
        for _ in self._names[1:]:
            ear = socket.create_connection((settings["host"], settings["port"]))
            ear.sendall(f"PSUBSCRIBE /{settings.get('db', 0)}.{MAILBOX}\r\n".encode())
            self._selector.register(ear, selectors.EVENT_READ, data=True)
        self._requests.psubscribe(f"/{settings.get('db', 0)}.{MAILBOX}")
        assert self._requests.connection
        self._selector.register(self._requests.connection._sock, selectors.EVENT_READ)

    def _beat(self) -> None:
        pipeline, now = self._client.pipeline(transaction=False), time.time()
        for number in range(len(self._names)):
            said = event("worker-heartbeat", number, now, freq=2.0, active=BUSY, processed=self._processed)
            software = {"sw_ident": "py-celery", "sw_ver": "5.5.3", "sw_sys": "Linux", "loadavg": [1.2, 1.0, 0.9]}
            pipeline.publish("/0.celeryev/worker.heartbeat", envelope(said | software, "worker.heartbeat"))
        pipeline.execute()

    @property
    def _processed(self) -> int:
        return int(1_000 + time.time() - self._began)

    def _hear(self) -> None:
        while message := self._requests.get_message(timeout=0):
            if message["type"] == "pmessage":
                self._answer(orjson.loads(base64.b64decode(orjson.loads(message["data"])["body"])))

    def _answer(self, request: dict[str, Any]) -> None:
        pipeline, meant = self._client.pipeline(transaction=False), request["destination"]
        pattern = request["pattern"] and re.compile(request["pattern"])
        for number, name in enumerate(self._names):
            if name in meant if meant is not None else not pattern or pattern.match(name):
                value = getattr(self, request["method"])(number)
                pipeline.lpush(request["reply_to"]["routing_key"], reply(request["ticket"], {name: value}))
        pipeline.execute()

    def ping(self, _number: int) -> object:
        return {"ok": "pong"}

    def stats(self, number: int) -> object:
        return {
            "total": dict.fromkeys(TASKS[number % 10 :: 10], self._processed // 10),
            "pid": 4_000 + number,
            "clock": "3",
            "uptime": int(time.time() - self._began),
            "pool": {
                "implementation": "celery.concurrency.prefork:TaskPool",
                "max-concurrency": SLOTS,
                "processes": [10_000 + SLOTS * number + slot for slot in range(SLOTS)],
                "max-tasks-per-child": "N/A",
                "put-guarded-by-semaphore": False,
                "timeouts": [0, 0],
                "writes": {"total": 0, "avg": "0.00", "all": "", "raw": "", "strategy": "fair"},
            },
            "broker": {"hostname": "127.0.0.1", "transport": "redis", "virtual_host": "0", "heartbeat": 120.0},
            "prefetch_count": SLOTS,
            "rusage": {"utime": 120.7, "stime": 14.1, "maxrss": 60_724, "nvcsw": 68, "nivcsw": 1_135},
        }

    def active(self, number: int) -> object:
        return [self._task(number, place) for place in range(BUSY)]

    def reserved(self, number: int) -> object:
        return [self._task(number, BUSY + place) for place in range(PREFETCHED)]

    def scheduled(self, number: int) -> object:
        eta = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 600))
        return [{"eta": eta, "priority": 6, "request": self._task(number, BUSY + PREFETCHED)}]

    def _task(self, number: int, place: int) -> object:
        return {
            "id": f"{number:08x}-0000-4000-8000-{place:012x}",
            "name": TASKS[(number + place) % len(TASKS)],
            "args": [],
            "kwargs": {},
            "type": TASKS[(number + place) % len(TASKS)],
            "hostname": self._names[number],
            "time_start": time.time() - 3 - place if place < BUSY else None,
            "acknowledged": False,
            "delivery_info": {"exchange": "", "routing_key": "queue", "priority": 0, "redelivered": False},
            "worker_pid": 10_000 + SLOTS * number + place,
        }

    def active_queues(self, number: int) -> object:
        return [
            {
                "name": queue,
                "exchange": {"name": queue, "type": "direct", "durable": True, "auto_delete": False},
                "routing_key": queue,
                "durable": True,
                "exclusive": False,
                "auto_delete": False,
                "no_ack": False,
            }
            for queue in self._queues[number]
        ]

    def registered(self, _number: int) -> object:
        return TASKS

    def revoked(self, _number: int) -> object:
        return []

    def query_task(self, _number: int) -> object:
        return {}

    def conf(self, _number: int) -> object:
        return CONF


def reply(ticket: str, body: object) -> bytes:
    """In kombu's envelope."""
    message = orjson.loads(envelope(body, "reply"))
    return orjson.dumps({**message, "headers": {"ticket": ticket, "clock": 1}})


class CrowdProcess(Process):
    """The same in a process of its own."""

    def __init__(self, folder: Path, url: str, workers: int, queues: int) -> None:
        options = ["--workers", str(workers), "--queues", str(queues)]
        super().__init__("crowd", [sys.executable, "-m", "benchmarks._crowd", url, *options], folder, cwd=ROOT)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--queues", type=int, default=2_000)
    Crowd(**vars(parser.parse_args())).live()


if __name__ == "__main__":
    main()
