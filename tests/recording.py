"""A recorder in a process of its own, and a look at what it has written, as any reader sees it."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from data_sources import schema
from data_sources.config import Broker, Cluster, Secret
from data_sources.history.place import SqlitePlace, place
from data_sources.latest import RecorderState
from demo.servers import Process

ROOT = Path(__file__).resolve().parents[1]
# At its end it writes what it heard, however long that takes.
UNHURRIED = "import recorder.run, recorder.writer\nrecorder.run.END_SECONDS = 120\nrecorder.writer.FLUSH_SECONDS = 60"
FINAL = tuple(map(schema.STATES.index, schema.FINAL))


def program(beforehand: str = "") -> tuple[str, str]:
    """What Python runs to record. `beforehand`: what it is to do first."""
    script = f"{beforehand}\nimport runpy\nrunpy.run_module('recorder', run_name='__main__')"
    return ("-c", script) if beforehand else ("-m", "recorder")


class RecorderProcess(Process):
    """`python -m recorder` on a Redis, with its history in `folder`; returns when it has written that it records.

    `beforehand`: what Python is to do first.
    """

    def __init__(
        self, folder: Path, broker_url: str, env: Mapping[str, str] | None = None, beforehand: str = ""
    ) -> None:
        url = f"sqlite:///{folder / 'history'}"
        where = place(Secret(url), Cluster(broker=Broker.from_url(broker_url)))
        assert isinstance(where, SqlitePlace)
        self.place = where
        self.history = Look(where.path)
        settings = {"CELERY_BROKER_URL": broker_url, "HISTORY_URL": url, "PROMETHEUS_URL": "", "ALERTMANAGER_URL": ""}
        command = [sys.executable, *program(beforehand)]
        super().__init__("recorder", command, folder, {**settings, **(env or {})}, cwd=ROOT)
        self.wait_until(self.records)

    def records(self) -> bool:
        """Whether it, and not one before it, records, and listens."""
        state = self.history.state()
        return state is not None and state.pid == self.pid and state.hears

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)

    def memory_bytes(self) -> int:
        return int(psutil.Process(self.pid).memory_info().rss)


class Look:
    """The history in the file `path`, read by a connection that cannot write."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=5)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def state(self) -> RecorderState | None:
        """What the recorder last said of itself; None before there is anything."""
        try:
            rows = self.rows("SELECT body FROM latest WHERE kind = 'recorder'")
        except sqlite3.OperationalError:
            return None
        return RecorderState.from_json(rows[0][0]) if rows else None

    def ended(self) -> int:
        """Tasks in a final state."""
        return int(self.rows(f"SELECT count(*) FROM tasks WHERE state IN {FINAL}")[0][0])


def cpu_seconds(*pids: int) -> float:
    """Of these processes and their children, since they began."""
    found = [psutil.Process(pid) for pid in pids]
    found += [child for process in found for child in process.children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in found)
