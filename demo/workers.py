"""The sample app's workers, described as a compose file would describe them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.install import ROOT
from demo.servers import Process, celery_worker

MB = 1024 * 1024


@dataclass(frozen=True)
class Worker:
    """One worker in what stands for a container: its processes are counted together under `container`."""

    service: str
    queues: tuple[str, ...]
    pool: str
    concurrency: int
    memory_limit_bytes: int  # declared, as in a compose file; nothing enforces it

    @property
    def container(self) -> str:
        return f"shop-{self.service}-1"

    @property
    def hostname(self) -> str:
        """A compose service with `hostname: <container>` is called so by Celery."""
        return f"{self.service}@{self.container}"

    def start(self, folder: Path, env: Mapping[str, str]) -> Process:
        arguments = ("--events", "--queues", ",".join(self.queues), "--loglevel", "WARNING")
        pool = ("--pool", self.pool, "--concurrency", str(self.concurrency))
        return celery_worker("demo.shop", self.hostname, folder, (*arguments, *pool), env, cwd=ROOT)


def start_beat(folder: Path, env: Mapping[str, str]) -> Process:
    """The shop's clock: it sends what stands in its `beat_schedule`."""
    command = [sys.executable, "-m", "celery", "-A", "demo.shop", "beat", "--schedule", str(folder / "beat")]
    return Process("beat", [*command, "--loglevel", "WARNING", "--pidfile", ""], folder, env, ROOT)


WORKERS = (
    Worker("mail", ("mail",), "threads", 4, 128 * MB),
    Worker("images", ("images",), "prefork", 2, 512 * MB),
    Worker("default", ("default", "imports", "reports"), "prefork", 3, 768 * MB),
)
