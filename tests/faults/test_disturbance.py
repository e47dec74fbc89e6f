"""Reading must not disturb: what other workers hold stays theirs, whatever is opened and exported.

A Redis client with kombu's defaults that waits in vain for a reply puts back into their queues all messages that
anybody has held unacknowledged for over an hour, at its first such wait (QoS.restore_visible of kombu's transport).
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import redis
from kombu import Queue

from cells.commands import by_hand
from data_sources.config import Broker, Cluster
from data_sources.query import KINDS, METHODS, SIGNALS, Inspect
from demo.servers import Process, Redis, wait_until
from tests.faults.conftest import OpenSite, worker_of
from tests.faults.site import ROOT
from tests.messages import holding, send

WORKER, TASK = "w1@shop", "00000000-0000-4000-8000-000000000001"
SECONDS = 60.0  # kombu looks for what to put back at each tenth wait in vain of a second
TWO_HOURS = 2 * 3600
PAGES = {path.stem: "" for path in (ROOT / "pages").glob("*.py")} | {
    "queue": "name=slow",
    "worker": f"name={WORKER}",
    "task": f"id={TASK}&with={TASK}",
    "notebook": "example=why-is-the-queue-growing",
    "explore": "q=up",
}
EXPORTS = {
    **{source: [{"id": TASK}] for source in ("task", "family", "runs", "held")},
    "compared": [{"id": TASK, "with": TASK}],
    "xray": [{"queue": "slow"}],
    **{source: [{"q": "up"}] for source in ("promql", "format", "explain", "label_values")},
    "inspect": [{"q": method} | ({"id": "1"} if method == "query_task" else {}) for method in METHODS],
    "signal": [{"q": name, "by": by} for name, splits in SIGNALS.items() for by in splits],
    "history": [{"q": "throughput", "by": "name"}],
}
NO_PROMETHEUS = ("promql", "metrics", "labels", "label_values", "format", "explain", "library")
REFUSED = {"audit": 403} | dict.fromkeys(NO_PROMETHEUS, 400)


@pytest.fixture
def worker(broker: redis.Redis, redis_server: Redis, tmp_path: Path) -> Iterator[Process]:
    with worker_of(redis_server, tmp_path / "worker") as worker:
        yield worker


@pytest.fixture
def broker(redis_server: Redis) -> Iterator[redis.Redis]:
    """A Redis with a message that somebody with a longer visibility timeout took two hours ago and still holds."""
    send(redis_server.url, "slow")
    with (
        holding(redis_server.url, Queue("slow"), 1, visibility_timeout=12 * 3600),
        redis.Redis.from_url(redis_server.url) as client,
    ):
        [tag] = client.hkeys("unacked")
        client.zadd("unacked_index", {tag: time.time() - TWO_HOURS}, xx=True)
        assert is_held(client)
        yield client


def is_held(client: redis.Redis) -> bool:
    return (client.hlen("unacked"), client.zcard("unacked_index"), client.llen("slow")) == (1, 1, 0)


def test_a_message_held_for_two_hours_stays_held_while_every_page_and_export_is_open(
    broker: redis.Redis, redis_server: Redis, worker: Process, open_site: OpenSite
) -> None:
    ends = time.monotonic() + SECONDS
    site = open_site({"CELERY_BROKER_URL": redis_server.url})
    viewers = [
        site.open(f"range=15m&refresh=1s&{own}", "" if page == "overview" else page) for page, own in PAGES.items()
    ]
    for viewer in viewers:
        viewer.wait_for(lambda: viewer.runs, "the page")  # noqa: B023

    for source in KINDS:
        for params in EXPORTS.get(source, [{}]):
            for kind in ("csv", "json"):
                path = f"/export.{kind}?{urlencode({'source': source, **params})}"
                wanted = REFUSED.get(source, 200)
                wait_until(lambda: site.get(path).status == wanted, path)  # noqa: B023
    worker.suspend()  # it is waited for in vain from now on
    wait_until(lambda: "silent" in site.get("/export.csv?source=workers").body, "a silent worker")
    time.sleep(max(0.0, ends - time.monotonic()))  # for how long it is watched is what is asked

    assert all(viewer.open and viewer.runs for viewer in viewers)
    assert is_held(broker)


def test_celery_inspect_with_the_broker_url_alone_puts_it_back_at_once(
    broker: redis.Redis, redis_server: Redis
) -> None:
    ping = [sys.executable, "-m", "celery", "-b", redis_server.url, "inspect", "ping", "--timeout", "0.5"]
    said = subprocess.run(ping, capture_output=True, check=False, timeout=180)
    assert b"No nodes replied" in said.stderr

    assert not is_held(broker)


def test_the_command_that_a_panel_shows_leaves_it_where_it_is(broker: redis.Redis, redis_server: Redis) -> None:
    ping = by_hand(Inspect("ping"), Cluster(broker=Broker.from_url(redis_server.url))).splitlines()[-1]
    command = [sys.executable, "-m", *shlex.split(ping.replace("yourapp", "tests.celery_app")), "--timeout", "0.5"]
    env = {**os.environ, "CELERY_BROKER_URL": redis_server.url}
    said = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=False, timeout=180)
    assert b"No nodes replied" in said.stderr

    assert is_held(broker)
