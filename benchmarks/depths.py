"""Depths of 2,000 Redis queues of four priority lists each, beside one raw pipeline of the same commands."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import redis

from benchmarks._interleaved import interleaved
from data_sources.brokers.open import open_broker
from data_sources.config import Broker, Cluster
from demo.servers import Redis

QUEUES = [f"queue{n:04}" for n in range(2_000)]
SUFFIXES = ("", "\x06\x163", "\x06\x166", "\x06\x169")
RUNS = 15
GOAL = 0.67  # at most 1.5 times the raw pipeline's time


def run() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder, Redis(Path(folder)) as server:
        raw = redis.Redis(port=server.port)
        fill(raw)
        reader = open_broker(Cluster(broker=Broker.from_url(server.url)))

        def ours() -> None:
            assert reader.depths([], deadline_seconds=10).totals["ready"] == len(QUEUES) * len(SUFFIXES)

        def peer() -> None:
            pipeline = raw.pipeline(transaction=False)
            for queue in QUEUES:
                for suffix in SUFFIXES:
                    pipeline.llen(queue + suffix)
            pipeline.hlen("unacked")
            assert sum(pipeline.execute()) == len(QUEUES) * len(SUFFIXES)

        ours_seconds, peer_seconds = interleaved(ours, peer, runs=RUNS)
        reader.close()
        raw.close()
    return [
        {
            "name": "depths of 2,000 Redis queues, against one raw pipeline",
            "ours": ours_seconds,
            "peer": peer_seconds,
            "ratio": peer_seconds / ours_seconds,
            "goal": GOAL,
            "runs": RUNS,
            "unit": "s",
        }
    ]


def fill(raw: redis.Redis) -> None:
    """A message in each list, and each queue bound as Celery binds it: to an exchange of its own."""
    pipeline = raw.pipeline(transaction=False)
    for queue in QUEUES:
        pipeline.sadd(f"_kombu.binding.{queue}", f"{queue}\x06\x16\x06\x16{queue}")
        for suffix in SUFFIXES:
            pipeline.lpush(queue + suffix, "{}")
    pipeline.execute()


if __name__ == "__main__":
    for row in run():
        print(json.dumps(row))
