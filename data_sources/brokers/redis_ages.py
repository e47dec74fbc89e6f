"""How long the oldest message of a Redis queue has waited, found by watching: messages there carry no time.

Producers put in at the head of a list, workers take from its end. What is seen at the head, or in a list that was
empty just before, has come just now; when it gets to the end its age is known, to a reading or so. Of anything else
at the end it is known only how long it has stood there. Where there are many lists they are looked at in turn.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any

import redis

from data_sources.note import Note, listed

MAX_LISTS = 200  # looked at in one reading; of more those that were looked at longest ago
MAX_MEAN_BYTES = 32_768  # of a message: a list of larger ones is not looked at
MAX_BYTES = 262_144  # of one message, whose size nobody tells before it is fetched
LEFT_OUT_SECONDS = 600.0  # a list with a larger one
JUST_NOW_SECONDS = 15.0  # since the list was seen without a message: no more, or it may be older than it seems
LASTS_SECONDS = 60.0  # what was seen when a list was looked at last
MARKS = 500  # messages a list remembers having seen come: those of the last 40 minutes

Lengths = Mapping[bytes, Any]  # of each list what LLEN said: a number, or an error


@dataclass(frozen=True)
class Came:
    at: float
    just_then: bool  # and not perhaps long before


@dataclass
class Line:
    """One list as it was seen so far. Moments are of the monotonic clock."""

    came: dict[int, Came] = field(default_factory=dict)  # messages that were seen to come, the first first
    head: int | None = None  # the message that came last
    end: int | None = None  # the message that is taken next
    since: float = 0.0  # when it was first seen there
    looked: float = 0.0

    def see(self, head: int, end: int, now: float, empty: float | None) -> None:
        """`empty`: when it was seen without any message, if that was later than what is known here."""
        came = Came(now, now - (self.looked if empty is None else empty) <= JUST_NOW_SECONDS)
        if empty is not None:
            self.came = {head: came, end: came}
        elif self.head not in (None, head):
            self.came[head] = came
        while len(self.came) > MARKS:
            del self.came[next(iter(self.came))]
        self.head, self.looked = head, now
        if end != self.end:
            self.end, self.since = end, now

    @property
    def age(self) -> float | None:
        """Seconds that the message at the end had been in the list when that was looked at; None: not known."""
        came = self.came.get(self.end) if self.end is not None else None
        return self.looked - came.at if came and came.just_then else None

    @property
    def least(self) -> float:
        """Seconds that it had been at least."""
        came = self.came.get(self.end) if self.end is not None else None
        return self.looked - (came.at if came else self.since)


class Ages:
    """The lists of one broker, looked at in every reading."""

    def __init__(self) -> None:
        self._lines: dict[bytes, Line] = {}  # of lists with messages
        self._empty: dict[bytes, float] = {}  # when a list was seen to be, if it was not looked at since
        self._tried: dict[bytes, float] = {}
        self._large: dict[bytes, float] = {}  # until when a list is left out

    def refresh(self, client: redis.Redis, lengths: Lengths) -> None:
        """Looks at both ends of some lists that are not empty. What is refused is not known."""
        now = time.monotonic()
        self._empty = {key: at for key, at in self._empty.items() if key in lengths}
        self._empty |= {key: now for key, length in lengths.items() if length == 0}
        waiting = {key for key, length in lengths.items() if type(length) is int and length > 0}
        self._lines = {key: line for key, line in self._lines.items() if key in waiting}
        self._large = {key: until for key, until in self._large.items() if key in waiting and until > now}
        self._tried = {key: self._tried.get(key, -math.inf) for key in lengths if key in waiting}
        whose_turn = self._tried.keys() - self._large.keys()
        in_turn = nsmallest(MAX_LISTS, whose_turn, key=lambda key: (self._tried[key], key))
        for key, ends in self._ends(client, in_turn, lengths):
            self._tried[key] = now
            if ends is None:
                self._lines.pop(key, None)
                continue
            head, end = ends
            self._lines.setdefault(key, Line()).see(hash(head), hash(end), time.monotonic(), self._empty.pop(key, None))
            if max(len(head), len(end)) > MAX_BYTES:
                self._large[key] = now + LEFT_OUT_SECONDS

    def _ends(
        self, client: redis.Redis, keys: Sequence[bytes], lengths: Lengths
    ) -> Iterator[tuple[bytes, tuple[bytes, bytes] | None]]:
        """Of each list its first and last message, or None."""
        sizes = ask(client, [("MEMORY", "USAGE", key) for key in keys])
        small = [key for key, size in zip(keys, sizes, strict=True) if is_small(size, lengths[key])]
        ends = ask(client, [("LINDEX", key, place) for key in small for place in (0, -1)])
        found = dict(zip(small, zip(ends[::2], ends[1::2], strict=True), strict=True))
        for key in keys:
            head, end = found.get(key, (None, None))
            yield key, (head, end) if isinstance(head, bytes) and isinstance(end, bytes) else None

    def of(self, lists: Sequence[bytes], lengths: Lengths) -> tuple[float | None, float | None]:
        """Of a queue's lists together: seconds that the oldest message has waited, and that it has waited at least,
        when they were looked at last.

        None: not known, or there is none.
        """
        since = time.monotonic() - LASTS_SECONDS
        known = {key: line for key in lists if (line := self._lines.get(key)) and line.looked >= since}
        lines = [known.get(key) for key in lists if lengths.get(key)]
        ages = [line.age if line else None for line in lines]
        least = max((line.least for line in lines if line), default=None)
        told = [age for age in ages if age is not None]
        return max(told) if told and len(told) == len(ages) else None, least

    def notes(self, queues: Iterable[tuple[bytes, str]]) -> Iterator[Note]:
        """What is not looked at now; `queues` are lists, each with its queue's name."""
        if len(self._tried) > MAX_LISTS:
            what = f"{len(self._tried):,} lists hold messages, and {MAX_LISTS:,} are looked at in each reading"
            yield Note(f"{what}: how long the oldest waits is of the last minute, or not known", "cut")
        if self._large and (names := [name for key, name in sorted(queues) if key in self._large]):
            size, minutes = f"{MAX_BYTES // 1024} KiB", f"{LEFT_OUT_SECONDS / 60:.0f} minutes"
            what = f"A message of more than {size} stands at an end of {listed(names)}"
            yield Note(f"{what}: how long the oldest waits is looked at every {minutes} there", "cut")


def is_small(size: object, length: int) -> bool:
    """Whether messages of a list that takes `size` bytes can be fetched; Redis estimates it from the first few."""
    return type(size) is int and size <= length * MAX_MEAN_BYTES


def ask(client: redis.Redis, commands: Sequence[tuple[bytes | str | int, ...]]) -> list[Any]:
    """The replies to commands that are sent together; an error is a reply too."""
    if not commands:
        return []
    pipeline: Any = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    return list(pipeline.execute(raise_on_error=False))
