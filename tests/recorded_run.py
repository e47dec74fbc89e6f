"""The scripted run, told to a real recorder by way of a real Redis, and a desk that is asked about it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data_sources import watch
from data_sources.answer import Answer
from data_sources.ask import Desk
from data_sources.config import Broker, Cluster, Secret
from data_sources.history import failures, search
from data_sources.history.place import place
from data_sources.microseconds import now_us
from data_sources.query import History, Query
from data_sources.scope import Range, Scope
from data_sources.settings import load
from demo.servers import Redis, wait_until
from recorder.migrations import bring_up_to_date, write_meta
from recorder.open_database import open_database
from routes import export
from tests.exports import Exports, Row, exports_of
from tests.recording import RecorderProcess
from tests.scripted_run import SPAN_SECONDS, Script, Told
from tests.watching import NOTHING

MINUTE = 60
STEP_SECONDS = 10  # of the finest chart
PATIENCE_SECONDS, EXPORT_SECONDS = 50.0, 55.0  # less than an export waits, and that less than who asks for it
ALIVE_SECONDS = 120.0
BACK_SECONDS = 50
# Else it would believe no timestamp that is 60 s off, and a busy machine may take ten to tell it all.
BELIEVING = "from data_sources.events import event_fields\nevent_fields.MAX_SKEW_US = 3600e6"


@dataclass(frozen=True)
class Run:
    script: Script
    desk: Desk
    exports: Exports

    @property
    def tasks(self) -> list[Told]:
        return self.script.tasks

    @property
    def range(self) -> Range:
        """Of whole minutes."""
        start = self.script.began // MINUTE * MINUTE
        return Range(start=moment(start), end=moment(start + 2 * MINUTE))

    def ask(self, query: Query) -> Answer:
        """What a page gets."""
        return self.desk.ask(query, Scope(range=self.range), wait_seconds=60)

    def rows(self, query: Query, range: Range | None = None, **more: str) -> list[Row]:
        """The rows of a query's file."""
        return self.exports.rows(query, range or self.range, **more)

    def series(self, name: str, by: str = "", step: int = STEP_SECONDS) -> dict[tuple[str, str], float]:
        """The points of a chart, by their time and label."""
        rows = self.rows(History(name, by), step=f"{step}s")
        return {(row["time"], row.get(by, "")): float(row["value"]) for row in rows}

    def is_over(self, at: str) -> bool:
        """Whether all the time that a point tells of had been lived through when the run was recorded."""
        return datetime.fromisoformat(at) <= moment(self.script.began + SPAN_SECONDS + STEP_SECONDS)


@contextmanager
def recorded_run(folder: Path) -> Iterator[Run]:
    """Ready when all is recorded, and the minute that ended meanwhile rolled up."""
    with ExitStack() as stack:
        redis = stack.enter_context(Redis(folder / "redis"))
        begin_an_hour_ago(folder, redis.url)
        recorder = stack.enter_context(RecorderProcess(folder, redis.url, beforehand=BELIEVING))
        now = good_moment()
        minute = int(now) // MINUTE * MINUTE
        latest = int(now) - SPAN_SECONDS - STEP_SECONDS - 1
        script = Script(max(math.ceil(now) - BACK_SECONDS, min(minute - SPAN_SECONDS // 3, latest)))
        events = script.publish(redis.url)
        wait_until(lambda: (state := recorder.history.state()) is not None and state.events == events, "the events")
        wait_until(lambda: (state := recorder.history.state()) is not None and not state.lag_seconds, "all in rows")
        behind = "SELECT count(*) FROM dirty WHERE level = 60 AND at < ?"
        wait_until(lambda: recorder.history.rows(behind, minute) == [(0,)], "the roll-up of the minute before")
        assert recorder.history.rows("SELECT count(*) FROM rollups WHERE level = 60 AND at < ?", minute) != [(0,)]
        env = {**NOTHING, "CELERY_BROKER_URL": redis.url, "HISTORY_URL": f"sqlite:///{folder / 'history'}"}
        take_time(stack.enter_context(pytest.MonkeyPatch.context()))
        desk = Desk(load(env))
        desk.start()
        stack.callback(desk.stop)
        yield Run(script, desk, stack.enter_context(exports_of(desk)))


def good_moment() -> float:
    """Waits for a moment after which a part is rolled up."""
    while not 6 <= (now := time.time()) % MINUTE <= 45:
        time.sleep(0.1)
    return now


def begin_an_hour_ago(folder: Path, broker_url: str) -> None:
    """A history as of a recorder that ran all the time: of what was before it charts know nothing."""
    where = place(Secret(f"sqlite:///{folder / 'history'}"), Cluster(broker=Broker.from_url(broker_url)))
    database = open_database(where)
    bring_up_to_date(database, where)
    with database.transaction():
        write_meta(database, {"began_us": str(now_us() - 3600 * 1_000_000)})
    database.close()


def take_time(patch: pytest.MonkeyPatch) -> None:
    """What is asked here is whether an answer is true, not how soon it comes on a busy machine."""
    for module in (search, failures):
        patch.setattr(module, "SECONDS", PATIENCE_SECONDS)
    patch.setattr(export, "WAIT_SECONDS", EXPORT_SECONDS)
    patch.setattr(watch, "ALIVE_SECONDS", ALIVE_SECONDS)


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
