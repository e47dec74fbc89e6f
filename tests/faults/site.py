"""A dashboard under observation: every frame, body, header and log line it gives away is kept and can be searched."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from demo.servers import Dashboard
from tests.blocks import series
from tests.viewer import Viewer

ROOT = Path(__file__).resolve().parents[2]
SECRET = "S3cr3tPw-7f3a9c"  # the password and token of everything
# Every address of this folder's dashboards that would otherwise be the usual port of this machine.
QUIET = {"PROMETHEUS_URL": "", "ALERTMANAGER_URL": "", "RABBITMQ_MANAGEMENT_URL": "", "PUBLIC_URL": ""}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: str
    body: str
    seconds: float

    @property
    def error(self) -> dict[str, Any]:
        return dict(json.loads(self.body)["error"])


class Site:
    """One dashboard, its viewers and what they saw. Leaving closes the viewers and stops it."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.dashboard = Dashboard(folder, {**QUIET, **env})
        self.viewers: list[Viewer] = []
        self.replies: list[Reply] = []

    def open(self, query: str = "", page: str = "") -> Viewer:
        self.viewers.append(Viewer(self.dashboard.url, query, page))
        return self.viewers[-1]

    def get(self, path: str, timeout_seconds: float = 120) -> Reply:
        began = time.monotonic()
        connection = http.client.HTTPConnection("localhost", self.dashboard.port, timeout=timeout_seconds)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read().decode(errors="replace")
        finally:
            connection.close()
        self.replies.append(Reply(response.status, str(response.headers), body, time.monotonic() - began))
        return self.replies[-1]

    def leaks(self) -> set[str]:
        """Where the secret stands, as it is or as HTTP and URLs write it, in all that was given away so far."""
        given = {
            "frame": b"".join(frame for viewer in self.viewers for frame in viewer.frames),
            "response": "".join(reply.headers + reply.body for reply in self.replies).encode(),
            "log": self.dashboard.log.read_bytes(),
        }
        return {place for place, text in given.items() if any(form in text for form in secret_forms())}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dashboard.stop()
        for viewer in self.viewers:
            viewer.close()


def secret_forms() -> list[bytes]:
    """Itself, and the three ways base64 writes it, by the place it stands at after a user name."""
    secret = SECRET.encode()
    return [secret, *(base64.b64encode(b"-" * shift + secret)[4:-4] for shift in range(3))]


def known_samples() -> str:
    """Two hours of one task and one container, up to a moment that is no longer written to."""
    every, points = timedelta(seconds=15), 480
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10) - every * points
    task = {"hostname": "shop-1", "queue_name": "mail", "name": "shop.mail", "job": "celery", "instance": "a:1"}
    box = {"name": "shop-1", "image": "shop", "job": "cadvisor"}
    return "".join(
        [
            "# TYPE celery_task_received counter\n",
            series("celery_task_received_total", task, [30.0 * k for k in range(points)], start, every),
            "# TYPE celery_task_succeeded counter\n",
            series("celery_task_succeeded_total", task, [30.0 * k for k in range(points)], start, every),
            "# TYPE container_memory_usage_bytes gauge\n",
            series("container_memory_usage_bytes", box, [200e6 + 1e5 * k for k in range(points)], start, every),
        ]
    )
