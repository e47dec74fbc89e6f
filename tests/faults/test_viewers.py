"""Viewers share one sampler: fifty put the same load on Prometheus and the broker as one."""

from __future__ import annotations

import re
import time
import urllib.request

import redis

from demo.servers import wait_until
from tests.faults.conftest import OpenSite, Shop
from tests.faults.site import Site

SLOT_SECONDS = 5.0  # the sampler's round, and what askers of one question share; from 0:00:00 on
SLOTS = 3
MANY = 50


def prometheus_requests(shop: Shop, handler: str = "query(?:_range)?") -> int:
    """Queries it has answered, by its own count."""
    with urllib.request.urlopen(f"{shop.prometheus.url}/metrics", timeout=60) as response:
        text = response.read().decode()
    counts = re.findall(rf'(?m)^prometheus_http_requests_total\{{.*handler="/api/v1/{handler}"\}} (\S+)$', text)
    return sum(int(float(count)) for count in counts)


def redis_commands(shop: Shop) -> int:
    """Commands it has executed, by its own count: the dashboard's and the worker's, without those sent to read it."""
    with redis.Redis.from_url(shop.redis.url) as client:
        stats = client.info("commandstats")
    assert isinstance(stats, dict)
    own = ("cmdstat_info", "cmdstat_hello", "cmdstat_client|setinfo")
    return sum(int(one["calls"]) for name, one in stats.items() if name not in own)


def load(shop: Shop) -> tuple[int, int]:
    """Requests to Prometheus and commands to Redis, in a stretch of so many slots, from the middle of one."""
    wait_until(lambda: 2 < time.time() % SLOT_SECONDS < 3, "the middle of a slot")
    before = prometheus_requests(shop), redis_commands(shop)
    time.sleep(SLOTS * SLOT_SECONDS)  # the stretch of time is what is measured
    after = prometheus_requests(shop), redis_commands(shop)
    return after[0] - before[0], after[1] - before[1]


def costs_no_more(shop: Shop, site: Site) -> bool:
    """Whether many viewers ask no more than the first alone; a stretch in which the machine was busy may hold less."""
    one = load(shop)
    for _ in range(MANY - 1):
        site.open("range=1h&refresh=5s")
    many_viewers = site.viewers[1 - MANY :]
    wait_until(lambda: all(viewer.cell("queues").get("pending") is False for viewer in many_viewers), "all viewers")
    ran = [len(viewer.frames) for viewer in many_viewers]
    many = load(shop)
    for viewer, count in zip(many_viewers, ran, strict=True):
        wait_until(lambda: viewer.open and len(viewer.frames) > count, "a tick of each")  # noqa: B023
    if all(map(no_more, many, one)):
        return True
    for viewer in many_viewers:
        viewer.close()
    return False


def no_more(together: int, alone: int) -> bool:
    """One viewer alone may tick where two slots meet, and miss one; the sampler's rounds are not those slots, so that
    either stretch may hold one more of them.
    """
    return alone > 0 and together <= alone + max(alone, together) / SLOTS


def test_fifty_viewers_ask_prometheus_and_the_broker_no_more_than_one(shop: Shop, open_site: OpenSite) -> None:
    site = open_site(shop.env)
    first = site.open("range=1h&refresh=5s")
    wait_until(lambda: first.cell("queues").get("pending") is False, "the first answers")
    wait_until(lambda: costs_no_more(shop, site), "a stretch of many viewers that costs no more than one of one", 600)

    site.dashboard.stop()  # in the middle of all their ticks
    assert "Traceback" not in site.dashboard.log.read_text()


def test_a_page_that_was_seen_has_its_questions_asked_when_it_is_asked_for(shop: Shop, open_site: OpenSite) -> None:
    site = open_site(shop.env)
    viewer = site.open("range=5m&refresh=0")
    wait_until(lambda: viewer.cell("cockpit").get("pending") is False, "the first answers")
    viewer.close()
    before = prometheus_requests(shop, "query_range")

    def asked_ahead() -> bool:
        """By nobody's session. Within a slot of time all who ask share one answer, so that it may take a while."""
        page = f"{site.dashboard.url}/?refresh=0&range=5m"
        asked = urllib.request.Request(page, headers={"Accept": "text/html"})  # as a browser that opens it
        with urllib.request.urlopen(asked, timeout=60) as response:
            assert response.status == 200
        return prometheus_requests(shop, "query_range") > before

    wait_until(asked_ahead, "a question without a session")
