"""Reading must not disturb: what other workers hold stays theirs, whatever is opened and exported.

A Redis client that reads its replies with kombu's defaults puts back into their queues all messages that anybody has
held unacknowledged for over an hour; its first look happens at once (QoS.restore_visible of kombu's Redis transport).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import redis
from kombu import Queue

from data_sources.query import KINDS, METHODS, SIGNALS
from demo.servers import Redis
from tests.faults.conftest import OpenSite, worker_of
from tests.faults.site import ROOT
from tests.messages import holding, send

SECONDS = 60 if os.environ.get("RELIABILITY") else 20
PAGES = [path.stem for path in (ROOT / "pages").glob("*.py")]
TWO_HOURS = 2 * 3600
EXPORTS = {
    "promql": [{"q": "up"}],
    "inspect": [{"q": method} | ({"id": "1"} if method == "query_task" else {}) for method in METHODS],
    "signal": [{"q": name, "by": by} for name, splits in SIGNALS.items() for by in splits],
    "history": [{"q": "throughput", "by": "name"}],
}


@pytest.fixture
def broker(redis_server: Redis, tmp_path: Path) -> Iterator[redis.Redis]:
    """A Redis with a worker, and a message that another one, with a longer visibility timeout, took two hours ago."""
    send(redis_server.url, "slow")
    with (
        holding(redis_server.url, Queue("slow"), 1, visibility_timeout=12 * 3600),
        redis.Redis.from_url(redis_server.url) as client,
        worker_of(redis_server, tmp_path / "worker"),
    ):
        [tag] = client.hkeys("unacked")
        client.zadd("unacked_index", {tag: time.time() - TWO_HOURS}, xx=True)
        assert is_held(client)
        yield client


def is_held(client: redis.Redis) -> bool:
    return (client.hlen("unacked"), client.zcard("unacked_index"), client.llen("slow")) == (1, 1, 0)


def test_a_message_held_for_two_hours_stays_held_while_every_page_and_export_is_open(
    broker: redis.Redis, redis_server: Redis, open_site: OpenSite
) -> None:
    ends = time.monotonic() + SECONDS
    site = open_site({"CELERY_BROKER_URL": redis_server.url})
    viewers = [site.open("range=15m&refresh=1s", "" if page == "overview" else page) for page in PAGES]

    for source in KINDS:
        for params in EXPORTS.get(source, [{}]):
            for kind in ("csv", "json"):
                site.get(f"/export.{kind}?{urlencode({'source': source, **params})}")
    time.sleep(max(0.0, ends - time.monotonic()))  # the time it is watched for is what is asked

    assert all(viewer.open and viewer.runs for viewer in viewers)
    assert [reply.status for reply in site.replies if reply.status not in (200, 400)] == []
    assert is_held(broker)


def test_celery_inspect_with_the_broker_url_alone_puts_it_back_at_once(
    broker: redis.Redis, redis_server: Redis
) -> None:
    ping = [sys.executable, "-m", "celery", "-b", redis_server.url, "inspect", "ping"]
    subprocess.run(ping, capture_output=True, check=True, timeout=60)

    assert not is_held(broker)
