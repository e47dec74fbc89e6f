"""What the events of tasks add up to since the recorder began: counts and histograms, for `/metrics`.

They only grow; a restart begins them at 0, which Prometheus understands. How many there can be is bounded, whatever
names come: what is beyond the bound is counted under OTHER, so sums stay exact.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import orjson

from data_sources.events.celery_events import TaskEvent
from data_sources.history.task_record import TaskRecord

KINDS = ("sent", "received", "started", "succeeded", "failed", "rejected", "revoked", "retried")
ENDS = ("succeeded", "failed", "rejected", "revoked", "retried")  # one that is retried comes again as another message
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)  # prometheus_client's

OTHER = "(other)"
MOST_NAMES = 2_000
MOST_QUEUES = 2_000
MOST_EXCEPTIONS = 500
# At forty lines a cell a scrape of this many takes a second or two.
MOST_CELLS = 2_000  # of (name, worker, queue); beyond, workers are told apart no more, and at last nothing is
MOST_COARSE_CELLS = 3_000
MOST_FAILURES = 5_000  # of a cell and an exception class; beyond, a cell's classes are told apart no more

PLACE = {kind: place for place, kind in enumerate(KINDS)}
NO_TASK = TaskRecord("")
CLASS_NAME = re.compile(r"[A-Za-z_][\w.]{0,200}")

Labels = tuple[str, str, str]  # name, worker, queue; "": not known


@dataclass(slots=True)
class Histogram:
    """How many values fell into each of BUCKETS, and beyond the last; and their sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    @property
    def cumulative(self) -> list[int]:
        """How many were no longer than each of BUCKETS, and how many there are in all."""
        return list(accumulate(self.counts))


@dataclass(slots=True)
class Cell:
    """What was counted under one combination of labels. A histogram is None until there is a value for it."""

    counts: list[int] = field(default_factory=lambda: [0] * len(KINDS))  # by place in KINDS
    failures: dict[str, int] = field(default_factory=dict)  # failed, by exception class
    runtime: Histogram | None = None  # of tasks that succeeded
    wait: Histogram | None = None  # sent to started, of tasks without an ETA


class Counters:
    """Used by one thread."""

    def __init__(self) -> None:
        self.cells: dict[Labels, Cell] = {}
        self._names: set[str] = set()
        self._queues: set[str] = set()
        self._exceptions: set[str] = set()
        self._failures = 0  # of MOST_FAILURES

    def absorb(self, events: Iterable[TaskEvent], records: Iterable[TaskRecord]) -> None:
        """Counts `events`; `records` are their tasks, which know the name and queue that later events leave out."""
        tasks = {record.id: record for record in records}
        for event in events:
            task, kind = tasks.get(event.id, NO_TASK), event.kind
            # a client that sends is no worker, and often of a new name
            labels = task.name or "", event.worker or "" if kind != "sent" else "", task.queue or ""
            cell = self.cells.get(labels) or self._cell(*labels)
            cell.counts[PLACE[kind]] += 1
            if kind == "failed":
                name = self._exception(event.exception, cell)
                cell.failures[name] = cell.failures.get(name, 0) + 1
            elif kind == "succeeded":
                cell.runtime = observed(cell.runtime, event.runtime_us)
            elif kind == "started" and task.sent_us is not None and task.eta_us is None:
                cell.wait = observed(cell.wait, task.wait_us)

    def _cell(self, name: str, worker: str, queue: str) -> Cell:
        """That of labels which have none of their own, yet or for ever."""
        name = bounded(name, self._names, MOST_NAMES)
        queue = bounded(queue, self._queues, MOST_QUEUES)
        choices: tuple[tuple[Labels, int], ...] = (
            ((name, worker, queue), MOST_CELLS),
            ((name, OTHER, queue), MOST_COARSE_CELLS),
        )
        for labels, most in choices:
            if labels in self.cells or len(self.cells) < most:
                return self.cells.setdefault(labels, Cell())
        return self.cells.setdefault((OTHER, OTHER, OTHER), Cell())

    def _exception(self, text: str | None, cell: Cell) -> str:
        """The class of `KeyError('sku')`; "", which every cell has, when that is not how it begins."""
        found = CLASS_NAME.match(text or "")
        name = bounded(found[0], self._exceptions, MOST_EXCEPTIONS) if found else ""
        if not name or name in cell.failures:
            return name
        if self._failures >= MOST_FAILURES:
            return OTHER
        self._failures += 1
        return name

    def ended(self) -> Counter[str]:
        """Messages that their queues were rid of since the recorder began, by queue; of one that is missing, no event
        was heard. Any thread may ask.
        """
        ended: Counter[str] = Counter()
        for (_, _, queue), cell in list(self.cells.items()):
            ended[queue] += sum(cell.counts[PLACE[kind]] for kind in ENDS)
        return ended

    def to_json(self) -> str:
        """The body of `latest` kind `counters`; `read_cells` reads it back."""
        cells = [
            [*labels, cell.counts, cell.failures, packed(cell.runtime), packed(cell.wait)]
            for labels, cell in self.cells.items()
        ]
        return orjson.dumps({"kinds": KINDS, "buckets": BUCKETS, "cells": cells}).decode()


def bounded(text: str, known: set[str], most: int) -> str:
    """`text` if it is one of the first `most`, else OTHER."""
    if text not in known and len(known) >= most:
        return OTHER
    known.add(text)
    return text


def observed(histogram: Histogram | None, microseconds: int | None) -> Histogram | None:
    """`histogram` with one value more, unless that is not known; made for the first."""
    if microseconds is not None:
        histogram = histogram or Histogram()
        seconds = microseconds / 1e6
        histogram.counts[bisect_left(BUCKETS, seconds)] += 1
        histogram.total += seconds
    return histogram


def packed(histogram: Histogram | None) -> list[Any] | None:
    return [histogram.counts, histogram.total] if histogram else None


def read_cells(text: str) -> dict[Labels, Cell]:
    """The cells that `Counters.to_json` wrote. Raises ValueError when these buckets or kinds are not ours."""
    given = orjson.loads(text)
    if given["kinds"] != list(KINDS) or given["buckets"] != list(BUCKETS):
        raise ValueError("counters of another version")
    return {
        (name, worker, queue): Cell(counts, failures, runtime and Histogram(*runtime), wait and Histogram(*wait))
        for name, worker, queue, counts, failures, runtime, wait in given["cells"]
    }
