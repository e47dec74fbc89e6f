"""What all workers answered at one moment, and the round of questions that finds it out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from data_sources.mask import mask, mask_text
from data_sources.note import Note, listed
from data_sources.workers.messages import Answer, Request

BEAT = "celerybeat@"  # celery beat may answer ping under this name (celery/beat.py, BeatPidbox), and only ping

SHAPES: Mapping[str, type] = {
    "ping": dict,
    "clock": dict,
    "stats": dict,
    "active": list,
    "reserved": list,
    "scheduled": list,
    "revoked": list,
    "registered": list,
    "active_queues": list,
    "conf": dict,
    "report": dict,
    "query_task": dict,
}

# stats.broker repeats the connection's options and other hosts' URLs, passwords of Sentinel included.
UNSHOWN = ("transport_options", "alternates")


class Reply(NamedTuple):
    """What one process answered to one method, in the shape celery gives it (SHAPES), secrets masked."""

    worker: str
    method: str
    value: Any


@dataclass(frozen=True)
class Snapshot:
    """The answers of one round. Two workers of one name give two replies to each method."""

    replies: tuple[Reply, ...]
    errors: tuple[Reply, ...]  # `value` is the text: the method failed in that worker, or what came is not its shape
    answered: frozenset[str]  # names that answered any method in this round
    owing: frozenset[str]  # expected or counted, and not heard to the end of the round: busy, wedged, or gone
    late: frozenset[str]  # names that answered an older round only now: alive, and busy until then
    unreadable: tuple[str, ...]  # why a reply could not be read: a worker that writes pickle, garbage
    asked_count: int | None  # nodes the questions reached, where the broker tells: Redis does
    measured_at: datetime
    took: timedelta
    # Of those who did not answer: whose mailbox is still at the broker, and whose is not. Of others it cannot be told.
    present: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    all_heard: bool = False  # everybody who listens has answered: whoever has not, one of two of a name too, is gone

    def values(self, method: str) -> list[tuple[str, Any]]:
        """(worker, value) for each good reply to `method`."""
        return [(reply.worker, reply.value) for reply in self.replies if reply.method == method]


def notes_of(snapshot: Snapshot) -> tuple[Note, ...]:
    """What workers sent and we could not use."""
    failed = [f"{worker} to {method}: {text[:200]}" for worker, method, text in snapshot.errors]
    notes = []
    if failed:
        notes.append(Note(f"Answered with an error: {listed(failed)}", "warning"))
    if snapshot.unreadable:
        notes.append(Note(f"Answers left out: {listed(snapshot.unreadable)}", "unreadable"))
    return tuple(notes)


@dataclass
class Round:
    """Who is waited for, who answered, and whether it is over.

    `expected` tells how many processes are known under a name; `beats` and `excused` may be among the nodes the
    broker counted, and will not answer: the first all but ping, the second nothing, for they were not asked.
    """

    requests: Sequence[Request]
    expected: Counter[str]
    beats: Collection[str] = ()
    excused: Collection[str] = ()
    reached: int | None = None
    replies: list[Reply] = field(default_factory=list)
    errors: list[Reply] = field(default_factory=list)
    late: set[str] = field(default_factory=set)
    unreadable: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._method = {request.ticket: request.method for request in self.requests}
        self._heard: dict[str, Counter[str | None]] = {ticket: Counter() for ticket in self._method}

    def take(self, answer: Answer) -> None:
        """Files one answer: a reply, an error, something unreadable, or a late one to an older round."""
        method = self._method.get(answer.ticket)
        if method is not None:
            self._heard[answer.ticket][answer.worker] += 1
        if answer.worker is None:
            self.unreadable.append(answer.value)
        elif method is None:
            self.late.add(answer.worker)
        else:
            self._file(answer.worker, method, answer.value)

    def _file(self, worker: str, method: str, value: Any) -> None:
        if method == "stats" and isinstance(value, dict) and isinstance(value.get("broker"), dict):
            value["broker"] = {name: entry for name, entry in value["broker"].items() if name not in UNSHOWN}
        if isinstance(value, dict) and value.keys() == {"error"}:
            self.errors.append(Reply(worker, method, mask_text(str(value["error"]))))
        elif not isinstance(value, SHAPES[method]):
            self.errors.append(
                Reply(worker, method, f"answered with {type(value).__name__}, not {SHAPES[method].__name__}")
            )
        else:
            self.replies.append(Reply(worker, method, mask(value, counts=True)))

    @property
    def complete(self) -> bool:
        """Whether everyone who can be waited for has answered everything."""
        return all(self._is_answered(ticket) for ticket in self._method)

    @property
    def knows_whom(self) -> bool:
        """Whether there is anybody to wait for; otherwise only silence tells that all have answered."""
        return self.reached is not None or bool(self.expected)

    def _is_answered(self, ticket: str) -> bool:
        heard, silent = self._heard[ticket], () if self._method[ticket] == "ping" else self.beats
        if self.reached is not None:
            if heard.total() >= self.reached:
                return True
            if heard.total() < self.reached - len(self.excused) - len(silent):
                return False
        elif not self.expected:
            return False
        return all(heard[name] >= count for name, count in self.expected.items() if name not in silent)

    def heard(self) -> Counter[str]:
        """How many processes answered under each name: the most that answered one method."""
        most: Counter[str] = Counter()
        for names in self._heard.values():
            most |= Counter({name: count for name, count in names.items() if name is not None})
        return most

    @property
    def silent_listeners(self) -> int | None:
        """How many nodes the questions reached that answered nothing; None where the broker does not count."""
        return None if self.reached is None else max(0, self.reached - self.heard().total())

    @property
    def caught_up(self) -> set[str]:
        """Names that answered the last question: workers answer in the order they were asked."""
        return {name for name in self._heard[self.requests[-1].ticket] if name is not None}

    @property
    def unheard(self) -> int:
        """How many nodes got the last question and have not answered; 0 where the broker does not count."""
        return max(0, (self.reached or 0) - self._heard[self.requests[-1].ticket].total())
