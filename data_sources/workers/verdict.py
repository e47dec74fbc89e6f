"""The verdict on one worker process, from three witnesses: its heartbeat, its answers, and what it takes on.

working: answers, and runs a task or took one since it was asked before
idle: answers, and runs nothing
busy_not_answering: does not answer because of the tasks it runs, as a solo pool does; the broker has its mailbox
wedged: beats or answers, and takes nothing from a queue of its own where messages wait, or does not answer at all
silent: neither beats nor answers, and for all that is known its connection is still there: stopped, or cut off
gone: neither beats nor answers, and the broker has no mailbox of it any more; or it said that it goes
unknown: nothing that it said tells
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from data_sources.workers.heartbeat import Heartbeat

UNANSWERED = timedelta(seconds=10)  # while it beats: one question may be lost, two in a row are not
NEGLECT = timedelta(seconds=15)  # messages wait that long for a free slot of a worker that takes none: it never will
WAITED_FOR = timedelta(minutes=1)  # with a total of all, which is not known meanwhile
LONG_SILENT = timedelta(minutes=10)  # nobody can tell whether it is still connected: it is not
ANSWERS_WHILE_BUSY = ("prefork", "threads")  # their tasks run elsewhere than what answers


@dataclass(frozen=True)
class Running:
    """A task that a worker said it runs, `since` that moment by its own clock."""

    id: str
    name: str
    since: datetime | None


@dataclass(frozen=True)
class Waiting:
    """Messages that wait in a queue while the worker has a free slot and takes nothing, seen at every look `since`.

    `consumed`: whether it says that it consumes the queue; else it did before.
    """

    since: datetime
    ready: int
    consumed: bool


@dataclass(frozen=True)
class Testimony:
    """What the witnesses say of one process, by `now`. None: not known."""

    now: datetime
    answered_at: datetime | None = None  # None: never
    unanswered_since: datetime | None = None  # None: it answered the last time it was asked
    late: bool = False  # what came was the answer to an older question
    mailbox: bool | None = None  # whether the broker has it, of who does not answer
    hears: bool = True  # whether the event stream is listened to
    beat: Heartbeat | None = None
    alike: bool = False  # another has its name and number too, so no heartbeat is known to be its own
    pool: str | None = None
    active: int | None = None
    concurrency: int | None = None
    took_at: datetime | None = None  # when it was last seen to take a task
    grew: bool = False  # it took one since it was asked before
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    slowest: timedelta | None = None  # between two tasks of the strictest rate limit among its tasks
    tasks: tuple[Running, ...] = ()  # what it said last that it runs

    @property
    def beats(self) -> bool:
        return self.hears and self.beat is not None and self.beat.is_current(self.now)

    @property
    def patience(self) -> timedelta:
        """How long messages may wait for it: a rate limit can keep slots free."""
        return max(NEGLECT, 2 * self.slowest) if self.slowest else NEGLECT

    @property
    def last_sign(self) -> datetime | None:
        signs = [self.answered_at, self.beat.at if self.beat else None]
        return max((sign for sign in signs if sign is not None), default=None)


@dataclass(frozen=True)
class Verdict:
    """`since`: how long it has been so, where that is known; `neglected`: the queues it takes nothing from."""

    name: str
    since: datetime | None = None
    neglected: tuple[str, ...] = ()


def judge(said: Testimony) -> Verdict:
    if said.unanswered_since is None:
        return by_work(said)
    if said.answered_at is None:
        return of_a_stranger(said)
    silence = said.now - said.unanswered_since
    gone = said.mailbox is False or (said.beat is not None and said.beat.left)
    if said.beats and said.beat and said.beat.at > said.unanswered_since and silence >= UNANSWERED:
        return Verdict("wedged", said.unanswered_since, tuple(said.waiting))
    if said.beats and not gone and silence < UNANSWERED:
        return by_work(said)
    if gone or (said.mailbox is None and said.last_sign and said.now - said.last_sign > LONG_SILENT):
        return Verdict("gone", said.last_sign)
    if may_be_busy(said):
        return Verdict("busy_not_answering", said.last_sign)
    return Verdict("silent", said.last_sign)


def is_counted(verdict: str, active: int | None, silent_since: datetime | None, now: datetime) -> bool:
    """Whether a total of all needs its part of this worker. After a minute of silence, which may last for ever, only
    if it is heard of what it runs, or is too busy to answer.
    """
    if verdict in ("gone", "busy_not_answering"):
        return verdict != "gone"
    return active is not None or silent_since is None or now - silent_since <= WAITED_FOR


def by_work(said: Testimony) -> Verdict:
    """Of one that answers, or only just did."""
    neglected = {name: one.since for name, one in said.waiting.items() if said.now - one.since >= said.patience}
    if neglected:
        return Verdict("wedged", min(neglected.values()), tuple(neglected))
    if said.active or said.grew:
        return Verdict("working")
    if said.active == 0:
        return Verdict("idle")
    return Verdict("busy_not_answering") if said.late else Verdict("unknown")


def of_a_stranger(said: Testimony) -> Verdict:
    """Of one that is heard in the event stream alone: perhaps its remote control is off."""
    if said.beats:
        return Verdict("working") if said.active or said.grew else Verdict("unknown")
    if said.beat is None:
        return Verdict("unknown")
    gone = said.beat.left or said.mailbox is False or said.now - said.beat.at > LONG_SILENT
    return Verdict("gone" if gone else "silent", said.beat.at)


def may_be_busy(said: Testimony) -> bool:
    """A solo pool answers between two tasks only, so its last word is always that it runs none; others answer from
    the thread that a task may block.
    """
    return said.pool == "solo" or (said.pool not in ANSWERS_WHILE_BUSY and bool(said.tasks))
