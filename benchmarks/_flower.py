"""The peer: Flower as it comes, with what it says of itself."""

from __future__ import annotations

import re
import sys
import time
import urllib.request
from pathlib import Path

from demo.servers import Process, free_port, http_ok
from tests.recording import cpu_seconds


class Flower(Process):
    """Flower with its own settings, no persistence among them."""

    def __init__(self, folder: Path, broker_url: str) -> None:
        self.port = free_port()
        options = ["--address=127.0.0.1", f"--port={self.port}"]
        command = [sys.executable, "-m", "celery", "-b", broker_url, "flower", *options]
        super().__init__("flower", command, folder, {"FLOWER_UNAUTHENTICATED_API": "true"})
        self.wait_until(lambda: http_ok(self.port, "/healthcheck"))
        time.sleep(1)  # it says nowhere that it listens to events

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as response:
            body: bytes = response.read()
            return body

    def events(self) -> int:
        """How many of tasks it has counted."""
        counted = re.findall(r'^flower_events_total\{.*type="task-.*\} (\S+)$', self.get("/metrics").decode(), re.M)
        return int(sum(map(float, counted)))

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)
