"""What an order will do, before it is given, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from control.runs import Runs
from data_sources.failure import Failure
from data_sources.workers.celery_control import Reply
from data_sources.workers.orders import Order
from data_sources.workers.send_task import SendTask


@dataclass(frozen=True)
class Line:
    """A worker, queue or task: what it is now, and what it will be. Read back, `now` is what it became."""

    about: str
    now: str
    then: str


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What is found out about an order. `workers` are those it will be given to; `sends` the tasks it publishes.

    `order` holds what was decided on: tasks that have ended already are not in it.
    `tasks`: how many it concerns; None where it is of workers. `phrase` must be typed before what destroys.
    `undo` brings back what was there before at `undo_for`: the workers of whom that is known.
    """

    order: Order
    summary: str
    lines: tuple[Line, ...]
    workers: tuple[str, ...] = ()
    sends: tuple[SendTask, ...] = ()
    tasks: int | None = None
    phrase: str = ""
    warnings: tuple[str, ...] = ()
    undo: Order | None = None
    undo_for: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan(Draft):
    """A draft that may be acted upon once, until it expires, by the person it was made for.

    `runs`: the processes that answered.
    """

    nonce: str = field(repr=False)
    cluster: str
    expires: datetime
    runs: Runs = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a plan. A reply is of a worker, or of the queue or task where none was asked.

    `read_back`: what it is now, where Celery can tell. `failure`: why nothing was sent, or not all of it; where that is
    not known, replies say so. `undo` is an order that takes it back, of `undo_workers`, who said that they did it.
    `audit_id` is of the entry that stood before.
    """

    plan: Plan
    replies: tuple[Reply, ...]
    read_back: tuple[Line, ...] = ()
    failure: Failure | None = None
    audit_id: int
    undo: Order | None = None
    undo_workers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
