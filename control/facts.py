"""What is known of one cluster at this moment, as plans are made of it: asked of the desk that all pages ask."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import pandas as pd

from control.runs import Run, Runs
from data_sources.answer import Answer
from data_sources.ask import Desk
from data_sources.config import Cluster
from data_sources.errors import BadParameter, SourceUnreachable
from data_sources.history.answers import recorded_tasks
from data_sources.history.task_run import TaskRun
from data_sources.query import Depths, Inspect, Query, Workers
from data_sources.scope import Scope
from data_sources.workers.worker_rows import COLUMNS as WORKER_COLUMNS

MOST_WORKERS = 1_000
WAIT_SECONDS = 8.0
NOW = timedelta(seconds=0.1)
LOOK_AGAIN_SECONDS = 0.1

Row = Mapping[str, Any]  # unknown is None
UNKNOWN = dict.fromkeys(WORKER_COLUMNS)


@dataclass(frozen=True)
class Facts:
    """Of the cluster `name`. What cannot be had raises SourceUnreachable: no plan is made of what was once."""

    desk: Desk
    name: str

    @property
    def cluster(self) -> Cluster:
        return self.desk.cluster(self.name)

    @cached_property
    def workers(self) -> dict[str, Row]:
        """All that are not gone, by name; of several of one name one. See `processes`."""
        return {row["worker"]: row for row in self.processes}

    @cached_property
    def processes(self) -> list[Row]:
        """All that are not gone, as recorded last (data_sources/workers/worker_rows.py), several of one name too.

        While nothing is recorded: those that answer now, of whom no more is known than that.
        """
        return [row for row in self._roll[0] if row["verdict"] != "gone"]

    @property
    def unrecorded(self) -> str:
        """Why no more is known of the workers than that they answer; empty where it is."""
        return self._roll[1]

    @property
    def answering(self) -> tuple[str, ...]:
        """Those that answered when they were asked last: of others nobody has to wait for an answer."""
        return tuple(dict.fromkeys(row["worker"] for row in self.processes if row["silent_since"] is None))

    @property
    def twins(self) -> set[str]:
        """Names that several workers go by: an order reaches all of them."""
        rows = [row["worker"] for row in self.processes if row["silent_since"] is None]
        return {name for name in rows if rows.count(name) > 1}

    def active(self, workers: Collection[str]) -> int | None:
        """How many tasks run there, as recorded last; None where one of them did not say."""
        counts = [row["active"] for row in self.processes if row["worker"] in workers]
        return None if None in counts else sum(counts)

    @cached_property
    def queues(self) -> dict[str, Row]:
        """By name, as recorded last (data_sources/brokers/queue_depths.py)."""
        return {row["queue"]: row for row in rows_of(self._depths.frame)}

    def queue(self, name: str) -> Row | None:
        """What is known of it; None also while queues cannot be read, which is no reason not to end a worker."""
        with suppress(SourceUnreachable):
            return self.queues.get(name)
        return None

    def lacks(self, queue: str) -> bool:
        """Whether it is known that there is no such queue: some brokers tell only of those that workers consume."""
        with suppress(SourceUnreachable):
            return self._depths.totals.get("ready") is not None and queue not in self.queues
        return False

    def own_queue(self, name: str) -> Row:
        """The queue of that name, which is there and holds tasks. Raises BadParameter where it does not."""
        row = self.queues.get(name)
        if row is None:
            raise BadParameter("queue", f"no queue “{name[:80]}” is known")
        if row["internal"]:
            raise BadParameter("queue", f"“{name[:80]}” is Celery's own, and holds no tasks")
        return row

    def chosen(self, names: Sequence[str]) -> tuple[str, ...]:
        """`names` as workers that are there. Raises BadParameter for none, for too many, and for who is not there."""
        if not names:
            raise BadParameter("worker", "names no worker: to Celery that would mean all of them")
        if len(names) > MOST_WORKERS:
            raise BadParameter("worker", f"names more than {MOST_WORKERS:,} workers")
        if strangers := [name for name in names if name not in self.workers]:
            stranger = f"“{strangers[0][:80]}”"
            unheard = f"{stranger} does not answer, and what was known of it is not recorded now: {self.unrecorded}"
            raise BadParameter("worker", unheard if self.unrecorded else f"there is no worker {stranger}")
        return tuple(dict.fromkeys(names))

    def everyone(self) -> tuple[str, ...]:
        """All workers by name, of whom there must be one."""
        if not self.workers:
            raise BadParameter("worker", "no worker is known that could be told")
        return self.chosen(tuple(self.workers))

    def said(self, method: str, workers: Collection[str], ids: Sequence[str] = ()) -> list[Row]:
        """What these workers answer to an inspect method now (data_sources/workers/inspect_frames.py)."""
        return rows_of(self._now(Inspect(method, tuple(sorted(workers)), tuple(ids))).frame) if workers else []

    def runs(self, workers: Collection[str]) -> Runs:
        """The processes of those of these workers that answer now."""
        if not workers:
            return {}
        answer = self._now(Inspect("stats", tuple(sorted(workers))))
        asked_at = answer.measured_at or datetime.now(UTC)
        rows = sorted(rows_of(answer.frame), key=lambda row: -(row["pid"] or 0))  # of two of one name always the same
        return {row["worker"]: run(row, asked_at, answer.took) for row in rows}

    def recorded(self, ids: Sequence[str]) -> dict[str, TaskRun]:
        """Those of the tasks that are recorded, by id."""
        frame = recorded_tasks(self.desk.histories()[self.name], ids)
        return {run.id: run for run in TaskRun.all_of(frame)}

    def ask(self, query: Query, scope: Scope) -> Answer:
        """Within the time there is. Raises SourceUnreachable and BadParameter."""
        answer = self.desk.ask(query, replace(scope, cluster=self.name), WAIT_SECONDS)
        if failure := answer.failure:
            if failure.parameter:
                raise BadParameter(failure.parameter, failure.what)
            raise SourceUnreachable(failure.source, failure.what, failure.hint)
        if answer.pending:
            raise SourceUnreachable(answer.origin or "Celery", f"gave no answer within {WAIT_SECONDS:g} s")
        return answer

    @cached_property
    def _roll(self) -> tuple[list[Row], str]:
        """A row a worker, and why there is nothing in it but its name."""
        try:
            return rows_of(self.ask(Workers(), Scope()).frame), ""
        except SourceUnreachable as error:
            answer = self._now(Inspect("stats"))
            if answer.frame.empty:
                raise SourceUnreachable(error.source, f"{error.what}, and no worker answers now", error.hint) from error
            there = [row["worker"] for row in rows_of(answer.frame)]
            return [{**UNKNOWN, "worker": name, "last_seen": answer.measured_at} for name in there], str(error)

    @cached_property
    def _depths(self) -> Answer:
        return self.ask(Depths(), Scope())

    def _now(self, query: Inspect) -> Answer:
        """Asked after this moment: an answer to somebody who asked before may be of before an order was given."""
        began, ends = datetime.now(UTC), time.monotonic() + WAIT_SECONDS
        while True:
            answer = self.ask(query, Scope(max_age=NOW))
            if answer.measured_at is not None and answer.measured_at >= began:
                return answer
            if time.monotonic() > ends:
                raise SourceUnreachable(answer.origin or "Celery", f"gave no answer within {WAIT_SECONDS:g} s")
            time.sleep(LOOK_AGAIN_SECONDS)


def run(row: Row, asked_at: datetime, took: timedelta) -> Run:
    """Of a row of `stats`."""
    least, most = row["autoscale_min"], row["autoscale_max"]
    return Run(
        worker=row["worker"],
        pid=row["pid"],
        uptime=None if row["uptime"] is None else timedelta(seconds=row["uptime"]),
        asked_at=asked_at,
        took=took,
        pool=row["pool"],
        slots=row["concurrency"],
        scale=None if most is None else (least or 0, most),
    )


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """Its rows, in Python's own values; None for what is not known."""
    return [
        {str(name): None if is_missing(value) else value for name, value in row.items()}
        for row in frame.astype(object).to_dict("records")
    ]


def is_missing(value: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))
