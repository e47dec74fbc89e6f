"""Start and end: a new server knows its links, takes a port of its own, calls nobody, and goes when it is told to."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest
import redis
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from demo.servers import Dashboard, Process, Redis, http_ok, listening_ports, wait_until
from tests.deadline import within
from tests.fault_proxy import FaultProxy
from tests.faults.conftest import OpenSite, Shop, worker_of
from tests.faults.site import QUIET, ROOT
from tests.impostor import hang
from tests.viewer import Viewer

END_SECONDS = 10.0


def test_a_deep_link_is_the_first_thing_a_new_server_is_asked(shop: Shop, open_site: OpenSite) -> None:
    viewer = open_site(shop.env).open("from=2026-03-01T10:00:00Z&to=2026-03-01T12:00:00Z&refresh=0")
    viewer.wait_for(lambda: viewer.cell("cockpit").get("pending") is False, "the cockpit")

    window = viewer.cell("cockpit")["window"]
    assert moment(window["start"]) == "2026-03-01T10:00:00+00:00"
    assert moment(window["end"]) == "2026-03-01T12:00:00+00:00"
    assert viewer.cell("controls")["notices"] == []


def moment(milliseconds: float) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


def test_two_dashboards_started_at_once_take_two_ports(shop: Shop, tmp_path: Path) -> None:
    # A dashboard ends with the thread that started it, so these threads last.
    with ThreadPoolExecutor(2) as pool, ExitStack() as running:
        started = pool.map(lambda name: Dashboard(tmp_path / name, {**QUIET, **shop.env}), ("one", "two"))
        one, two = (running.enter_context(dashboard) for dashboard in started)

        assert one.port != two.port
        assert http_ok(one.port, "/healthz")
        assert http_ok(two.port, "/healthz")


def test_sigterm_ends_it_in_time_with_viewers_there_and_leaves_no_reply_queue(
    redis_server: Redis, open_site: OpenSite, tmp_path: Path
) -> None:
    with worker_of(redis_server, tmp_path / "worker"), redis.Redis.from_url(redis_server.url) as client:
        site = open_site({"CELERY_BROKER_URL": redis_server.url})
        viewers = [site.open("refresh=1s") for _ in range(10)]  # somebody's page runs at any moment
        wait_until(lambda: all(viewer.runs for viewer in viewers), "the pages")
        wait_until(lambda: bool(reply_queues(client)), "a reply queue")  # else nothing could be left

        end(site.dashboard)
        assert reply_queues(client) == set()
    assert "Traceback" not in site.dashboard.log.read_text()
    wait_until(lambda: not any(viewer.open for viewer in viewers), "the viewers' end")


def reply_queues(client: redis.Redis) -> set[bytes | str]:
    """What asking workers may leave on Redis: replies that nobody fetched, and the binding of their queue."""
    return {*client.keys("*.reply.celery.pidbox"), *client.smembers("_kombu.binding.reply.celery.pidbox")}


def test_sigterm_ends_it_in_time_while_its_sources_hang(open_site: OpenSite) -> None:
    with FaultProxy(hang) as broker, FaultProxy(hang) as prometheus:
        env = {
            "CELERY_BROKER_URL": f"redis://127.0.0.1:{broker.port}/0",
            "PROMETHEUS_URL": f"http://127.0.0.1:{prometheus.port}",
        }
        site = open_site(env)
        viewer = site.open("refresh=1s")
        viewer.wait_for(lambda: viewer.runs, "the page")

        end(site.dashboard)
        assert "Traceback" not in site.dashboard.log.read_text()


def end(dashboard: Process) -> None:
    with within(END_SECONDS):
        dashboard.signal(signal.SIGTERM)
        wait_until(lambda: not dashboard.alive, "the end")


ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')


@pytest.fixture
def calls(shop: Shop, tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """Every system call of a dashboard that reaches out, as they are made, and its port."""
    log = tmp_path / "calls"
    strace = ["strace", "-I1", "--follow-forks", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg", "-o", str(log)]
    if not shutil.which("strace") or subprocess.run([*strace, "true"], check=False).returncode:
        pytest.skip("strace is not installed, or not permitted: what is connected to cannot be seen")
    dashboard = [sys.executable, "-m", "streamlit", "run", "dashboard.py"]
    with Process("traced", [*strace, *dashboard], tmp_path, {**QUIET, **shop.env}, ROOT) as traced:
        traced.wait_until(lambda: bool(ports_below(traced.pid)))
        [port] = ports_below(traced.pid)
        traced.wait_until(lambda: http_ok(port, "/healthz"))
        yield log, port


def ports_below(pid: int) -> list[int]:
    return [port for child in psutil.Process(pid).children() for port in listening_ports(child.pid)]


def test_nothing_but_this_machine_is_spoken_to_at_start_and_at_any_handshake(calls: tuple[Path, int]) -> None:
    log, port = calls
    foreign = Origin("https://evil.example")  # at which Streamlit by itself looks up the external address
    with pytest.raises(InvalidStatus, match="403"):
        connect(f"ws://localhost:{port}/_stcore/stream", origin=foreign, legacy=True)
    with Viewer(f"http://localhost:{port}") as viewer:
        viewer.wait_for(lambda: viewer.runs, "the page")

    spoken_to = {ip_address(four or six) for four, six in ADDRESS.findall(log.read_text())}

    assert spoken_to
    assert {address for address in spoken_to if not address.is_loopback} == set()
