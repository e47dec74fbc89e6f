"""How long the oldest message of a Redis queue has waited, found by watching: messages there carry no time.

Producers put in at the head of a list, workers take from its end. What is seen at the head, or in a list that was
empty just before, has come just now; when it gets to the end its age is known, to a reading or so. Of anything else
at the end it is known only how long it has stood there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis

MAX_LISTS = 200  # looked at in one reading
MAX_MEAN_BYTES = 32_768  # of a message: a list of larger ones is not looked at
MARKS = 500  # messages a list remembers having seen come: those of the last 40 minutes

Lengths = Mapping[bytes, Any]  # of each list what LLEN said: a number, or an error


@dataclass
class Line:
    """One list as it was seen so far. Moments are of the monotonic clock."""

    came: dict[int, float] = field(default_factory=dict)  # messages that were seen to come, the first first
    head: int | None = None  # the message that came last
    end: int | None = None  # the message that is taken next
    since: float = 0.0  # when it was first seen there

    def see(self, head: int, end: int, now: float, was_empty: bool) -> None:
        if was_empty:
            self.came = {head: now, end: now}
        elif self.head not in (None, head):
            self.came[head] = now
        while len(self.came) > MARKS:
            del self.came[next(iter(self.came))]
        self.head = head
        if end != self.end:
            self.end, self.since = end, now

    @property
    def age(self) -> float | None:
        """Seconds that the message at the end has been in the list; None: not known."""
        came = self.came.get(self.end) if self.end is not None else None
        return None if came is None else time.monotonic() - came

    @property
    def least(self) -> float:
        """Seconds that it has been at least."""
        return self.age or time.monotonic() - self.since


class Ages:
    """The lists of one broker, looked at in every reading."""

    def __init__(self) -> None:
        self._lines: dict[bytes, Line] = {}
        self._empty: set[bytes] = set()

    def refresh(self, client: redis.Redis, lengths: Lengths) -> None:
        """Looks at both ends of the first lists that are not empty. What is refused is not known."""
        waiting = [key for key, length in lengths.items() if type(length) is int and length > 0][:MAX_LISTS]
        sizes = ask(client, [("MEMORY", "USAGE", key) for key in waiting])
        small = [key for key, size in zip(waiting, sizes, strict=True) if is_small(size, lengths[key])]
        ends = ask(client, [("LINDEX", key, place) for key in small for place in (0, -1)])
        lines = {}
        for key, head, end in zip(small, ends[::2], ends[1::2], strict=True):
            if isinstance(head, bytes) and isinstance(end, bytes):
                lines[key] = self._lines.get(key, Line())
                lines[key].see(hash(head), hash(end), time.monotonic(), key in self._empty)
        self._lines = lines
        self._empty = {key for key, length in lengths.items() if length == 0}

    def of(self, lists: Sequence[bytes], lengths: Lengths) -> tuple[float | None, float | None]:
        """Of a queue's lists together: seconds that the oldest message has waited, and that it has waited at least.

        None: not known, or there is none.
        """
        lines = [self._lines.get(key) for key in lists if lengths.get(key)]
        ages = [line.age if line else None for line in lines]
        least = max((line.least for line in lines if line), default=None)
        known = [age for age in ages if age is not None]
        return max(known) if known and len(known) == len(ages) else None, least


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
