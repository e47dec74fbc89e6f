"""Viewers share one sampler: fifty put the same load on Prometheus and the broker as one."""

from __future__ import annotations

import re
import time
import urllib.request
from collections import Counter

import pytest
import redis

from demo.servers import wait_until
from tests.faults.conftest import OpenSite, Shop

SLOT_SECONDS = 5.0  # the sampler's round, and what askers of one question share; from 0:00:00 on
SLOTS = 4
MANY = 50


def prometheus_requests(shop: Shop) -> int:
    """API requests it has answered, by its own count."""
    with urllib.request.urlopen(f"{shop.prometheus.url}/metrics", timeout=10) as response:
        text = response.read().decode()
    counts = re.findall(r'(?m)^prometheus_http_requests_total\{.*handler="/api/v1/.*"\} (\S+)$', text)
    return sum(int(float(count)) for count in counts)


def redis_commands(shop: Shop) -> Counter[str]:
    """Commands it has executed by name, by its own count: the dashboard's and the worker's, not this one."""
    with redis.Redis.from_url(shop.redis.url) as client:
        stats = client.info("commandstats")
    assert isinstance(stats, dict)
    calls = {name.removeprefix("cmdstat_"): int(values["calls"]) for name, values in stats.items()}
    return Counter({name: count for name, count in calls.items() if name not in ("info", "client|setinfo", "hello")})


def load(shop: Shop) -> tuple[int, int]:
    """Requests to Prometheus and commands to Redis, in a stretch of so many slots."""
    before = prometheus_requests(shop), redis_commands(shop)
    time.sleep(SLOTS * SLOT_SECONDS)  # the stretch of time is what is measured
    after = prometheus_requests(shop), redis_commands(shop)
    return after[0] - before[0], (after[1] - before[1]).total()


def test_fifty_viewers_ask_prometheus_and_the_broker_no_more_than_one(shop: Shop, open_site: OpenSite) -> None:
    site = open_site(shop.env)
    # Opened early in a slot: a viewer who ticks where two slots meet may miss one, being alone.
    wait_until(lambda: 0.5 < time.time() % SLOT_SECONDS < 1, "the beginning of a slot")
    first = site.open("range=1h&refresh=5s")
    wait_until(lambda: first.cell("queues").get("pending") is False, "the first answers")
    one = load(shop)

    for _ in range(MANY - 1):
        site.open("range=1h&refresh=5s")
    wait_until(lambda: all(viewer.cell("queues").get("pending") is False for viewer in site.viewers), "all viewers")
    ran = [len(viewer.frames) for viewer in site.viewers]
    many = load(shop)

    assert all(viewer.open and len(viewer.frames) > count for viewer, count in zip(site.viewers, ran, strict=True))
    assert min(one) > 0
    # Four rounds and four slots lie in each stretch; its ends may cut off, or let in, one more.
    assert many[0] == pytest.approx(one[0], abs=one[0] / SLOTS)
    assert many[1] == pytest.approx(one[1], abs=one[1] / SLOTS)
