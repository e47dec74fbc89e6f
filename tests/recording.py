"""A recorder in a process of its own, and a look at what it has written, as any reader sees it."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

from data_sources import schema
from data_sources.config import Broker, Cluster, Secret
from data_sources.history.place import Place, SqlitePlace, place
from data_sources.latest import RecorderState
from demo.servers import Process

ROOT = Path(__file__).resolve().parents[1]
# At its end it writes what it heard, however long that takes.
UNHURRIED = "import recorder.run, recorder.writer\nrecorder.run.END_SECONDS = 120\nrecorder.writer.FLUSH_SECONDS = 60"
FINAL = tuple(map(schema.STATES.index, schema.FINAL))

Rows = list[tuple[Any, ...]]


def program(beforehand: str = "") -> tuple[str, str]:
    """What Python runs to record. `beforehand`: what it is to do first."""
    script = f"{beforehand}\nimport runpy\nrunpy.run_module('recorder', run_name='__main__')"
    return ("-c", script) if beforehand else ("-m", "recorder")


class RecorderProcess(Process):
    """`python -m recorder` on a broker; returns when it has written that it records, or says that it `stands_by`.

    Its history is in `folder`, unless `history_url` names another place. `beforehand`: what Python is to do first.
    """

    def __init__(
        self,
        folder: Path,
        broker_url: str,
        env: Mapping[str, str] | None = None,
        beforehand: str = "",
        history_url: Secret | None = None,
        stands_by: bool = False,
    ) -> None:
        url = history_url or Secret(f"sqlite:///{folder / 'history'}")
        self.history = Look(place(url, Cluster(broker=Broker.from_url(broker_url))))
        addresses = {"CELERY_BROKER_URL": broker_url, "HISTORY_URL": url.reveal()}
        settings = {**addresses, "PROMETHEUS_URL": "", "ALERTMANAGER_URL": ""}
        command = [sys.executable, *program(beforehand)]
        super().__init__("recorder", command, folder, {**settings, **(env or {})}, cwd=ROOT)
        self.wait_until(self.stands_by if stands_by else self.records)

    def stands_by(self) -> bool:
        return "standing by: process" in self.log.read_text()

    def records(self) -> bool:
        """Whether it, and not one before it, records, and listens."""
        state = self.history.state()
        return state is not None and state.pid == self.pid and state.hears

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)

    def memory_bytes(self) -> int:
        return int(psutil.Process(self.pid).memory_info().rss)


class Look:
    """The history at `place`, read by connections that cannot write, for as long as that takes."""

    def __init__(self, place: Place) -> None:
        self.place = place

    @contextmanager
    def reading(self) -> Iterator[Callable[..., Rows]]:
        """What gives the rows of a statement and its parameters, each a `?`: all of one moment."""
        if isinstance(self.place, SqlitePlace):
            address = f"file:{self.place.path}?mode=ro"
            with closing(sqlite3.connect(address, uri=True, timeout=5, isolation_level=None)) as file:
                file.execute("BEGIN")
                yield lambda sql, *parameters: file.execute(sql, parameters).fetchall()
        else:
            options = f"-c search_path={self.place.schema} -c default_transaction_read_only=on"
            with psycopg.connect(self.place.url.reveal(), options=options) as session:
                session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                yield lambda sql, *parameters: session.execute(sql.replace("?", "%s"), parameters or None).fetchall()

    def rows(self, sql: str, *parameters: object) -> Rows:
        with self.reading() as rows:
            return rows(sql, *parameters)

    def state(self) -> RecorderState | None:
        """What the recorder last said of itself; None before there is anything."""
        try:
            rows = self.rows("SELECT body FROM latest WHERE kind = 'recorder'")
        except (sqlite3.OperationalError, psycopg.errors.UndefinedTable):
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
